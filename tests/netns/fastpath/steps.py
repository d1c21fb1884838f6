"""Commands of the fast path that change an interface, each with what is there before."""

from __future__ import annotations

from collections.abc import Callable

from ecbpf.chain.attach import attach
from ecbpf.chain.contents import program_in
from ecbpf.chain.egress import egress_interfaces, egress_program
from ecbpf.chain.occupant import look, maps_of
from ecbpf.fastpath.addresses import AddressChange, parse_addresses
from ecbpf.fastpath.director import Director, ingress_interfaces
from ecbpf.fastpath.load import load_fastpath
from ecbpf.fastpath.programs import EGRESS, SLOT
from ecbpf.kernel.program import Program

__all__ = ["FASTPATH_CASES", "FASTPATH_LOADS", "FASTPATH_UNLOADS", "fastpath_of", "is_anywhere"]

Told = tuple[object, ...] | None


def fastpath_of(interface: str) -> tuple[Told, Told]:
    """How large a table ingress and egress have, what they are told, and which addresses they leave alone."""
    root = look(interface)
    ingress = program_in(root, SLOT) if root is not None and root.is_root else None
    egress = egress_program(interface, EGRESS)
    assert ingress is None or ingress.name != "xdp_fastpath_pr" or egress is not None, "ingress without egress"
    return _told(ingress), _told(egress)


def _told(program: Program | None) -> Told:
    if program is None or "fastpath" not in program.name:
        return None
    director = Director([], [], maps_of(program))
    return (
        director.table.info.max_entries,
        *director.settings.items(),
        *map(str, director.addresses.excluded),
        *director.addresses.interfaces,
    )


def is_anywhere() -> bool:
    """Whether there is something to unload."""
    return bool(ingress_interfaces() or egress_interfaces(EGRESS))


def a_root(interface: str, _built: str) -> None:
    attach(interface)


def a_fastpath(interface: str, _built: str) -> None:
    attach(interface)
    excluded = AddressChange(excluded=parse_addresses(["192.0.2.1"]))
    load_fastpath([interface], [interface], {"limit_rates": True}, flows=1000, addresses=excluded)


_LOAD = ["fastpath", "load", "-i", "IF", "-o", "IF", "--flows", "1000", "-e", "192.0.2.7", "-a", "IF", "udp=on"]

FASTPATH_LOADS: dict[str, tuple[Callable[[str, str], None], list[str]]] = {
    "load the fast path": (a_root, _LOAD),
    "reload the fast path": (a_fastpath, ["fastpath", "load", "--flows", "2000"]),
}
FASTPATH_UNLOADS = {"unload the fast path": (a_fastpath, ["fastpath", "unload"])}
FASTPATH_CASES = (
    FASTPATH_LOADS
    | FASTPATH_UNLOADS
    | {
        "set the fast path": (a_fastpath, ["fastpath", "set", "monitor=on", "sample_seconds=3"]),
        "exclude": (a_fastpath, ["fastpath", "exclude", "add", "192.0.2.7", "2001:db8::1"]),
    }
)
