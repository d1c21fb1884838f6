"""Bring a lab up and take it down.

Every step is done only where it is still to do, and a port is set up last: so a lab of which
half is there, for whatever reason, is completed, and none that is unfinished looks finished.
"""

import os
import time

from ecbpf.chain.repair import sweep
from ecbpf.errors import EcbpfError
from ecbpf.lab.command import require, run
from ecbpf.lab.lock import locked
from ecbpf.lab.namespace import is_namespace, namespace_path, require_namespaces
from ecbpf.lab.state import LabStatus, has_port, has_program, is_joined, status
from ecbpf.lab.topology import CLIENT_SERVER, Node, Port, Topology
from ecbpf.paths import object_path

__all__ = ["down", "up"]

# XDP sees frames as veth has them in memory, before any offload would have finished them.
# tx: checksums are filled in, and with that TCP is cut into segments, before a frame leaves.
# *vlan*: the tag is in the frame, not beside it.
# gro: a receive queue (NAPI) even with no XDP program here (kernel >= 5.13); without one,
# veth_xdp_xmit() drops frames that the other end redirects or generates, and counts none.
_OFFLOADS = ("tx", "off", "rxvlan", "off", "txvlan", "off", "tx-vlan-stag-hw-insert", "off", "gro", "on")

_FIRST_INDEX = 10

_USABLE_WITHIN = 5.0  # seconds; it takes milliseconds


def up(topology: Topology = CLIENT_SERVER) -> LabStatus:
    """Build the lab, or what lacks of it, and wait until its links carry packets.

    Raises MissingError (a tool, a kernel feature, the nop program), NotPermittedError,
    EcbpfError if a step fails; calling it again goes on from there.
    """
    require("ip", "ethtool")
    require_namespaces()
    object_path("nop")
    with locked():
        for node in topology.nodes:
            _add_namespace(node)
        for number, (one, other) in enumerate(topology.wires):
            _join(one, other, number)
        for node in topology.nodes:
            for port in topology.ports(node):
                _prepare(port, node)
            _configure(node, topology.ports(node))
        return _wait_until_usable(topology)


def down(topology: Topology = CLIENT_SERVER) -> None:
    """Take the lab down, or what is left of it; fine if there is none.

    What was attached in it goes with it, pins and all. A process in it is not killed: it keeps a network
    without a name or a wire.
    Raises MissingError, NotPermittedError, EcbpfError if a step fails.
    """
    require("ip")
    with locked():
        for wire in topology.wires:
            _cut(wire)
        for node in topology.nodes:
            if os.path.lexists(namespace_path(node.namespace)):
                run("ip", "netns", "delete", node.namespace)
    sweep()


def _add_namespace(node: Node) -> None:
    if is_namespace(node.namespace):
        return
    if os.path.lexists(namespace_path(node.namespace)):
        run("ip", "netns", "delete", node.namespace)
    run("ip", "netns", "add", node.namespace)


def _cut(wire: tuple[Port, Port]) -> None:
    # The second goes with the first, unless they were not the two ends of one wire.
    for port in wire:
        if has_port(port):
            run("ip", "-n", port.namespace, "link", "delete", port.name)


def _join(one: Port, other: Port, number: int) -> None:
    if is_joined(one, other):
        return
    _cut((one, other))
    # Were both ends number 2, each of its own namespace, then linkwatch_urgent_event() would take
    # them for physical links and report them up a second late.
    index = _FIRST_INDEX + 2 * number
    command = f"ip -n {one.namespace} link add {one.name} index {index} type veth "
    command += f"peer name {other.name} index {index + 1} netns {other.namespace}"
    run(*command.split())


def _prepare(port: Port, node: Node) -> None:
    run("ip", "netns", "exec", port.namespace, "ethtool", "-K", port.name, *_OFFLOADS)
    # What XDP_TX queues for a peer, veth announces only if the peer has a program of its own
    # (veth_xdp_flush() looks for one; GRO is not enough): without, it arrives when the next
    # ordinary packet does, if ever.
    if not node.runs_ecbpf and not has_program(port):
        run(
            "ip",
            "-n",
            port.namespace,
            "link",
            "set",
            "dev",
            port.name,
            "xdpdrv",
            "obj",
            object_path("nop"),
            "sec",
            "xdp",
        )


def _configure(node: Node, ports: list[Port]) -> None:
    script = ["link set dev lo up"]
    for port in ports:
        # No link-local address: its duplicate detection and router solicitations would turn up in
        # every count. gro_max_size: GRO never merges, so a capture shows the frames of the wire.
        script.append(f"link set dev {port.name} addrgenmode none gro_max_size 1")
        for address in port.addresses:
            script.append(f"address replace {address} dev {port.name}{' nodad' if ':' in address else ''}")
        script.append(f"link set dev {port.name} up")
    run("ip", "-n", node.namespace, "-batch", "-", script=script)


def _wait_until_usable(topology: Topology) -> LabStatus:
    deadline = time.monotonic() + _USABLE_WITHIN
    while True:
        found = status(topology)
        if found.state == "up":
            return found
        if time.monotonic() > deadline:
            raise EcbpfError("lab", found.problems[0], "ecbpf lab down, then ecbpf lab up")
        time.sleep(0.01)
