"""The fast path of the director's lab, used as by an operator."""

from collections.abc import Iterator
from contextlib import contextmanager

from ecbpf import lab
from ecbpf.chain.attach import attach, detach
from ecbpf.chain.egress import egress_interfaces, take_off_egress
from ecbpf.chain.pins import locked
from ecbpf.chain.slots import empty
from ecbpf.fastpath.flows import Flow, read_flows
from ecbpf.fastpath.programs import EGRESS, SLOT
from ecbpf.fastpath.running import find_fastpath, look_fastpath
from ecbpf.fastpath.verbs import attach_fastpath, detach_fastpath
from ecbpf.lab import Topology
from ecbpf.subprogram.settings import Values

__all__ = ["FastPath", "fast_path"]

_NIC = "eth0"


class FastPath:
    """Loads it on the director, and reads its counts and flows; it is not loaded at first."""

    def __init__(self, topology: Topology) -> None:
        (nic,) = (end for wire in topology.wires for end in wire if end.node.runs_ecbpf)
        # IPVS sends to servers by the VLAN's interface, if there is one.
        self.outbound = nic.vlan_name(nic.vlans[0]) if nic.vlans else nic.name
        self.vlan = nic.vlans[0].vlan_id if nic.vlans else 0

    def load(self, **settings: int | bool) -> None:
        """Load it, or reload it where it is."""
        with lab.inside("director/director"):
            attach_fastpath([_NIC], [self.outbound], dict(settings))

    def unload(self) -> None:
        """Take all of it off."""
        with lab.inside("director/director"):
            detach_fastpath()

    def unload_ingress(self) -> None:
        """Leave only egress there, as no `ecbpf` command does."""
        with lab.inside("director/director"):
            empty(_NIC, SLOT)

    def unload_egress(self) -> None:
        """Leave only ingress there, as no `ecbpf` command does."""
        with lab.inside("director/director"), locked():
            for interface in egress_interfaces(EGRESS):
                take_off_egress(interface, EGRESS)

    def set(self, *, force: bool = False, **settings: int | bool) -> None:
        """Change settings."""
        changed: Values = dict(settings)
        with lab.inside("director/director"):
            find_fastpath().set(changed, force=force)

    def counts(self) -> dict[str, int]:
        """Its counts by name."""
        with lab.inside("director/director"):
            return find_fastpath().counters()

    def flows(self) -> list[Flow]:
        """The flows that it has learned."""
        with lab.inside("director/director"):
            return read_flows(find_fastpath().flow_table)

    def flow(self, port: int) -> Flow | None:
        """The flow of a client's port, if it is known."""
        return next((flow for flow in self.flows() if flow.client_port == port), None)


@contextmanager
def fast_path(topology: Topology) -> Iterator[FastPath]:
    """A root array on the director for the block; at its end whatever the block loaded is taken off."""
    with lab.inside("director/director"):
        attach(_NIC)
    found = FastPath(topology)
    try:
        yield found
    finally:
        with lab.inside("director/director"):
            if look_fastpath() is not None:
                detach_fastpath()
            detach(_NIC)
