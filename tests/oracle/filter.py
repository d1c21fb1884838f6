"""What the filter should do with a frame, by the RFCs and its description, in plain Python."""

import struct
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, ip_network
from typing import NamedTuple

from tests.oracle.packet import Packet, parse
from tests.oracle.prefixes import Pairs, PrefixSet

__all__ = ["Decision", "Settings", "World", "answer_faults", "checksum", "decide"]


@dataclass(frozen=True)
class Settings:
    """As an operator sets them."""

    frags_drop: bool = True
    ptb_send: bool = True
    ptb_max_pps: int = 20
    frags_pass_local: bool = True
    ip_options_drop: bool = True
    ip_evil_drop: bool = True
    ip_header_abort: bool = True
    ip6_header_drop: bool = True


class World:
    """What decides besides the frame. drop, allow: by family. local: this host's addresses, packed."""

    def __init__(
        self,
        settings: Settings | None = None,
        drop: dict[int, Pairs] | None = None,
        allow: dict[int, Pairs] | None = None,
        local: frozenset[bytes] = frozenset(),
    ) -> None:
        self.settings = settings or Settings()
        self.local = local
        nothing: dict[int, Pairs] = {4: [], 6: []}
        self.drop = nothing | (drop or {})
        self.allow = nothing | (allow or {})
        self._drop = {family: PrefixSet(family, prefixes) for family, prefixes in self.drop.items()}
        self._allow = {family: PrefixSet(family, prefixes) for family, prefixes in self.allow.items()}
        self.lists = lru_cache(1 << 16)(self._lists)

    def _lists(self, source: bytes) -> bool:
        family = 4 if len(source) == 4 else 6
        address = int.from_bytes(source, "big")
        return address in self._drop[family] and address not in self._allow[family]


class Decision(NamedTuple):
    """The expected outcome. counters: the ones that grow, each by one."""

    verdict: str
    reason: str
    counters: tuple[str, ...]


_PASS = Decision("XDP_PASS", "REASON_NONE", ())
_LOCAL = Decision("XDP_PASS", "REASON_NONE", ("frag_local_count",))
_OPTIONS = Decision("XDP_DROP", "REASON_IP4_OPTIONS", ("ip_options_drop_count",))
_EVIL = Decision("XDP_DROP", "REASON_IP4_EVIL", ("ip_evil_drop_count",))
_SOURCE = {
    4: Decision("XDP_DROP", "REASON_SOURCE", ("ip_drop_count",)),
    6: Decision("XDP_DROP", "REASON_SOURCE", ("ip6_drop_count",)),
}
_FRAGMENT6 = Decision("XDP_DROP", "REASON_FRAGMENT", ("ip6_frag_drop_count",))
_FRAGMENT = Decision("XDP_DROP", "REASON_FRAGMENT", ("ip_frag_drop_count",))
_NOT_ANSWERED = Decision("XDP_DROP", "REASON_FRAGMENT", ("ptb_err_count", "ip_frag_drop_count"))
_LIMITED = Decision("XDP_DROP", "REASON_FRAGMENT", ("ptb_limit_count", "ip_frag_drop_count"))
_ANSWERED = Decision("XDP_TX", "REASON_TOO_BIG", ("ptb_sent_count",))

_PARSED = {"REASON_NONE", "REASON_L4_SHORT", "REASON_TCP_HEADER"}  # the filter reads no further than IP
_FRAME_ERRORS = {"REASON_ETH_SHORT", "REASON_VLAN_DEPTH"}
_IP4 = 0x0800


def decide(frame: bytes, world: World, *, has_turn: bool = True, readable: int | None = None) -> Decision:
    """The decision about a frame. has_turn: ptb_max_pps is not reached. readable: as for parse()."""
    reason, packet = parse(frame, readable)
    settings = world.settings
    if reason not in _PARSED:
        return _broken(frame, reason, packet, world)
    if packet.version == 4:
        if packet.options and settings.ip_options_drop:
            return _OPTIONS
        if packet.evil and settings.ip_evil_drop:
            return _EVIL
    if world.lists(packet.saddr):
        return _SOURCE[packet.version]
    if not packet.fragment or not settings.frags_drop:
        return _PASS
    if settings.frags_pass_local and packet.daddr in world.local:
        return _LOCAL
    if packet.version == 6:
        return _FRAGMENT6
    return _answered(frame, packet, settings, has_turn)


def _broken(frame: bytes, reason: str, packet: Packet, world: World) -> Decision:
    """Not parsed. Where that is allowed, the source is read from a fixed header that is all there."""
    if reason == "REASON_NOT_IP":
        return _PASS
    if reason in _FRAME_ERRORS:
        return Decision("XDP_ABORTED", reason, ("eth_frame_err",))
    if packet.ethertype == _IP4:
        if world.settings.ip_header_abort:
            return Decision("XDP_ABORTED", reason, ("ip_header_err",))
        family, size, source = 4, 20, slice(12, 16)
    else:
        if world.settings.ip6_header_drop:
            return Decision("XDP_DROP", reason, ("ip6_header_err",))
        family, size, source = 6, 40, slice(8, 24)
    header = frame[packet.l3_offset :][:size]
    return _SOURCE[family] if len(header) == size and world.lists(header[source]) else _PASS


def _answered(frame: bytes, packet: Packet, settings: Settings, has_turn: bool) -> Decision:
    """Whether an IPv4 fragment that must not pass is answered by Packet Too Big."""
    header = frame[packet.l3_offset : packet.l4_offset]
    payload = packet.ip_len - len(header)
    if not settings.ptb_send or not settings.ptb_max_pps:
        return _FRAGMENT
    if packet.frag_offset or payload < 8 or payload % 8:
        return _FRAGMENT
    if not _may_be_answered(frame, packet) or checksum(header):
        return _NOT_ANSWERED
    return _ANSWERED if has_turn else _LIMITED


# RFC 1122 section 3.2.1.3: no source, or none on a wire; class E with the limited broadcast (RFC 1112 section 4).
_NO_HOST = [ip_network(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4")]
_ICMP_ERRORS = {3, 4, 5, 11, 12}  # RFC 1122 section 3.2.2


@lru_cache(1 << 16)
def _is_one_host(address: bytes) -> bool:
    return not any(IPv4Address(address) in network for network in _NO_HOST)


def _may_be_answered(frame: bytes, packet: Packet) -> bool:
    """RFC 1122 section 3.2.2; the answer's own source is a host, too."""
    if frame[0] & 1:
        return False
    if packet.proto == 1 and frame[packet.l4_offset] in _ICMP_ERRORS:
        return False
    return _is_one_host(packet.saddr) and _is_one_host(packet.daddr)


def checksum(data: bytes) -> int:
    """RFC 1071; 0 over data with a right checksum in it."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) & ~1]))
    if len(data) % 2:
        total += data[-1] << 8
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


@dataclass
class _Faults:
    found: list[str] = field(default_factory=list)

    def expect(self, what: str, actual: object, wanted: object) -> None:
        if actual != wanted:
            self.found.append(f"{what}: {actual!r}, not {wanted!r}")


def answer_faults(frame: bytes, answer: bytes) -> list[str]:
    """What is wrong with a Packet Too Big in answer to `frame`: RFC 791, RFC 792, RFC 1191 section 4."""
    _, packet = parse(frame)
    faults = _Faults()
    l3 = packet.l3_offset
    faults.expect("Ethernet destination", answer[:6], frame[6:12])
    faults.expect("Ethernet source", answer[6:12], frame[:6])
    faults.expect("tags and ethertype", answer[12:l3], frame[12:l3])

    if len(answer) < l3 + 28:
        return [*faults.found, f"{len(answer)} bytes: cut off"]
    first, tos, total, _, fragment, ttl, proto, _ = struct.unpack_from("!BBHHHBBH", answer, l3)
    faults.expect("version and header length", first, 0x45)
    faults.expect("precedence 6 or 7 (RFC 1812 section 4.3.2.5)", tos >> 5 in (6, 7), True)
    faults.expect("total length", total, len(answer) - l3)
    faults.expect("fragment, evil bit", fragment & 0xBFFF, 0)
    faults.expect("TTL", ttl, 128)
    faults.expect("protocol", proto, 1)
    faults.expect("IP checksum", checksum(answer[l3 : l3 + 20]), 0)
    faults.expect("source", answer[l3 + 12 : l3 + 16], packet.daddr)
    faults.expect("destination", answer[l3 + 16 : l3 + 20], packet.saddr)

    icmp = answer[l3 + 20 :]
    kind, code, _, unused, mtu = struct.unpack_from("!BBHHH", icmp)
    faults.expect("ICMP type, code", (kind, code), (3, 4))
    faults.expect("ICMP checksum", checksum(icmp), 0)
    faults.expect("unused", unused, 0)
    faults.expect("MTU", mtu, packet.ip_len)
    faults.expect("quote", icmp[8:], frame[l3 : packet.l4_offset + 8])
    return faults.found
