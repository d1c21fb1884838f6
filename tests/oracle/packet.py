"""A packet parser by the RFCs, to compare bpf/include/ecbpf/packet.h with.

It reads a frame as layers that each get their bytes from the outer one, uses no offsets but those that it
reports, and stops by exception.
"""

import struct
from dataclasses import dataclass

__all__ = ["MAX_EXTENSIONS", "MAX_TAGS", "Packet", "parse"]

MAX_TAGS = 2
MAX_EXTENSIONS = 8

_TAG_TYPES = {0x8100, 0x88A8}  # IEEE 802.1Q-2018 table 9-1: C-TAG, S-TAG
_IP4, _IP6 = 0x0800, 0x86DD

_TCP, _UDP, _ICMP, _ICMP6 = 6, 17, 1, 58
_HOP_BY_HOP, _FRAGMENT, _AUTHENTICATION = 0, 44, 51
# The IANA registry of IPv6 extension header types without ESP, whose inside is encrypted, and
# 253 and 254, whose format is not defined: routing, destination options, mobility, HIP, Shim6.
_EXTENSIONS = {_HOP_BY_HOP, 43, _FRAGMENT, _AUTHENTICATION, 60, 135, 139, 140}


@dataclass(slots=True)
class Packet:
    """`struct packet` of the C header, field for field, with numbers in host order."""

    frame_len: int = 0
    vlan: tuple[tuple[int, int], ...] = ()  # tag type and TCI
    ethertype: int = 0
    l3_offset: int = 0
    version: int = 0
    tos: int = 0
    ttl: int = 0
    proto: int = 0
    ip_len: int = 0
    saddr: bytes = b""
    daddr: bytes = b""
    frag_offset: int = 0
    more_fragments: int = 0
    evil: int = 0
    l4_offset: int = 0
    payload_offset: int = 0
    sport: int = 0
    dport: int = 0
    tcp_flags: int = 0
    icmp_type: int = 0
    icmp_code: int = 0
    fragment: bool = False
    options: bool = False


class _RefusedError(Exception):
    """The parser stops here, for a reason."""


class _Bytes:
    """A layer: `length` bytes of the frame from `start` on; only bytes before `limit` can be read."""

    def __init__(self, frame: bytes, start: int, length: int, limit: int) -> None:
        self.frame = frame
        self.start = start
        self.length = length
        self.limit = limit

    def fields(self, layout: str, or_else: str) -> tuple[int, ...]:
        """The numbers at the beginning, in network order; `or_else` is the reason if they are cut off."""
        size = struct.calcsize(layout)
        if size > self.length or self.start + size > self.limit:
            raise _RefusedError(or_else)
        return struct.unpack_from(layout, self.frame, self.start)

    def after(self, size: int) -> "_Bytes":
        return _Bytes(self.frame, self.start + size, self.length - size, self.limit)

    def first(self, size: int) -> "_Bytes":
        return _Bytes(self.frame, self.start, size, self.limit)


def parse(frame: bytes, readable: int | None = None) -> tuple[str, Packet]:
    """The reason (its name in reason.h) and the packet; `readable` bytes lie in the first buffer."""
    packet = Packet(frame_len=len(frame))
    try:
        _ethernet(_Bytes(frame, 0, len(frame), len(frame) if readable is None else readable), packet)
    except _RefusedError as refused:
        return f"REASON_{refused}", packet
    return "REASON_NONE", packet


def _ethernet(frame: _Bytes, packet: Packet) -> None:
    frame.fields("!6s6sH", "ETH_SHORT")
    (packet.ethertype,) = frame.after(12).fields("!H", "ETH_SHORT")
    packet.l3_offset = 14
    rest = frame.after(14)
    while packet.ethertype in _TAG_TYPES:
        if len(packet.vlan) == MAX_TAGS:
            raise _RefusedError("VLAN_DEPTH")
        tci, inner = rest.fields("!HH", "ETH_SHORT")
        packet.vlan += ((packet.ethertype, tci),)
        packet.ethertype = inner
        packet.l3_offset += 4
        rest = rest.after(4)
    if packet.ethertype == _IP4:
        _ip4(rest, packet)
    elif packet.ethertype == _IP6:
        _ip6(rest, packet)
    else:
        raise _RefusedError("NOT_IP")


def _ip4(rest: _Bytes, packet: Packet) -> None:
    """RFC 791 section 3.1."""
    first, tos, total, _, fragment, ttl, proto, _, source, destination = rest.fields("!BBHHHBBHII", "IP4_SHORT")
    version, words = divmod(first, 16)
    if version != 4 or words < 5:
        raise _RefusedError("IP4_HEADER")
    packet.version, packet.tos, packet.ttl, packet.proto = 4, tos, ttl, proto
    packet.ip_len = total
    packet.saddr, packet.daddr = source.to_bytes(4, "big"), destination.to_bytes(4, "big")
    packet.more_fragments = int(bool(fragment & 0x2000))
    packet.evil = fragment >> 15
    packet.frag_offset = fragment % 0x2000 * 8
    packet.fragment = bool(packet.more_fragments or packet.frag_offset)

    rest.fields(f"!{4 * words}x", "IP4_SHORT")
    if not 4 * words <= total <= rest.length:
        raise _RefusedError("IP4_LENGTH")
    packet.options = words > 5
    inside = rest.first(total).after(4 * words)
    packet.l4_offset = inside.start
    if packet.frag_offset == 0:
        _transport(inside, packet, _ICMP)


def _ip6(rest: _Bytes, packet: Packet) -> None:
    """RFC 8200 section 3."""
    first, length, following, hops, *addresses = rest.fields("!IHBB4Q", "IP6_SHORT")
    if first >> 28 != 6:
        raise _RefusedError("IP6_HEADER")
    packet.version, packet.tos, packet.ttl, packet.proto = 6, first >> 20 & 0xFF, hops, following
    packet.ip_len = 40 + length
    packet.saddr, packet.daddr = struct.pack("!2Q", *addresses[:2]), struct.pack("!2Q", *addresses[2:])
    if 40 + length > rest.length:
        raise _RefusedError("IP6_LENGTH")
    inside = rest.first(40 + length).after(40)
    packet.l4_offset = inside.start
    if following == _HOP_BY_HOP and length == 0:
        raise _RefusedError("IP6_LENGTH")  # a jumbogram, RFC 2675
    _extensions(inside, packet, 0)


def _extensions(inside: _Bytes, packet: Packet, count: int) -> None:
    """RFC 8200 section 4: one extension header, and by recursion the rest."""
    if packet.proto not in _EXTENSIONS:
        _transport(inside, packet, _ICMP6)
        return
    if count == MAX_EXTENSIONS:
        raise _RefusedError("IP6_EXT_DEPTH")
    following, length, fragment, _ = inside.fields("!BBHI", "IP6_EXT_SHORT")
    match packet.proto:
        case 44:
            size = 8  # section 4.5
        case 51:
            size = (length + 2) * 4  # RFC 4302 section 2.2
        case _:
            size = (length + 1) * 8
    if size > inside.length:
        raise _RefusedError("IP6_EXT_SHORT")

    part = 0
    if packet.proto == _FRAGMENT:
        part, more = fragment >> 3, fragment & 1
        if part or more:  # else an atomic fragment, RFC 6946
            packet.fragment = True
            packet.frag_offset, packet.more_fragments = part * 8, more
    packet.options = True
    packet.proto = following
    rest = inside.after(size)
    packet.l4_offset = rest.start
    if not part:
        _extensions(rest, packet, count + 1)


def _transport(inside: _Bytes, packet: Packet, icmp: int) -> None:
    """RFC 9293 section 3.1, RFC 768, RFC 792, RFC 4443; anything else stays unread."""
    size = 8
    if packet.proto == _TCP:
        packet.sport, packet.dport, _, _, offset, packet.tcp_flags = inside.fields("!HHIIBB6x", "L4_SHORT")
        size = offset // 16 * 4
        if size < 20 or size > inside.length:
            raise _RefusedError("TCP_HEADER")
    elif packet.proto == _UDP:
        packet.sport, packet.dport, _ = inside.fields("!HHI", "L4_SHORT")
    elif packet.proto == icmp:
        packet.icmp_type, packet.icmp_code, _ = inside.fields("!BB6s", "L4_SHORT")
    else:
        return
    packet.payload_offset = inside.start + size
