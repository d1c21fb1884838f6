"""What is there of a lab, and what is not as it should be."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ecbpf.lab.client_server import CLIENT_SERVER
from ecbpf.lab.command import run
from ecbpf.lab.links import Link, Links, is_joined, link_of, links_of, needs_program
from ecbpf.lab.namespace import is_namespace, namespace_path
from ecbpf.lab.topology import BRIDGE, Node, Port, Topology

__all__ = ["LabStatus", "NodeStatus", "PortStatus", "status"]

_DEFAULTS = ("0.0.0.0/0", "::/0")


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
    links = links_of(topology)
    nodes = tuple(_node_status(node, topology, links) for node in topology.nodes)
    if not any(os.path.lexists(namespace_path(node.namespace)) for node in topology.nodes):
        return LabStatus("down", nodes)
    return LabStatus("partly" if LabStatus("", nodes).problems else "up", nodes)


def _node_status(node: Node, topology: Topology, links: Links) -> NodeStatus:
    found = links[node.namespace]
    problems = ["no namespace"]
    if is_namespace(node.namespace):
        problems = [] if "UP" in found["lo"]["flags"] else ["lo is down"]
        problems += _missing_addresses(node.addresses, found["lo"])
        if node.is_switch and BRIDGE not in found:
            problems.append(f"no such interface: {BRIDGE}")
        problems += _missing_routes(node)
        problems += [problem for duty in node.duties for problem in duty.problems(node.namespace)]
    joined = _memberships(node, topology) if found else set()
    interfaces = []
    for wire in topology.wires:
        for port, peer in (wire, wire[::-1]):
            if port.node == node:
                interfaces.append(_port_status(port, peer, links, joined))
                for tagged in port.tagged:
                    name = port.tagged_name(tagged)
                    interfaces.append(_interface_status(name, tagged.addresses, found.get(name)))
    return NodeStatus(node.name, node.namespace, tuple(problems), tuple(interfaces))


def _port_status(port: Port, peer: Port, links: Links, joined: set[tuple[str, int, bool]]) -> PortStatus:
    link = link_of(links, port)
    if link is None:
        return _interface_status(port.name, port.addresses, link)
    problems = []
    if not is_joined(links, port, peer):
        problems.append(f"not joined to {peer.name} of {peer.node.name}")
    if needs_program(port, peer) and "xdp" not in link:
        problems.append("no XDP program, so what the other end sends with XDP_TX is stuck")
    if port.node.is_switch and link.get("master") != BRIDGE:
        problems.append(f"no port of {BRIDGE}")
    problems += [
        f"not in VLAN {member.vlan}"
        for member in port.memberships
        if (port.name, member.vlan, member.untagged) not in joined
    ]
    return _interface_status(port.name, port.addresses, link, problems)


def _interface_status(
    name: str, wanted: tuple[str, ...], link: Link | None, problems: Sequence[str] = ()
) -> PortStatus:
    """An interface that should be up and have the addresses `wanted`; problems: what is wrong besides."""
    if link is None:
        return PortStatus(name, (), ("no such interface",))
    found = _addresses(link)
    all_problems = [*_missing_addresses(wanted, link), *problems]
    all_problems += [f"{address} is tentative" for address, entry in found.items() if entry.get("tentative")]
    if link["operstate"] != "UP":
        all_problems.append("no carrier" if "UP" in link["flags"] else "down")
    return PortStatus(name, tuple(found), tuple(all_problems))


def _addresses(link: Link) -> dict[str, dict[str, Any]]:
    return {f"{entry['local']}/{entry['prefixlen']}": entry for entry in link["addr_info"]}


def _missing_addresses(wanted: tuple[str, ...], link: Link) -> list[str]:
    return [f"{address} is missing" for address in wanted if address not in _addresses(link)]


def _missing_routes(node: Node) -> list[str]:
    if not node.routes:
        return []
    # Of all tables, and so of both families.
    listing = json.loads(run("ip", "-n", node.namespace, "-json", "route", "show", "table", "all"))
    found = {(route["dst"], route.get("gateway")) for route in listing}
    return [
        f"no route to {route.prefix}"
        for route in node.routes
        if ("default" if route.prefix in _DEFAULTS else route.prefix, route.via) not in found
    ]


def _memberships(node: Node, topology: Topology) -> set[tuple[str, int, bool]]:
    """What ports of a switch are in which VLANs, and whether without a tag."""
    if not any(port.memberships for port in topology.ports(node)):
        return set()
    listing = run("bridge", "-n", node.namespace, "-json", "vlan", "show")
    return {
        (entry["ifname"], vlan["vlan"], "PVID" in vlan.get("flags", ()))
        for entry in json.loads(listing)
        for vlan in entry["vlans"]
    }
