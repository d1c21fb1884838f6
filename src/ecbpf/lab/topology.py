"""What a lab is made of, as data: nodes, and the wires between their interfaces."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecbpf.lab.duty import Duty
    from ecbpf.lab.features import Feature

__all__ = ["BRIDGE", "Node", "NodeInterface", "Route", "Topology", "VlanInterface", "VlanMembership"]

BRIDGE = "br0"  # the bridge inside a switch


@dataclass(frozen=True)
class Route:
    """A route by way of a next hop; the default routes are ``0.0.0.0/0`` and ``::/0``."""

    prefix: str
    via: str


@dataclass(frozen=True)
class Node:
    """A machine of the lab: one network namespace.

    runs_ecbpf: users attach programs here, so the lab attaches none of its own.
    addresses: further addresses of lo. sysctls: ``name=value``, written before it has an interface.
    is_switch: it only bridges its interfaces.
    """

    name: str
    namespace: str
    runs_ecbpf: bool = False
    addresses: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    sysctls: tuple[str, ...] = ()
    is_switch: bool = False
    duties: "tuple[Duty, ...]" = ()


@dataclass(frozen=True)
class VlanInterface:
    """A VLAN device on an interface: packets sent by it carry the VLAN tag."""

    vlan_id: int
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class VlanMembership:
    """That an interface of a switch is in a VLAN. untagged: its frames have no VLAN tag, in and out."""

    vlan_id: int
    untagged: bool = False


@dataclass(frozen=True)
class NodeInterface:
    """One end of a wire: the interface `name` of a node, and its addresses, each with its prefix length.

    mac: "" for a random one. vlans: its VLAN devices. memberships: the VLANs that a switch's interface is in;
    empty if the switch does not filter VLANs.
    """

    node: Node
    name: str
    addresses: tuple[str, ...] = ()
    mac: str = ""
    vlans: tuple[VlanInterface, ...] = ()
    memberships: tuple[VlanMembership, ...] = ()

    @property
    def namespace(self) -> str:
        """The network namespace that it is in."""
        return self.node.namespace

    def vlan_name(self, vlan: VlanInterface) -> str:
        """The name of one of its VLAN devices."""
        return f"{self.name}.{vlan.vlan_id}"


Wire = tuple[NodeInterface, NodeInterface]


@dataclass(frozen=True)
class Topology:
    """A whole lab. A wire is a veth pair.

    title: its name in messages. up: the command that builds it. variant: which of several labs with the same nodes
    this is. features, tools: what it needs; checked before anything is built.
    """

    name: str
    nodes: tuple[Node, ...]
    wires: tuple[Wire, ...]
    title: str = "lab"
    up: str = "ecbpf lab up"
    variant: str = ""
    features: "tuple[Feature, ...]" = ()
    tools: tuple[str, ...] = ()

    def interfaces_of(self, node: Node) -> list[NodeInterface]:
        """The interfaces of `node`, in the order of the wires."""
        return [interface for wire in self.wires for interface in wire if interface.node == node]
