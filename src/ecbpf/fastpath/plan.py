"""Which interfaces a load is about, and what it needs to know of them."""

from __future__ import annotations

from ecbpf.chain.occupant import find_root
from ecbpf.errors import DataError, UsageError
from ecbpf.fastpath.checks import check_nic
from ecbpf.fastpath.director import Director
from ecbpf.fastpath.programs import Port
from ecbpf.netdev.links import NetLink, links, port_of

__all__ = ["Plan"]


class Plan:
    """What goes where: on the named interfaces, and on those where it runs already.

    ingress: with a root array each. egress: by which IPVS sends. added: of both, those where it does not run yet.
    ports: of all of them. points: where the egress program is attached. nics: of `ingress`, in its order.
    """

    def __init__(self, running: Director | None, ingress: list[str], egress: list[str]) -> None:
        """running: what there is already.

        Raises UsageError (no interfaces), DataError (no such interface, no Ethernet, ingress on a VLAN device),
        EcbpfError (no root array).
        """
        inside = running.ingress if running is not None else []
        outside = running.egress if running is not None else []
        self.ingress = _joined(inside, ingress)
        self.egress = _joined(outside, egress)
        self.added = [
            *(interface for interface in self.ingress if interface not in inside),
            *(interface for interface in self.egress if interface not in outside),
        ]
        for interfaces, flag in ((self.ingress, "-i"), (self.egress, "-o")):
            if not interfaces:
                raise UsageError("fast path", f"no interfaces with {flag}", "load -i IFACES -o IFACES")
        self._every = links()
        self.ports = {
            interface: Port(*port_of(interface, self._every)) for interface in _joined(self.ingress, self.egress)
        }
        for interface in self.ports:
            if len(self._every[interface].mac) != 6:
                raise DataError(interface, "has no Ethernet address", "the fast path needs Ethernet")
        self.nics: list[NetLink] = [self._every[interface] for interface in self.ingress]
        for nic in self.nics:
            check_nic(nic)
            find_root(nic.name)
        self.points = self._points()

    def _points(self) -> list[str]:
        """No packet passes two, a VLAN's and its NIC's, or a slave's and its bond's."""
        named = set(self.ports)
        return [
            interface
            for interface in self.ports
            if not {self._every[interface].master, *self._beneath(interface)} & named
        ]

    def _beneath(self, interface: str) -> list[str]:
        parent = self._every[interface].parent
        return [parent, self._every[parent].master] if parent in self._every else []


def _joined(*lists: list[str]) -> list[str]:
    return list(dict.fromkeys(name for names in lists for name in names))
