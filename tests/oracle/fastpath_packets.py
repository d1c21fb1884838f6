"""Packets of clients' flows, made of bytes: scapy would take a millisecond each."""

import struct
from functools import lru_cache

from tests.oracle.fastpath_flows import FlowId
from tests.oracle.filter import checksum

__all__ = ["ACK", "FIN", "NIC_MAC", "OUR_MAC", "PSH", "ROUTER_MAC", "RST", "SERVER_MAC", "SYN", "frame_of"]

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
NIC_MAC = OUR_MAC = b"\x02\0\0\0\0\x0a"
ROUTER_MAC = b"\x02\0\0\0\0\x01"
SERVER_MAC = b"\x02\0\0\0\0\x0b"
TCP, UDP = 6, 17


def frame_of(
    flow: FlowId,
    flags: int = ACK,
    *,
    macs: bytes = NIC_MAC + ROUTER_MAC,
    tags: bytes = b"",
    ttl: int = 61,
    tos: int = 0,
    fragment: int = 0,
    ip_options: bytes = b"",
    seq: int = 1000,
    ack: int = 2000,
    urgent: int = 0,
    tcp_options: bytes = b"",
    data_offset: int | None = None,
    payload: bytes = b"",
    to_client: bool = False,
) -> bytes:
    """A frame of the client, or to it. fragment: flags and offset of IPv4. data_offset: if it shall be wrong."""
    ports = flow.client_port, flow.vip_port
    addresses = flow.client, flow.vip
    if to_client:
        ports, addresses = ports[::-1], addresses[::-1]
    if flow.proto == TCP:
        words = 5 + len(tcp_options) // 4 if data_offset is None else data_offset
        inside = struct.pack("!HHIIBBHHH", *ports, seq, ack, words << 4, flags, 500, 0x1234, urgent)
        inside += tcp_options + payload
    elif flow.proto == UDP:
        inside = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    else:
        inside = payload
    link = macs + tags
    if len(flow.client) == 4:
        link += b"\x08\0"
        length = 20 + len(ip_options) + len(inside)
        return link + _ip4(addresses, flow.proto, length, ttl, tos, fragment, ip_options) + inside
    word = 6 << 28 | tos << 20 | 0x12345
    header = struct.pack("!IHBB", word, len(inside), flow.proto, ttl)
    return link + b"\x86\xdd" + header + addresses[0] + addresses[1] + inside


@lru_cache(1 << 12)
def _ip4(
    addresses: tuple[bytes, bytes], proto: int, length: int, ttl: int, tos: int, fragment: int, options: bytes
) -> bytes:
    first = 0x45 + len(options) // 4
    header = struct.pack("!BBHHHBBH4s4s", first, tos, length, 7, fragment, ttl, proto, 0, *addresses) + options
    return header[:10] + checksum(header).to_bytes(2, "big") + header[12:]
