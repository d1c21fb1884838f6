"""Killed at any step, or no room for a pin: tc egress has the old or the new, and the next command cleans up."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ecbpf.chain.repair import sweep
from ecbpf.kernel.program import open_program
from ecbpf.kernel.tc import ClsactFilter, tcx_programs
from ecbpf.netdev.interfaces import index_of
from tests.netns.chain.egress.programs import (
    TCX,
    Load,
    pin_of,
    pins,
    put,
    running,
    seen_of,
    take_off,
    until,
    version_of,
)
from tests.support.objects import Build
from tests.support.pair import Pair
from tests.support.strace import EVERY_CALL, HARMLESS, disturbed, system_calls

NEW = 1000  # the version that the command puts there


def command(verb: str, interface: str, built: str, way: str) -> list[str]:
    return [sys.executable, "-m", "tests.netns.chain.egress.programs", verb, interface, built, str(NEW), way]


def every_version(interface: str) -> list[int | None]:
    """The versions of all programs at egress, by tcx and by our filter."""
    ifindex = index_of(interface)
    filtered = ClsactFilter(ifindex, "egress").program_id()
    ids = tcx_programs(ifindex, "egress") + ([filtered] if filtered is not None else [])
    return [version_of(open_program(number)) for number in ids]


def was_killed(done: subprocess.CompletedProcess[str]) -> bool:
    """Not if another command, working on its own interfaces at the same time, caused fewer calls."""
    assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL, 0), done
    return done.returncode != 0


@pytest.mark.parametrize(
    ("verb", "held"), [("put", False), ("put", True), ("off", True)], ids=["attach", "replace", "take off"]
)
def test_killed(near: str, new: Load, way: str, build: Build, verb: str, held: bool, tmp_path: Path) -> None:
    words = command(verb, near, build("chain/egress_count"), way)
    sweep()  # what interfaces of earlier tests have left
    ours = new()
    old, changed = ([1] if held else []), ([NEW] if verb == "put" else [])

    def prepare() -> None:
        take_off(near)
        if held:
            put(near, ours)
        assert every_version(near) == old

    prepare()
    calls = system_calls(words, tmp_path / "strace")
    assert every_version(near) == changed
    points = [(call, number) for call, number, line in calls if EVERY_CALL or not HARMLESS.match(line)]
    assert len(points) >= 2, "the command changes nothing?"
    found = []
    kills = 0
    for turn, (call, number) in enumerate(points):
        prepare()
        done = disturbed(words, call, number, "signal=KILL")
        kills += was_killed(done)
        # A link that was not pinned yet ends with its process.
        until(lambda: every_version(near) in (old, changed))
        found.append(every_version(near))
        assert found[-1] in (old, changed), f"killed at {call} {number}"
        assert running(near) == (found[-1][0] if found[-1] else None)
        next_command(turn, near, new)
    take_off(near)
    assert kills > len(points) // 2
    assert found[0] == old


def next_command(turn: int, interface: str, new: Load) -> None:
    """The next command, of each kind in turn, leaves one program and the pin of its link, or neither."""
    was = running(interface)
    if turn % 3 == 0:
        newer = new()
        put(interface, newer)
        assert len(every_version(interface)) == 1
        assert seen_of(interface, newer) == [100]
    elif turn % 3 == 1:
        assert take_off(interface) == (was is not None)
        assert every_version(interface) == []
    else:
        sweep()
        assert running(interface) == was
    has_link = bool(tcx_programs(index_of(interface), "egress"))
    assert pins() == ([str(index_of(interface))] if has_link else [])


@pytest.mark.parametrize("way", [TCX], indirect=True)
def test_killed_while_pins_are_renamed(
    near: str, pair: Pair, new: Load, way: str, build: Build, tmp_path: Path
) -> None:
    """The pins of two interfaces have swapped names."""
    words = command("put", near, build("chain/egress_count"), way)
    sweep()
    ours, theirs = new(), new()

    def prepare() -> None:
        put(near, ours)
        put(pair.far, theirs)
        one, two = pin_of(near), pin_of(pair.far)
        os.rename(one, f"{one}x")
        os.rename(two, one)
        os.rename(f"{one}x", two)

    prepare()
    calls = system_calls(words, tmp_path / "strace")
    points = [(call, number) for call, number, line in calls if EVERY_CALL or not HARMLESS.match(line)]
    assert sum(call == "rename" for call, _ in points) == 2
    for call, number in points:
        prepare()
        was_killed(disturbed(words, call, number, "signal=KILL"))
        assert every_version(near) in ([1], [NEW]), f"killed at {call} {number}"
        assert every_version(pair.far) == [2], f"killed at {call} {number}"
        assert put(near, ours) == "egress program replaced (tcx)"
        assert put(pair.far, theirs) == "egress program replaced (tcx)"
        assert pins() == sorted(str(index_of(interface)) for interface in (near, pair.far))


@pytest.mark.parametrize("way", [TCX], indirect=True)
def test_no_room_for_a_pin_or_folder(
    near: str, pair: Pair, new: Load, way: str, build: Build, tmp_path: Path
) -> None:
    words = command("put", near, build("chain/egress_count"), way)
    sweep()
    turn = 0
    for _ in range(10):
        take_off(near)
        makes = _makes(words, tmp_path / "strace")
        if turn == len(makes):
            break
        take_off(near)
        call, number = makes[turn]
        done = disturbed(words, call, number, "error=ENOSPC")
        assert every_version(near) == ([] if done.returncode else [NEW]), done
        assert pins() == ([] if done.returncode else [str(index_of(near))]), done
        # As in was_killed(): another call may have had that number.
        turn += bool(re.fullmatch(r"/sys/fs/bpf/ecbpf/.*: No space left on device \(ENOSPC\).*\n", done.stderr))
    assert turn == len(makes) >= 2


def _makes(words: list[str], log: Path) -> list[tuple[str, int]]:
    """Run the command; returns the calls that make pins and folders."""
    calls = system_calls(words, log)
    return [(call, number) for call, number, line in calls if re.match(r"bpf\(BPF_OBJ_PIN|mkdir\(.*= 0", line)]
