"""Build the index that bpf/filter/ip4_set.h searches."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ecbpf.filter.prefix import Rows
from ecbpf.kernel.btf import Btf

__all__ = ["build_ip4"]

_NETWORKS = 1 << 24
_U64 = npt.NDArray[np.uint64]


def build_ip4(rows: Rows, memory: Any, btf: Btf) -> None:
    """Write the index of disjoint, sorted IPv4 rows into the memory of a new map, which is all zero.

    btf: of the program that will search it.
    """
    groups_count = btf.enum("ip4_set_layout")["IP4_GROUPS"]
    groups: npt.NDArray[Any] = np.frombuffer(memory, np.dtype(btf.struct("ip4_group")), groups_count)
    leaves = np.frombuffer(memory, np.uint64, offset=groups.nbytes).reshape(-1, 4)
    addresses = (rows["upper"] >> np.uint64(32)).astype(np.int64)
    is_part = rows["length"] > 24
    groups["whole"] = _whole_networks(addresses[~is_part], rows["length"][~is_part])

    words, bits = _bits(*_at_most_a_word(addresses[is_part], rows["length"][is_part]))
    networks, leaf = np.unique(words >> 2, return_inverse=True)
    leaves[leaf, words & 3] = bits
    in_group, part = _bits(networks, np.ones(len(networks), np.uint64) << (networks & 63).astype(np.uint64))
    groups["part"][in_group] = part
    # Eight networks per byte, eight bytes per group.
    counts = np.bincount(networks >> 3, minlength=8 * groups_count).reshape(-1, 8)
    before = np.cumsum(counts, axis=1)
    groups["ranks"] = before - counts
    groups["rank"] = np.cumsum(before[:, 7]) - before[:, 7]


def _whole_networks(addresses: npt.NDArray[np.int64], length: npt.NDArray[np.uint8]) -> _U64:
    """The bit of every network of 256 addresses, 64 per word: is it within one of the prefixes?"""
    first = addresses >> 8
    edges = np.zeros(_NETWORKS + 1, np.int8)
    edges[first] += 1
    edges[first + (1 << (24 - length.astype(np.int64)))] -= 1
    inside = np.cumsum(edges[:-1], dtype=np.int8).view(np.bool_)
    return np.packbits(inside, bitorder="little").view("<u8").astype(np.uint64)


def _at_most_a_word(
    addresses: npt.NDArray[np.int64], length: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.int64], _U64]:
    """Addresses, each with the bits of the prefix that begins there, at most 64 addresses long: a /25 in two."""
    twice = 1 + (length == 25)
    starts = np.repeat(addresses, twice)
    starts[1:] += 64 * (starts[1:] == starts[:-1])
    hosts = np.minimum(np.uint64(1) << (np.uint64(32) - np.repeat(length, twice).astype(np.uint64)), np.uint64(64))
    ones = np.uint64(0xFFFFFFFFFFFFFFFF) >> (np.uint64(64) - hosts)
    return starts, ones << (starts & 63).astype(np.uint64)


def _bits(positions: npt.NDArray[np.int64], bits: _U64) -> tuple[npt.NDArray[np.int64], _U64]:
    """The 64-bit words that sorted bit positions lie in, each once, with the bits of all positions in it."""
    words, first = np.unique(positions >> 6, return_index=True)
    return words, np.bitwise_or.reduceat(bits, first) if len(first) else bits
