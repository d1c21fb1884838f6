"""Commands for several interfaces, of which one cannot be done; and standard output that is closed."""

import os
import subprocess

import pytest

from ecbpf.chain.attach import attach
from ecbpf.chain.occupant import find_root
from ecbpf.chain.slots import put
from ecbpf.cli.main import main
from ecbpf.filter.running import find_filter
from ecbpf.filter.subprogram import Filter
from tests.support.objects import Build
from tests.support.pair import Pair
from tests.support.slots import Verdict, slot_ids
from tests.support.typed import command, typed


@pytest.fixture
def both(near: str, pair: Pair) -> str:
    """Two interfaces with a root array, as a list."""
    for interface in (near, pair.far):
        attach(interface)
    return f"{near},{pair.far}"


def test_a_slot_is_emptied_on_all_or_none(both: str, near: str, pair: Pair, build: Build) -> None:
    put(near, Verdict(2, build("chain/verdicts")))
    before = slot_ids(find_root(near))
    assert typed(f"ecbpf detach {both} --slot 2") == (
        *(1, ""),
        f"ecbpf: {pair.far}: slot 2 is empty already; see ecbpf status\n",
    )
    assert slot_ids(find_root(near)) == before


def test_a_flag_that_is_repeated_adds_interfaces(both: str, near: str, pair: Pair) -> None:
    done = typed(f"ecbpf filter attach -i {near} -i {pair.far}")
    assert done.out == f"{near}: filter put in slot 2\n{pair.far}: filter put in slot 2\n"


@pytest.mark.parametrize(
    ("line", "status"), [("ecbpf filter set -i IF ptb_max_pps=7", 0), ("ecbpf filter set -i IF ptb_max_pps=x", 64)]
)
def test_without_standard_output(both: str, near: str, line: str, status: int) -> None:
    put(near, Filter())
    words = command(line.replace("IF", near))
    done = subprocess.run(
        ["bash", "-c", 'exec "$@" >&-', "bash", *words], check=False, capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr
    assert "internal error" not in done.stderr
    assert find_filter(near).settings["ptb_max_pps"] == (7 if status == 0 else 20)


@pytest.mark.parametrize(
    "line",
    [
        "filter set -i IF ptb_max_pps=7",
        "filter set -i IF ptb_max_pps=7 --dry-run",
        "filter drop -i IF 192.0.2.1",
        "filter attach -i IF",
        "attach IF",
        "detach IF",
        "status IF",
    ],
)
def test_without_root(both: str, near: str, line: str) -> None:
    """Not a user without capabilities, but one who may not even open the pins."""
    put(near, Filter())
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        os._exit(main(line.replace("IF", near).split()))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 77
