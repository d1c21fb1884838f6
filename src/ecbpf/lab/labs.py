"""All labs and their nodes by name: which node a name on the command line means."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ecbpf.errors import EcbpfError, UsageError
from ecbpf.lab.client_server import CLIENT_SERVER
from ecbpf.lab.director import director
from ecbpf.lab.links import links_of, variant_of
from ecbpf.lab.namespace import enter_namespace, inside_namespace, is_namespace
from ecbpf.lab.topology import Node, Topology

__all__ = ["LABS", "enter", "inside", "node_names", "topology_of"]

LABS = {lab.name: lab for lab in (CLIENT_SERVER, director())}


def topology_of(lab: str) -> Topology:
    """The lab called `lab`, in the variant that is up: the director's lab with the VLAN that it was built with.

    Raises UsageError if there is no lab of that name.
    """
    if lab not in LABS:
        raise UsageError(lab, "there is no such lab", f"name one of: {', '.join(LABS)}")
    found = LABS[lab]
    vlan = re.fullmatch(r"vlan-(\d+)", variant_of(links_of(found), found))
    return director(int(vlan[1])) if vlan else found


def node_names() -> list[str]:
    """Every name that enter() accepts: NODE and LAB/NODE, of all labs."""
    plain = dict.fromkeys(node.name for lab in LABS.values() for node in lab.nodes)
    return [*plain, *(f"{lab.name}/{node.name}" for lab in LABS.values() for node in lab.nodes)]


def enter(name: str) -> None:
    """enter_namespace() of the node `name`.

    name: NODE as `ecbpf lab status` shows it, or LAB/NODE. If several labs have a node of that name, the first
    one that is up is meant.
    Raises UsageError for a name that no lab has, EcbpfError if its lab is not up, and what
    enter_namespace() raises.
    """
    enter_namespace(_namespace(name))


@contextmanager
def inside(name: str) -> Iterator[None]:
    """inside_namespace() of the node `name`. Raises what enter() raises."""
    with inside_namespace(_namespace(name)):
        yield


def _namespace(name: str) -> str:
    candidates = _candidates(name)
    for _, node in candidates:
        if is_namespace(node.namespace):
            return node.namespace
    lab, node = candidates[0]
    raise EcbpfError(name, f"there is no network namespace {node.namespace}", lab.up)


def _candidates(name: str) -> list[tuple[Topology, Node]]:
    found = [
        (lab, node)
        for lab in LABS.values()
        for node in lab.nodes
        if name in (node.name, f"{lab.name}/{node.name}")
    ]
    if not found:
        plain = [word for word in node_names() if "/" not in word]
        raise UsageError(name, "no lab has such a node", f"name one of: {', '.join(plain)}")
    return found
