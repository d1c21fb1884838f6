"""The lab: network namespaces to try ecbpf in, without a second machine.

up() and down() build it and take it away, status() says what is there, execute() becomes a
command inside a node, and ``with inside("client"):`` opens sockets and starts processes there.
"""

from ecbpf.lab.build import down, up
from ecbpf.lab.execute import execute
from ecbpf.lab.namespace import enter, inside
from ecbpf.lab.state import LabStatus, NodeStatus, PortStatus, status
from ecbpf.lab.topology import CLIENT_SERVER, Node, Port, Topology

__all__ = [
    "CLIENT_SERVER",
    "LabStatus",
    "Node",
    "NodeStatus",
    "Port",
    "PortStatus",
    "Topology",
    "down",
    "enter",
    "execute",
    "inside",
    "status",
    "up",
]
