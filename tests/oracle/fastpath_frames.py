"""What leaves the fast path: packets on their way to a server, and RSTs in answer to clients."""

import struct

from tests.oracle.filter import checksum
from tests.oracle.packet import Packet, parse

__all__ = ["answer_faults", "to_server", "with_ttl_decremented"]

SHORTEST = 60  # an Ethernet frame without its checksum


def with_ttl_decremented(packet: bytes, version: int) -> bytes:
    """An IP packet with a TTL that is 1 less; a checksum that was wrong stays wrong (RFC 1624)."""
    made = bytearray(packet)
    if version == 6:
        made[7] -= 1
        return bytes(made)
    before = int.from_bytes(made[8:10], "big")
    made[8] -= 1
    after = int.from_bytes(made[8:10], "big")
    if checksum(packet[:20]) == 0:
        made[10:12] = bytes(2)
        made[10:12] = checksum(bytes(made[:20])).to_bytes(2, "big")
    else:  # equation 3
        total = (0xFFFF ^ int.from_bytes(packet[10:12], "big")) + (0xFFFF ^ before) + after
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        made[10:12] = (0xFFFF ^ total).to_bytes(2, "big")
    return bytes(made)


def to_server(frame: bytes, packet: Packet, macs: bytes, vlan: int, decrement_ttl: bool) -> bytes:
    """A frame as it goes to the server. vlan: of the server, 0 for none."""
    link = macs
    if vlan:
        priority = packet.vlan[0][1] & 0xF000 if packet.vlan else 0
        link += struct.pack("!HH", 0x8100, priority | vlan)
    inside = frame[packet.l3_offset :]
    if decrement_ttl:
        inside = with_ttl_decremented(inside, packet.version)
    return link + struct.pack("!H", packet.ethertype) + inside


class _Faults:
    def __init__(self) -> None:
        self.found: list[str] = []

    def expect(self, what: str, actual: object, wanted: object) -> None:
        if actual != wanted:
            self.found.append(f"{what}: {actual!r}, not {wanted!r}")


def answer_faults(frame: bytes, answer: bytes) -> list[str]:
    """What is wrong with a RST in answer to `frame`: RFC 9293 section 3.10.7.1, RFC 791, RFC 8200."""
    _, asked = parse(frame)
    reason, got = parse(answer)
    faults = _Faults()
    expect = faults.expect
    expect("parses", reason, "REASON_NONE")
    expect("Ethernet destination", answer[:6], frame[6:12])
    expect("Ethernet source", answer[6:12], frame[:6])
    expect("tags and ethertype", answer[12 : got.l3_offset], frame[12 : asked.l3_offset])
    expect("version", got.version, asked.version)
    expect("addresses", (got.saddr, got.daddr), (asked.daddr, asked.saddr))
    expect("TTL", got.ttl, 64)
    expect("ECN (RFC 3168 section 5.2)", got.tos & 3, 0)
    expect("DSCP", got.tos >> 2, asked.tos >> 2)
    expect("fragment, options", (got.fragment, got.evil, got.options), (False, 0, False))
    expect("protocol", got.proto, 6)
    header = 20 if got.version == 4 else 40
    expect("length of the packet", got.ip_len, header + 20)
    if faults.found:
        return faults.found

    ip = answer[got.l3_offset : got.l3_offset + header]
    tcp = answer[got.l4_offset : got.l4_offset + 20]
    if got.version == 4:
        expect("IP checksum", checksum(ip), 0)
    else:
        expect("flow label", ip[1] & 0xF | ip[2] | ip[3], 0)
    pseudo = got.saddr + got.daddr + struct.pack("!II", 20, 6)  # RFC 8200 section 8.1; RFC 9293 sums up alike
    expect("TCP checksum", checksum(pseudo + tcp), 0)
    sport, dport, seq, ack, offset, flags, window, _, urgent = struct.unpack("!HHIIBBHHH", tcp)
    expect("ports", (sport, dport), (asked.dport, asked.sport))
    expect("sequence number", seq, int.from_bytes(frame[asked.l4_offset + 8 : asked.l4_offset + 12], "big"))
    expect("acknowledgment number", ack, 0)
    expect("data offset and reserved bits", offset, 0x50)
    expect("flags", flags, 4)
    expect("window, urgent pointer", (window, urgent), (0, 0))
    end = got.l4_offset + 20
    expect("length of the frame", len(answer), min(len(frame), max(end, SHORTEST)))
    expect("padding", answer[end:], bytes(len(answer) - end))
    return faults.found
