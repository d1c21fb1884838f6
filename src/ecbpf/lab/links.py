"""The interfaces of a lab, as `ip` tells of them."""

import json
from typing import Any

from ecbpf.lab.command import run
from ecbpf.lab.namespace import is_namespace
from ecbpf.lab.topology import Port, Topology

__all__ = ["Link", "Links", "is_joined", "link_of", "links_of", "needs_program", "variant_of"]

# An interface as `ip -json -details address show` describes it.
Link = dict[str, Any]
# All of a lab, by their namespace and their name.
Links = dict[str, dict[str, Link]]


def links_of(topology: Topology) -> Links:
    """Every interface of the lab; a namespace that is not there has none. Raises EcbpfError if `ip` fails."""
    return {node.namespace: _links(node.namespace) for node in topology.nodes}


def _links(namespace: str) -> dict[str, Link]:
    if not is_namespace(namespace):
        return {}
    listing = run("ip", "-n", namespace, "-json", "-details", "address", "show")
    return {link["ifname"]: link for link in json.loads(listing)}


def link_of(links: Links, port: Port) -> Link | None:
    """The interface of that name, wherever it leads; None if there is none."""
    return links[port.namespace].get(port.name)


def is_joined(links: Links, one: Port, other: Port) -> bool:
    """Whether the two are the two ends of one veth pair."""
    near, far = link_of(links, one), link_of(links, other)
    if near is None or far is None:
        return False
    return (
        all(link.get("linkinfo", {}).get("info_kind") == "veth" for link in (near, far))
        and near.get("link_index") == far["ifindex"]
        and far.get("link_index") == near["ifindex"]
    )


def needs_program(port: Port, peer: Port) -> bool:
    """Whether the port must have an XDP program so that what its peer sends with XDP_TX arrives."""
    return peer.node.runs_ecbpf and not port.node.runs_ecbpf


def variant_of(links: Links, topology: Topology) -> str:
    """The variant that the lab was built in: "" if it is not there, or has none."""
    found = (named.get("lo", {}).get("ifalias", "") for named in links.values())
    return next((str(alias) for alias in found if alias), "") if topology.variant else ""
