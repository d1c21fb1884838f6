"""The flows that a running fast path has learned, read from its table as it lies in memory."""

from __future__ import annotations

import ctypes
import ipaddress
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ecbpf.fastpath.programs import ticks_per_second
from ecbpf.kernel.map import Map
from ecbpf.objects.clock import ClockBpf

__all__ = ["Flow", "count_flows", "iterate_flows", "read_flows"]

_PROTOCOLS = {6: "tcp", 17: "udp"}
_UNCONFIRMED = 3  # UNCONFIRMED_MAX in decide.h
_EARLIER_NAMES = {"sequence": "version", "ifindex": "port"}  # of members of struct flow
_A_FRAME = bytes(64)


class Flow(NamedTuple):
    """A flow. server: its MAC. vlan: its VLAN ID, 0 for untagged.

    bypassed, up: packets to the server past IPVS, and to IPVS. age, idle: seconds since it was learned, since its
    client's last packet. state: "young" (its first packets), "fast", "closing" (a FIN was seen), "unconfirmed"
    (IPVS sends nothing of it any more), "reset". interface: by which packets leave to the server, its ifindex if
    there is none of that index any more.
    """

    proto: str
    client: str
    client_port: int
    vip: str
    vip_port: int
    server: str
    vlan: int
    bypassed: int
    up: int
    age: float
    idle: float
    state: str
    interface: str


def count_flows(table: Map) -> int:
    """How many flows there are. Raises KernelError."""
    return int(np.count_nonzero(_sets(table)["tag"]))


def read_flows(table: Map) -> list[Flow]:
    """All flows, those with most packets first; as iterate_flows()."""
    return list(iterate_flows(table))


def iterate_flows(table: Map, *, by_silence: bool = False, server: str = "") -> Iterator[Flow]:
    """Flows as they are now, one by one: a million of them at once would take gigabytes.

    Those with most packets come first; by_silence: those with the latest packet. server: only those of this MAC.
    Flows that are being changed may be missing. Raises KernelError.
    """
    kind = _flow_type(table)
    sets = _sets(table)
    used = np.nonzero(sets["tag"])
    raw, seen = sets["flow"][used], sets["seen"][used]  # copies
    now, second = _ticks(), ticks_per_second()
    names = dict(socket.if_nameindex())
    columns = raw.view(np.uint8).reshape(len(raw), ctypes.sizeof(kind))
    if by_silence:
        order = np.argsort((np.uint32(now) - seen).view(np.int32), kind="stable")
    else:
        order = np.argsort(-(_column(columns, kind.bypassed) + _column(columns, kind.up)), kind="stable")
    if server:
        mac = np.frombuffer(bytes.fromhex(server.replace(":", "")), np.uint8)
        order = order[(columns[order, kind.hop.offset : kind.hop.offset + len(mac)] == mac).all(axis=1)]
    entries = (kind * len(raw)).from_buffer(columns)
    for index in order.tolist():
        entry = entries[index]
        if entry.sequence % 2 == 0:
            age, idle = _seconds(entry.learned, now, second), _seconds(int(seen[index]), now, second)
            yield _flow(entry, age, idle, names.get(entry.ifindex, str(entry.ifindex)))


def _flow_type(table: Map) -> Any:
    """The type of an entry as the table's program has it, with the member names of this version."""
    assert table.btf is not None  # ours have one
    kind = table.btf.struct("flow")
    for name, earlier in _EARLIER_NAMES.items():
        if not hasattr(kind, name):
            setattr(kind, name, getattr(kind, earlier))
    return kind


def _column(columns: Any, member: Any) -> Any:
    """A member of every flow, a number."""
    cells = np.ascontiguousarray(columns[:, member.offset : member.offset + member.size])
    return cells.view(f"u{member.size}")[:, 0].astype(np.int64)


def _seconds(then: int, now: int, second: int) -> float:
    """How long ago `then` was; ticks have 32 bits, and packets may have come since `now`."""
    passed = (now - then) % 2**32
    return passed / second if passed < 2**31 else 0.0


def _flow(entry: Any, age: float, idle: float, interface: str) -> Flow:
    key = entry.key
    return Flow(
        _PROTOCOLS.get(key.proto, str(key.proto)),
        _address(key.version, bytes(key.client)),
        socket.ntohs(key.client_port),
        _address(key.version, bytes(key.vip)),
        socket.ntohs(key.vip_port),
        bytes(entry.hop.macs.server).hex(":"),
        entry.vlan,
        entry.bypassed,
        entry.up,
        age,
        idle,
        _state(entry),
        interface,
    )


def _state(entry: Any) -> str:
    if entry.is_reset:
        return "reset"
    if entry.unconfirmed >= _UNCONFIRMED:
        return "unconfirmed"
    if entry.fins:
        return "closing"
    return "young" if entry.first else "fast"


def _address(version: int, raw: bytes) -> str:
    return str(ipaddress.IPv4Address(raw[:4]) if version == 4 else ipaddress.IPv6Address(raw))


def _ticks() -> int:
    """Now, by the clock of the table's times, and cut to 32 bits as they are."""
    with ClockBpf() as clock:
        clock.load()
        return clock.programs.tc_clock_prog.test_run(_A_FRAME).retval


def _sets(table: Map) -> Any:
    """The table as an array of sets; live."""
    assert table.btf is not None  # ours have one
    flow_set, flow = table.btf.struct("flow_set"), table.btf.struct("flow")
    ways = flow_set.tag.size // 4
    layout = np.dtype(
        {
            "names": ["tag", "seen", "flow"],
            "formats": [("u4", ways), ("u4", ways), (f"V{ctypes.sizeof(flow)}", ways)],
            "offsets": [flow_set.tag.offset, flow_set.seen.offset, flow_set.flow.offset],
            "itemsize": ctypes.sizeof(flow_set),
        }
    )
    return np.frombuffer(table.memory(), layout, count=table.info.max_entries)
