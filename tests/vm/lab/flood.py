"""Packets that belong to no connection, as in an attack, sent by the client of the director's lab."""

import random
import socket
import struct
import subprocess
import time

from ecbpf import lab
from ecbpf.lab.namespace import run_in
from tests.vm.lab.downloads import CLIENT

__all__ = ["ACK", "SYN", "flood"]

SYN, ACK = 0x02, 0x10
_BURST = 32  # a wire of the lab holds 256 packets
_ROUTER = "ecbpf-director-router"
# Replies to these go to the client, which drops them: it has no such address.
_SOURCES = ("10.0.0.0/8", "192.168.57.20"), ("fd10::/16", "fd00:57::20")


def flood(vip: str, flags: int, number: int, seed: int) -> None:
    """Send `number` TCP packets of random sources and ports to port 80 of the VIP; returns when all have left.

    seed: the same one makes the same packets.
    """
    family = 1 if ":" in vip else 0
    network, back = _SOURCES[family]
    run_in(_ROUTER, "ip", "route", "replace", network, "via", back)
    with lab.inside(CLIENT):
        subprocess.run(["ping", "-q", "-c", "1", "-W", "5", "fd00:57::1"], check=True, capture_output=True)
        subprocess.run(["ping", "-q", "-c", "1", "-W", "5", "192.168.57.1"], check=True, capture_output=True)
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with wire:
        wire.bind(("eth0", 0))
        own = wire.getsockname()[4]
        router = _mac_of_the_router()
        draw = random.Random(seed)
        for index in range(number):
            wire.send(router + own + _packet(vip, flags, draw))
            if index % _BURST == 0:
                time.sleep(0.001)


def _mac_of_the_router() -> bytes:
    shown = run_in(_ROUTER, "ip", "-br", "link", "show", "dev", "eth0").split()
    return bytes.fromhex(shown[2].replace(":", ""))


def _packet(vip: str, flags: int, draw: random.Random) -> bytes:
    """The EtherType and all that follows it."""
    tail = struct.pack("!IIBBH", draw.getrandbits(32), draw.getrandbits(32), 5 << 4, flags, 1000)
    ports = struct.pack("!HH", draw.randrange(1024, 65536), 80)
    if ":" in vip:
        ends = b"\xfd\x10" + draw.randbytes(14) + socket.inet_pton(socket.AF_INET6, vip)
        return b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, 20, 6, 60) + ends + _segment(ends, ports + tail)
    ends = b"\x0a" + draw.randbytes(3) + socket.inet_aton(vip)
    head = struct.pack("!BBHHHBB", 0x45, 0, 40, 0, 0x4000, 60, 6)
    head += struct.pack("!H", _checksum(head + ends)) + ends
    return b"\x08\x00" + head + _segment(ends, ports + tail)


def _segment(ends: bytes, head: bytes) -> bytes:
    return head + struct.pack("!HH", _checksum(ends + struct.pack("!HH", 6, 20) + head), 0)


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - ((total & 0xFFFF) + (total >> 16))
