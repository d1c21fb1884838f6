"""Commands of the filter that change an interface."""

from __future__ import annotations

from pathlib import Path

from ecbpf.chain.attach import attach
from ecbpf.chain.contents import program_in
from ecbpf.chain.occupant import look
from ecbpf.chain.slots import put
from ecbpf.filter.batch import batch_of
from ecbpf.filter.change import list_prefixes
from ecbpf.filter.files import lines_of
from ecbpf.filter.lists import ALLOW, DROP
from ecbpf.filter.running import find_filter
from ecbpf.filter.subprogram import SLOT, Filter
from tests.support.invariants import Room, Step
from tests.support.objects import Build

__all__ = ["ROOM", "a_filter"]

_FILE = str(Path(__file__).with_name("prefixes"))


def a_root(interface: str, _build: Build) -> None:
    attach(interface)


def an_empty_filter(interface: str, _build: Build) -> None:
    attach(interface)
    put(interface, Filter())


def a_filter(interface: str, build: Build) -> None:
    an_empty_filter(interface, build)
    list_prefixes([interface], DROP, batch_of(["10.0.0.0/8", "2001:db8:1::/48"], ["", "a tag"], time=1))


def state(interface: str) -> tuple[object, ...]:
    """What the filter lists, if there is one, and its settings."""
    root = look(interface)
    program = program_in(root, SLOT) if root is not None and root.is_root else None
    if program is None or program.full_name() != Filter.program:
        return ()
    running = find_filter(interface)
    lists = running.sets.read()
    return (*lines_of(lists, DROP), "allowed", *lines_of(lists, ALLOW), *running.settings.items())


_ATTACH = ["filter", "attach", "-i", "IF", "frags_drop=off"]

ROOM = Room(
    [
        Step("attach the filter", a_root, _ATTACH),
        Step("replace the filter", a_filter, _ATTACH),
        Step("detach the filter", a_filter, ["filter", "detach", "-i", "IF"], pins=False),
        Step("first drop", an_empty_filter, ["filter", "drop", "-i", "IF", "192.0.2.1"], pins=False),
        Step("drop", a_filter, ["filter", "drop", "-i", "IF", "192.0.2.1", "2001:db8::1"], pins=False),
        Step("allow", a_filter, ["filter", "allow", "-i", "IF", "10.1.0.0/16", "2001:db8:1::1"], pins=False),
        Step("load", a_filter, ["filter", "load", "-i", "IF", "--replace", _FILE], pins=False),
    ],
    state,
)
