"""A bpffs that takes no more: said in one line, and everything is as it was."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecbpf.chain.attach import attach
from ecbpf.lab.namespace import inside_namespace
from tests.support.pair import Pair
from tests.support.steps import CASES, command_of, state_of, tidy
from tests.support.strace import disturbed, system_calls

PINNING = [case for case in CASES if not re.search("detach|empty|drop|allow|^load$|unload|set|exclude", case)]


@pytest.fixture
def near(pair: Pair) -> Iterator[str]:
    with inside_namespace(pair.namespace):
        yield pair.near


@pytest.mark.parametrize("case", PINNING)
def test_no_room_for_any_pin_or_folder(near: str, build: Callable[[str], str], case: str, tmp_path: Path) -> None:
    built = build("chain/verdicts")
    build("chain/stranger")
    command = command_of(case, near, built)
    tidy(near)
    CASES[case][0](near, built)
    old = state_of(near)
    calls = system_calls(command, tmp_path / "strace")
    makes = [(call, number) for call, number, line in calls if re.match(r"bpf\(BPF_OBJ_PIN|mkdir\(.*= 0", line)]
    tidy(near)
    for call, number in makes:
        CASES[case][0](near, built)
        done = disturbed(command, call, number, "error=ENOSPC")
        assert done.returncode == 1, (call, number, done)
        assert re.fullmatch(r"ecbpf: /sys/fs/bpf/ecbpf/.*: No space left on device \(ENOSPC\).*\n", done.stderr)
        assert state_of(near) == old, (call, number)
        if old[0] != "xdp_stranger":
            attach(near)
        tidy(near)
    assert makes or case.startswith("replace the root"), "nothing that could fail?"
