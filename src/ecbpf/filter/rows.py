"""Sorted rows of prefixes, each prefix once: merge, remove, search."""

import numpy as np
import numpy.typing as npt

from ecbpf.filter.prefix import ROW, Prefix, Rows

__all__ = [
    "covering",
    "find",
    "lower_bound",
    "merged",
    "neighbours",
    "rows_of",
    "same_prefixes",
    "sort_order",
    "without",
]


def rows_of(prefixes: list[Prefix], *, time: int = 0, tag: int = 0) -> Rows:
    """Rows of some prefixes of one family, in their order."""
    return np.array([(p.upper, p.lower, time, tag, p.length) for p in prefixes], dtype=ROW)


def sort_order(rows: Rows) -> npt.NDArray[np.intp]:
    """The indices of the rows in order of address, a shorter prefix before a longer one; equal rows keep theirs.

    Most prefixes have an upper half of their own: only the others are sorted again by lower half and length.
    """
    order = np.argsort(rows["upper"], kind="stable")
    upper = rows["upper"][order]
    at = neighbours(upper[1:] == upper[:-1])
    if len(at):
        ties = order[at]
        order[at] = ties[np.lexsort((rows["length"][ties], rows["lower"][ties], rows["upper"][ties]))]
    return order


def neighbours(same: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """The indices of elements that equal a neighbour. same: for each but the last, whether it equals the next."""
    either = np.zeros(len(same) + 1, bool)
    either[1:] |= same
    either[:-1] |= same
    return np.flatnonzero(either)


def _is_repeated(rows: Rows) -> npt.NDArray[np.bool_]:
    """For each sorted row but the last: is the next one the same prefix?"""
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
    """Both, sorted. Of rows with the same prefix the last one stays; `new` comes after `rows`."""
    both = np.concatenate([rows, new])
    both = both[sort_order(both)]
    keep = np.ones(len(both), bool)
    keep[:-1] = ~_is_repeated(both)
    return both if keep.all() else both[keep]


def lower_bound(rows: Rows, upper: int, lower: int, length: int = 0) -> int:
    """The index of the first row that does not sort before this prefix."""
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
    """The index of a prefix, None if it is not there."""
    at = lower_bound(rows, prefix.upper, prefix.lower, prefix.length)
    if at < len(rows) and rows[at].tolist()[:2] == (prefix.upper, prefix.lower):
        return at if int(rows["length"][at]) == prefix.length else None
    return None


def without(rows: Rows, indices: list[int]) -> Rows:
    """The rows but those at some indices."""
    return np.delete(rows, indices)


def covering(rows: Rows, upper: int, lower: int, bits: int) -> list[int]:
    """The indices of all prefixes that an address is in, the longest first. bits: the length of an address."""
    number, length = upper << 64 | lower, bits
    found = []
    while length >= 0:
        start = number >> (128 - length) << (128 - length)
        at = lower_bound(rows, start >> 64, start & (1 << 64) - 1, length + 1) - 1
        if at < 0:
            break
        row = rows[at].tolist()
        apart = (start ^ (row[0] << 64 | row[1])).bit_length()
        if not apart:
            found.append(at)
        # Any other prefix with the address in it begins before this row, so it covers this row too.
        length = 128 - apart if apart else row[4] - 1
    return found
