"""Commands as typed."""

from __future__ import annotations

import contextlib
import importlib
import io
import shlex
import subprocess
import sys
from typing import NamedTuple
from unittest.mock import patch

from ecbpf.filter import lockout

__all__ = ["Typed", "command", "done", "run", "typed"]

_FACES = {
    "ecbpf": "ecbpf.cli.main",
    "xdp_filter": "ecbpf.cli.classic.xdp_filter",
    "xdp_bypass_ipvs": "ecbpf.cli.classic.xdp_bypass_ipvs",
}


class Typed(NamedTuple):
    """The result of a command: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


def typed(line: str) -> Typed:
    """Run a command line, quotes and all, in this process."""
    words = shlex.split(line)
    lockout.watched.cache_clear()  # a new process begins without it
    main = importlib.import_module(_FACES[words[0]]).main
    out, err = io.StringIO(), io.StringIO()
    with patch.object(sys, "argv", words), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main()
    return Typed(status, out.getvalue(), err.getvalue())


def done(line: str) -> str:
    """The output of a command that must succeed and print nothing on standard error."""
    status, out, err = typed(line)
    assert (status, err) == (0, ""), (line, err)
    return out


def command(line: str) -> list[str]:
    """The same in a process of its own."""
    name, *words = shlex.split(line)
    call = f"import sys; from {_FACES[name]} import main; sys.exit(main())"
    return [sys.executable, "-c", call, *words]


def run(line: str, text: str = "") -> Typed:
    """Run it as a process, with some standard input."""
    result = subprocess.run(command(line), check=False, capture_output=True, input=text, text=True)
    return Typed(result.returncode, result.stdout, result.stderr)
