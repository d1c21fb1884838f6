"""Which interfaces an attach is about, and what it needs to know about them."""

from __future__ import annotations

from ecbpf.chain.occupant import find_root
from ecbpf.errors import DataError, UsageError
from ecbpf.fastpath.checks import check_nic
from ecbpf.fastpath.programs import Ingress
from ecbpf.fastpath.running import RunningFastPath
from ecbpf.netdev.links import NetLink, egress_of, links

__all__ = ["Plan"]


class Plan:
    """Which program goes where: on the named interfaces, and on those where it runs already.

    ingress: where client packets come in, with a root array each. egress: by which IPVS sends. added: those of
    both where it does not run yet. egress_of: how packets leave by each of them. points: where the egress program
    is attached. nics: of `ingress`, in its order.
    """

    def __init__(self, running: RunningFastPath | None, ingress: list[str], egress: list[str]) -> None:
        """running: what there is already.

        Raises UsageError (no interfaces), DataError (no such interface, not Ethernet, ingress on a VLAN device),
        EcbpfError (no root array).
        """
        running_ingress = running.ingress if running is not None else []
        running_egress = running.egress if running is not None else []
        self.ingress = _joined(running_ingress, ingress)
        self.egress = _joined(running_egress, egress)
        self.added = [
            *(interface for interface in self.ingress if interface not in running_ingress),
            *(interface for interface in self.egress if interface not in running_egress),
        ]
        for interfaces, flag in ((self.ingress, "-i"), (self.egress, "-o")):
            if not interfaces:
                raise UsageError(Ingress.name, f"no interfaces given with {flag}", Ingress.attach_command())
        self._every = links()
        self.egress_of = {
            interface: egress_of(interface, self._every) for interface in _joined(self.ingress, self.egress)
        }
        for interface in self.egress_of:
            if len(self._every[interface].mac) != 6:
                raise DataError(interface, "has no Ethernet address", "the fast path needs Ethernet")
        self.nics: list[NetLink] = [self._every[interface] for interface in self.ingress]
        for nic in self.nics:
            check_nic(nic)
            find_root(nic.name)
        self.points = self._points()

    def _points(self) -> list[str]:
        """No packet passes the program twice: at a VLAN device and its NIC, or at a slave and its bond."""
        named = set(self.egress_of)
        return [
            interface
            for interface in self.egress_of
            if not {self._every[interface].master, *self._below(interface)} & named
        ]

    def _below(self, interface: str) -> list[str]:
        parent = self._every[interface].parent
        return [parent, self._every[parent].master] if parent in self._every else []


def _joined(*lists: list[str]) -> list[str]:
    return list(dict.fromkeys(name for names in lists for name in names))
