"""Killed at any step: the interface has the old state or the new, and the next command needs no help.

strace kills the command when it enters its N-th call of a kind. What a kill leaves behind depends only on
the calls before it that change something outside of the process, so N runs over those (and the end). With
ECBPF_EVERY_CALL=1 in the environment it runs over every single call: the same answers, in six minutes instead
of one and a half.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecbpf.chain.attach import attach, attach_nop, detach
from ecbpf.chain.occupant import look
from ecbpf.chain.pins import folder_of
from ecbpf.chain.slots import empty, put
from ecbpf.cli.main import main
from ecbpf.lab.namespace import inside_namespace
from tests.netns.fastpath.steps import FASTPATH_CASES
from tests.support.pair import Pair
from tests.support.slots import PINS, Verdict
from tests.support.steps import CASES, between, command_of, ecbpf, state_of, tidy
from tests.support.strace import EVERY_CALL, HARMLESS, disturbed, system_calls


@pytest.fixture
def near(pair: Pair) -> Iterator[str]:
    with inside_namespace(pair.namespace):
        yield pair.near


def next_commands(interface: str, built: str) -> list[Callable[[], object]]:
    """Commands of every kind; after a kill one of them is the next, in turn."""
    return [
        lambda: subprocess.run(ecbpf("status", interface), check=True, capture_output=True),
        lambda: attach(interface),
        lambda: attach_nop(interface),
        lambda: detach(interface) if look(interface) is not None else None,
        lambda: put(interface, Verdict(5, built)) if state_of(interface)[0] == "native" else None,
        lambda: empty(interface, 2) if "xdp_verdicts_prog" in state_of(interface)[3:6] else None,
    ]


@pytest.mark.parametrize("case", CASES)
def test_old_state_or_new(near: str, build: Callable[[str], str], case: str, tmp_path: Path) -> None:
    built = build("chain/verdicts")
    build("chain/stranger")
    prepare = CASES[case][0]
    command = command_of(case, near, built)
    tidy(near)  # sweeps what interfaces of earlier tests have left
    prepare(near, built)
    old = state_of(near)
    calls = system_calls(command, tmp_path / "strace")
    points = [(call, number) for call, number, line in calls if EVERY_CALL or not HARMLESS.match(line)]
    new = state_of(near)
    # Settings are stores to memory, behind no call; addresses one call.
    assert len(points) >= {"set the fast path": 1, "exclude": 2}.get(case, 3), "the command changes nothing?"
    tidy(near)

    following = next_commands(near, built)
    for turn, (call, number) in enumerate(points):
        prepare(near, built)
        done = disturbed(command, call, number, "signal=KILL")
        assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), (call, number, done)
        found = state_of(near)
        assert found in (old, new, *between(case, old, new)), f"killed at {call} {number}"
        if case in FASTPATH_CASES:
            main(command[3:])
            assert state_of(near) == new, f"killed at {call} {number}, and done again"
        if old[0] != "xdp_stranger":
            following[turn % len(following)]()
            attach(near)
            assert set(os.listdir(folder_of(near))) - {f"slot{n}" for n in range(8)} == PINS, (call, number)
        tidy(near)
