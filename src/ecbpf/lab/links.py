"""The interfaces of a lab, as `ip` shows them."""

import json
from typing import Any

from ecbpf.lab.command import run
from ecbpf.lab.namespace import is_namespace
from ecbpf.lab.topology import NodeInterface, Topology

__all__ = ["Link", "Links", "is_joined", "link_of", "links_of", "needs_program", "variant_of"]

# An interface as `ip -json -details address show` describes it.
Link = dict[str, Any]
# All interfaces of a lab, by namespace and name.
Links = dict[str, dict[str, Link]]


def links_of(topology: Topology) -> Links:
    """Every interface of the lab; a missing namespace has none. Raises EcbpfError if `ip` fails."""
    return {node.namespace: _links(node.namespace) for node in topology.nodes}


def _links(namespace: str) -> dict[str, Link]:
    if not is_namespace(namespace):
        return {}
    listing = run("ip", "-n", namespace, "-json", "-details", "address", "show")
    return {link["ifname"]: link for link in json.loads(listing)}


def link_of(links: Links, interface: NodeInterface) -> Link | None:
    """The interface of that name, whatever it is joined to; None if there is none."""
    return links[interface.namespace].get(interface.name)


def is_joined(links: Links, one: NodeInterface, other: NodeInterface) -> bool:
    """Whether these are the two ends of one veth pair."""
    near, far = link_of(links, one), link_of(links, other)
    if near is None or far is None:
        return False
    return (
        all(link.get("linkinfo", {}).get("info_kind") == "veth" for link in (near, far))
        and near.get("link_index") == far["ifindex"]
        and far.get("link_index") == near["ifindex"]
    )


def needs_program(interface: NodeInterface, peer: NodeInterface) -> bool:
    """Whether the interface needs an XDP program for packets that its peer sends with XDP_TX to arrive."""
    return peer.node.runs_ecbpf and not interface.node.runs_ecbpf


def variant_of(links: Links, topology: Topology) -> str:
    """The variant that the lab was built in; "" if it is down or has no variants."""
    found = (named.get("lo", {}).get("ifalias", "") for named in links.values())
    return next((str(alias) for alias in found if alias), "") if topology.variant else ""
