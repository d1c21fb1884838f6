"""Bring a lab up and take it down.

Every step is skipped where it is already done, and interfaces are set up last: so a lab that was left
half built, for whatever reason, is completed, and an unfinished lab never looks finished.
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
from ecbpf.lab.topology import BRIDGE, Node, NodeInterface, Topology, Wire
from ecbpf.paths import object_path

__all__ = ["down", "up"]

# XDP sees frames as veth has them in memory, before any offload would have finished them.
# tx: checksums are filled in, and TCP therefore cut into segments, before a frame leaves.
# *vlan*: the VLAN tag is in the frame, not beside it.
# gro: a receive queue (NAPI) even with no XDP program here (kernel >= 5.13); without one,
# veth_xdp_xmit() drops frames that the other end redirects or generates, without counting them.
_OFFLOADS = ("tx", "off", "rxvlan", "off", "txvlan", "off", "tx-vlan-stag-hw-insert", "off", "gro", "on")

_FIRST_INDEX = 10

_USABLE_WITHIN = 20.0  # seconds; it takes milliseconds, or a second in an emulated guest


def up(topology: Topology = CLIENT_SERVER) -> LabStatus:
    """Build the lab, or what is missing of it, and wait until its links carry packets.

    Raises MissingError (a tool, a kernel feature, the nop program), NotPermittedError, BusyError if
    the lab is up in another variant; EcbpfError if a step fails: another call continues from there.
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
    """Take the lab down, or what is left of it. It is not an error if there is none.

    Programs that were attached in it go with it, and so do their pins. Processes that users started in it are not
    killed: they stay in a network that has lost its name and its wires.
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
        raise BusyError(topology.title, f"it is up in another variant: {there}", f"{_down(topology)} first")


def _record_variant(topology: Topology) -> None:
    # Before anything that differs between variants; the other nodes record it too, in case this one is deleted.
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
    # Deleting one end of a wire deletes the other, unless the two were not joined.
    for interface in wire[:1] if is_joined(there, *wire) else wire:
        if link_of(there, interface):
            run("ip", "-n", interface.namespace, "link", "delete", interface.name)


def _join(wire: Wire, number: int, there: Links) -> None:
    if is_joined(there, *wire):
        return
    _cut(wire, there)
    one, other = wire
    # If both ends had the same index, each in its own namespace, linkwatch_urgent_event() would take
    # them for physical links and report them up a second late.
    index = _FIRST_INDEX + 2 * number
    command = f"ip -n {one.namespace} link add {one.name} {_mac(one)} index {index} type veth "
    command += f"peer name {other.name} {_mac(other)} index {index + 1} netns {other.namespace}"
    run(*command.split())


def _mac(interface: NodeInterface) -> str:
    return f"address {interface.mac}" if interface.mac else ""


def _prepare(interface: NodeInterface, peer: NodeInterface, there: Links) -> None:
    run_in(interface.namespace, "ethtool", "-K", interface.name, *_OFFLOADS)
    # veth wakes the peer for packets sent with XDP_TX only if the peer has an XDP program
    # (veth_xdp_flush() looks for one; GRO is not enough). Without, they arrive with the next
    # ordinary packet, if ever.
    if needs_program(interface, peer) and "xdp" not in (link_of(there, interface) or {}):
        attach = f"ip -n {interface.namespace} link set dev {interface.name} xdpdrv obj"
        run(*attach.split(), object_path("nop"), "sec", "xdp")


def _configure(node: Node, topology: Topology, there: dict[str, Link]) -> None:
    interfaces = topology.interfaces_of(node)
    script = ["link set dev lo up"]
    if topology.variant:
        script.append(_alias(topology))
    script += [f"address replace {address} dev lo{_no_detection(address)}" for address in node.addresses]
    if node.is_switch:
        if BRIDGE not in there:
            script.append(_new_bridge(interfaces))
        script.append(f"link set dev {BRIDGE} addrgenmode none up")
    for interface in interfaces:
        # gro_max_size: GRO never merges, so a capture shows frames as they were on the wire.
        script.append(f"link set dev {interface.name} gro_max_size 1")
        script += _set_up(interface.name, interface.addresses)
        if node.is_switch:
            script.append(f"link set dev {interface.name} master {BRIDGE}")
        for vlan in interface.vlans:
            name = interface.vlan_name(vlan)
            if name not in there:
                script.append(f"link add link {interface.name} name {name} type vlan id {vlan.vlan_id}")
            script += _set_up(name, vlan.addresses)
    script += [f"route replace {route.prefix} via {route.via}" for route in node.routes]
    run("ip", "-n", node.namespace, "-batch", "-", script=script)
    _join_vlans(node, interfaces)


def _set_up(name: str, addresses: tuple[str, ...]) -> list[str]:
    # No link-local address: its duplicate address detection and router solicitations would be
    # counted by every test.
    script = [f"link set dev {name} addrgenmode none"]
    script += [f"address replace {address} dev {name}{_no_detection(address)}" for address in addresses]
    return [*script, f"link set dev {name} up"]


def _no_detection(address: str) -> str:
    return " nodad" if ":" in address else ""


def _new_bridge(interfaces: list[NodeInterface]) -> str:
    command = f"link add name {BRIDGE} type bridge stp_state 0 mcast_snooping 0"
    if any(interface.memberships for interface in interfaces):
        # Without a default VLAN, an interface is in the VLANs that it is put in and in no other.
        command += " vlan_filtering 1 vlan_default_pvid 0"
    return command


def _join_vlans(node: Node, interfaces: list[NodeInterface]) -> None:
    script = [
        f"vlan add dev {interface.name} vid {member.vlan_id}" + (" pvid untagged" if member.untagged else "")
        for interface in interfaces
        for member in interface.memberships
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
