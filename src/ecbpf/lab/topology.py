"""What a lab is made of, as data: nodes, and the wires between their ports."""

from dataclasses import dataclass

from ecbpf.errors import UsageError

__all__ = ["CLIENT_SERVER", "Node", "Port", "Topology"]


def _namespace(node: str) -> str:
    return f"ecbpf-{node}"


@dataclass(frozen=True)
class Node:
    """A machine of the lab: one network namespace.

    runs_ecbpf: this is where users attach; no other program may be in their way there.
    """

    name: str
    runs_ecbpf: bool = False

    @property
    def namespace(self) -> str:
        """Its network namespace, as `ip netns` names it."""
        return _namespace(self.name)


@dataclass(frozen=True)
class Port:
    """One end of a wire: the interface `name` of a node, and its addresses, each with its length."""

    node: str
    name: str
    addresses: tuple[str, ...]

    @property
    def namespace(self) -> str:
        """The network namespace that it is in."""
        return _namespace(self.node)


@dataclass(frozen=True)
class Topology:
    """A whole lab. A wire is a veth pair."""

    nodes: tuple[Node, ...]
    wires: tuple[tuple[Port, Port], ...]

    def node(self, name: str) -> Node:
        """The node called `name`. Raises UsageError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        names = " or ".join(node.name for node in self.nodes)
        raise UsageError(name, "the lab has no such node", f"name one of its nodes: {names}")

    def ports(self, node: Node) -> list[Port]:
        """The ports of `node`, in the order of the wires."""
        return [port for wire in self.wires for port in wire if port.node == node.name]


CLIENT_SERVER = Topology(
    nodes=(Node("server", runs_ecbpf=True), Node("client")),
    wires=(
        (
            Port("server", "eth0", ("192.168.56.10/24", "fd00:56::10/64")),
            Port("client", "eth0", ("192.168.56.20/24", "fd00:56::20/64")),
        ),
    ),
)
