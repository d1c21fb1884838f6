"""What the fast path costs a packet of an established flow, and its table beside the kernel's LRU hash.

The server has the MAC of the NIC, so that a packet is the same before and after a run. Cold: each run has a packet
of the next of 65,536 flows.
"""

import functools
import struct
from collections.abc import Callable
from contextlib import ExitStack

import numpy as np

from bench.harness import Row
from bench.packets import PACKETS
from bench.prefixes import MILLION, SOURCES, misses, prefixes
from bench.rows.filter import PACKET, fill
from bench.testrun import cold_sources, compiled, load_program, load_slots, timed
from ecbpf.fastpath.programs import EGRESS, FLOWS, SLOT, Ingress, load_egress
from ecbpf.filter.prefix import Rows
from ecbpf.filter.subprogram import SLOT as FILTER_SLOT
from ecbpf.kernel.map import Map
from ecbpf.kernel.object import Object
from ecbpf.kernel.program import Program
from ecbpf.kernel.uapi import XDP_PASS, XDP_TX
from ecbpf.netdev.links import Egress, NetLink

__all__ = ["ROWS"]

_LIMIT, _LIMIT_WITH_FILTER = 45, 55
_ROUNDS = 15
_WIRE = Egress(1, 0)
_NIC = NetLink("bench", 1, PACKETS["ipv4-tcp"][:6])
# To egress, the firewall mark says that IPVS sent the packet: struct __sk_buff with mark and ingress_ifindex.
_FROM_IPVS = struct.pack("8xI24xI152x", 1, 1)
# No samples while the benchmark runs: no IPVS would confirm them.
_SETTINGS: dict[str, bool | int] = {"inactive_seconds": 900, "sample_seconds": 899}
_YOUNG = 10
_Setup = Callable[[ExitStack], Callable[[], float]]


@functools.cache
def _egress(stack: ExitStack) -> Object:
    return stack.enter_context(load_egress(_WIRE, {}, None, _SETTINGS)).object


def _shared(egress: Object) -> dict[str, Map]:
    return {name[:15]: each for name, each in egress.maps.items()}


@functools.cache
def _chain(stack: ExitStack, filtered: int = 0) -> tuple[Program, Object]:
    """The root and the fast path; filtered: also a filter before it, with so many prefixes per family."""
    egress = _egress(stack)
    ingress = Ingress(_shared(egress), _NIC, _WIRE, set())
    subprograms = {SLOT: compiled("fastpath_ingress")} | ({FILTER_SLOT: compiled("filter")} if filtered else {})
    root, slots = load_slots(stack, subprograms, configure={SLOT: lambda new: ingress.configure(new, _NIC.name)})
    if filtered:
        fill(slots[FILTER_SLOT], {family: prefixes(family, filtered) for family in PACKET})
    return root, egress


def _learn(egress: Object, frame: bytes) -> None:
    egress.programs[EGRESS].test_run(frame, context=_FROM_IPVS)


def _established(packet: str, *, filtered: int = 0) -> _Setup:
    def setup(stack: ExitStack) -> Callable[[], float]:
        root, egress = _chain(stack, filtered)
        _learn(egress, PACKETS[packet])
        for _ in range(_YOUNG):
            root.test_run(PACKETS[packet])
        return timed(root, packet, verdict=XDP_TX)

    return setup


def _unknown(packet: str) -> _Setup:
    return lambda stack: timed(_chain(stack)[0], packet, verdict=XDP_PASS)


def _bare(packet: str) -> _Setup:
    return lambda stack: timed(load_program(stack, compiled("floor")), packet, verdict=XDP_PASS)


def _cold_flows(family: int) -> Rows:
    return misses(family, MILLION)


def _frames(family: int) -> list[bytes]:
    """The frames of the cold rows, one per source."""
    frame, sources = PACKETS[f"ipv{family}-tcp"], _cold_flows(family)
    at, size = (14 + 12, 4) if family == 4 else (14 + 8, 16)
    raw = np.stack([sources["upper"], sources["lower"]], axis=1).astype(">u8").view("u1")[:, :size]
    return [frame[:at] + each.tobytes() + frame[at + size :] for each in raw]


def _cold_floor(family: int) -> _Setup:
    def setup(stack: ExitStack) -> Callable[[], float]:
        floor = load_program(stack, compiled("floor"))
        return timed(cold_sources(stack, floor, family, _cold_flows(family)), f"ipv{family}-tcp")

    return setup


def _cold(family: int) -> _Setup:
    def setup(stack: ExitStack) -> Callable[[], float]:
        root, egress = _chain(stack)
        for frame in _frames(family):
            _learn(egress, frame)
        return timed(cold_sources(stack, root, family, _cold_flows(family)), f"ipv{family}-tcp")

    return setup


@functools.cache
def _tables(stack: ExitStack) -> Object:
    """bench/bpf/flows.bpf.c, with the flows of the cold rows in both tables."""
    egress = _egress(stack)
    new = stack.enter_context(Object.open(compiled("flows")))
    for name in (FLOWS, ".data.director"):
        new.share_map(name, egress.maps[name])
    new.globals.flow_sets = egress.maps[FLOWS].info.max_entries
    new.load()
    frames = [PACKETS["ipv4-tcp"], *_frames(4)]
    for frame in frames:
        _learn(egress, frame)
    keys = b"".join(struct.pack("4s12x4s12x4sBB2x", f[26:30], f[30:34], f[34:38], 4, 6) for f in frames)
    new.maps["lru_flows"].update_raw(keys, bytes(64 * len(frames)))
    return new


def _lookup(name: str) -> _Setup:
    return lambda stack: timed(_tables(stack).programs[name], "ipv4-tcp", verdict=XDP_TX)


def _cold_lookup(name: str) -> _Setup:
    def setup(stack: ExitStack) -> Callable[[], float]:
        return timed(cold_sources(stack, _tables(stack).programs[name], 4, _cold_flows(4)), "ipv4-tcp")

    return setup


def _hot_rows(packet: str, what: str) -> list[Row]:
    return [
        Row("fastpath", f"floor-{packet}", f"a bare `return XDP_PASS`: {what}", _bare(packet)),
        Row(
            "fastpath",
            f"established-{packet}",
            f"root and slot 7, to the server by XDP_TX: {what}",
            _established(packet),
            f"floor-{packet}",
            limit=_LIMIT,
        ),
    ]


def _filtered_row(packet: str) -> Row:
    return Row(
        "fastpath",
        f"filtered-{packet}",
        "the same behind a filter with a million prefixes per family",
        _established(packet, filtered=MILLION),
        f"floor-{packet}",
        limit=_LIMIT_WITH_FILTER,
    )


ROWS = [
    *_hot_rows("ipv4-tcp", "IPv4"),
    _filtered_row("ipv4-tcp"),
    *_hot_rows("vlan-ipv4-tcp", "IPv4, in and out in VLAN 5"),
    *_hot_rows("ipv6-tcp", "IPv6"),
    _filtered_row("ipv6-tcp"),
    Row("fastpath", "floor-ipv4-udp", "a bare `return XDP_PASS`: UDP", _bare("ipv4-udp")),
    Row("fastpath", "not-tcp", "root and slot 7: UDP, passed", _unknown("ipv4-udp"), "floor-ipv4-udp"),
    *(
        row
        for family in PACKET
        for row in (
            Row(
                "fastpath",
                f"cold-floor-ipv{family}",
                f"the sources of {SOURCES} flows, and `return XDP_PASS`",
                _cold_floor(family),
                rounds=_ROUNDS,
            ),
            Row(
                "fastpath",
                f"cold-ipv{family}",
                f"root and slot 7, {SOURCES} flows in turn",
                _cold(family),
                f"cold-floor-ipv{family}",
                rounds=_ROUNDS,
            ),
        )
    ),
    Row("fastpath", "lookup-floor", "the key of a flow, nothing else", _lookup("xdp_parse")),
    Row("fastpath", "lookup", "and the flow, in our table", _lookup("xdp_own"), "lookup-floor"),
    Row(
        "fastpath",
        "lookup-lru",
        "the same in the kernel's LRU hash",
        _lookup("xdp_lru"),
        "lookup-floor",
        peer_of="lookup",
    ),
    Row(
        "fastpath", "cold-lookup-floor", f"the keys of {SOURCES} flows", _cold_lookup("xdp_parse"), rounds=_ROUNDS
    ),
    Row(
        "fastpath",
        "cold-lookup",
        "and the flows, in our table",
        _cold_lookup("xdp_own"),
        "cold-lookup-floor",
        rounds=_ROUNDS,
    ),
    Row(
        "fastpath",
        "cold-lookup-lru",
        "the same in the kernel's LRU hash",
        _cold_lookup("xdp_lru"),
        "cold-lookup-floor",
        peer_of="cold-lookup",
        rounds=_ROUNDS,
    ),
]
