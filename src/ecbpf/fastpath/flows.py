"""The flows that a running fast path knows, read from its table as it lies in memory."""

from __future__ import annotations

import ctypes
import ipaddress
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ecbpf.fastpath.programs import ticks_a_second
from ecbpf.kernel.map import Map
from ecbpf.kernel.object import Object
from ecbpf.paths import object_path

__all__ = ["Flow", "count_flows", "iterate_flows", "read_flows"]

_PROTOCOLS = {6: "tcp", 17: "udp"}
_UNCONFIRMED = 3  # UNCONFIRMED_MAX in decide.h
_A_FRAME = bytes(64)


class Flow(NamedTuple):
    """A flow. server: its MAC. port: ifindex of the NIC that leads there; vlan: its tag, 0 for none.

    bypassed, up: packets to the server past IPVS, and to IPVS. age, idle: seconds since it was learned, since its
    client's last packet. state: "young" (its first packets), "fast", "closing" (a FIN was seen), "unconfirmed"
    (IPVS sends nothing of it any more), "reset".
    """

    proto: str
    client: str
    client_port: int
    vip: str
    vip_port: int
    server: str
    port: int
    vlan: int
    bypassed: int
    up: int
    age: float
    idle: float
    state: str


def count_flows(table: Map) -> int:
    """How many flows there are. Raises KernelError."""
    return int(np.count_nonzero(_sets(table)["tag"]))


def read_flows(table: Map) -> list[Flow]:
    """All flows, those with most packets first; as iterate_flows()."""
    return list(iterate_flows(table))


def iterate_flows(table: Map, *, by_silence: bool = False, server: str = "") -> Iterator[Flow]:
    """Flows as they are now, one by one: a million of them at once would take gigabytes.

    Those with most packets come first; by_silence: those that were heard of last. server: only those of this MAC.
    Those that are being changed may be missing. Raises KernelError.
    """
    assert table.btf is not None  # ours have one
    kind = table.btf.struct("flow")
    sets = _sets(table)
    places = np.nonzero(sets["tag"])
    raw, seen = sets["flow"][places], sets["seen"][places]  # copies
    now, second = _ticks(), ticks_a_second()
    columns = raw.view(np.uint8).reshape(len(raw), ctypes.sizeof(kind))
    if by_silence:
        order = np.argsort((np.uint32(now) - seen).view(np.int32), kind="stable")
    else:
        order = np.argsort(-(_column(columns, kind.bypassed) + _column(columns, kind.up)), kind="stable")
    if server:
        mac = np.frombuffer(bytes.fromhex(server.replace(":", "")), np.uint8)
        order = order[(columns[order, kind.hop.offset : kind.hop.offset + len(mac)] == mac).all(axis=1)]
    entries = (kind * len(raw)).from_buffer(columns)
    for place in order.tolist():
        entry = entries[place]
        if entry.version % 2 == 0:
            yield _flow(entry, _seconds(entry.learned, now, second), _seconds(int(seen[place]), now, second))


def _column(columns: Any, member: Any) -> Any:
    """A member of every flow, a number."""
    cells = np.ascontiguousarray(columns[:, member.offset : member.offset + member.size])
    return cells.view(f"u{member.size}")[:, 0].astype(np.int64)


def _seconds(then: int, now: int, second: int) -> float:
    """How long ago `then` was; ticks are of 32 bits, and packets may have come since `now`."""
    passed = (now - then) % 2**32
    return passed / second if passed < 2**31 else 0.0


def _flow(entry: Any, age: float, idle: float) -> Flow:
    key = entry.key
    return Flow(
        _PROTOCOLS.get(key.proto, str(key.proto)),
        _address(key.version, bytes(key.client)),
        socket.ntohs(key.client_port),
        _address(key.version, bytes(key.vip)),
        socket.ntohs(key.vip_port),
        bytes(entry.hop.macs.server).hex(":"),
        entry.port,
        entry.vlan,
        entry.bypassed,
        entry.up,
        age,
        idle,
        _state(entry),
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
    """The clock by which the table's times are, cut to 32 bits as they are."""
    with Object.open(object_path("clock")) as clock:
        clock.load()
        return clock.programs["tc_clock_prog"].test_run(_A_FRAME).retval


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
