"""What is there of a lab, and what is not as it should be."""

import json
import os
from dataclasses import dataclass
from typing import Any

from ecbpf.lab.command import run
from ecbpf.lab.namespace import is_namespace, namespace_path
from ecbpf.lab.topology import CLIENT_SERVER, Node, Port, Topology

__all__ = ["LabStatus", "NodeStatus", "PortStatus", "has_port", "has_program", "is_joined", "status"]

# An interface as `ip -json -details address show` describes it.
_Link = dict[str, Any]


@dataclass(frozen=True)
class PortStatus:
    """A port: the addresses it has, and what is wrong with it."""

    name: str
    addresses: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class NodeStatus:
    """A node: its namespace and ports, and what is wrong with the node itself."""

    name: str
    namespace: str
    problems: tuple[str, ...]
    interfaces: tuple[PortStatus, ...]


@dataclass(frozen=True)
class LabStatus:
    """A lab: "up" if all is as it should be, "down" if nothing is there, else "partly"."""

    state: str
    nodes: tuple[NodeStatus, ...]

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong, each with its place in front."""
        return [f"{node.name}: {problem}" for node in self.nodes for problem in node.problems] + [
            f"{node.name} {port.name}: {problem}"
            for node in self.nodes
            for port in node.interfaces
            for problem in port.problems
        ]


def status(topology: Topology = CLIENT_SERVER) -> LabStatus:
    """What is there of the lab, without a change to it. Raises EcbpfError if `ip` fails."""
    links = {node.namespace: _links(node.namespace) for node in topology.nodes}
    nodes = tuple(_node_status(node, topology, links) for node in topology.nodes)
    if not any(os.path.lexists(namespace_path(node.namespace)) for node in topology.nodes):
        return LabStatus("down", nodes)
    return LabStatus("partly" if LabStatus("", nodes).problems else "up", nodes)


def has_port(port: Port) -> bool:
    """Whether the interface is there, wherever it leads."""
    return port.name in _links(port.namespace)


def has_program(port: Port) -> bool:
    """Whether an XDP program is attached to the interface."""
    return "xdp" in _links(port.namespace).get(port.name, {})


def is_joined(one: Port, other: Port) -> bool:
    """Whether the two are the two ends of one veth pair."""
    return _is_pair(_links(one.namespace).get(one.name, {}), _links(other.namespace).get(other.name, {}))


def _links(namespace: str) -> dict[str, _Link]:
    """The interfaces in `namespace` by name: none if there is no such namespace."""
    if not is_namespace(namespace):
        return {}
    listing = run("ip", "-n", namespace, "-json", "-details", "address", "show")
    return {link["ifname"]: link for link in json.loads(listing)}


def _is_pair(one: _Link, other: _Link) -> bool:
    return (
        all(link.get("linkinfo", {}).get("info_kind") == "veth" for link in (one, other))
        and one.get("link_index") == other["ifindex"]
        and other.get("link_index") == one["ifindex"]
    )


def _node_status(node: Node, topology: Topology, links: dict[str, dict[str, _Link]]) -> NodeStatus:
    problems = []
    if not is_namespace(node.namespace):
        problems.append("no namespace")
    elif "UP" not in links[node.namespace]["lo"]["flags"]:
        problems.append("lo is down")
    interfaces = []
    for wire in topology.wires:
        for port, peer in (wire, wire[::-1]):
            if port.node == node.name:
                interfaces.append(_port_status(port, peer, node, links))
    return NodeStatus(node.name, node.namespace, tuple(problems), tuple(interfaces))


def _port_status(port: Port, peer: Port, node: Node, links: dict[str, dict[str, _Link]]) -> PortStatus:
    link = links[port.namespace].get(port.name)
    if link is None:
        return PortStatus(port.name, (), ("no such interface",))
    found = {f"{entry['local']}/{entry['prefixlen']}": entry for entry in link["addr_info"]}
    problems = [f"{address} is missing" for address in port.addresses if address not in found]
    problems += [f"{address} is tentative" for address, entry in found.items() if entry.get("tentative")]
    if not _is_pair(link, links[peer.namespace].get(peer.name, {})):
        problems.append(f"not joined to {peer.name} of {peer.node}")
    elif link["operstate"] != "UP":
        problems.append("no carrier" if "UP" in link["flags"] else "down")
    if not node.runs_ecbpf and "xdp" not in link:
        problems.append("no XDP program, so what the other end sends with XDP_TX is stuck")
    return PortStatus(port.name, tuple(found), tuple(problems))
