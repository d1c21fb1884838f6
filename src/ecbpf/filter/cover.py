"""From listed prefixes to disjoint ones, of which an index is built."""

from collections.abc import Iterator

import numpy as np

from ecbpf.filter.prefix import ROW, Rows, mask
from ecbpf.filter.rows import lower_bound, neighbours, sort_order

__all__ = ["disjoint", "subtract"]

_ALL = (1 << 128) - 1


def disjoint(rows: Rows) -> Rows:
    """Sorted rows without those that another row covers."""
    long = rows["length"] > 64
    ends = rows["upper"] | ~mask(rows["length"].astype(np.uint64))
    # The last address that any row before reaches; a long one reaches no further than its own network.
    ends[long] = 0
    reach = np.maximum.accumulate(ends)
    keep = np.ones(len(rows), bool)
    keep[1:] = rows["upper"][1:] > reach[:-1]
    # 0 is also what is reached before the first short row.
    has_short = np.maximum.accumulate(~long)
    keep[1:] |= ~has_short[:-1]
    kept = rows[keep]
    return _disjoint_long(kept)


def _disjoint_long(rows: Rows) -> Rows:
    """Without long rows that a long one covers: both are in one network of 64 bits."""
    long = rows["length"] > 64
    at = neighbours(long[1:] & long[:-1] & (rows["upper"][1:] == rows["upper"][:-1]))
    if not len(at):
        return rows
    keep = np.ones(len(rows), bool)
    some = rows[at]
    network, reach = -1, -1
    for i, upper, lower, length in zip(
        at.tolist(), some["upper"].tolist(), some["lower"].tolist(), some["length"].tolist(), strict=True
    ):
        if upper == network and lower <= reach:
            keep[i] = False
        else:
            network, reach = upper, lower | (1 << (128 - length)) - 1
    return rows[keep]


def subtract(rows: Rows, holes: Rows) -> Rows:
    """Disjoint rows less the addresses of other disjoint rows; a row with holes in it becomes several.

    Meant for few holes: each costs some Python.
    """
    keep = np.ones(len(rows), bool)
    cut: dict[int, list[tuple[int, int]]] = {}
    for upper, lower, _time, _tag, length in holes.tolist():
        start, end = _range(upper, lower, length)
        first = lower_bound(rows, upper, lower)
        behind = lower_bound(rows, end + 1 >> 64, end + 1 & (1 << 64) - 1) if end < _ALL else len(rows)
        if first < behind and rows["length"][first] < length and _start(rows, first) == start:
            cut.setdefault(first, []).append((start, end))  # begins here and is larger
            continue
        keep[first:behind] = False
        if first and _range(*_numbers(rows, first - 1))[1] >= end:
            cut.setdefault(first - 1, []).append((start, end))
    if not cut:
        return rows[keep]
    keep[list(cut)] = False
    pieces = [
        (start >> 64, start & (1 << 64) - 1, 0, 0, length)
        for at, inner in cut.items()
        for start, length in _pieces(_start(rows, at), int(rows["length"][at]), inner)
    ]
    both = np.concatenate([rows[keep], np.array(pieces, dtype=ROW)])
    return both[sort_order(both)]


def _numbers(rows: Rows, at: int) -> tuple[int, int, int]:
    return int(rows["upper"][at]), int(rows["lower"][at]), int(rows["length"][at])


def _start(rows: Rows, at: int) -> int:
    upper, lower, _ = _numbers(rows, at)
    return upper << 64 | lower


def _range(upper: int, lower: int, length: int) -> tuple[int, int]:
    """The first and last address."""
    start = upper << 64 | lower
    return start, start | (1 << (128 - length)) - 1


def _pieces(start: int, length: int, holes: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The prefixes (start, length) that are left of one. holes: sorted ranges within it."""
    end = start | (1 << (128 - length)) - 1
    within = [hole for hole in holes if hole[0] <= end and hole[1] >= start]
    if not within:
        yield start, length
    elif within[0][0] > start or within[0][1] < end:
        yield from _pieces(start, length + 1, within)
        yield from _pieces(start | 1 << (127 - length), length + 1, within)
