"""Sorted rows of prefixes against the plainest Python there is, on few addresses and on many."""

from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecbpf.filter.cover import disjoint, subtract
from ecbpf.filter.prefix import BITS, Prefix, Rows
from ecbpf.filter.rows import covering, find, lower_bound, merged, rows_of, sort_order, without
from tests.oracle.prefixes import Pairs, PrefixSet, edges, random_holes, random_prefixes

Triple = tuple[int, int, int]  # number of 128 bits, length, tag

# A tree of 8 levels: small enough to look at every address, wherever in the 128 bits its root lies.
LEVELS = 8
ROOTS = [0, 20, 24, 56, 60, 64, 100, 120]


@st.composite
def small_prefixes(draw: st.DrawFn, root: int) -> list[Triple]:
    """Prefixes within the first 2^8 addresses below one of a length, or around them."""
    base = draw(st.sampled_from([0, (1 << 128) - 1 >> (128 - root) << (128 - root) if root else 0]))
    made = []
    for tag, (number, length) in enumerate(
        draw(st.lists(st.tuples(st.integers(0, (1 << LEVELS) - 1), st.integers(0, LEVELS)), max_size=25))
    ):
        low = 128 - root - LEVELS
        kept = number >> (LEVELS - length) << (LEVELS - length)
        made.append((base | kept << low, root + length, tag))
    return made


def rows_from(triples: list[Triple]) -> Rows:
    rows = rows_of([prefix(number, length) for number, length, _ in triples])
    rows["tag"] = [tag for _, _, tag in triples]
    return rows


def prefix(number: int, length: int) -> Prefix:
    return Prefix(6, number >> 64, number & (1 << 64) - 1, length, False)


def triples(rows: Rows) -> list[Triple]:
    return [(upper << 64 | lower, length, tag) for upper, lower, _time, tag, length in rows.tolist()]


def pairs(rows: Rows) -> Pairs:
    return [(number, length) for number, length, _ in triples(rows)]


def sorted_rows(some: list[Triple]) -> Rows:
    return merged(rows_from([]), rows_from(some))


any_root = st.sampled_from(ROOTS)
one_list = any_root.flatmap(small_prefixes)
two_lists = any_root.flatmap(lambda root: st.tuples(small_prefixes(root), small_prefixes(root)))
quick = settings(max_examples=300, deadline=None, database=None, derandomize=True)


@given(one_list)
@quick
def test_sort_order(some: list[Triple]) -> None:
    rows = rows_from(some)
    wanted = sorted(range(len(some)), key=lambda at: (some[at][0], some[at][1], at))
    assert sort_order(rows).tolist() == wanted


@given(two_lists)
@quick
def test_merged_keeps_the_last(lists: tuple[list[Triple], list[Triple]]) -> None:
    """Each prefix once, in order, with the tag of its last row."""
    first, second = lists
    last = {(number, length): tag for number, length, tag in first} | {
        (number, length): tag + 100 for number, length, tag in second
    }
    together = merged(
        sorted_rows(first), rows_from([(number, length, tag + 100) for number, length, tag in second])
    )
    assert triples(together) == sorted((*key, tag) for key, tag in last.items())


@given(two_lists)
@quick
def test_find_and_lower_bound(lists: tuple[list[Triple], list[Triple]]) -> None:
    rows = sorted_rows(lists[0])
    listed = pairs(rows)
    for number, length in listed + [(number, length) for number, length, _ in lists[1]]:
        wanted = listed.index((number, length)) if (number, length) in listed else None
        assert find(rows, prefix(number, length)) == wanted
        before = sum(each < (number, length) for each in listed)
        assert lower_bound(rows, number >> 64, number & (1 << 64) - 1, length) == before


@given(one_list)
@quick
def test_covering(some: list[Triple]) -> None:
    rows = sorted_rows(some)
    listed = pairs(rows)
    addresses = {number for number, _ in listed} | {
        number ^ 1 << 127 - length for number, length in listed if length < 128
    }
    for address in addresses:
        inside = [at for at, (number, length) in enumerate(listed) if (address ^ number) >> (128 - length) == 0]
        wanted = sorted(inside, key=lambda at: -listed[at][1])
        assert covering(rows, address >> 64, address & (1 << 64) - 1, 128) == wanted


def test_covering_takes_the_lengths_of_the_family() -> None:
    rows = sorted_rows([(0x0A << 120, 8, 0), (0x0A000001 << 96, 32, 0)])
    assert covering(rows, 0x0A000001 << 32, 0, 32) == [1, 0]
    assert covering(rows, 0x0A000002 << 32, 0, 32) == [0]
    assert covering(rows, 0x0B000002 << 32, 0, 32) == []


@pytest.mark.parametrize("family", BITS)
@pytest.mark.parametrize("seed", range(20))
def test_covering_in_large_sets(family: int, seed: int) -> None:
    shift = 128 - BITS[family]
    some = random_prefixes(Random(seed), family, 500)
    rows = sorted_rows([(number << shift, length, 0) for number, length in some])
    listed = pairs(rows)
    for address in edges(family, some):
        number = address << shift
        inside = [at for at, each in enumerate(listed) if covers(each, (number, 128))]
        found = covering(rows, number >> 64, number & (1 << 64) - 1, BITS[family])
        assert found == sorted(inside, key=lambda at: -listed[at][1])


@given(one_list)
@quick
def test_without(some: list[Triple]) -> None:
    rows = sorted_rows(some)
    every_other = list(range(0, len(rows), 2))
    assert triples(without(rows, every_other)) == triples(rows)[1::2]


def covers(outer: tuple[int, int], inner: tuple[int, int]) -> bool:
    return outer[1] <= inner[1] and (outer[0] ^ inner[0]) >> (128 - outer[1]) == 0


@given(one_list)
@quick
def test_disjoint(some: list[Triple]) -> None:
    """Exactly the rows that no other row covers stay, unchanged."""
    rows = sorted_rows(some)
    listed = pairs(rows)
    wanted = [each for each in listed if not any(other != each and covers(other, each) for other in listed)]
    assert pairs(disjoint(rows)) == wanted


@given(two_lists)
@quick
def test_subtract(lists: tuple[list[Triple], list[Triple]]) -> None:
    """Address by address; what is left is sorted, covers nothing twice, and is no finer than it must be."""
    rows, holes = (disjoint(sorted_rows(each)) for each in lists)
    left = pairs(subtract(rows, holes))
    assert left == sorted(left)
    assert not any(covers(left[at], left[at + 1]) for at in range(len(left) - 1))
    _same_addresses(6, pairs(rows), pairs(holes), left)
    assert left == sorted(_pieces(pairs(rows), pairs(holes)))


def _pieces(rows: Pairs, holes: Pairs) -> Pairs:
    """Halve each prefix that a hole lies in, until there is none."""
    made, todo = [], list(rows)
    while todo:
        number, length = each = todo.pop()
        if any(covers(hole, each) for hole in holes):
            continue
        if any(covers(each, hole) for hole in holes):
            todo += [(number, length + 1), (number | 1 << (127 - length), length + 1)]
        else:
            made.append(each)
    return made


def _same_addresses(family: int, drop: Pairs, allow: Pairs, left: Pairs) -> None:
    dropped, allowed, found = (PrefixSet(family, each) for each in (drop, allow, left))
    for address in edges(family, drop + allow + left):
        assert (address in found) == (address in dropped and address not in allowed), hex(address)


@pytest.mark.parametrize("root", [0, 29, 30, 60, 61, 62, 63, 64, 65, 124, 125])
def test_every_pair(root: int) -> None:
    """Of the 15 prefixes in a tree of 3 levels, at either end of the address space."""
    for base in (0, (1 << root) - 1 << (128 - root)):
        tree = [
            (base | at << (128 - root - level), root + level) for level in range(4) for at in range(1 << level)
        ]
        for one, other in product(tree, repeat=2):
            rows = sorted_rows([(*one, 0), (*other, 0)])
            wanted = [
                each
                for each in sorted({one, other})
                if not any(o != each and covers(o, each) for o in (one, other))
            ]
            assert pairs(disjoint(rows)) == wanted
            left = subtract(sorted_rows([(*one, 0)]), sorted_rows([(*other, 0)]))
            assert pairs(left) == sorted(_pieces([one], [other]))


@pytest.mark.parametrize("family", BITS)
@pytest.mark.parametrize("seed", range(60))
def test_large_sets(family: int, seed: int) -> None:
    """The shapes that the indices are tested with: duplicates, everything, the ends of the address space."""
    rng = Random(seed)
    shift = 128 - BITS[family]
    drop = random_prefixes(rng, family, 500)
    allow = random_holes(rng, family, drop)
    rows, holes = (
        disjoint(sorted_rows([(number << shift, length, 0) for number, length in each])) for each in (drop, allow)
    )
    left = [(number >> shift, length) for number, length in pairs(subtract(rows, holes))]
    assert left == sorted(left)
    _same_addresses(family, drop, allow, left)


def test_nothing() -> None:
    nothing = rows_from([])
    everything = rows_from([(0, 0, 0)])
    assert len(merged(nothing, nothing)) == len(disjoint(nothing)) == len(subtract(nothing, everything)) == 0
    assert pairs(subtract(everything, nothing)) == [(0, 0)]
    assert len(subtract(everything, everything)) == 0
    assert find(nothing, prefix(0, 0)) is None
    assert covering(nothing, 0, 0, 128) == []
