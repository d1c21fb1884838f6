"""The lab that `ecbpf lab up` builds: a server and a client on a wire."""

from ecbpf.lab.topology import Node, NodeInterface, Topology

__all__ = ["CLIENT_SERVER"]

_SERVER = Node("server", "ecbpf-server", runs_ecbpf=True)
_CLIENT = Node("client", "ecbpf-client")

CLIENT_SERVER = Topology(
    name="server",
    nodes=(_SERVER, _CLIENT),
    wires=(
        (
            NodeInterface(_SERVER, "eth0", ("192.168.56.10/24", "fd00:56::10/64")),
            NodeInterface(_CLIENT, "eth0", ("192.168.56.20/24", "fd00:56::20/64")),
        ),
    ),
)
