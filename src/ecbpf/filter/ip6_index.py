"""Build the index that bpf/filter/ip6_set.h searches."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ecbpf.filter.prefix import Rows
from ecbpf.kernel.btf import Btf

__all__ = ["build_ip6"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_LINE = 64  # bytes
_U64 = npt.NDArray[np.uint64]


class _Keys(NamedTuple):
    """The upper halves where prefixes begin, each once; and the prefixes longer than 64 bits.

    lengths: of the prefix, or the mark of a long one. records, pool: elements as in the C.
    """

    key: _U64
    lengths: npt.NDArray[np.uint8]
    records: npt.NDArray[Any]
    pool: npt.NDArray[Any]


def build_ip6(rows: Rows, memory: Any, btf: Btf) -> None:
    """Write the index of disjoint, sorted IPv6 rows (at least one) into the memory of a new map, all zero.

    btf: of the program that will search it.
    """
    layout = btf.enum("ip6_set_layout")
    rows = _without_length_0(rows)
    keys = _keys(rows, layout["IP6_LONG"], np.dtype(btf.struct("ip6_long")))
    leaves = _leaves(keys, layout, np.dtype(btf.struct("ip6_leaf")))
    firsts = leaves["key"][:, 0]
    sectors, radix = _radix(firsts, layout["IP6_SECTORS"], layout["IP6_RADIXES"])

    index: npt.NDArray[Any] = np.frombuffer(memory, np.dtype(btf.struct("ip6_index")), 1)[0]
    index["gate"][:] = _gate(rows, layout["IP6_GATE_BITS"])
    index["firsts"][: len(firsts)] = firsts
    index["radix"][: len(radix)] = radix
    index["sector"][:] = sectors

    line = 0
    begins = []
    for part in (leaves, keys.records, keys.pool):
        begins.append(line)
        raw = part.view(np.uint8).reshape(-1)
        np.frombuffer(memory, np.uint8, len(raw), (layout["IP6_BLOCK_LINES"] + line) * _LINE)[:] = raw
        line += -(-len(raw) // _LINE)
    _, index["head"]["records"], index["head"]["pool"] = begins


def _without_length_0(rows: Rows) -> Rows:
    """A length of 0 marks a free entry: the whole of IPv6 becomes its two halves."""
    if rows["length"][0]:
        return rows
    halves = np.repeat(rows, 2)
    halves["length"] = 1
    halves["upper"][1] = 1 << 63
    return halves


def _keys(rows: Rows, mark: int, longer: np.dtype[Any]) -> _Keys:
    is_long = rows["length"] > 64
    begins = np.ones(len(rows), bool)
    begins[1:] = rows["upper"][1:] != rows["upper"][:-1]
    lengths = np.where(is_long, mark, rows["length"])[begins].astype(np.uint8)

    long = rows[is_long]
    _, first, count = np.unique(long["upper"], return_index=True, return_counts=True)
    crowded = np.repeat(count > 1, count)
    pool = _longer(long[crowded], longer)
    pool["count"] = 0
    records = _longer(long[first], longer)
    records["count"] = count
    records["lower"][count > 1] = (np.cumsum(crowded) - 1)[first[count > 1]]
    return _Keys(rows["upper"][begins], lengths, records, pool)


def _longer(rows: Rows, longer: np.dtype[Any]) -> npt.NDArray[Any]:
    made = np.zeros(len(rows), longer)
    made["lower"] = rows["lower"]
    made["length"] = rows["length"] - 64
    return made


def _leaves(keys: _Keys, layout: dict[str, int], leaf: np.dtype[Any]) -> npt.NDArray[Any]:
    width = layout["IP6_LEAF_KEYS"]
    count = len(keys.key) // width + 1
    leaves = np.zeros(count, leaf)
    free = count * width - len(keys.key)
    leaves["key"] = np.concatenate([np.zeros(free, np.uint64), keys.key]).reshape(count, width)
    lengths = np.zeros((count, 8), np.uint8)
    lengths[:, :width] = np.concatenate([np.zeros(free, np.uint8), keys.lengths]).reshape(count, width)
    leaves["length"] = lengths
    long = np.count_nonzero(lengths == layout["IP6_LONG"], axis=1)
    leaves["rank"] = np.cumsum(long) - long
    return leaves


def _radix(firsts: _U64, count: int, room: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """The sectors, `count` of them; and how many leaves begin before each of their parts, and in all.

    A sector has up to 8 parts per leaf that begins in it, fewer if they would not fit into the room.
    """
    sector = (firsts >> np.uint64(48)).astype(np.int64)
    leaves = np.bincount(sector, minlength=count)
    for parts_per_leaf in (8, 4, 2, 1):
        bits = np.ceil(np.log2(np.maximum(parts_per_leaf * leaves, 1))).astype(np.int64)
        parts = np.where(leaves > 0, 1 << bits, 0)
        total = int(parts.sum())
        if total + 2 <= room:
            break
    first, shift = np.cumsum(parts) - parts, 48 - bits
    within = (firsts & np.uint64((1 << 48) - 1)) >> shift[sector].astype(np.uint64)
    part = first[sector] + within.astype(np.int64)
    radix = np.zeros(total + 2, np.uint32)
    radix[1:] = np.cumsum(np.bincount(part, minlength=total + 1))
    return (first << 6 | shift).astype(np.uint32), radix


def _gate(rows: Rows, bits: int) -> _U64:
    """One bit per hash of the first 32 bits that an address in one of the prefixes can have."""
    short = rows["length"] < 32
    values = rows["upper"][~short] >> np.uint64(32)
    wide = rows[short]
    count = np.left_shift(1, 32 - wide["length"].astype(np.int64))
    if int(count.sum()) >= 1 << bits:
        return np.full((1 << bits) // 64, 0xFFFFFFFFFFFFFFFF, np.uint64)  # nearly all would be set
    start = np.repeat(wide["upper"] >> np.uint64(32), count)
    step = np.arange(len(start)) - np.repeat(np.cumsum(count) - count, count)
    values = np.concatenate([values, start + step.astype(np.uint64)])
    gate = np.zeros(1 << bits, bool)
    gate[(values * _GOLDEN >> np.uint64(64 - bits)).astype(np.int64)] = True
    return np.packbits(gate, bitorder="little").view("<u8").astype(np.uint64)
