"""The flows that a running fast path knows, read from its table as it lies in memory."""

from __future__ import annotations

import ctypes
import ipaddress
from typing import Any, NamedTuple

import numpy as np

from ecbpf.fastpath.programs import ticks_a_second
from ecbpf.kernel.map import Map
from ecbpf.kernel.object import Object
from ecbpf.paths import object_path

__all__ = ["Flow", "count_flows", "read_flows"]

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
    """All flows, in no order; those that are being changed meanwhile may be missing. Raises KernelError."""
    sets = _sets(table)
    places = np.nonzero(sets["tag"])
    found, seen = sets["flow"][places], sets["seen"][places]  # copies
    now, second = np.uint32(_ticks()), ticks_a_second()
    age, idle = ((now - ticks).astype(np.int32).clip(0) / second for ticks in (found["learned"], seen))
    whole = found["version"] % 2 == 0
    return [_flow(*each) for each in zip(found[whole], age[whole].tolist(), idle[whole].tolist(), strict=True)]


def _flow(record: Any, age: float, idle: float) -> Flow:
    version, proto = int(record["ip_version"]), int(record["proto"])
    return Flow(
        _PROTOCOLS.get(proto, str(proto)),
        _address(version, record["client"].tobytes()),
        int(record["client_port"]),
        _address(version, record["vip"].tobytes()),
        int(record["vip_port"]),
        record["server"].tobytes().hex(":"),
        int(record["port"]),
        int(record["vlan"]),
        int(record["bypassed"]),
        int(record["up"]),
        age,
        idle,
        _state(record),
    )


def _state(record: Any) -> str:
    if record["is_reset"]:
        return "reset"
    if record["unconfirmed"] >= _UNCONFIRMED:
        return "unconfirmed"
    if record["fins"]:
        return "closing"
    return "young" if record["first"] else "fast"


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
    flow_set, flow, key = (table.btf.struct(name) for name in ("flow_set", "flow", "flow_key"))
    parts = {
        "client": (key, "client", "V16"),
        "vip": (key, "vip", "V16"),
        "client_port": (key, "client_port", ">u2"),
        "vip_port": (key, "vip_port", ">u2"),
        "ip_version": (key, "version", "u1"),
        "proto": (key, "proto", "u1"),
        "server": (flow, "hop", "V6"),
        **{
            name: (flow, name, f"u{getattr(flow, name).size}")
            for name in (
                *("vlan", "first", "fins", "port", "bypassed", "up", "version"),
                *("learned", "unconfirmed", "is_reset"),
            )
        },
    }
    record = np.dtype(
        {
            "names": list(parts),
            "formats": [form for _, _, form in parts.values()],
            "offsets": [
                getattr(of, name).offset for of, name, _ in parts.values()
            ],  # the key comes first in a flow
            "itemsize": ctypes.sizeof(flow),
        }
    )
    ways = flow_set.tag.size // 4
    layout = np.dtype(
        {
            "names": ["tag", "seen", "flow"],
            "formats": [("u4", ways), ("u4", ways), (record, ways)],
            "offsets": [flow_set.tag.offset, flow_set.seen.offset, flow_set.flow.offset],
            "itemsize": ctypes.sizeof(flow_set),
        }
    )
    return np.frombuffer(table.memory(), layout, count=table.info.max_entries)
