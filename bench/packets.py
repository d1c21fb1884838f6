"""The frames of the rows, by name."""

import ipaddress
import struct

__all__ = ["PACKETS"]

_MACS = bytes.fromhex("020000000002 020000000001")
_MIN_FRAME = 60  # Ethernet's, without the checksum
_TCP, _UDP = 6, 17


def _ethernet(ethertype: int, payload: bytes, *tags: tuple[int, int]) -> bytes:
    """tags: (TPID, VLAN id), the outer one first."""
    head = _MACS + b"".join(struct.pack("!HH", tpid, vlan) for tpid, vlan in tags)
    return (head + struct.pack("!H", ethertype) + payload).ljust(_MIN_FRAME, b"\0")


def _ip4(proto: int, payload: bytes) -> bytes:
    source, target = (ipaddress.IPv4Address(f"192.168.56.{host}").packed for host in (20, 10))
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, proto, 0) + source + target + payload


def _ip6(first: int, payload: bytes) -> bytes:
    source, target = (ipaddress.IPv6Address(f"fd00:56::{host}").packed for host in (20, 10))
    return struct.pack("!IHBB", 6 << 28, len(payload), first, 64) + source + target + payload


_UDP_DATAGRAM = struct.pack("!HHHH", 40000, 53, 8 + 18, 0) + bytes(18)
_TCP_SEGMENT = struct.pack("!HHIIBBHHH", 40000, 443, 1, 1, 5 << 4, 0x10, 1024, 0, 0)
_HOP_BY_HOP = struct.pack("!BBBB4x", 60, 0, 1, 4)
_DESTINATION = struct.pack("!BBBB4x", _TCP, 0, 1, 4)

PACKETS = {
    "ipv4-udp": _ethernet(0x0800, _ip4(_UDP, _UDP_DATAGRAM)),
    "ipv4-tcp": _ethernet(0x0800, _ip4(_TCP, _TCP_SEGMENT)),
    "vlan-ipv4-tcp": _ethernet(0x0800, _ip4(_TCP, _TCP_SEGMENT), (0x8100, 5)),
    "vlan-ipv4-udp": _ethernet(0x0800, _ip4(_UDP, _UDP_DATAGRAM), (0x8100, 5)),
    "qinq-ipv4-udp": _ethernet(0x0800, _ip4(_UDP, _UDP_DATAGRAM), (0x88A8, 5), (0x8100, 6)),
    "ipv6-tcp": _ethernet(0x86DD, _ip6(_TCP, _TCP_SEGMENT)),
    "ipv6-2ext-tcp": _ethernet(0x86DD, _ip6(0, _HOP_BY_HOP + _DESTINATION + _TCP_SEGMENT)),
    "arp": _ethernet(0x0806, struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + bytes(20)),
}
