"""What exists of a lab, and what is wrong with it."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ecbpf.lab.client_server import CLIENT_SERVER
from ecbpf.lab.command import run
from ecbpf.lab.links import Link, Links, is_joined, link_of, links_of, needs_program
from ecbpf.lab.namespace import is_namespace, namespace_path
from ecbpf.lab.topology import BRIDGE, Node, NodeInterface, Topology

__all__ = ["LabStatus", "NodeInterfaceStatus", "NodeStatus", "status"]

_DEFAULTS = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True)
class NodeInterfaceStatus:
    """An interface of a node: the addresses it has, and what is wrong with it."""

    name: str
    addresses: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class NodeStatus:
    """A node: its namespace and interfaces, and what is wrong with the node itself."""

    name: str
    namespace: str
    problems: tuple[str, ...]
    interfaces: tuple[NodeInterfaceStatus, ...]


@dataclass(frozen=True)
class LabStatus:
    """A lab: "up" if nothing is wrong, "down" if nothing of it exists, else "partly"."""

    state: str
    nodes: tuple[NodeStatus, ...]

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong, each text beginning with the node and interface."""
        return [f"{node.name}: {problem}" for node in self.nodes for problem in node.problems] + [
            f"{node.name} {interface.name}: {problem}"
            for node in self.nodes
            for interface in node.interfaces
            for problem in interface.problems
        ]


def status(topology: Topology = CLIENT_SERVER) -> LabStatus:
    """What exists of the lab; changes nothing. Raises EcbpfError if `ip` fails."""
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
        for interface, peer in (wire, wire[::-1]):
            if interface.node == node:
                interfaces.append(_wire_end_status(interface, peer, links, joined))
                for vlan in interface.vlans:
                    name = interface.vlan_name(vlan)
                    interfaces.append(_interface_status(name, vlan.addresses, found.get(name)))
    return NodeStatus(node.name, node.namespace, tuple(problems), tuple(interfaces))


def _wire_end_status(
    interface: NodeInterface, peer: NodeInterface, links: Links, joined: set[tuple[str, int, bool]]
) -> NodeInterfaceStatus:
    link = link_of(links, interface)
    if link is None:
        return _interface_status(interface.name, interface.addresses, link)
    problems = []
    if not is_joined(links, interface, peer):
        problems.append(f"not joined to {peer.name} of {peer.node.name}")
    if needs_program(interface, peer) and "xdp" not in link:
        problems.append("no XDP program, so packets that the other end sends with XDP_TX do not arrive")
    if interface.node.is_switch and link.get("master") != BRIDGE:
        problems.append(f"not in the bridge {BRIDGE}")
    problems += [
        f"not in VLAN {member.vlan_id}"
        for member in interface.memberships
        if (interface.name, member.vlan_id, member.untagged) not in joined
    ]
    return _interface_status(interface.name, interface.addresses, link, problems)


def _interface_status(
    name: str, wanted: tuple[str, ...], link: Link | None, problems: Sequence[str] = ()
) -> NodeInterfaceStatus:
    """An interface that should be up and have the addresses `wanted`. problems: what else is wrong."""
    if link is None:
        return NodeInterfaceStatus(name, (), ("no such interface",))
    found = _addresses(link)
    all_problems = [*_missing_addresses(wanted, link), *problems]
    all_problems += [f"{address} is tentative" for address, entry in found.items() if entry.get("tentative")]
    if link["operstate"] != "UP":
        all_problems.append("no carrier" if "UP" in link["flags"] else "down")
    return NodeInterfaceStatus(name, tuple(found), tuple(all_problems))


def _addresses(link: Link) -> dict[str, dict[str, Any]]:
    return {f"{entry['local']}/{entry['prefixlen']}": entry for entry in link["addr_info"]}


def _missing_addresses(wanted: tuple[str, ...], link: Link) -> list[str]:
    return [f"{address} is missing" for address in wanted if address not in _addresses(link)]


def _missing_routes(node: Node) -> list[str]:
    if not node.routes:
        return []
    # All tables, and therefore both address families.
    listing = json.loads(run("ip", "-n", node.namespace, "-json", "route", "show", "table", "all"))
    found = {(route["dst"], route.get("gateway")) for route in listing}
    return [
        f"no route to {route.prefix}"
        for route in node.routes
        if ("default" if route.prefix in _DEFAULTS else route.prefix, route.via) not in found
    ]


def _memberships(node: Node, topology: Topology) -> set[tuple[str, int, bool]]:
    """The VLANs that a switch's interfaces are in: (interface, VLAN id, whether its frames are untagged)."""
    if not any(interface.memberships for interface in topology.interfaces_of(node)):
        return set()
    listing = run("bridge", "-n", node.namespace, "-json", "vlan", "show")
    return {
        (entry["ifname"], vlan["vlan"], "PVID" in vlan.get("flags", ()))
        for entry in json.loads(listing)
        for vlan in entry["vlans"]
    }
