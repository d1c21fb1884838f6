"""Prefixes on their way into a list, from a command line or a file."""

from typing import NamedTuple

import numpy as np

from ecbpf.filter.lists import check_tag
from ecbpf.filter.prefix import BITS, ROW, Rows, parse_prefix

__all__ = ["Batch", "batch_of"]


class Batch(NamedTuple):
    """Rows by family (4, 6) as they were given, in their order, host bits cleared; not sorted, maybe repeated.

    tags: what the rows' tag is a place in; the first is "", none. had_host_bits: how many rows had some, and
    example: the first of those as it was given.
    """

    rows: dict[int, Rows]
    tags: list[str]
    had_host_bits: int
    example: str


def batch_of(texts: list[str], tags: list[str], *, time: int) -> Batch:
    """Prefixes from their texts, each with its tag ("": none). time: seconds since 1970. Raises DataError."""
    numbers = {"": 0}
    rows: dict[int, list[tuple[int, ...]]] = {family: [] for family in BITS}
    with_host_bits = []
    for text, tag in zip(texts, tags, strict=True):
        prefix = parse_prefix(text)
        number = numbers.setdefault(check_tag(tag), len(numbers))
        rows[prefix.family].append((prefix.upper, prefix.lower, time, number, prefix.length))
        if prefix.had_host_bits:
            with_host_bits.append(text)
    arrays = {family: np.array(each, ROW) for family, each in rows.items()}
    return Batch(arrays, list(numbers), len(with_host_bits), with_host_bits[0] if with_host_bits else "")
