"""What the filter costs per packet: source listed or not, small and large sets, warm and cold memory.

Cold: each run has the next of 65,536 sources. The runs in between push the memory that it needs out of the near
caches. The floor gets the same sources. Rows with a million prefixes and one source are measured the same way: the
position of the source in the set matters, and the middle of real sets is crowded.
"""

import ctypes
import functools
import ipaddress
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np

from bench.harness import Row
from bench.packets import PACKETS
from bench.prefixes import MILLION, SOURCES, common, hits, misses, near_misses, prefixes
from bench.testrun import cold_sources, compiled, load_program, load_slots, timed
from ecbpf.chain.occupant import kernel_name
from ecbpf.filter.lists import DROP
from ecbpf.filter.prefix import Rows, parse_prefix
from ecbpf.filter.rows import merged, rows_of
from ecbpf.filter.sets import Sets
from ecbpf.filter.subprogram import SLOT
from ecbpf.kernel.object import Object
from ecbpf.kernel.program import Program
from ecbpf.kernel.uapi import XDP_DROP, XDP_PASS

__all__ = ["PACKET", "ROWS", "fill"]

_HOT_LIMIT = 14
_ROUNDS = 15
_TRIE_ROUNDS = 5  # each takes seconds
_SMALL = 100
PACKET = {4: "ipv4-udp", 6: "ipv6-tcp"}
_LISTED = {4: "192.168.56.0/24", 6: "fd00:56::/64"}
_XDP_FILTER = ("/usr/lib/x86_64-linux-gnu/bpf/xdpfilt_alw_ip.o", "xdp-tools")
_XDP_FILTER_SOURCE = 1 << 0  # MAP_FLAG_SRC in its common_kern_user.h
_libbpf = ctypes.CDLL("libbpf.so.1")
_Setup = Callable[[ExitStack], Callable[[], float]]


def _listed(family: int) -> Rows:
    """The sources of the frames in packets.py."""
    return rows_of([parse_prefix(_LISTED[family])])


@functools.cache
def _filter(stack: ExitStack, count: int, *, listed: bool) -> tuple[Program, Object]:
    """The root and the filter, with so many prefixes per family to drop; listed: also the frames' sources."""
    root, slots = load_slots(stack, {SLOT: compiled("filter")})
    rows = {family: prefixes(family, count) for family in _LISTED}
    if listed:
        rows = {family: merged(rows[family], _listed(family)) for family in _LISTED}
    fill(slots[SLOT], rows)
    return root, slots[SLOT]


def fill(loaded: Object, rows: dict[int, Rows]) -> None:
    """Put prefixes of each family into a filter's drop set."""
    sets = Sets({kernel_name(name): each for name, each in loaded.maps.items()})
    before = sets.read()
    sets.change(before.added(DROP, rows, [""]), before)


@functools.cache
def _trie(stack: ExitStack, count: int) -> tuple[Program, Object]:
    """The same prefixes in tries."""
    root, slots = load_slots(stack, {SLOT: compiled("trie")})
    for family, words in ((4, 1), (6, 4)):
        rows = prefixes(family, count)
        keys = np.zeros((len(rows), 1 + words), "<u4")
        keys[:, 0] = rows["length"]
        address = np.stack([rows["upper"], rows["lower"]], axis=1).astype(">u8").view("<u4")
        keys[:, 1:] = address[:, :words]
        slots[SLOT].maps[f"trie_ip{family}"].update_raw(keys, np.ones(len(rows), "<u4"))
    return root, slots[SLOT]


def _xdp_filter(packet: str, *, listed: bool) -> _Setup:
    """xdp-filter(8), which lists addresses, without the dispatcher that it usually runs behind."""

    def setup(stack: ExitStack) -> Callable[[], float]:
        loaded = stack.enter_context(Object.open(_XDP_FILTER[0]))
        for each in loaded._definitions.values():
            _libbpf.bpf_map__set_pin_path(ctypes.c_void_p(each), None)  # else all rows would share pinned maps
        loaded.load()
        if listed:
            for name, address in (("filter_ipv4", "192.168.56.20"), ("filter_ipv6", "fd00:56::20")):
                loaded.maps[name][ipaddress.ip_address(address).packed] = _XDP_FILTER_SOURCE
        return timed(loaded.programs[loaded.program_names[0]], packet, verdict=XDP_DROP if listed else XDP_PASS)

    return setup


def _bare(packet: str) -> _Setup:
    return lambda stack: timed(load_program(stack, compiled("floor")), packet, verdict=XDP_PASS)


def _hot(packet: str, count: int = _SMALL, *, listed: bool = False) -> _Setup:
    def setup(stack: ExitStack) -> Callable[[], float]:
        return timed(_filter(stack, count, listed=listed)[0], packet, verdict=XDP_DROP if listed else XDP_PASS)

    return setup


class _Flood(NamedTuple):
    """Packets of SOURCES sources, alike or not. listed: how many of these are."""

    name: str
    what: str
    family: int
    sources: Callable[[], Rows]
    listed: int
    limit: float


def _cold_floor(flood: _Flood) -> _Setup:
    def setup(stack: ExitStack) -> Callable[[], float]:
        floor = load_program(stack, compiled("floor"))
        program = cold_sources(stack, floor, flood.family, flood.sources())
        return timed(program, PACKET[flood.family], verdict=XDP_PASS)

    return setup


def _cold(load: Callable[[ExitStack], tuple[Program, Object]], flood: _Flood) -> _Setup:
    def setup(stack: ExitStack) -> Callable[[], float]:
        root, occupant = load(stack)
        program = cold_sources(stack, root, flood.family, flood.sources())
        before = _drops(occupant)
        program.test_run(PACKETS[PACKET[flood.family]], repeat=SOURCES)
        dropped = _drops(occupant) - before
        assert dropped == flood.listed, f"{occupant.name} drops {dropped} of {SOURCES} sources, not {flood.listed}"
        return timed(program, PACKET[flood.family])

    return setup


def _drops(occupant: Object) -> int:
    return int(occupant.maps["xdp_stats"].sum(SLOT).verdict[XDP_DROP])


def _half_listed() -> Rows:
    """IPv4 sources."""
    both = np.concatenate([hits(4, MILLION, SOURCES // 2), misses(4, MILLION, SOURCES // 2)])
    return np.random.default_rng(1).permutation(both)


def _hot_rows(packet: str) -> list[Row]:
    what = {True: "listed", False: "not listed"}
    floor = f"floor-{packet}"
    row = functools.partial(Row, "filter", floor=floor, rounds=_ROUNDS)
    rows = [
        Row("filter", floor, f"{packet}: a bare `return XDP_PASS`", _bare(packet), rounds=_ROUNDS),
        row(
            f"pass-empty-{packet}",
            "root + filter, nothing listed",
            _hot(packet, 0),
            limit=_HOT_LIMIT,
        ),
    ]
    for listed, name in ((False, "pass"), (True, "drop")):
        rows += [
            row(
                f"{name}-{_SMALL}-{packet}",
                f"root + filter, {_SMALL} prefixes, the source {what[listed]}",
                _hot(packet, listed=listed),
                limit=_HOT_LIMIT,
            ),
            row(
                f"xdp-filter-{name}-{packet}",
                f"xdp-filter alone, the source {what[listed]}",
                _xdp_filter(packet, listed=listed),
                peer_of=f"{name}-{_SMALL}-{packet}",
                needs=_XDP_FILTER,
            ),
        ]
    return rows


def _million(stack: ExitStack) -> tuple[Program, Object]:
    return _filter(stack, MILLION, listed=False)


def _million_trie(stack: ExitStack) -> tuple[Program, Object]:
    return _trie(stack, MILLION)


def _cold_rows(flood: _Flood) -> list[Row]:
    floor = f"floor-{flood.name}"
    row = functools.partial(Row, "filter", rounds=_ROUNDS)
    return [
        row(floor, f"{flood.what}: a bare `return XDP_PASS`", _cold_floor(flood)),
        row(flood.name, "root + filter, 1M prefixes", _cold(_million, flood), floor, limit=flood.limit),
        row(
            f"trie-{flood.name}",
            "the same with a trie of the kernel's (LPM_TRIE)",
            _cold(_million_trie, flood),
            floor,
            peer_of=flood.name,
            rounds=_TRIE_ROUNDS,
        ),
    ]


def _one_near_miss(family: int) -> Rows:
    return np.repeat(near_misses(family, MILLION)[:1], SOURCES)


_FLOODS = (
    _Flood("drop-1M-ip4", "IPv4, one listed source", 4, lambda: common(4, MILLION), SOURCES, _HOT_LIMIT),
    _Flood("pass-1M-ip4", "IPv4, one source near listed ones", 4, lambda: _one_near_miss(4), 0, _HOT_LIMIT),
    _Flood("drop-1M-ip6", "IPv6, one listed source", 6, lambda: common(6, MILLION), SOURCES, _HOT_LIMIT),
    _Flood("pass-1M-ip6", "IPv6, one source near listed ones", 6, lambda: _one_near_miss(6), 0, _HOT_LIMIT),
    _Flood("cold-ip4", "IPv4, half listed", 4, _half_listed, SOURCES // 2, 60),
    _Flood("cold-ip6-misses", "IPv6, random sources", 6, lambda: misses(6, MILLION), 0, 70),
    _Flood("cold-ip6-near", "IPv6, sources near listed ones", 6, lambda: near_misses(6, MILLION), 0, 240),
    _Flood("cold-ip6-hits", "IPv6, listed sources", 6, lambda: hits(6, MILLION), SOURCES, 240),
)
ROWS = [
    *(row for packet in ("ipv4-udp", "vlan-ipv4-udp", "ipv6-tcp") for row in _hot_rows(packet)),
    *(row for flood in _FLOODS for row in _cold_rows(flood)),
]
