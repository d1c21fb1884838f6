"""What a lab is made of, as data: nodes, and the wires between their ports."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecbpf.lab.duty import Duty
    from ecbpf.lab.features import Feature

__all__ = ["BRIDGE", "Membership", "Node", "Port", "Route", "TaggedPort", "Topology"]

BRIDGE = "br0"  # the interface of a switch that joins its ports


@dataclass(frozen=True)
class Route:
    """Where packets to a prefix go next; "default" is ``0.0.0.0/0`` or ``::/0``."""

    prefix: str
    via: str


@dataclass(frozen=True)
class Node:
    """A machine of the lab: one network namespace.

    runs_ecbpf: this is where users attach; no other program may be in their way there.
    addresses: those on lo, besides its own. sysctls: ``name=value``, written before it has a port.
    is_switch: it does nothing but join its ports.
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
class TaggedPort:
    """The interface of one VLAN on a port: what goes out there has its tag."""

    vlan: int
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Membership:
    """A port of a switch in a VLAN; untagged: frames without a tag are of this VLAN, both ways."""

    vlan: int
    untagged: bool = False


@dataclass(frozen=True)
class Port:
    """One end of a wire: the interface `name` of a node, and its addresses, each with its length.

    memberships: of a port of a switch that knows VLANs; none: it knows none. mac: "" for one by chance.
    """

    node: Node
    name: str
    addresses: tuple[str, ...] = ()
    mac: str = ""
    tagged: tuple[TaggedPort, ...] = ()
    memberships: tuple[Membership, ...] = ()

    @property
    def namespace(self) -> str:
        """The network namespace that it is in."""
        return self.node.namespace

    def tagged_name(self, tagged: TaggedPort) -> str:
        """The name of one of its tagged interfaces."""
        return f"{self.name}.{tagged.vlan}"


Wire = tuple[Port, Port]


@dataclass(frozen=True)
class Topology:
    """A whole lab. A wire is a veth pair.

    title: what users read. up: the words that build it. variant: which of several labs of the same nodes
    this is. features, tools: what must be there before anything is built.
    """

    name: str
    nodes: tuple[Node, ...]
    wires: tuple[Wire, ...]
    title: str = "lab"
    up: str = "ecbpf lab up"
    variant: str = ""
    features: "tuple[Feature, ...]" = ()
    tools: tuple[str, ...] = ()

    def ports(self, node: Node) -> list[Port]:
        """The ports of `node`, in the order of the wires."""
        return [port for wire in self.wires for port in wire if port.node == node]
