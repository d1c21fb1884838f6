"""The labs: network namespaces to try ecbpf in, without a second machine.

up() and down() build one and take it away, status() says what is there, execute() becomes a
command inside a node, and ``with inside("client"):`` opens sockets and starts processes there.
"""

from ecbpf.lab.build import down, up
from ecbpf.lab.client_server import CLIENT_SERVER
from ecbpf.lab.director import director
from ecbpf.lab.execute import execute
from ecbpf.lab.labs import LABS, enter, inside, node_names, topology_of
from ecbpf.lab.state import LabStatus, NodeStatus, PortStatus, status
from ecbpf.lab.topology import Node, Port, Topology

__all__ = [
    "CLIENT_SERVER",
    "LABS",
    "LabStatus",
    "Node",
    "NodeStatus",
    "Port",
    "PortStatus",
    "Topology",
    "director",
    "down",
    "enter",
    "execute",
    "inside",
    "node_names",
    "status",
    "topology_of",
    "up",
]
