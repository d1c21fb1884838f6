"""The lab that `ecbpf lab up director` builds: a director that runs IPVS in direct routing.

    client ── router ── switch ── director
                           ├───── real1
                           └───── real2

The client's packets to a VIP go through the router to the director, which sends them to a real server. The
real server has the VIP itself and answers through the router. With a VLAN, packets reach the director without
a VLAN tag, and the real servers and a second interface of the router are in the VLAN.
"""

from ecbpf.lab.features import Feature
from ecbpf.lab.ipvs import Ipvs, Service
from ecbpf.lab.marks import Marks
from ecbpf.lab.topology import Node, NodeInterface, Route, Topology, VlanInterface, VlanMembership
from ecbpf.lab.web import WebServer

__all__ = ["MARK", "MARKED_VIP", "NAME", "VIP", "director"]

NAME = "director"

# The services: by address and port, and by firewall mark on any port.
VIP = ("192.168.60.1", "fd00:60::1")
MARKED_VIP = ("192.168.60.2", "fd00:60::2")
MARK = 60
_VIPS = (*VIP, *MARKED_VIP)

_CLIENTS = ("192.168.57.", "fd00:57::")
_DIRECTORS = ("192.168.58.", "fd00:58::")
_SERVERS = ("192.168.59.", "fd00:59::")  # with a VLAN; without, they are in the director's network
_REALS = (11, 12)
_UNTAGGED = 1  # the VLAN id inside the switch for frames without a VLAN tag

# A link-local address would make a node send router solicitations.
_NO_SOLICITATIONS = ("net.ipv6.conf.default.accept_ra=0",)
# Replies from a VIP take another path than packets to it, and no node should send redirects because of it.
_ROUTING = (
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    "net.ipv4.conf.all.send_redirects=0",
    "net.ipv4.conf.default.send_redirects=0",
)
_FORWARDING = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", *_ROUTING, *_NO_SOLICITATIONS)
# Only the director answers ARP for a VIP.
_QUIET = ("net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2", *_ROUTING, *_NO_SOLICITATIONS)


def director(vlan: int | None = None) -> Topology:
    """The lab. vlan: the VLAN id of the real servers' network; None: no VLAN."""
    switch = Node("switch", _namespace("switch"), is_switch=True)
    client = Node("client", _namespace("client"), routes=_default(_CLIENTS), sysctls=_NO_SOLICITATIONS)
    router = Node(
        "router",
        _namespace("router"),
        sysctls=_FORWARDING,
        routes=(Route("192.168.60.0/24", f"{_DIRECTORS[0]}10"), Route("fd00:60::/64", f"{_DIRECTORS[1]}10")),
    )
    servers = _DIRECTORS if vlan is None else _SERVERS
    balancer = Node(
        NAME,
        _namespace(NAME),
        runs_ecbpf=True,
        addresses=_alone(_VIPS),
        routes=_default(_DIRECTORS),
        sysctls=_FORWARDING,
        duties=(Marks(MARK, *MARKED_VIP), _ipvs(servers)),
    )
    reals = [_real(number, servers) for number in (1, 2)]
    untagged = () if vlan is None else (VlanMembership(_UNTAGGED, untagged=True),)
    trunk = () if vlan is None else (*untagged, VlanMembership(vlan))
    access = () if vlan is None else (VlanMembership(vlan, untagged=True),)

    def tagged(host: int) -> tuple[VlanInterface, ...]:
        return () if vlan is None else (VlanInterface(vlan, _addresses(_SERVERS, host)),)

    return Topology(
        name=NAME,
        nodes=(client, router, switch, balancer, *reals),
        wires=(
            (_interface(client, "eth0", _CLIENTS, 20), _interface(router, "eth0", _CLIENTS, 1)),
            (
                _interface(router, "eth1", _DIRECTORS, 1, tagged(1)),
                NodeInterface(switch, "router", memberships=trunk),
            ),
            (
                _interface(balancer, "eth0", _DIRECTORS, 10, tagged(10)),
                NodeInterface(switch, NAME, memberships=trunk),
            ),
            *(
                (_interface(real, "eth0", servers, host), NodeInterface(switch, real.name, memberships=access))
                for real, host in zip(reals, _REALS, strict=True)
            ),
        ),
        title=f"lab {NAME}",
        up=f"ecbpf lab up {NAME}" + ("" if vlan is None else f" --vlan {vlan}"),
        variant="no-vlan" if vlan is None else f"vlan-{vlan}",
        features=_features(vlan is not None),
        tools=("ethtool", "bridge", "ipvsadm", "nft"),
    )


def _namespace(node: str) -> str:
    return f"ecbpf-{NAME}-{node}"


def _interface(
    node: Node, name: str, network: tuple[str, str], host: int, tagged: tuple[VlanInterface, ...] = ()
) -> NodeInterface:
    # 02:ec:bf:00:58:10 is 192.168.58.10. Fixed, because after a repair neighbours still send to the old address.
    mac = f"02:ec:bf:00:{network[0].split('.')[2]}:{host:02}"
    return NodeInterface(node, name, _addresses(network, host), mac, tagged)


def _addresses(network: tuple[str, str], host: int) -> tuple[str, ...]:
    # A router solicits neighbours from a link-local address, or not at all (ndisc_solicit()).
    return f"{network[0]}{host}/24", f"{network[1]}{host}/64", f"fe80::{host}/64"


def _alone(addresses: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{address}/{128 if ':' in address else 32}" for address in addresses)


def _default(network: tuple[str, str]) -> tuple[Route, ...]:
    """Default routes through the router, which is host 1 in every network."""
    return Route("0.0.0.0/0", f"{network[0]}1"), Route("::/0", f"{network[1]}1")


def _real(number: int, network: tuple[str, str]) -> Node:
    name = f"real{number}"
    return Node(
        name,
        _namespace(name),
        addresses=_alone(_VIPS),
        routes=_default(network),
        sysctls=_QUIET,
        duties=(WebServer(name, udp=_VIPS),),
    )


def _ipvs(network: tuple[str, str]) -> Ipvs:
    ip4 = [f"{network[0]}{host}" for host in _REALS]
    ip6 = [f"[{network[1]}{host}]" for host in _REALS]

    def servers(addresses: list[str], port: int) -> tuple[str, ...]:
        return tuple(f"{address}:{port}" for address in addresses)

    return Ipvs(
        (
            Service(f"-t {VIP[0]}:80", "wrr", servers(ip4, 80)),
            Service(f"-t [{VIP[1]}]:80", "wrr", servers(ip6, 80)),
            Service(f"-u {VIP[0]}:443", "wrr", servers(ip4, 443)),
            Service(f"-u [{VIP[1]}]:443", "wrr", servers(ip6, 443)),
            # By address alone: all ports of one client go to one server, as iperf3 needs it.
            Service(f"-f {MARK}", "mh", servers(ip4, 0)),
            Service(f"-f {MARK} -6", "mh", servers(ip6, 0)),
        )
    )


def _features(with_vlan: bool) -> tuple[Feature, ...]:
    bridge = "ip link add name br0 type bridge"
    features = [
        # Not every system has modprobe, and a built-in feature needs none.
        Feature("IPVS", "ip_vs", "modprobe -q ip_vs || :; test -e /proc/net/ip_vs"),
        Feature("scheduler mh of IPVS", "ip_vs_mh", "ipvsadm -A -t [2001:db8::1]:80 -s mh", "ipvsadm"),
        Feature("scheduler wrr of IPVS", "ip_vs_wrr", "ipvsadm -A -t [2001:db8::1]:80 -s wrr", "ipvsadm"),
        Feature("nf_tables", "nf_tables", "nft add table inet trial", "nft"),
        Feature("bridge", "bridge", bridge),
    ]
    if with_vlan:
        features += [
            Feature("VLAN filtering in its bridge", "bridge", f"{bridge} vlan_filtering 1"),
            Feature("VLAN interfaces", "8021q", f"{bridge}; ip link add link br0 name br0.2 type vlan id 2"),
        ]
    return tuple(features)
