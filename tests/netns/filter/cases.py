"""Packets by description, and what the filter does with them: verdict, reason, counters.

The sets, the same for all: 203.0.113.0/24 and 198.51.100.7 are dropped, 203.0.113.64/26 is let through;
2001:db8:bad::/48 and 2001:db8:0:1::7 are dropped, 2001:db8:bad:8000::/49 is let through.
"""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP, IPOption_Router_Alert
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop
from scapy.packet import Packet, Raw

from tests.oracle.packet import MAX_EXTENSIONS
from tests.oracle.prefixes import Pairs

__all__ = ["ALLOW", "DROP", "LOCAL", "TAGS", "Case", "cases", "first_fragment", "frame_of"]

DROP: dict[int, Pairs] = {
    4: [(0xCB007100, 24), (0xC6336407, 32)],
    6: [(0x20010DB80BAD << 80, 48), (0x20010DB800000001 << 64 | 7, 128)],
}
ALLOW: dict[int, Pairs] = {4: [(0xCB007140, 26)], 6: [(0x20010DB80BAD8000 << 64, 49)]}
LOCAL = frozenset({bytes((192, 0, 2, 9)), b"\x20\x01\x0d\xb8" + bytes(11) + b"\x09"})

# 802.1Q and 802.1ad, with priority and the drop eligible bit.
TAGS = {
    "no tag": b"",
    "802.1Q": b"\x81\x00\x60\x05",
    "802.1ad": b"\x88\xa8\xf0\x07",
    "802.1ad, 802.1Q": b"\x88\xa8\xf0\x07\x81\x00\x00\x05",
    "802.1Q, 802.1Q": b"\x81\x00\x60\x05\x81\x00\xb0\x06",
}
HERE, THERE = b"\x02\0\0\0\0\2", b"\x02\0\0\0\0\1"
IP4, IP6 = 0x0800, 0x86DD


class Case(NamedTuple):
    """settings: those changed. inside: what follows the ethertype; target: the destination MAC address."""

    description: str
    inside: bytes
    verdict: str = "XDP_PASS"
    reason: str = "REASON_NONE"
    counters: tuple[str, ...] = ()
    settings: dict[str, bool | int] = {}  # noqa: RUF012 (read only)
    ethertype: int = IP4
    target: bytes = HERE


def frame_of(case: Case, tags: bytes = b"") -> bytes:
    return case.target + THERE + tags + struct.pack("!H", case.ethertype) + case.inside


def first_fragment(payload: bytes = b"z" * 16, proto: int = 17, **fields: Any) -> bytes:
    """An IPv4 fragment that can be answered."""
    return bytes(_ip4(**({"flags": "MF", "proto": proto, "id": 7} | fields)) / Raw(payload))


def cases() -> Iterator[Case]:
    yield from _sources()
    yield from _broken_headers()
    yield from _odd_headers()
    yield from _link()
    yield from _fragments()
    yield from _answers()


def _ip4(**fields: Any) -> Packet:
    defaults: dict[str, Any] = {"src": "192.0.2.1", "dst": "192.0.2.2", "ttl": 61, "tos": 0x2E}
    return IP(**(defaults | fields))


def _ip6(**fields: Any) -> Packet:
    defaults: dict[str, Any] = {"src": "2001:db8::1", "dst": "2001:db8::2", "hlim": 61}
    return IPv6(**(defaults | fields))


_UDP = UDP(sport=1000, dport=2000) / Raw(b"x" * 20)
_PASSED: tuple[str, str, tuple[str, ...]] = ("XDP_PASS", "REASON_NONE", ())
_SOURCE4 = ("XDP_DROP", "REASON_SOURCE", ("ip_drop_count",))
_SOURCE6 = ("XDP_DROP", "REASON_SOURCE", ("ip6_drop_count",))
_LISTED4, _LISTED6 = "203.0.113.5", "2001:db8:bad::5"
_NOP, _ALERT = IPOption_NOP(), IPOption_Router_Alert()
_DESTINATION, _FRAGMENT = IPv6ExtHdrDestOpt(), IPv6ExtHdrFragment


def _sources() -> Iterator[Case]:
    for source in ("192.0.2.1", "203.0.112.255", "203.0.114.0", "198.51.100.6", "198.51.100.8"):
        yield Case(f"{source} is not listed", bytes(_ip4(src=source) / _UDP))
    for source in ("203.0.113.0", "203.0.113.63", "203.0.113.128", "203.0.113.255", "198.51.100.7"):
        for transport in (_UDP, TCP(flags="S"), ICMP(), Raw()):
            inside = bytes(_ip4(src=source) / transport)
            yield Case(f"{source} is listed, {transport.name}", inside, *_SOURCE4)
    for source in ("203.0.113.64", "203.0.113.127"):
        yield Case(f"{source} is let through", bytes(_ip4(src=source) / _UDP))
    yield Case("listed destination", bytes(_ip4(dst=_LISTED4) / _UDP))

    for source in ("::", "2001:db8:bac:ffff::1", "2001:db8:bae::", "2001:db8:0:1::6", "2001:db8:0:1::8"):
        yield Case(f"{source} is not listed", bytes(_ip6(src=source) / _UDP), ethertype=IP6)
    ends = ("2001:db8:bad::", "2001:db8:bad:7fff:ffff:ffff:ffff:ffff", "2001:db8:0:1::7")
    for source in ends:
        for behind in (_UDP, TCP(flags="S"), IPv6ExtHdrHopByHop() / _UDP, _FRAGMENT(m=1) / _UDP):
            inside = bytes(_ip6(src=source) / behind)
            yield Case(f"{source} is listed, {behind.name}", inside, *_SOURCE6, ethertype=IP6)
    for source in ("2001:db8:bad:8000::", "2001:db8:bad:ffff:ffff:ffff:ffff:ffff"):
        yield Case(f"{source} is let through", bytes(_ip6(src=source) / _UDP), ethertype=IP6)
    yield Case("listed destination, IPv6", bytes(_ip6(dst=_LISTED6) / _UDP), ethertype=IP6)


def _broken_headers() -> Iterator[Case]:
    """Each from an unlisted and from a listed source, with the switch on and off."""
    for source in ("192.0.2.1", _LISTED4):
        listed = _SOURCE4 if source == _LISTED4 else _PASSED
        from_ = f", from {source}"

        def ip4(source: str = source, **fields: Any) -> bytes:
            return bytes(_ip4(src=source, **fields) / _UDP)

        for name, reason, inside in (
            ("version 5", "REASON_IP4_HEADER", ip4(version=5)),
            ("version 6", "REASON_IP4_HEADER", ip4(version=6)),
            ("header of 16 bytes", "REASON_IP4_HEADER", ip4(ihl=4)),
            ("total length in the header", "REASON_IP4_LENGTH", ip4(len=19)),
            ("total length 0", "REASON_IP4_LENGTH", ip4(len=0)),
            ("total length in the options", "REASON_IP4_LENGTH", ip4(len=23, options=_ALERT)),
            ("total length beyond the frame", "REASON_IP4_LENGTH", ip4(len=49)),
            ("options cut off", "REASON_IP4_SHORT", ip4(ihl=15, len=60)[:59]),
            ("evil, and too long", "REASON_IP4_LENGTH", ip4(flags="evil", len=49)),
            ("a fragment, too long", "REASON_IP4_LENGTH", ip4(flags="MF", len=49)),
        ):
            yield Case(name + from_, inside, "XDP_ABORTED", reason, ("ip_header_err",))
            yield Case(
                name + from_ + ", ip_header_abort off", inside, *listed, settings={"ip_header_abort": False}
            )
        yield Case("19 bytes" + from_, ip4()[:19], "XDP_ABORTED", "REASON_IP4_SHORT", ("ip_header_err",))
        yield Case("19 bytes, switched off" + from_, ip4()[:19], settings={"ip_header_abort": False})

    for source in ("2001:db8::1", _LISTED6):
        listed = _SOURCE6 if source == _LISTED6 else _PASSED
        from_ = f", from {source}"
        off: dict[str, bool | int] = {"ip6_header_drop": False}

        def ip6(payload: object = _UDP, source: str = source, **fields: Any) -> bytes:
            return bytes(_ip6(src=source, **fields) / payload)

        many = _DESTINATION
        for _ in range(MAX_EXTENSIONS):
            many = many / _DESTINATION
        for name, reason, inside in (
            ("version 4", "REASON_IP6_HEADER", ip6(version=4)),
            ("payload beyond the frame", "REASON_IP6_LENGTH", ip6(plen=29)),
            ("jumbogram", "REASON_IP6_LENGTH", ip6(IPv6ExtHdrHopByHop() / _UDP, plen=0)),
            ("extension header too long", "REASON_IP6_EXT_SHORT", ip6(b"\x11\x09" + bytes(22), nh=60)),
            ("extension header cut off", "REASON_IP6_EXT_SHORT", ip6(b"\x11\0\0\0\0\0\0", nh=60)),
            ("too many extension headers", "REASON_IP6_EXT_DEPTH", ip6(many / _UDP)),
        ):
            yield Case(name + from_, inside, "XDP_DROP", reason, ("ip6_header_err",), ethertype=IP6)
            switched_off = f"{name}{from_}, ip6_header_drop off"
            yield Case(switched_off, inside, *listed, settings=off, ethertype=IP6)
        short = ip6()[:39]
        yield Case("39 bytes" + from_, short, "XDP_DROP", "REASON_IP6_SHORT", ("ip6_header_err",), ethertype=IP6)
        yield Case("39 bytes, switched off" + from_, short, settings=off, ethertype=IP6)


def _odd_headers() -> Iterator[Case]:
    options = ("XDP_DROP", "REASON_IP4_OPTIONS", ("ip_options_drop_count",))
    evil = ("XDP_DROP", "REASON_IP4_EVIL", ("ip_evil_drop_count",))
    no_options: dict[str, bool | int] = {"ip_options_drop": False}
    no_evil: dict[str, bool | int] = {"ip_evil_drop": False}
    for name, wanted in (("NOP", [_NOP]), ("router alert", [_ALERT]), ("40 bytes", [_ALERT] * 10)):
        inside = bytes(_ip4(options=wanted) / _UDP)
        listed = bytes(_ip4(options=wanted, src=_LISTED4) / _UDP)
        yield Case(f"options: {name}", inside, *options)
        yield Case(f"options: {name}, ip_options_drop off", inside, settings=no_options)
        yield Case(f"options: {name}, listed", listed, *options)
        yield Case(f"options: {name}, listed, ip_options_drop off", listed, *_SOURCE4, settings=no_options)
    both = bytes(_ip4(options=_ALERT, flags="evil") / _UDP)
    fragment = bytes(_ip4(options=_ALERT, flags="MF") / _UDP)
    yield Case("options and evil", both, *options)
    yield Case("options and evil, ip_options_drop off", both, *evil, settings=no_options)
    yield Case("options and evil, both off", both, settings=no_options | no_evil)
    yield Case("options in a fragment", fragment, *options)

    for name, flags in (("evil", "evil"), ("evil, DF", "evil+DF"), ("evil, MF", "evil+MF")):
        inside = bytes(_ip4(flags=flags) / _UDP)
        yield Case(name, inside, *evil)
        if "MF" not in flags:
            yield Case(f"{name}, ip_evil_drop off", inside, settings=no_evil)
    listed = bytes(_ip4(flags="evil", src=_LISTED4) / _UDP)
    yield Case("evil, listed", listed, *evil)
    yield Case("evil, listed, ip_evil_drop off", listed, *_SOURCE4, settings=no_evil)
    yield Case("DF", bytes(_ip4(flags="DF") / _UDP))
    yield Case("padding", bytes(_ip4() / b"x") + bytes(25))
    yield Case("wrong checksum is the stack's to see", bytes(_ip4(chksum=1) / _UDP))
    eight = _ip6()
    for _ in range(MAX_EXTENSIONS):
        eight = eight / _DESTINATION
    yield Case("8 extension headers", bytes(eight / _UDP), ethertype=IP6)
    yield Case("no next header", bytes(_ip6(nh=59)), ethertype=IP6)


def _link() -> Iterator[Case]:
    wrong = ("XDP_ABORTED", "REASON_ETH_SHORT", ("eth_frame_err",))
    for size in (0, 3):
        yield Case(f"{size} bytes of a tag", b"abc"[:size], *wrong, ethertype=0x8100)
        yield Case(f"{size} bytes of an 802.1ad tag", b"abc"[:size], *wrong, ethertype=0x88A8)
    for ethertype in (0x0806, 0x88CC, 0x8847, 46, 0x9100):
        inside = bytes(_ip4(src=_LISTED4) / _UDP)
        yield Case(f"ethertype {ethertype:#x}", inside, ethertype=ethertype)


_DROPPED4 = ("XDP_DROP", "REASON_FRAGMENT", ("ip_frag_drop_count",))
_DROPPED6 = ("XDP_DROP", "REASON_FRAGMENT", ("ip6_frag_drop_count",))
_OWN = ("XDP_PASS", "REASON_NONE", ("frag_local_count",))
_ANSWER = ("XDP_TX", "REASON_TOO_BIG", ("ptb_sent_count",))
_NO_ANSWER = ("XDP_DROP", "REASON_FRAGMENT", ("ip_frag_drop_count", "ptb_err_count"))


def _fragments() -> Iterator[Case]:
    off: dict[str, bool | int] = {"frags_drop": False}
    no_local: dict[str, bool | int] = {"frags_pass_local": False}
    silent: dict[str, bool | int] = {"ptb_send": False}
    parts = {
        "first": ("MF", 0),
        "middle": ("MF", 3),
        "last": (0, 3),
        "furthest": (0, 8191),
        "DF and MF": ("DF+MF", 2),
    }
    for name, (flags, offset) in parts.items():

        def ip4(flags: object = flags, offset: int = offset, **fields: Any) -> bytes:
            return bytes(_ip4(flags=flags, frag=offset, **fields) / Raw(b"z" * 24))

        yield Case(f"{name} fragment, no answers", ip4(), *_DROPPED4, settings=silent)
        yield Case(f"{name} fragment", ip4(), *(_DROPPED4 if offset else _ANSWER))
        yield Case(f"{name} fragment, frags_drop off", ip4(), settings=off)
        yield Case(f"{name} fragment, listed", ip4(src=_LISTED4), *_SOURCE4)
        yield Case(f"{name} fragment, listed, frags_drop off", ip4(src=_LISTED4), *_SOURCE4, settings=off)
        yield Case(f"{name} fragment to this host", ip4(dst="192.0.2.9"), *_OWN)
        yield Case(f"{name} fragment from this host", ip4(src="192.0.2.9"), *(_DROPPED4 if offset else _ANSWER))
        yield Case(f"{name} fragment to this host, listed", ip4(dst="192.0.2.9", src=_LISTED4), *_SOURCE4)
        dropped = _DROPPED4 if offset else _ANSWER
        yield Case(
            f"{name} fragment to this host, switched off", ip4(dst="192.0.2.9"), *dropped, settings=no_local
        )
        yield Case(f"{name} fragment to this host, all pass", ip4(dst="192.0.2.9"), settings=off)

    own6 = "2001:db8::9"
    for name, header in {
        "first": _FRAGMENT(m=1),
        "middle": _FRAGMENT(m=1, offset=3),
        "last": _FRAGMENT(offset=3),
        "furthest": _FRAGMENT(offset=8191),
        "behind hop-by-hop, last": IPv6ExtHdrHopByHop() / _FRAGMENT(offset=3),
        "atomic and first": _FRAGMENT() / _FRAGMENT(m=1),
        "first and atomic": _FRAGMENT(m=1) / _FRAGMENT(),
    }.items():

        def ip6(header: Packet = header, **fields: Any) -> bytes:
            return bytes(_ip6(**fields) / header / Raw(b"z" * 24))

        yield Case(f"IPv6: {name} fragment", ip6(), *_DROPPED6, ethertype=IP6)
        yield Case(f"IPv6: {name} fragment, frags_drop off", ip6(), settings=off, ethertype=IP6)
        yield Case(f"IPv6: {name} fragment, listed", ip6(src=_LISTED6), *_SOURCE6, ethertype=IP6)
        yield Case(f"IPv6: {name} fragment to this host", ip6(dst=own6), *_OWN, ethertype=IP6)
        switched_off = f"IPv6: {name} fragment to this host, switched off"
        yield Case(switched_off, ip6(dst=own6), *_DROPPED6, settings=no_local, ethertype=IP6)
    yield Case("atomic fragment", bytes(_ip6() / _FRAGMENT() / _UDP), ethertype=IP6)
    yield Case("atomic fragment, listed", bytes(_ip6(src=_LISTED6) / _FRAGMENT() / _UDP), *_SOURCE6, ethertype=IP6)


def _answers() -> Iterator[Case]:
    yield Case("answers off", first_fragment(), *_DROPPED4, settings={"ptb_send": False})
    yield Case("0 answers a second", first_fragment(), *_DROPPED4, settings={"ptb_max_pps": 0})
    for size in (8, 16, 64, 512, 1480):
        yield Case(f"payload of {size}", first_fragment(b"z" * size), *_ANSWER)
    for size in (0, 1, 7, 9, 12, 20, 100, 1479):
        yield Case(f"payload of {size}", first_fragment(b"z" * size), *_DROPPED4)
    yield Case("padded by Ethernet", first_fragment(b"z" * 8) + bytes(18), *_ANSWER)
    for words in (1, 2, 9, 10):
        inside = first_fragment(options=[_ALERT] * words)
        name = f"{words} words of options"
        yield Case(name, inside, *_ANSWER, settings={"ip_options_drop": False})
        wrong = inside[:20] + bytes((inside[20] ^ 1,)) + inside[21:]
        yield Case(f"{name}, wrong checksum", wrong, *_NO_ANSWER, settings={"ip_options_drop": False})
    yield Case("evil", first_fragment(flags="evil+MF"), *_ANSWER, settings={"ip_evil_drop": False})
    for proto in (6, 17, 47, 58, 132):
        yield Case(f"protocol {proto}, first byte 3", first_fragment(b"\3" * 8, proto), *_ANSWER)
    for kind in (0, 3, 4, 5, 8, 11, 12, 13, 17, 255):
        error = kind in (3, 4, 5, 11, 12)  # RFC 1122 section 3.2.2
        inside = first_fragment(bytes((kind,)) + bytes(15), 1)
        yield Case(f"ICMP type {kind}", inside, *(_NO_ANSWER if error else _ANSWER))
    optional = first_fragment(b"\3" + bytes(15), 1, options=[_ALERT])
    yield Case("ICMP error with options", optional, *_NO_ANSWER, settings={"ip_options_drop": False})
    for address in ("1.0.0.1", "126.0.0.1", "128.0.0.1", "223.255.255.254"):
        yield Case(f"to {address}", first_fragment(dst=address), *_ANSWER)
        yield Case(f"from {address}", first_fragment(src=address), *_ANSWER)
    for address in (
        "0.0.0.0",
        "0.0.0.7",
        "127.0.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
    ):
        yield Case(f"to {address}", first_fragment(dst=address), *_NO_ANSWER)
        yield Case(f"from {address}", first_fragment(src=address), *_NO_ANSWER)
    for target in (b"\xff" * 6, b"\x01\0\x5e\0\0\1", b"\x33\x33\0\0\0\1"):
        yield Case(f"to {target.hex(':')}", first_fragment(), *_NO_ANSWER, target=target)
    right = first_fragment()
    for name, at, change in (
        ("TTL", 8, 0xFF),
        ("TOS", 1, 1),
        ("source", 15, 0x80),
        ("checksum", 10, 1),
        ("id", 4, 1),
    ):
        wrong = right[:at] + bytes((right[at] ^ change,)) + right[at + 1 :]
        yield Case(f"{name} changed on the way", wrong, *_NO_ANSWER)
    yield Case("checksum 0", first_fragment(chksum=0), *_NO_ANSWER)
