"""Realistic sets of prefixes, and sources to look up in them: the same in every run.

Sources, like prefixes, are rows of ecbpf.filter.prefix.ROW.
"""

import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ecbpf.filter.prefix import BITS, ROW, Rows, masked
from ecbpf.filter.rows import merged

__all__ = ["MILLION", "SOURCES", "common", "hits", "is_in", "misses", "near_misses", "prefixes"]

MILLION = 1_000_000
SOURCES = 1 << 16  # as bench/bpf/sources.bpf.c has it
_U64 = npt.NDArray[np.uint64]
_UPPER_HALF = np.uint64(0xFFFFFFFF00000000)

# Prefix lengths, and the share of each in percent.
_LENGTHS: dict[int, dict[int, float]] = {
    4: {24: 65, 32: 15, 16: 0.75, 17: 0.75, 18: 0.75, 19: 0.75}
    | dict.fromkeys((20, 21, 22, 23, 25, 26, 27, 28), 2.125),
    6: {29: 1, 32: 9, 36: 4, 40: 8, 44: 8, 48: 35, 56: 12, 60: 2, 64: 10, 96: 1, 112: 1, 128: 9},
}
# Where the registries allocate from: the first bits.
_IP6_BLOCKS = ((0x2001, 16), (0x2400, 12), (0x2600, 12), (0x2800, 12), (0x2A00, 12), (0x2C00, 12))
_IP6_ALLOCATIONS = 100_000
# The source addresses of the frames in packets.py: in no set, unless a row puts them there.
_KEPT_OUT = {4: (0xC0A83814_00000000, 0), 6: (0xFD000056_00000000, 0x20)}


@functools.cache
def prefixes(family: int, count: int) -> Rows:
    """`count` different prefixes without host bits, sorted."""
    random = _random(f"prefixes {family} {count}")
    rows = np.zeros(count * 3 // 2 + 1000, ROW)
    lengths, shares = zip(*_LENGTHS[family].items(), strict=True)
    rows["length"] = random.choice(lengths, len(rows), p=np.array(shares) / sum(shares))
    if family == 4:
        rows["upper"] = _words(random, len(rows))
    else:
        rows["upper"], rows["lower"] = _ip6_addresses(random, len(rows))
    masked(rows)
    rows = rows[~_covers(rows, *_KEPT_OUT[family])]
    rows = merged(rows, rows[:0])
    return rows[np.sort(random.permutation(len(rows))[:count])]


def _random(seed: str) -> np.random.Generator:
    return np.random.default_rng(list(seed.encode()))


def _words(random: np.random.Generator, count: int) -> _U64:
    return random.integers(0, 1 << 64, count, np.uint64)


def _ip6_addresses(random: np.random.Generator, count: int) -> tuple[_U64, _U64]:
    """Addresses in allocations of /32, half of them in an eighth of these; networks numbered low or at random."""
    first, length = np.array(_IP6_BLOCKS, np.uint64).T
    block = random.integers(0, len(_IP6_BLOCKS), _IP6_ALLOCATIONS)
    allocations = (first[block] << np.uint64(48) | _words(random, len(block)) >> length[block]) & _UPPER_HALF
    network = _words(random, count) & ~_UPPER_HALF
    network[random.random(count) < 0.5] &= np.uint64(0x00FF00FF)
    return (
        allocations[(random.random(count) ** 3 * _IP6_ALLOCATIONS).astype(np.int64)] | network,
        _words(random, count) >> random.integers(0, 64, count, np.uint64),
    )


def _covers(rows: Rows, upper: int, lower: int) -> npt.NDArray[np.bool_]:
    """For each prefix, whether the address is in it."""
    probe = rows.copy()
    probe["upper"], probe["lower"] = upper, lower
    masked(probe)
    same: npt.NDArray[np.bool_] = (probe["upper"] == rows["upper"]) & (probe["lower"] == rows["lower"])
    return same


def is_in(rows: Rows, addresses: Rows) -> npt.NDArray[np.bool_]:
    """For each address, whether it is in one of the prefixes: compare its first bits for each prefix length."""
    found = np.zeros(len(addresses), bool)
    for length in np.unique(rows["length"]):
        probe = addresses.copy()
        probe["length"] = length
        masked(probe)
        found |= np.isin(_key(probe, length), _key(rows[rows["length"] == length], length))
    return found


def _key(rows: Rows, length: int) -> npt.NDArray[np.uint64 | np.bytes_]:
    """The first bits, in whole words, as one element that can be compared."""
    if length <= 64:
        return rows["upper"]
    return np.stack([rows["upper"], rows["lower"]], axis=1).view("S16")[:, 0]


def hits(family: int, count: int, wanted: int = SOURCES) -> Rows:
    """Random addresses in random prefixes of prefixes(family, count)."""
    random = _random(f"hits {family} {count}")
    return _below(random, family, random.choice(prefixes(family, count), wanted))


def common(family: int, count: int) -> Rows:
    """SOURCES times the first address of one prefix, the middle one of the most common length."""
    rows = prefixes(family, count)
    rows = rows[rows["length"] == {4: 24, 6: 48}[family]]
    return np.repeat(rows[len(rows) // 2 :][:1], SOURCES)


def near_misses(family: int, count: int, wanted: int = SOURCES) -> Rows:
    """Addresses in none of the prefixes that share their first 32 to 64 bits with one (IPv4: 16 to 24)."""
    random = _random(f"near {family} {count}")
    least, most = (16, 24) if family == 4 else (32, 64)

    def candidates() -> Rows:
        shorter = random.choice(prefixes(family, count), wanted * 4)
        shorter["length"] = random.integers(least, most + 1, len(shorter))
        masked(shorter)
        return _below(random, family, shorter)

    return _outside(prefixes(family, count), candidates, wanted)


def misses(family: int, count: int, wanted: int = SOURCES) -> Rows:
    """Random addresses in none of the prefixes; of IPv6, in the blocks that the registries allocate from."""
    random = _random(f"misses {family} {count}")
    everywhere = np.zeros(len(_IP6_BLOCKS) if family == 6 else 1, ROW)
    if family == 6:
        first, everywhere["length"] = np.array(_IP6_BLOCKS, np.uint64).T
        everywhere["upper"] = first << np.uint64(48)

    def candidates() -> Rows:
        return _below(random, family, random.choice(everywhere, wanted * 2))

    return _outside(prefixes(family, count), candidates, wanted)


def _outside(rows: Rows, candidates: Callable[[], Rows], wanted: int) -> Rows:
    found = np.empty(0, ROW)
    while len(found) < wanted:
        more = candidates()
        found = np.concatenate([found, more[~is_in(rows, more)]])
    return found[:wanted]


def _below(random: np.random.Generator, family: int, rows: Rows) -> Rows:
    """A random address in each prefix."""
    made = rows.copy()
    made["upper"], made["lower"] = _words(random, len(rows)), _words(random, len(rows))
    kept = made.copy()
    masked(kept)
    made["upper"] += rows["upper"] - kept["upper"]
    made["lower"] += rows["lower"] - kept["lower"]
    made["length"] = BITS[family]
    masked(made)
    return made
