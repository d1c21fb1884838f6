"""Frames, and a raw socket to send and see them."""

import json
import socket
import subprocess

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

_ETH = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
_IP4 = IP(src="192.0.2.1", dst="192.0.2.2")
_IP6 = IPv6(src="2001:db8::1", dst="2001:db8::2")
_UDP = UDP(sport=1000, dport=2000) / Raw(b"x" * 20)

# Packets that go through the slots.
THROUGH_SLOTS: dict[str, Packet] = {
    "IPv4 UDP": _ETH / _IP4 / _UDP,
    "IPv4 TCP": _ETH / _IP4 / TCP(flags="S"),
    "IPv4 ICMP": _ETH / _IP4 / ICMP(),
    "IPv4 unknown protocol": _ETH / _IP4.copy() / Raw(b"y" * 30),
    "IPv4 with options": _ETH / IP(src="192.0.2.1", dst="192.0.2.2", options=[b"\x94\x04\x00\x00"]) / _UDP,
    "IPv4 fragment": _ETH / IP(src="192.0.2.1", dst="192.0.2.2", frag=100, proto=17) / Raw(b"z" * 40),
    "IPv4 in one tag": _ETH / Dot1Q(vlan=5) / _IP4 / _UDP,
    "IPv4 in two tags": _ETH / Dot1AD(vlan=5) / Dot1Q(vlan=6) / _IP4 / _UDP,
    "IPv4 in three tags": _ETH / Dot1Q(vlan=5) / Dot1Q(vlan=6) / Dot1Q(vlan=7) / _IP4 / _UDP,
    "IPv6 UDP": _ETH / _IP6 / _UDP,
    "IPv6 hop-by-hop": _ETH / _IP6 / IPv6ExtHdrHopByHop() / _UDP,
    "IPv6 fragment": _ETH / _IP6 / IPv6ExtHdrFragment(offset=10, m=1) / Raw(b"z" * 40),
    "IPv6 destination options in a tag": _ETH / Dot1Q(vlan=5) / _IP6 / IPv6ExtHdrDestOpt() / _UDP,
    "IPv6 no next header": _ETH / IPv6(src="2001:db8::1", dst="2001:db8::2", nh=59),
}

# Packets that the root decides about alone.
NOT_IP: dict[str, Packet] = {
    "ARP": _ETH / ARP(pdst="192.0.2.9"),
    "ARP in a tag": _ETH / Dot1Q(vlan=5) / ARP(pdst="192.0.2.9"),
    "LLDP": Ether(src="02:00:00:00:00:01", dst="01:80:c2:00:00:0e", type=0x88CC) / Raw(b"\x02\x07" + bytes(40)),
    "unknown ethertype": Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=0x88B5) / Raw(bytes(50)),
}

CUT_SHORT: dict[str, bytes] = {
    "IPv4 header": bytes(_ETH / _IP4)[: 14 + 19],
    "IPv6 header": bytes(_ETH / _IP6)[: 14 + 39],
    "VLAN tag": bytes(_ETH / Dot1Q(vlan=5) / _IP4)[: 14 + 3],
    "IPv4 header in two tags": bytes(_ETH / Dot1AD(vlan=5) / Dot1Q(vlan=6) / _IP4)[: 14 + 8 + 19],
}

FLOOD = bytes(_ETH / _IP4 / _UDP)
FLOOD6 = bytes(_ETH / _IP6 / _UDP)


def refused(interface: str) -> int:
    """The number of frames that the interface did not send, because the ring of a veth's other end was full.

    They never reached the programs there.
    """
    shown = subprocess.run(["ip", "-j", "-s", "link", "show", interface], check=True, capture_output=True).stdout
    return int(json.loads(shown)[0]["stats64"]["tx"]["dropped"])


def packet_socket(interface: str) -> socket.socket:
    """A raw socket on an interface of the caller's namespace: sends frames, sees those that reach the stack."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
    raw.bind((interface, 0))
    return raw
