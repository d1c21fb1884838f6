"""Sorted rows of prefixes, each once: put together, taken apart, searched."""

import numpy as np
import numpy.typing as npt

from ecbpf.filter.prefix import ROW, Prefix, Rows

__all__ = [
    "covering",
    "find",
    "merged",
    "neighbours",
    "place",
    "rows_of",
    "same_prefixes",
    "sort_order",
    "without",
]


def rows_of(prefixes: list[Prefix], *, time: int = 0, tag: int = 0) -> Rows:
    """Rows of some prefixes of one family, in their order."""
    return np.array([(p.upper, p.lower, time, tag, p.length) for p in prefixes], dtype=ROW)


def sort_order(rows: Rows) -> npt.NDArray[np.intp]:
    """The places of the rows by address, the shorter prefix before the longer; equal ones as they stand.

    Most prefixes begin at an upper half of their own: the rest is sorted again by all there is.
    """
    order = np.argsort(rows["upper"], kind="stable")
    upper = rows["upper"][order]
    at = neighbours(upper[1:] == upper[:-1])
    if len(at):
        ties = order[at]
        order[at] = ties[np.lexsort((rows["length"][ties], rows["lower"][ties], rows["upper"][ties]))]
    return order


def neighbours(same: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """The places of what is the same as its neighbour. same: of each but the last, whether it is as the next."""
    either = np.zeros(len(same) + 1, bool)
    either[1:] |= same
    either[:-1] |= same
    return np.flatnonzero(either)


def _is_repeated(rows: Rows) -> npt.NDArray[np.bool_]:
    """For each of some sorted rows but the last: is the next one the same prefix?"""
    before, after = rows[:-1], rows[1:]
    same: npt.NDArray[np.bool_] = np.ones(len(before), bool)
    for member in ("upper", "lower", "length"):
        same &= before[member] == after[member]
    return same


def same_prefixes(rows: Rows, others: Rows) -> bool:
    """Whether two lists have the same prefixes, whatever their tags and times."""
    if rows is others:
        return True
    return len(rows) == len(others) and all(
        np.array_equal(rows[member], others[member]) for member in ("upper", "lower", "length")
    )


def merged(rows: Rows, new: Rows) -> Rows:
    """Both, sorted; of a prefix that is there several times the last one stays, `new` being behind `rows`."""
    both = np.concatenate([rows, new])
    both = both[sort_order(both)]
    keep = np.ones(len(both), bool)
    keep[:-1] = ~_is_repeated(both)
    return both if keep.all() else both[keep]


def place(rows: Rows, upper: int, lower: int, length: int = 0) -> int:
    """The place of the first row that is not before this prefix."""
    uppers, wanted = rows["upper"], np.uint64(upper)
    start = int(uppers.searchsorted(wanted, "left"))
    if start == len(rows) or uppers[start] != wanted:
        return start
    end = int(uppers.searchsorted(wanted, "right"))
    within = rows["lower"][start:end]
    start, end = (
        start + int(np.searchsorted(within, np.uint64(lower), "left")),
        start + int(np.searchsorted(within, np.uint64(lower), "right")),
    )
    return start + int(np.searchsorted(rows["length"][start:end], length, "left"))


def find(rows: Rows, prefix: Prefix) -> int | None:
    """The place of a prefix, None if it is not there."""
    at = place(rows, prefix.upper, prefix.lower, prefix.length)
    if at < len(rows) and rows[at].tolist()[:2] == (prefix.upper, prefix.lower):
        return at if int(rows["length"][at]) == prefix.length else None
    return None


def without(rows: Rows, places: list[int]) -> Rows:
    """The rows but those at some places."""
    return np.delete(rows, places)


def covering(rows: Rows, upper: int, lower: int, bits: int) -> list[int]:
    """The places of all prefixes that an address is in, the longest first. bits: of an address."""
    number, length = upper << 64 | lower, bits
    found = []
    while length >= 0:
        start = number >> (128 - length) << (128 - length)
        at = place(rows, start >> 64, start & (1 << 64) - 1, length + 1) - 1
        if at < 0:
            break
        row = rows[at].tolist()
        apart = (start ^ (row[0] << 64 | row[1])).bit_length()
        if not apart:
            found.append(at)
        # What else has the address in it begins before this row, so it has the row in it too.
        length = 128 - apart if apart else row[4] - 1
    return found
