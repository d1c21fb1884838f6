"""Frames by description, and what the parser reports for them: reason and fields."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.ipsec import ESP
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet as ScapyPacket
from scapy.packet import Padding, Raw

from tests.oracle.packet import MAX_EXTENSIONS

__all__ = ["Case", "cases"]


class Case(NamedTuple):
    description: str
    frame: ScapyPacket
    reason: str
    fields: dict[str, Any]


E = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
Q, AD = Dot1Q(vlan=5, prio=3), Dot1AD(vlan=7)
I4 = IP(src="192.0.2.1", dst="198.51.100.2", ttl=61, tos=0x2E)
I6 = IPv6(src="2001:db8::1", dst="2001:db8::2", hlim=61, tc=0x2E)
T = TCP(sport=1234, dport=443, flags="PA")
U = UDP(sport=53, dport=5353)
ALERT = IPOption_Router_Alert()
HOP, DEST, ROUTING = IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting()
FRAGMENT = IPv6ExtHdrFragment

BOTH4 = {"version": 4, "tos": 0x2E, "ttl": 61, "saddr": b"\xc0\0\2\1", "daddr": b"\xc6\x33\x64\2"}
NET6 = b"\x20\x01\x0d\xb8" + bytes(11)
BOTH6 = {"version": 6, "tos": 0x2E, "ttl": 61, "saddr": NET6 + b"\1", "daddr": NET6 + b"\2"}
PORTS = {"sport": 1234, "dport": 443, "tcp_flags": 0x18}
NO_L4 = {"payload_offset": 0, "sport": 0, "tcp_flags": 0, "icmp_type": 0}


def ip6_after(proto: int, extension: bytes) -> ScapyPacket:
    """IPv6 with an extension header that scapy does not know or builds differently, and TCP."""
    return E / IPv6(nh=proto) / Raw(extension + bytes(T))


def at(l4: int, payload: int = 0) -> dict[str, int]:
    return {"l4_offset": l4, "payload_offset": payload}


def cases() -> Iterator[Case]:
    """If `reason` is not NONE, `fields` lists what is filled in anyway."""
    none = "REASON_NONE"

    yield Case("ARP", E / ARP(), "REASON_NOT_IP", {"ethertype": 0x0806, "l3_offset": 14, "frame_len": 42})
    yield Case("802.3 length", E / Raw(bytes(46)), "REASON_NOT_IP", {"version": 0})
    yield Case("MPLS", Ether(type=0x8847) / Raw(bytes(64)), "REASON_NOT_IP", {"ethertype": 0x8847})
    yield Case("tagged ARP", E / Q / ARP(), "REASON_NOT_IP", {"ethertype": 0x0806, "l3_offset": 18})
    yield Case(
        "no room for a tag",
        Ether(type=0x8100) / Raw(b"abc"),
        "REASON_ETH_SHORT",
        {"ethertype": 0x8100, "vlan": ()},
    )
    yield Case("three tags", E / AD / Q / Q / I4 / T, "REASON_VLAN_DEPTH", {"ethertype": 0x8100, "l3_offset": 22})

    tag, outer = (0x8100, 0x6005), (0x88A8, 7)
    for name, tags, vlan in (
        ("", [], ()),
        ("802.1Q, ", [Q], (tag,)),
        ("802.1ad, ", [AD], (outer,)),
        ("802.1ad, 802.1Q, ", [AD, Q], (outer, tag)),
        ("802.1Q, 802.1Q, ", [Q, Q], (tag, tag)),
        ("802.1Q, 802.1ad, ", [Q, AD], (tag, outer)),
        ("802.1ad, 802.1ad, ", [AD, AD], (outer, outer)),
    ):
        link = E
        for each in tags:
            link = link / each
        l3 = 14 + 4 * len(tags)
        base = {"vlan": vlan, "l3_offset": l3}
        ip4, ip6 = base | BOTH4, base | BOTH6
        yield Case(name + "IPv4 TCP", link / I4 / T, none, ip4 | PORTS | at(l3 + 20, l3 + 40) | {"ip_len": 40})
        yield Case(name + "IPv6 TCP", link / I6 / T, none, ip6 | PORTS | at(l3 + 40, l3 + 60) | {"ip_len": 60})
        options = link / IP(options=[ALERT, ALERT]) / T
        yield Case(name + "IPv4 options", options, none, base | PORTS | at(l3 + 28, l3 + 48) | {"options": True})
        chain = link / I6 / HOP / DEST / T
        yield Case(
            name + "IPv6 ext", chain, none, ip6 | PORTS | at(l3 + 56, l3 + 76) | {"options": True, "proto": 6}
        )
        later4 = link / IP(frag=185) / T
        yield Case(name + "IPv4 fragment", later4, none, base | NO_L4 | {"frag_offset": 1480, "fragment": True})
        later6 = link / I6 / FRAGMENT(offset=181, m=1, nh=6) / T
        yield Case(name + "IPv6 fragment", later6, none, ip6 | NO_L4 | {"frag_offset": 1448, "fragment": True})

    yield Case("UDP", E / I4 / U, none, {"proto": 17, "sport": 53, "dport": 5353} | at(34, 42))
    yield Case("UDP in IPv6", E / I6 / U, none, {"proto": 17, "sport": 53, "dport": 5353} | at(54, 62))
    yield Case("ICMP", E / I4 / ICMP(type=3, code=4), none, {"icmp_type": 3, "icmp_code": 4} | at(34, 42))
    unreachable = ICMPv6DestUnreach(code=4)
    yield Case("ICMPv6", E / I6 / unreachable, none, {"icmp_type": 1, "icmp_code": 4} | at(54, 62))
    yield Case("ICMPv6 in IPv4", E / IP(proto=58) / Raw(b"\x80" * 8), none, NO_L4 | at(34))
    yield Case("ICMP in IPv6", E / IPv6(nh=1) / Raw(b"\x08" * 8), none, NO_L4 | at(54))
    yield Case("GRE", E / IP(proto=47) / Raw(bytes(20)), none, NO_L4 | at(34) | {"proto": 47})
    yield Case("TCP options", E / I4 / TCP(options=[("MSS", 1460)]) / b"data", none, at(34, 58))
    yield Case("all TCP flags", E / I4 / TCP(flags=0xFF), none, {"tcp_flags": 0xFF})
    yield Case("padding is not payload", E / I4 / U / Padding(bytes(18)), none, {"ip_len": 28, "frame_len": 60})

    yield Case("IPv4 cut off", Ether(type=0x0800) / Raw(bytes(I4)[:19]), "REASON_IP4_SHORT", {"version": 0})
    yield Case(
        "options cut off",
        Ether(type=0x0800) / Raw(bytes(IP(ihl=6, len=24))),
        "REASON_IP4_SHORT",
        {"version": 4} | at(0),
    )
    yield Case("version 5 in IPv4", E / IP(version=5) / T, "REASON_IP4_HEADER", {"version": 0, "saddr": b""})
    yield Case("header of 16 bytes", E / IP(ihl=4) / T, "REASON_IP4_HEADER", {"version": 0})
    yield Case(
        "length in the header", E / IP(len=19) / T, "REASON_IP4_LENGTH", {"version": 4, "ip_len": 19} | at(0)
    )
    yield Case("length in the options", E / IP(len=23, options=ALERT) / T, "REASON_IP4_LENGTH", {"ip_len": 23})
    yield Case("length beyond the frame", E / IP(len=41) / T, "REASON_IP4_LENGTH", {"proto": 6} | NO_L4)
    yield Case("do not fragment", E / IP(flags="DF") / T, none, {"fragment": False} | at(34, 54))
    first = {"fragment": True, "more_fragments": 1, "frag_offset": 0}
    yield Case("first fragment", E / IP(flags="MF") / T, none, first | at(34, 54))
    yield Case("last possible offset", E / IP(frag=8191) / T, none, {"frag_offset": 65528} | NO_L4)

    yield Case("IPv6 cut off", Ether(type=0x86DD) / Raw(bytes(I6)[:39]), "REASON_IP6_SHORT", {"version": 0})
    yield Case("version 4 in IPv6", E / IPv6(version=4) / T, "REASON_IP6_HEADER", {"version": 0, "saddr": b""})
    yield Case("payload beyond", E / IPv6(plen=21) / T, "REASON_IP6_LENGTH", {"version": 6, "ip_len": 61} | at(0))
    yield Case("jumbogram", E / IPv6(plen=0) / HOP / T, "REASON_IP6_LENGTH", {"version": 6, "proto": 0})
    yield Case("no next header", E / IPv6(nh=59), none, NO_L4 | {"proto": 59} | at(54))
    yield Case("ESP", E / I6 / HOP / ESP(), none, NO_L4 | {"proto": 50} | at(62))
    yield Case("routing", E / I6 / ROUTING / T, none, PORTS | at(62, 82))
    routed = IPv6ExtHdrRouting(addresses=["2001:db8::3"])
    yield Case("routing by an address", E / I6 / routed / T, none, PORTS | at(78, 98))
    yield Case("AH", ip6_after(51, b"\6\4" + bytes(22)), none, PORTS | at(78, 98))
    for proto, name in ((135, "mobility"), (139, "HIP"), (140, "Shim6")):
        yield Case(name, ip6_after(proto, b"\6\2" + bytes(22)), none, PORTS | at(78, 98))
    yield Case("experiment 253", ip6_after(253, b"\6\0" + bytes(6)), none, NO_L4 | {"proto": 253} | at(54))
    atomic = {"fragment": False, "options": True}
    yield Case("atomic fragment", E / I6 / FRAGMENT() / T, none, atomic | PORTS | at(62, 82))
    yield Case("atomic, reserved bits", ip6_after(44, b"\6\xff\0\6" + bytes(4)), none, atomic | at(62, 82))
    yield Case("first fragment, IPv6", E / I6 / FRAGMENT(m=1) / T, none, first | PORTS | at(62, 82))
    twice = E / I6 / FRAGMENT(m=1) / FRAGMENT() / T
    yield Case("an atomic fragment clears no mark", twice, none, first | PORTS | at(70, 90))
    hidden = E / I6 / FRAGMENT(offset=3, nh=60) / Raw(b"\6\0" + bytes(6)) / T
    yield Case("a middle fragment is not walked", hidden, none, {"proto": 60, "frag_offset": 24} | NO_L4 | at(62))
    cut = E / I6 / HOP / Raw(b"\6" + bytes(6))
    cut[IPv6ExtHdrHopByHop].nh = 60
    yield Case("extension cut off", cut, "REASON_IP6_EXT_SHORT", {"proto": 60, "options": True} | at(62))
    long = ip6_after(60, b"\6\4" + bytes(6))
    yield Case("extension too long", long, "REASON_IP6_EXT_SHORT", {"proto": 60, "options": False} | at(54))
    padded = E / IPv6(nh=60, plen=8) / Raw(b"\6\1" + bytes(14))
    yield Case("extension into the padding", padded, "REASON_IP6_EXT_SHORT", {"ip_len": 48} | at(54))
    most = E / I6
    stopped = NO_L4 | {"proto": 60} | at(54 + 8 * MAX_EXTENSIONS)
    for _ in range(MAX_EXTENSIONS):
        most = most / DEST
    yield Case("most extensions", most / T, none, PORTS | at(118, 138))
    yield Case("too many extensions", most / DEST / T, "REASON_IP6_EXT_DEPTH", stopped)

    for ip, l4 in ((I4, 34), (I6, 54)):
        family = "IPv4" if ip is I4 else "IPv6"
        for transport in (bytes(T)[:19], bytes(U)[:7], bytes(7)):
            proto = {19: 6, 7: 17}[len(transport)] if any(transport) else (1 if ip is I4 else 58)
            short = ip.copy()
            short.fields["proto" if ip is I4 else "nh"] = proto
            padded = E / short / Raw(transport) / Padding(bytes(20))
            yield Case(f"{family} {proto} in the padding", padded, "REASON_L4_SHORT", {"sport": 0} | at(l4))
        yield Case(f"{family} data offset 4", E / ip / TCP(dataofs=4), "REASON_TCP_HEADER", {"dport": 80} | at(l4))
        beyond = E / ip / TCP(dataofs=6) / Padding(bytes(4))
        yield Case(f"{family} data offset 6", beyond, "REASON_TCP_HEADER", {"tcp_flags": 2} | at(l4))
