"""Commands of the fast path that change an interface."""

from __future__ import annotations

from collections.abc import Sequence

from ecbpf.chain.attach import attach
from ecbpf.chain.contents import program_in
from ecbpf.chain.egress import egress_interfaces, egress_program
from ecbpf.chain.occupant import look
from ecbpf.fastpath.addresses import AddressChange, parse_addresses
from ecbpf.fastpath.programs import EGRESS, SLOT
from ecbpf.fastpath.running import RunningFastPath, ingress_interfaces
from ecbpf.fastpath.verbs import attach_fastpath, detach_fastpath
from ecbpf.kernel.program import Program
from tests.support.invariants import Room, State, Step
from tests.support.objects import Build

__all__ = ["ROOM"]

# The size of the flow table, settings, addresses.
End = tuple[object, ...] | None


def state(interface: str) -> dict[str, End]:
    """How ingress and egress are set."""
    root = look(interface)
    ingress = program_in(root, SLOT) if root is not None and root.is_root else None
    egress = egress_program(interface, EGRESS)
    assert ingress is None or ingress.name != "xdp_fastpath_pr" or egress is not None, "ingress without egress"
    return {"ingress": _end(ingress), "egress": _end(egress)}


def _end(program: Program | None) -> End:
    if program is None or "fastpath" not in program.name:
        return None
    running = RunningFastPath(program, [], [])
    return (
        running.flow_table.info.max_entries,
        *running.settings.items(),
        *map(str, running.addresses.excluded),
        *running.addresses.interfaces,
    )


def tidy() -> None:
    if ingress_interfaces() or egress_interfaces(EGRESS):
        detach_fastpath()


def a_root(interface: str, _build: Build) -> None:
    attach(interface)


def a_fastpath(interface: str, _build: Build) -> None:
    attach(interface)
    excluded = AddressChange(excluded=parse_addresses(["192.0.2.1"]))
    attach_fastpath([interface], [interface], {"limit_rates": True}, flows=1000, addresses=excluded)


def egress_of(one: State, other: State) -> State:
    """One, but with the egress of the other."""
    mixed = {**one.rooms["fastpath"], "egress": other.rooms["fastpath"]["egress"]}
    return one._replace(rooms={**one.rooms, "fastpath": mixed})


def egress_first(old: State, new: State) -> Sequence[State]:
    return [egress_of(old, new)]


def egress_last(old: State, new: State) -> Sequence[State]:
    return [egress_of(new, old)]


_LOAD = ["fastpath", "attach", "-i", "IF", "-o", "IF", "--flows", "1000", "-e", "192.0.2.7", "-a", "IF", "udp=on"]
_RELOAD = ["fastpath", "attach", "--flows", "2000"]
_UNLOAD = ["fastpath", "detach"]
_SET = ["fastpath", "set", "monitor=on", "sample_seconds=3"]
_EXCLUDE = ["fastpath", "exclude", "add", "192.0.2.7", "2001:db8::1"]

ROOM = Room(
    [
        Step("attach the fast path", a_root, _LOAD, repeats=True, between=egress_first),
        Step("replace the fast path", a_fastpath, _RELOAD, repeats=True, between=egress_first),
        Step(
            "detach the fast path",
            a_fastpath,
            ["fastpath", "detach"],
            pins=False,
            repeats=True,
            between=egress_last,
        ),
        # Settings are stores to memory, behind no call; addresses are written by one.
        Step("set the fast path", a_fastpath, _SET, pins=False, calls=1, repeats=True),
        Step("exclude", a_fastpath, _EXCLUDE, pins=False, calls=2, repeats=True),
    ],
    state,
    tidy,
)
