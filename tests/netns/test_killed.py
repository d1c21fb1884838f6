"""Killed at any step: the interface has the old state or the new, and the next command needs no help.

strace kills the command when it enters its N-th call of a kind. What a kill leaves behind depends only on
the calls before it that change something outside of the process, so N runs over those (and the end). With
ECBPF_EVERY_CALL=1 in the environment it runs over every single call: the same answers, in six minutes instead of
one and a half.
"""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecbpf.chain.attach import attach, attach_nop, detach
from ecbpf.chain.contents import programs
from ecbpf.chain.occupant import look
from ecbpf.chain.pins import folder_of
from ecbpf.chain.slots import empty, put
from ecbpf.kernel.uapi import XDP_DROP
from ecbpf.lab.namespace import inside_namespace
from tests.netns.conftest import Pair, sh
from tests.netns.frames import FLOOD
from tests.netns.test_chain_attach import PINS
from tests.netns.verdict import Verdict

CALLS = "bpf,flock,mkdir,rmdir,rename,unlink,sendto"
# These only look, or make what dies with the process.
HARMLESS = re.compile(
    r"bpf\(BPF_(OBJ_GET|OBJ_GET_INFO_BY_FD|[A-Z]+_GET_FD_BY_ID|[A-Z]+_GET_NEXT_ID|MAP_LOOKUP_ELEM|MAP_CREATE"
    r"|BTF_LOAD|PROG_LOAD|MAP_FREEZE|PROG_BIND_MAP|PROG_TEST_RUN)\b|mkdir\(.*EEXIST|sendto\(.*RTM_GET"
)

State = tuple[object, ...]


def state_of(interface: str) -> State:
    """What packets meet on the interface."""
    occupant = look(interface)
    if occupant is None:
        return ("nothing",)
    if not occupant.is_root:
        return (occupant.program.name,)
    slots = [program and program.full_name() for program in programs(occupant)]
    return (occupant.mode, occupant.program.test_run(FLOOD).retval, *slots)


def ecbpf(*words: str) -> list[str]:
    return [sys.executable, "-m", "ecbpf.cli.main", *words]


def kill_points(command: list[str], log: Path) -> list[tuple[str, int]]:
    """Run the command under strace; the (call, N) at which a kill can leave something new behind."""
    subprocess.run(["strace", "-qq", "-o", str(log), "-e", f"trace={CALLS}", *command], check=True)
    seen: Counter[str] = Counter()
    points = []
    for line in log.read_text().splitlines():
        if not (found := re.match(r"(\w+)\(", line)):
            continue
        seen[found[1]] += 1
        if os.environ.get("ECBPF_EVERY_CALL") or not HARMLESS.match(line):
            points.append((found[1], seen[found[1]]))
    return points


def run_killed(command: list[str], call: str, number: int) -> bool:
    """Run the command, killed as it enters that call; false if it never made it."""
    inject = f"--inject={call}:signal=KILL:when={number}"
    done = subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", inject, *command],
        check=False,
        capture_output=True,
    )
    assert done.returncode in (0, -signal.SIGKILL, 128 + signal.SIGKILL), done
    return done.returncode != 0


@pytest.fixture
def near(pair: Pair) -> Iterator[str]:
    with inside_namespace(pair.namespace):
        yield pair.near


def nothing(_interface: str, _built: str) -> None:
    pass


def a_root(interface: str, _built: str) -> None:
    attach(interface)


def a_nop(interface: str, _built: str) -> None:
    attach_nop(interface)


def a_filled_root(interface: str, built: str) -> None:
    attach(interface)
    put(interface, Verdict(2, built, XDP_DROP))


def a_stranger_by_netlink(interface: str, built: str) -> None:
    sh(f"ip link set {interface} xdpdrv obj {os.path.dirname(built)}/stranger.bpf.o sec xdp")


CASES: dict[str, tuple[Callable[[str, str], None], list[str]]] = {
    "attach": (nothing, ["attach", "IF"]),
    "attach in generic mode": (nothing, ["attach", "IF", "--generic"]),
    "attach nop": (nothing, ["attach", "IF", "--nop"]),
    "attach over nop": (a_nop, ["attach", "IF"]),
    "attach by force": (a_stranger_by_netlink, ["attach", "IF", "--force"]),
    "replace the root": (a_filled_root, ["attach", "IF"]),
    "replace the root by nop": (a_filled_root, ["attach", "IF", "--nop"]),
    "detach": (a_filled_root, ["detach", "IF"]),
    "put": (a_root, ["attach", "IF", "--slot", "2", "--filename", "OBJECT"]),
    "replace in a slot": (a_filled_root, ["attach", "IF", "--slot", "2", "--filename", "OBJECT"]),
    "empty a slot": (a_filled_root, ["detach", "IF", "--slot", "2"]),
}


def next_commands(interface: str, built: str) -> list[Callable[[], object]]:
    """Commands of every kind; after a kill one of them is the next, in turn."""
    return [
        lambda: subprocess.run(ecbpf("status", interface), check=True, capture_output=True),
        lambda: attach(interface),
        lambda: attach_nop(interface),
        lambda: detach(interface) if look(interface) is not None else None,
        lambda: put(interface, Verdict(5, built)) if state_of(interface)[0] == "native" else None,
        lambda: empty(interface, 2) if "xdp_verdicts_prog" in state_of(interface)[2:5] else None,
    ]


def tidy(interface: str) -> None:
    """Back to nothing; only what has been put there by force needs it too."""
    if look(interface) is not None:
        attach(interface, force=True)
        detach(interface)
    else:
        attach(interface)
        detach(interface)
    assert look(interface) is None
    assert not os.path.exists(folder_of(interface))


@pytest.mark.parametrize("case", CASES)
def test_old_state_or_new(near: str, build: Callable[[str], str], case: str, tmp_path: Path) -> None:
    built = build("verdicts")
    build("stranger")
    prepare, words = CASES[case]
    tidy(near)  # sweeps what interfaces of earlier tests have left
    command = ecbpf(*(built if word == "OBJECT" else near if word == "IF" else word for word in words))
    prepare(near, built)
    old = state_of(near)
    points = kill_points(command, tmp_path / "strace")
    new = state_of(near)
    assert len(points) >= 3, "the command changes nothing?"
    tidy(near)

    following = next_commands(near, built)
    killed = 0
    for turn, (call, number) in enumerate(points):
        prepare(near, built)
        killed += run_killed(command, call, number)
        found = state_of(near)
        assert found in (old, new), f"killed at {call} {number}"
        if old[0] != "xdp_stranger":
            following[turn % len(following)]()
            attach(near)
            assert set(os.listdir(folder_of(near))) - {f"slot{n}" for n in range(8)} == PINS, (call, number)
        tidy(near)
    assert killed == len(points)
