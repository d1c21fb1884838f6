"""Killed at any step: the interface has the old state or the new, and the next command needs no help.

strace kills the command when it enters its N-th call of a kind. What a kill leaves behind depends only on the
calls before it that change something outside the process, so N runs over those (and the end). With
ECBPF_EVERY_CALL=1 in the environment N runs over every call: the same results, in six minutes instead of one
and a half.
"""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ecbpf.chain.attach import attach, attach_nop, detach
from ecbpf.chain.occupant import look
from ecbpf.chain.pins import folder_of
from ecbpf.chain.slots import empty, put
from ecbpf.cli.main import main
from tests.support.invariants import Step, command_of, ecbpf, state_of, steps, tidy
from tests.support.objects import Build
from tests.support.slots import PINS, Verdict
from tests.support.strace import EVERY_CALL, HARMLESS, disturbed, system_calls


def next_commands(interface: str, built: str) -> list[Callable[[], object]]:
    """Commands of every kind; after each kill the next of them is run."""
    return [
        lambda: subprocess.run(ecbpf("status", interface), check=True, capture_output=True),
        lambda: attach(interface),
        lambda: attach_nop(interface),
        lambda: detach(interface) if look(interface) is not None else None,
        lambda: put(interface, Verdict(5, built)) if state_of(interface).attached == "native" else None,
        lambda: empty(interface, 2) if "xdp_verdicts_prog" in state_of(interface).slots[:3] else None,
    ]


@pytest.mark.parametrize("step", [pytest.param(step, id=step.name) for step in steps()])
def test_old_state_or_new(near: str, build: Build, step: Step, tmp_path: Path) -> None:
    command = command_of(step, near, build)
    tidy(near)  # removes what interfaces of earlier tests have left
    step.prepare(near, build)
    old = state_of(near)
    calls = system_calls(command, tmp_path / "strace")
    points = [(call, number) for call, number, line in calls if EVERY_CALL or not HARMLESS.match(line)]
    new = state_of(near)
    assert len(points) >= step.calls, "the command changes nothing?"
    tidy(near)

    following = next_commands(near, build("chain/verdicts"))
    for turn, (call, number) in enumerate(points):
        step.prepare(near, build)
        done = disturbed(command, call, number, "signal=KILL")
        assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), (call, number, done)
        found = state_of(near)
        assert found in (old, new, *step.between(old, new)), f"killed at {call} {number}"
        if step.repeats:
            main(command[3:])
            assert state_of(near) == new, f"killed at {call} {number}, and done again"
        if old.attached != "xdp_stranger":
            following[turn % len(following)]()
            attach(near)
            assert set(os.listdir(folder_of(near))) - {f"slot{n}" for n in range(8)} == PINS, (call, number)
        tidy(near)
