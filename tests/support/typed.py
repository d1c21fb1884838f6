"""Commands as a person types them; and what those of the filter leave behind."""

from __future__ import annotations

import contextlib
import importlib
import io
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple
from unittest.mock import patch

from ecbpf.chain.attach import attach, detach
from ecbpf.chain.occupant import find_root, look
from ecbpf.filter import lockout
from ecbpf.filter.running import find_filter
from ecbpf.filter.status import FilterStatus, filter_status
from ecbpf.lab.namespace import inside_namespace
from tests.support.pair import Pair
from tests.support.slots import slot_ids

__all__ = ["Typed", "command", "done", "roots", "snapshot", "typed"]

_FACES = {
    "ecbpf": "ecbpf.cli.main",
    "xdp_filter": "ecbpf.cli.classic.xdp_filter",
    "xdp_bypass_ipvs": "ecbpf.cli.classic.xdp_bypass_ipvs",
}


class Typed(NamedTuple):
    """What a command said: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


def typed(line: str) -> Typed:
    """Run a command line, quotes and all, in this process."""
    words = shlex.split(line)
    lockout.watched.cache_clear()  # a process begins without it
    main = importlib.import_module(_FACES[words[0]]).main
    out, err = io.StringIO(), io.StringIO()
    with patch.object(sys, "argv", words), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main()
    return Typed(status, out.getvalue(), err.getvalue())


def done(line: str) -> str:
    """What a command prints that succeeds without a word on standard error."""
    status, out, err = typed(line)
    assert (status, err) == (0, ""), (line, err)
    return out


def command(line: str) -> list[str]:
    """The same as a process of its own."""
    name, *words = shlex.split(line)
    call = f"import sys; from {_FACES[name]} import main; sys.exit(main())"
    return [sys.executable, "-c", call, *words]


def run(line: str, text: str = "") -> Typed:
    """Run it as a process, with some standard input."""
    result = subprocess.run(command(line), check=False, capture_output=True, input=text, text=True)
    return Typed(result.returncode, result.stdout, result.stderr)


@contextlib.contextmanager
def roots(pair: Pair) -> Iterator[None]:
    """Be in the namespace, with a root array on both interfaces; without them and their pins at the end."""
    with inside_namespace(pair.namespace):
        for interface in (pair.near, pair.far):
            attach(interface)
        try:
            yield
        finally:
            for interface in (pair.near, pair.far):
                with contextlib.suppress(Exception):
                    if look(interface) is not None:
                        detach(interface)


def snapshot(*interfaces: str) -> list[Any]:
    """All that a command could change: what is in the slots, settings, counts, lists."""
    found: list[Any] = []
    for interface in interfaces:
        ids = slot_ids(find_root(interface))
        found += [ids, _status_of_filter(interface) if ids[2] is not None and _is_filter(interface) else None]
    return found


def _status_of_filter(interface: str) -> FilterStatus:
    """Without the load time: reckoned from two clocks, it differs a little each time."""
    return replace(filter_status(interface), load_time=0.0)


def _is_filter(interface: str) -> bool:
    with contextlib.suppress(Exception):
        find_filter(interface)
        return True
    return False
