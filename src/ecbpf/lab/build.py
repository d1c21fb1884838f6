"""Bring a lab up and take it down.

Every step is done only where it is still to do, and a port is set up last: so a lab of which
half is there, for whatever reason, is completed, and none that is unfinished looks finished.
"""

import os
import time

from ecbpf.chain.repair import sweep
from ecbpf.errors import BusyError, EcbpfError
from ecbpf.lab.client_server import CLIENT_SERVER
from ecbpf.lab.command import require, run
from ecbpf.lab.features import require_features
from ecbpf.lab.links import Link, Links, is_joined, link_of, links_of, needs_program, variant_of
from ecbpf.lab.lock import locked
from ecbpf.lab.namespace import inside_namespace, is_namespace, namespace_path, require_namespaces, run_in
from ecbpf.lab.state import LabStatus, status
from ecbpf.lab.topology import BRIDGE, Node, Port, Topology, Wire
from ecbpf.paths import object_path

__all__ = ["down", "up"]

# XDP sees frames as veth has them in memory, before any offload would have finished them.
# tx: checksums are filled in, and with that TCP is cut into segments, before a frame leaves.
# *vlan*: the tag is in the frame, not beside it.
# gro: a receive queue (NAPI) even with no XDP program here (kernel >= 5.13); without one,
# veth_xdp_xmit() drops frames that the other end redirects or generates, and counts none.
_OFFLOADS = ("tx", "off", "rxvlan", "off", "txvlan", "off", "tx-vlan-stag-hw-insert", "off", "gro", "on")

_FIRST_INDEX = 10

_USABLE_WITHIN = 20.0  # seconds; it takes milliseconds, in an emulated guest a second


def up(topology: Topology = CLIENT_SERVER) -> LabStatus:
    """Build the lab, or what lacks of it, and wait until its links carry packets.

    Raises MissingError (a tool, a kernel feature, the nop program), NotPermittedError, BusyError if
    the lab is there in another variant; EcbpfError if a step fails: calling it again goes on from there.
    """
    require("ip", "ethtool")
    require_namespaces()
    object_path("nop")
    require_features(topology.features, topology.title, topology.up)
    require(*topology.tools)
    with locked():
        _refuse_another_variant(topology)
        for node in topology.nodes:
            _add_namespace(node)
        _record_variant(topology)
        for node in topology.nodes:
            _write_sysctls(node)
        there = links_of(topology)
        for number, wire in enumerate(topology.wires):
            _join(wire, number, there)
        there = links_of(topology)
        for one, other in topology.wires:
            _prepare(one, other, there)
            _prepare(other, one, there)
        for node in topology.nodes:
            _configure(node, topology, there[node.namespace])
        for node in topology.nodes:
            for duty in node.duties:
                duty.start(node.namespace)
        return _wait_until_usable(topology)


def down(topology: Topology = CLIENT_SERVER) -> None:
    """Take the lab down, or what is left of it; fine if there is none.

    What was attached in it goes with it, pins and all. A process that users started in it is not killed: it
    keeps a network without a name or a wire.
    Raises MissingError, NotPermittedError, EcbpfError if a step fails.
    """
    require("ip")
    with locked():
        for node in topology.nodes:
            for duty in node.duties:
                duty.stop(node.namespace)
        for wire in topology.wires:
            _cut(wire, links_of(topology))
        for node in topology.nodes:
            if os.path.lexists(namespace_path(node.namespace)):
                run("ip", "netns", "delete", node.namespace)
    sweep()


def _refuse_another_variant(topology: Topology) -> None:
    there = variant_of(links_of(topology), topology)
    if there not in ("", topology.variant):
        raise BusyError(topology.title, f"it is there in another variant: {there}", f"{_down(topology)} first")


def _record_variant(topology: Topology) -> None:
    # Before anything that differs; the other nodes have it as well in case this one is deleted.
    if topology.variant:
        run("ip", "-n", topology.nodes[0].namespace, *_alias(topology).split())


def _alias(topology: Topology) -> str:
    return f"link set dev lo alias {topology.variant}"


def _add_namespace(node: Node) -> None:
    if is_namespace(node.namespace):
        return
    if os.path.lexists(namespace_path(node.namespace)):
        run("ip", "netns", "delete", node.namespace)
    run("ip", "netns", "add", node.namespace)


def _write_sysctls(node: Node) -> None:
    with inside_namespace(node.namespace):
        for setting in node.sysctls:
            name, _, value = setting.partition("=")
            with open(f"/proc/sys/{name.replace('.', '/')}", "w", encoding="ascii") as file:
                file.write(value)


def _cut(wire: Wire, there: Links) -> None:
    # The second goes with the first, unless they were not the two ends of one wire.
    for port in wire[:1] if is_joined(there, *wire) else wire:
        if link_of(there, port):
            run("ip", "-n", port.namespace, "link", "delete", port.name)


def _join(wire: Wire, number: int, there: Links) -> None:
    if is_joined(there, *wire):
        return
    _cut(wire, there)
    one, other = wire
    # Were both ends number 2, each of its own namespace, then linkwatch_urgent_event() would take
    # them for physical links and report them up a second late.
    index = _FIRST_INDEX + 2 * number
    command = f"ip -n {one.namespace} link add {one.name} {_mac(one)} index {index} type veth "
    command += f"peer name {other.name} {_mac(other)} index {index + 1} netns {other.namespace}"
    run(*command.split())


def _mac(port: Port) -> str:
    return f"address {port.mac}" if port.mac else ""


def _prepare(port: Port, peer: Port, there: Links) -> None:
    run_in(port.namespace, "ethtool", "-K", port.name, *_OFFLOADS)
    # What XDP_TX queues for a peer, veth announces only if the peer has a program of its own
    # (veth_xdp_flush() looks for one; GRO is not enough): without, it arrives when the next
    # ordinary packet does, if ever.
    if needs_program(port, peer) and "xdp" not in (link_of(there, port) or {}):
        attach = f"ip -n {port.namespace} link set dev {port.name} xdpdrv obj"
        run(*attach.split(), object_path("nop"), "sec", "xdp")


def _configure(node: Node, topology: Topology, there: dict[str, Link]) -> None:
    ports = topology.ports(node)
    script = ["link set dev lo up"]
    if topology.variant:
        script.append(_alias(topology))
    script += [f"address replace {address} dev lo{_no_detection(address)}" for address in node.addresses]
    if node.is_switch:
        if BRIDGE not in there:
            script.append(_new_bridge(ports))
        script.append(f"link set dev {BRIDGE} addrgenmode none up")
    for port in ports:
        # gro_max_size: GRO never merges, so a capture shows the frames of the wire.
        script.append(f"link set dev {port.name} gro_max_size 1")
        script += _set_up(port.name, port.addresses)
        if node.is_switch:
            script.append(f"link set dev {port.name} master {BRIDGE}")
        for tagged in port.tagged:
            name = port.tagged_name(tagged)
            if name not in there:
                script.append(f"link add link {port.name} name {name} type vlan id {tagged.vlan}")
            script += _set_up(name, tagged.addresses)
    script += [f"route replace {route.prefix} via {route.via}" for route in node.routes]
    run("ip", "-n", node.namespace, "-batch", "-", script=script)
    _join_vlans(node, ports)


def _set_up(name: str, addresses: tuple[str, ...]) -> list[str]:
    # No link-local address: its duplicate detection and router solicitations would turn up in
    # every count.
    script = [f"link set dev {name} addrgenmode none"]
    script += [f"address replace {address} dev {name}{_no_detection(address)}" for address in addresses]
    return [*script, f"link set dev {name} up"]


def _no_detection(address: str) -> str:
    return " nodad" if ":" in address else ""


def _new_bridge(ports: list[Port]) -> str:
    command = f"link add name {BRIDGE} type bridge stp_state 0 mcast_snooping 0"
    if any(port.memberships for port in ports):
        # Without the default one, a port is in the VLANs that it is put in and in no other.
        command += " vlan_filtering 1 vlan_default_pvid 0"
    return command


def _join_vlans(node: Node, ports: list[Port]) -> None:
    script = [
        f"vlan add dev {port.name} vid {member.vlan}" + (" pvid untagged" if member.untagged else "")
        for port in ports
        for member in port.memberships
    ]
    if script:
        run("bridge", "-n", node.namespace, "-batch", "-", script=script)


def _wait_until_usable(topology: Topology) -> LabStatus:
    deadline = time.monotonic() + _USABLE_WITHIN
    while True:
        found = status(topology)
        if found.state == "up":
            return found
        if time.monotonic() > deadline:
            raise EcbpfError(topology.title, found.problems[0], f"{_down(topology)}, then {topology.up}")
        time.sleep(0.01)


def _down(topology: Topology) -> str:
    return topology.up.partition(" --")[0].replace(" up", " down")
