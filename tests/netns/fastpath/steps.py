"""Commands of the fast path that change an interface, each with what is there before."""

from __future__ import annotations

from collections.abc import Callable

from ecbpf.chain.attach import attach
from ecbpf.chain.contents import program_in
from ecbpf.chain.egress import egress_interfaces, egress_program
from ecbpf.chain.occupant import look
from ecbpf.fastpath.addresses import AddressChange, parse_addresses
from ecbpf.fastpath.programs import EGRESS, SLOT
from ecbpf.fastpath.running import RunningFastPath, ingress_interfaces
from ecbpf.fastpath.verbs import attach_fastpath
from ecbpf.kernel.program import Program

__all__ = ["FASTPATH_ATTACHES", "FASTPATH_CASES", "FASTPATH_DETACHES", "fastpath_of", "is_anywhere"]

Configured = tuple[object, ...] | None


def fastpath_of(interface: str) -> tuple[Configured, Configured]:
    """Of ingress and egress: the size of the flow table, settings, and addresses left to IPVS."""
    root = look(interface)
    ingress = program_in(root, SLOT) if root is not None and root.is_root else None
    egress = egress_program(interface, EGRESS)
    assert ingress is None or ingress.name != "xdp_fastpath_pr" or egress is not None, "ingress without egress"
    return _configuration_of(ingress), _configuration_of(egress)


def _configuration_of(program: Program | None) -> Configured:
    if program is None or "fastpath" not in program.name:
        return None
    running = RunningFastPath(program, [], [])
    return (
        running.flow_table.info.max_entries,
        *running.settings.items(),
        *map(str, running.addresses.excluded),
        *running.addresses.interfaces,
    )


def is_anywhere() -> bool:
    """Whether there is something to detach."""
    return bool(ingress_interfaces() or egress_interfaces(EGRESS))


def a_root(interface: str, _built: str) -> None:
    attach(interface)


def a_fastpath(interface: str, _built: str) -> None:
    attach(interface)
    excluded = AddressChange(excluded=parse_addresses(["192.0.2.1"]))
    attach_fastpath([interface], [interface], {"limit_rates": True}, flows=1000, addresses=excluded)


_ATTACH = [
    "fastpath",
    "attach",
    "-i",
    "IF",
    "-o",
    "IF",
    "--flows",
    "1000",
    "-e",
    "192.0.2.7",
    "-a",
    "IF",
    "udp=on",
]

FASTPATH_ATTACHES: dict[str, tuple[Callable[[str, str], None], list[str]]] = {
    "attach the fast path": (a_root, _ATTACH),
    "replace the fast path": (a_fastpath, ["fastpath", "attach", "--flows", "2000"]),
}
FASTPATH_DETACHES = {"detach the fast path": (a_fastpath, ["fastpath", "detach"])}
FASTPATH_CASES = (
    FASTPATH_ATTACHES
    | FASTPATH_DETACHES
    | {
        "set the fast path": (a_fastpath, ["fastpath", "set", "monitor=on", "sample_seconds=3"]),
        "exclude": (a_fastpath, ["fastpath", "exclude", "add", "192.0.2.7", "2001:db8::1"]),
    }
)
