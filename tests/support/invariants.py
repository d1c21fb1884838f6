"""What must hold for every command that changes an interface, in any room.

A room lists its commands in tests/netns/ROOM/steps.py as ``ROOM``; tests/netns/invariants finds it there and tests
each with a kill at every step, a full bpffs and another version.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ecbpf.chain.attach import attach, detach
from ecbpf.chain.contents import programs
from ecbpf.chain.occupant import look
from ecbpf.chain.pins import egress_folder, folder_of
from tests.support.frames import FLOOD, FLOOD6
from tests.support.objects import Build

__all__ = ["Room", "State", "Step", "command_of", "ecbpf", "rooms", "state_of", "steps", "tidy"]

_NETNS = Path(__file__).parents[1] / "netns"


class State(NamedTuple):
    """What packets meet on an interface."""

    attached: str  # the mode of a root array, another program's name, or "nothing"
    verdicts: tuple[int, ...]  # of FLOOD and FLOOD6
    slots: tuple[str | None, ...]  # the names of programs
    rooms: Mapping[str, Any]  # settings, lists, addresses: what the room's `state` says


def _none(_old: State, _new: State) -> Sequence[State]:
    return ()


@dataclass(frozen=True)
class Step:
    """A command that changes an interface."""

    name: str
    # Called with the interface before the command.
    prepare: Callable[[str, Build], object]
    # Of `ecbpf`; IF is the interface, OBJECT a subprogram.
    words: Sequence[str]
    # Whether it is known to make pins or folders.
    pins: bool = True
    # How many of its system calls change something, at least.
    calls: int = 3
    # Whether the same command after a kill must lead to the new state.
    repeats: bool = False
    # From the old and the new state: further ones that a killed command with several changes may leave behind.
    between: Callable[[State, State], Sequence[State]] = _none


@dataclass(frozen=True)
class Room:
    """The commands of a room, what it adds to the state of an interface, and how to take it all off."""

    steps: Sequence[Step]
    state: Callable[[str], object] | None = None
    tidy: Callable[[], object] | None = None


@cache
def rooms() -> dict[str, Room]:
    """The rooms that have commands, by name."""
    names = sorted(path.parent.name for path in _NETNS.glob("*/steps.py"))
    return {name: importlib.import_module(f"tests.netns.{name}.steps").ROOM for name in names}


def steps() -> Iterator[Step]:
    """The commands of all rooms."""
    for room in rooms().values():
        yield from room.steps


def state_of(interface: str) -> State:
    """What packets meet there now."""
    said = {name: room.state(interface) for name, room in rooms().items() if room.state is not None}
    occupant = look(interface)
    if occupant is None:
        return State("nothing", (), (), said)
    if not occupant.is_root:
        return State(occupant.program.name, (), (), said)
    verdicts = tuple(occupant.program.test_run(frame).retval for frame in (FLOOD, FLOOD6))
    slots = tuple(program.full_name() if program else None for program in programs(occupant))
    return State(occupant.mode, verdicts, slots, said)


def ecbpf(*words: str) -> list[str]:
    """The command line of a process that runs `ecbpf`."""
    return [sys.executable, "-m", "ecbpf.cli.main", *words]


def command_of(step: Step, interface: str, build: Build) -> list[str]:
    """The command line of a step."""
    names = {"IF": interface, "OBJECT": build("chain/verdicts")}
    return ecbpf(*(names.get(word, word) for word in step.words))


def tidy(interface: str) -> None:
    """Take everything off; force is needed for programs that are not ours."""
    for room in rooms().values():
        if room.tidy is not None:
            room.tidy()
    attach(interface, force=look(interface) is not None)
    detach(interface)
    assert look(interface) is None
    assert not os.path.exists(folder_of(interface))
    assert not os.path.exists(egress_folder())
