"""A full bpffs: a one-line error, and everything stays as it was."""

import re
from pathlib import Path

import pytest

from ecbpf.chain.attach import attach
from tests.support.invariants import Step, command_of, state_of, steps, tidy
from tests.support.objects import Build
from tests.support.strace import disturbed, system_calls


@pytest.mark.parametrize("step", [pytest.param(step, id=step.name) for step in steps()])
def test_no_room_for_any_pin_or_folder(near: str, build: Build, step: Step, tmp_path: Path) -> None:
    command = command_of(step, near, build)
    tidy(near)
    step.prepare(near, build)
    old = state_of(near)
    calls = system_calls(command, tmp_path / "strace")
    makes = [(call, number) for call, number, line in calls if re.match(r"bpf\(BPF_OBJ_PIN|mkdir\(.*= 0", line)]
    tidy(near)
    for call, number in makes:
        step.prepare(near, build)
        done = disturbed(command, call, number, "error=ENOSPC")
        assert done.returncode == 1, (call, number, done)
        assert re.fullmatch(r"ecbpf: /sys/fs/bpf/ecbpf/.*: No space left on device \(ENOSPC\).*\n", done.stderr)
        assert state_of(near) == old, (call, number)
        if old.attached != "xdp_stranger":
            attach(near)
        tidy(near)
    assert makes or not step.pins, "nothing that could fail?"
