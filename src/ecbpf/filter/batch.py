"""Prefixes on their way into a list, from a command line or a file."""

from typing import NamedTuple

import numpy as np

from ecbpf.filter.lists import check_tag
from ecbpf.filter.prefix import BITS, ROW, Prefix, Rows, parse_prefix

__all__ = ["Batch", "batch_of", "host_bits"]


class Batch(NamedTuple):
    """Rows by family (4, 6) in the order they were given, host bits cleared; not sorted, maybe repeated.

    tags: the prefix tags, of which a row holds the index; the first is "", none. had_host_bits: how many rows had
    host bits. example: the first such prefix as it was given.
    """

    rows: dict[int, Rows]
    tags: list[str]
    had_host_bits: int
    example: str


def batch_of(texts: list[str], tags: list[str], *, time: int) -> Batch:
    """Prefixes from their texts, each with its tag ("": none). time: seconds since 1970. Raises DataError."""
    numbers = {"": 0}
    rows: dict[int, list[tuple[int, ...]]] = {family: [] for family in BITS}
    prefixes = [parse_prefix(text) for text in texts]
    for prefix, tag in zip(prefixes, tags, strict=True):
        number = numbers.setdefault(check_tag(tag), len(numbers))
        rows[prefix.family].append((prefix.upper, prefix.lower, time, number, prefix.length))
    arrays = {family: np.array(each, ROW) for family, each in rows.items()}
    return Batch(arrays, list(numbers), *host_bits(texts, prefixes))


def host_bits(texts: list[str], prefixes: list[Prefix]) -> tuple[int, str]:
    """How many prefixes had host bits, and the text of the first ("": none). texts: of the prefixes."""
    found = [text for text, prefix in zip(texts, prefixes, strict=True) if prefix.had_host_bits]
    return len(found), found[0] if found else ""
