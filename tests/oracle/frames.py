"""Random frames: mostly valid, or wrong wherever a parser may stumble.

The randomness comes from a random.Random, which Hypothesis can also provide.
"""

import struct
from itertools import pairwise
from random import Random
from typing import NamedTuple

from tests.oracle.filter import checksum

__all__ = ["Hosts", "random_frame"]

_TAG_TYPES = (0x8100, 0x88A8)
_EXTENSIONS = (0, 43, 44, 51, 60, 135, 139, 140)
_PROTOCOLS = (6, 6, 17, 1, 58, 50, 59, 132)  # TCP, UDP, ICMP, ICMPv6, ESP, no next header, SCTP


class Hosts(NamedTuple):
    """Packed source and destination addresses by family; now and then a frame has a random one instead."""

    sources: dict[int, list[bytes]]
    targets: dict[int, list[bytes]]


def random_frame(
    rng: Random, *, max_extensions: int = 10, max_units: int = 3, hosts: Hosts | None = None
) -> bytes:
    """A frame of 14 bytes or more, with at most that many extension headers of at most that many units.

    hosts: nearly only IP between these, with many fragments that could be answered.
    """
    tags = b"".join(struct.pack("!HH", rng.choice(_TAG_TYPES), rng.getrandbits(16)) for _ in range(_few(rng, 3)))
    if hosts:
        return _damaged(rng, _between(rng, hosts, tags, max_extensions, max_units))
    family = rng.choice((0x0800, 0x0800, 0x86DD, 0x86DD, 0x86DD, 0x0806, 0x8847, 46))
    inside = rng.randbytes(rng.randrange(46))
    if family == 0x0800:
        inside = _ip4(rng)
    elif family == 0x86DD:
        inside = _ip6(rng, max_extensions, max_units)
    return _damaged(rng, rng.randbytes(12) + tags + struct.pack("!H", family) + inside)


def _damaged(rng: Random, right: bytes) -> bytes:
    """The frame padded, with some bits flipped, cut off, or unchanged."""
    frame = bytearray(right)
    if rng.randrange(2):
        frame += rng.randbytes(rng.randrange(20))  # Ethernet's padding
    if not rng.randrange(5):
        for _ in range(1 + rng.randrange(3)):
            frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
    if not rng.randrange(5):
        del frame[14 + rng.randrange(max(len(frame) - 14, 1)) :]
    return bytes(frame)


def _between(rng: Random, hosts: Hosts, tags: bytes, max_extensions: int, max_units: int) -> bytes:
    """A frame as hosts send them, mostly: unicast, with a correct checksum."""
    macs = bytearray(rng.randbytes(12))
    if rng.randrange(16):
        macs[0] &= 0xFE
    if rng.randrange(2):
        link = bytes(macs) + tags + b"\x08\x00"
        return link + _ip4_between(rng, *(_address(rng, each[4], 4) for each in hosts))
    packet = _ip6(rng, max_extensions, max_units)
    addresses = _address(rng, hosts.sources[6], 16) + _address(rng, hosts.targets[6], 16)
    return bytes(macs) + tags + b"\x86\xdd" + packet[:8] + addresses + packet[40:]


def _address(rng: Random, known: list[bytes], size: int) -> bytes:
    return rng.choice(known) if known and rng.randrange(10) else rng.randbytes(size)


def _extensions(rng: Random, count: int, max_units: int, last: int) -> tuple[int, bytes]:
    """The first next-header number and the bytes of `count` extension headers before the protocol `last`."""
    kinds = [rng.choice(_EXTENSIONS) for _ in range(count)]
    chain = bytearray()
    for kind, following in pairwise([*kinds, last]):
        units = rng.randrange(max_units + 1)
        if kind == 44:
            # Its second byte is reserved: the header has 8 bytes whatever the value.
            fragment = rng.choice((0, 0, 1, 6, 8, 9, rng.getrandbits(16)))
            chain += struct.pack("!BBHI", following, units, fragment, rng.getrandbits(32))
        elif kind == 51:
            chain += struct.pack("!BB", following, units) + rng.randbytes(6 + 4 * units)
        else:
            chain += struct.pack("!BB", following, units) + rng.randbytes(6 + 8 * units)
    return [*kinds, last][0], bytes(chain)


def _few(rng: Random, most: int) -> int:
    """0 to `most`, small numbers more often."""
    return min(rng.randrange(most + 1), rng.randrange(most + 1))


def _off_by(rng: Random, length: int) -> int:
    """The length, now and then a wrong one."""
    return max(length + rng.randrange(-12, 12), 0) & 0xFFFF if not rng.randrange(8) else length & 0xFFFF


def _ip4(rng: Random) -> bytes:
    proto = rng.choice(_PROTOCOLS)
    payload = _transport(rng, proto)
    version = 4 if rng.randrange(20) else rng.randrange(16)
    words = 5 + _few(rng, 10) if rng.randrange(20) else rng.randrange(16)
    options = rng.randbytes(max(4 * words - 20, 0))
    fragment = rng.choice((0, 0, 0x4000, 0x2000, 1, 0x2001, rng.getrandbits(16)))
    length = _off_by(rng, 20 + len(options) + len(payload))
    fixed = struct.pack("!BBHHHBB", version << 4 | words, rng.getrandbits(8), length, 0, fragment, 64, proto)
    return fixed + rng.randbytes(10) + options + payload


def _ip4_between(rng: Random, source: bytes, target: bytes) -> bytes:
    proto = rng.choice(_PROTOCOLS)
    payload = _transport(rng, proto)
    if proto == 1 and payload:
        payload = bytes((rng.choice((0, 3, 4, 5, 8, 11, 12, 13, payload[0])),)) + payload[1:]
    if rng.randrange(4):
        payload += bytes(-len(payload) % 8)
    version = 4 if rng.randrange(40) else rng.randrange(16)
    words = 5 + (0 if rng.randrange(3) else _few(rng, 10)) if rng.randrange(40) else rng.randrange(16)
    options = rng.randbytes(max(4 * words - 20, 0))
    fragment = rng.choice((0, 0x4000, 0x2000, 0x2000, 0x2000, 1, 0x2001, 0x8000, 0xA000, rng.getrandbits(16)))
    length = _off_by(rng, 20 + len(options) + len(payload))
    before = struct.pack("!BBHHHBB", version << 4 | words, rng.getrandbits(8), length, 7, fragment, 64, proto)
    behind = source + target + options
    check = checksum(before + behind) if rng.randrange(12) else rng.getrandbits(16)
    return before + struct.pack("!H", check) + behind + payload


def _ip6(rng: Random, max_extensions: int, max_units: int) -> bytes:
    proto = rng.choice(_PROTOCOLS)
    first, chain = _extensions(rng, _few(rng, max_extensions), max_units, proto)
    payload = chain + _transport(rng, proto)
    word = (6 if rng.randrange(20) else rng.randrange(16)) << 28 | rng.getrandbits(28)
    length = _off_by(rng, len(payload)) if rng.randrange(30) else 0
    return struct.pack("!IHBB", word, length, first, rng.getrandbits(8)) + rng.randbytes(32) + payload


def _transport(rng: Random, proto: int) -> bytes:
    data = rng.randbytes(rng.randrange(24))
    if proto != 6:
        return rng.randbytes(8) + data if rng.randrange(4) else data
    words = 5 + _few(rng, 10) if rng.randrange(10) else rng.randrange(16)
    options = rng.randbytes(max(4 * words - 20, 0))
    return rng.randbytes(12) + bytes((words << 4, rng.getrandbits(8))) + rng.randbytes(6) + options + data
