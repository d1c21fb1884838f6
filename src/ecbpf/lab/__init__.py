"""The labs: network namespaces to try ecbpf in, without a second machine.

up() builds one and down() removes it, status() says what exists, execute() replaces this process by a
command inside a node, and ``with inside("client"):`` opens sockets and starts processes there.
"""

from ecbpf.lab.build import down, up
from ecbpf.lab.client_server import CLIENT_SERVER
from ecbpf.lab.director import director
from ecbpf.lab.execute import execute
from ecbpf.lab.labs import LABS, enter, inside, node_names, topology_of
from ecbpf.lab.state import LabStatus, NodeInterfaceStatus, NodeStatus, status
from ecbpf.lab.topology import Node, NodeInterface, Topology

__all__ = [
    "CLIENT_SERVER",
    "LABS",
    "LabStatus",
    "Node",
    "NodeInterface",
    "NodeInterfaceStatus",
    "NodeStatus",
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
