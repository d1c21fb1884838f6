"""The indices of the drop sets, as the kernel searches them, against Python's own sets."""

from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecbpf.chain.occupant import kernel_name
from ecbpf.errors import DataError
from ecbpf.filter.lists import ALLOW, CAPACITY, DROP, Lists
from ecbpf.filter.prefix import BITS, ROW, Rows
from ecbpf.filter.sets import Sets
from ecbpf.kernel import Object
from tests.netns.filter.cases import Case, frame_of
from tests.netns.filter.kernel import Bare, lists_of
from tests.oracle.prefixes import SHAPES, Pairs, PrefixSet, edges, random_holes, random_prefixes
from tests.support.objects import Build

QUESTION = np.dtype([("address", "u1", 16), ("is_listed", "<u8")])
SEEDS = 70  # of random sets, per family
AT_RANDOM = 200  # random addresses per set, besides its edges


class Asked:
    """The sets in the kernel; many addresses at once."""

    def __init__(self, loaded: Object) -> None:
        self.sets = Sets({kernel_name(name): each for name, each in loaded.maps.items()})
        self.loaded = loaded
        self.lists = self.sets.read()
        self.questions = np.frombuffer(loaded.maps["questions"].memory(), QUESTION, 1 << 20)

    def put(self, lists: Lists) -> None:
        self.sets.change(lists, self.lists)
        self.lists = lists

    def put_prefixes(self, family: int, drop: Pairs, allow: Pairs) -> None:
        """Replace one family; the other keeps its prefixes."""
        new = lists_of({family: drop}, {family: allow})
        other = {key: rows for key, rows in self.lists.rows.items() if key[1] != family}
        self.put(new._replace(rows=new.rows | other))

    def ask(self, family: int, addresses: list[int]) -> list[bool]:
        packed = b"".join((address << 128 - BITS[family]).to_bytes(16, "big") for address in addresses)
        answers: list[bool] = self.ask_packed(family, np.frombuffer(packed, np.uint8).reshape(-1, 16)).tolist()
        return answers

    def ask_packed(self, family: int, addresses: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        count = len(addresses)
        self.questions["address"][:count] = addresses
        self.questions["is_listed"][:count] = 2
        self.loaded.globals.next_question = 0
        # A test run with repetitions takes 10 ms to start.
        self.loaded.programs[f"xdp_ask_ip{family}_prog"].test_run(bytes(64), repeat=max(count, 1))
        answers = self.questions["is_listed"][:count]
        assert not np.count_nonzero(answers > 1)
        return answers.astype(bool)


@pytest.fixture(scope="module")
def asked(build: Build) -> Iterator[Asked]:
    with Object.open(build("filter/sets")) as loaded:
        loaded.load()
        yield Asked(loaded)


def check(asked: Asked, family: int, drop: Pairs, allow: Pairs, rng: Random) -> int:
    """Compare the kernel's set with Python's; returns how many addresses are in it."""
    asked.put_prefixes(family, drop, allow)
    dropped, allowed = PrefixSet(family, drop), PrefixSet(family, allow)
    addresses = edges(family, drop + allow)
    if len(addresses) > 4000:
        addresses = rng.sample(addresses, 4000)
    bits = BITS[family]
    addresses += [0, (1 << bits) - 1]
    for _ in range(AT_RANDOM):
        first, length = rng.choice(drop + allow)
        addresses += [
            rng.getrandbits(bits),
            first | rng.getrandbits(bits) >> length,
            first ^ 1 << rng.randrange(bits),
        ]
    expected = [address in dropped and address not in allowed for address in addresses]
    wrong = [
        (hex(address), is_listed)
        for address, is_listed, answer in zip(addresses, expected, asked.ask(family, addresses), strict=True)
        if is_listed != answer
    ]
    assert not wrong, (wrong[:5], sorted(drop)[:50], sorted(allow)[:50])
    return sum(expected)


@pytest.mark.parametrize("family", BITS)
def test_random_sets(asked: Asked, family: int) -> None:
    inside = 0
    for seed in range(SEEDS):
        rng = Random(seed)
        drop = random_prefixes(rng, family, 3000 if seed % 10 == 0 else 200)
        allow = random_holes(rng, family, drop) if seed % 3 else []
        inside += check(asked, family, drop, allow, rng)
    assert inside > 100 * SEEDS


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("family", BITS)
def test_shapes(asked: Asked, family: int, shape: Callable[[Random, int, int], Pairs]) -> None:
    """Each by itself, from the smallest on: leaves that are free, full, and one more."""
    rng = Random(shape.__name__)
    for count in (1, 6, 7, 13, 600):
        check(asked, family, shape(rng, family, count), [], rng)


def pairs(family: int) -> st.SearchStrategy[Pairs]:
    bits = BITS[family]

    def prefix(address: int, length: int) -> tuple[int, int]:
        return address >> (bits - length) << (bits - length), length

    near = st.integers(0, 1 << 12).map(lambda low: low << (bits - 24 if family == 4 else 58))
    address = st.one_of(st.integers(0, (1 << bits) - 1), near, st.integers(0, 1 << 10), st.just((1 << bits) - 1))
    return st.lists(st.builds(prefix, address, st.integers(0, bits)), min_size=1, max_size=20)


@pytest.mark.parametrize("family", BITS)
def test_any_sets(asked: Asked, family: int) -> None:
    """Hypothesis finds the smallest wrong set."""

    @given(pairs(family), st.one_of(st.just([]), pairs(family)))
    @settings(max_examples=40, deadline=None, database=None, derandomize=True)
    def small(drop: Pairs, allow: Pairs) -> None:
        check(asked, family, drop, allow, Random(0))

    small()


TOP = (1 << 128) - 1
NET = 0x20010DB8_00000000 << 64
ODD: dict[str, tuple[int, Pairs, Pairs]] = {
    "everything": (4, [(0, 0)], []),
    "everything but one": (4, [(0, 0)], [(0x0A000001, 32)]),
    "everything let through": (4, [(0, 0)], [(0, 0)]),
    "both halves": (4, [(0, 1), (1 << 31, 1)], []),
    "the first address": (4, [(0, 32)], []),
    "the last address": (4, [(0xFFFFFFFF, 32)], []),
    "all /25": (4, [(0x0A000000 + (i << 7), 25) for i in range(512)], []),
    "every other /25": (4, [(0x0A000000 + (i << 8), 25) for i in range(512)], []),
    "upper /25s": (4, [(0x0A000080 + (i << 8), 25) for i in range(512)], []),
    "dense /32s": (4, [(0x0A000000 + i, 32) for i in range(1024)], []),
    "every other /32": (4, [(0x0A000000 + 2 * i, 32) for i in range(1024)], []),
    "a /32 in each of 64 groups": (4, [(0x0A000000 + (i << 14) + i, 32) for i in range(64)], []),
    "a /24 made of its parts": (4, [(0x0A000000, 25), (0x0A000080, 26), (0x0A0000C0, 26)], []),
    "a /24 whole and in parts": (4, [(0x0A000000, 24), (0x0A000000, 25), (0x0A0000FF, 32)], []),
    "a /8 with holes": (4, [(0x0A000000, 8)], [(0x0A000000, 32), (0x0A123400, 24), (0x0AFFFFFF, 32)]),
    "holes of all lengths": (4, [(0x0A000000, 8)], [(0x0A800000, i) for i in range(9, 33)]),
    "IPv6: everything": (6, [(0, 0)], []),
    "IPv6: everything but one": (6, [(0, 0)], [(1, 128)]),
    "IPv6: everything but the last": (6, [(0, 0)], [(TOP, 128)]),
    "IPv6: everything let through": (6, [(0, 0)], [(0, 0)]),
    "IPv6: both halves": (6, [(0, 1), (1 << 127, 1)], []),
    "IPv6: the first address": (6, [(0, 128)], []),
    "IPv6: the first network": (6, [(0, 64)], []),
    "IPv6: the first of two": (6, [(0, 64), (1 << 64, 64)], []),
    "IPv6: half of the first network": (6, [(0, 65)], []),
    "IPv6: the last address": (6, [(TOP, 128)], []),
    "IPv6: the last network": (6, [(TOP >> 64 << 64, 64)], []),
    "IPv6: both ends": (6, [(0, 128), (TOP, 128)], []),
    "IPv6: first key 0, long, and 6 others": (6, [(0, 128)] + [(NET | i << 64, 64) for i in range(6)], []),
    "IPv6: first key 0, free entries": (6, [(0, 64)] + [(NET | i << 64, 64) for i in range(7)], []),
    "IPv6: all /128 in one /64": (6, [(NET | i, 128) for i in range(2000)], []),
    "IPv6: every other /128 in one /64": (6, [(NET | 2 * i, 128) for i in range(2000)], []),
    "IPv6: all lengths in one /64": (6, [(NET | 1 << (127 - i), i + 1) for i in range(64, 128)], []),
    "IPv6: all lengths": (6, [(NET | 1 << (127 - i), i + 1) for i in range(33, 128)], []),
    "IPv6: one, two, three in a /64": (
        6,
        [(NET | i << 64 | j << 7, 121) for i in range(60) for j in range(i % 4)],
        [],
    ),
    "IPv6: a hole in a long one": (6, [(NET, 65)], [(NET | 5, 128)]),
    "IPv6: a hole in a long one beside others": (6, [(NET, 120), (NET | 1 << 20, 120)], [(NET | 5, 128)]),
    "IPv6: holes of all lengths": (6, [(NET, 32)], [(NET | 1 << 95, i) for i in range(33, 129)]),
    "IPv6: a /32 with a hole at its end": (6, [(NET, 32)], [(NET | (1 << 96) - 1, 128)]),
    "IPv6: one upper word": (6, [(NET | i * 0x1234567 << 64, 64) for i in range(100)], []),
}


@pytest.mark.parametrize(("family", "drop", "allow"), ODD.values(), ids=ODD.keys())
def test_special_sets(asked: Asked, family: int, drop: Pairs, allow: Pairs) -> None:
    check(asked, family, drop, allow, Random(1))


@pytest.mark.parametrize("family", BITS)
def test_real_filter_asks_the_same_way(family: int) -> None:
    """Frames through the program itself."""
    rng = Random(8)
    with Bare() as filter_:
        for _ in range(5):
            drop = random_prefixes(rng, family)
            allow = random_holes(rng, family, drop)
            filter_.set_lists({family: drop}, {family: allow})
            dropped, allowed = PrefixSet(family, drop), PrefixSet(family, allow)
            for address in edges(family, drop + allow):
                verdict = filter_.program.test_run(_frame(family, address)).retval
                assert verdict == (1 if address in dropped and address not in allowed else 2), hex(address)


def _frame(family: int, source: int) -> bytes:
    if family == 4:
        header = bytes((0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0)) + source.to_bytes(4, "big") + b"\x0a\0\0\1"
        return frame_of(Case("", header + bytes(8)))
    header = b"\x60\0\0\0\0\x08\x11\x40" + source.to_bytes(16, "big") + bytes(16)
    return frame_of(Case("", header + bytes(8), ethertype=0x86DD))


def test_what_prefixes_hold() -> None:
    """The oracle's sets against the standard library's networks."""
    rng = Random(9)
    for family in BITS:
        for _ in range(20):
            some = random_prefixes(rng, family, 20)
            networks = [ip_network((first.to_bytes(BITS[family] // 8, "big"), length)) for first, length in some]
            for address in edges(family, some)[:50]:
                plain = ip_address(address.to_bytes(BITS[family] // 8, "big"))
                assert (address in PrefixSet(family, some)) == any(plain in network for network in networks)


COUNT, HOLES = CAPACITY[DROP], CAPACITY[ALLOW]
_U64 = np.uint64


def _rows(upper: object, lower: object, length: int) -> Rows:
    made = np.zeros(COUNT, ROW)
    made["upper"], made["lower"], made["length"] = upper, lower, length
    return made


_I = np.arange(COUNT, dtype=_U64)
_SPREAD = _I << _U64(13) | _U64(0x2000_0000_0000_0000)
_STEP = _U64(0x1000_0000_0000)  # 2^44: all of IPv6 in 2^20 steps
# Full sets, of the kinds that need the most memory or the most steps.
FULL: dict[str, tuple[int, Rows]] = {
    "a /32 in every 16th /24": (4, _rows((_I << _U64(12) | _I & _U64(0xFF)) << _U64(32), 0, 32)),
    "a /32 in each of 2^20 /24s": (4, _rows((_I << _U64(8) | _U64(0x20000007)) << _U64(32), 0, 32)),
    "a /25 in each of 2^20 /24s": (4, _rows((_I << _U64(8) | _U64(0x20000080)) << _U64(32), 0, 25)),
    "dense /32s": (4, _rows((_I + _U64(0x0A000000)) << _U64(32), 0, 32)),
    "every other /24": (4, _rows(_I << _U64(41), 0, 24)),
    "a /128 in each /64": (6, _rows(_SPREAD, _I, 128)),
    "a /128 in each /64, all over": (6, _rows(_I * _STEP, _I << _U64(40), 128)),
    "two long ones in each /64": (6, _rows(_SPREAD >> _U64(1) << _U64(1), (_I & _U64(1)) << _U64(63) | _I, 128)),
    "two long ones in each of 2^19 /64s": (6, _rows(_I >> _U64(1), (_I & _U64(1)) << _U64(63), 65)),
    "three long ones in each /64": (6, _rows(_I // _U64(3) << _U64(20), _I % _U64(3) << _U64(10), 120)),
    "all in one /64": (6, _rows(0x2001_0DB8_0000_0000, _I << _U64(4), 126)),
    "dense /64s": (6, _rows(_I + _U64(0x2001_0DB8_0000_0000), 0, 64)),
    "every other /48, all over": (6, _rows(_I * _STEP, 0, 48)),
    "dense but for one far away": (
        6,
        _rows(np.where(_I == COUNT - 1, _U64(2**64 - 1), _I + _U64(1 << 61)), 0, 64),
    ),
    "gaps that double": (6, _rows(_I + (_U64(1) << (_I >> _U64(15)) + _U64(25)), _I, 128)),
}


@pytest.mark.parametrize(("family", "rows"), FULL.values(), ids=FULL.keys())
def test_capacity(asked: Asked, family: int, rows: Rows) -> None:
    """Full drop and allow sets fit into the fixed maps, and are right."""
    rng = np.random.default_rng(1)
    some = rows[rng.choice(COUNT, HOLES // 2, replace=False)]
    holes = some.copy()
    most = 32 if family == 4 else 128
    # Half of the holes are rows, half lie within one where it has room, and split it.
    inner = holes[::2]
    inner["length"] = np.minimum(inner["length"] + 7, most)
    wide = np.zeros(HOLES // 2, ROW)
    wide["upper"] = (np.arange(HOLES // 2, dtype=_U64) << _U64(50)) + _U64(1 << 58)
    wide["length"] = 20 if family == 4 else 60
    mask = _U64(2**64 - 1) << (_U64(64) - _U64(wide["length"][0]))
    wide["upper"] &= mask
    lists = (
        Lists.empty().added(DROP, {family: rows}, [""]).added(ALLOW, {family: np.concatenate([holes, wide])}, [""])
    )
    assert len(lists.rows[DROP, family]) == COUNT
    asked.put(lists)
    sample = rows[rng.choice(COUNT, 3000, replace=False)]
    addresses = _around(family, np.concatenate([sample, some, holes, rows[:2], rows[-2:]]))
    in_drop = _is_in(family, rows, addresses)
    in_allow = _is_in(family, lists.rows[ALLOW, family], addresses)
    expected = [drop and not allow for drop, allow in zip(in_drop, in_allow, strict=True)]
    assert asked.ask(family, addresses) == expected
    assert 1000 < sum(expected) < len(expected) - 100


def _around(family: int, rows: Rows) -> list[int]:
    shift = 128 - BITS[family]
    prefixes = [((upper << 64 | lower) >> shift, length) for upper, lower, _time, _tag, length in rows.tolist()]
    return edges(family, prefixes)


def _is_in(family: int, rows: Rows, addresses: list[int]) -> list[bool]:
    shift = 128 - BITS[family]
    prefixes = [((upper << 64 | lower) >> shift, length) for upper, lower, _time, _tag, length in rows.tolist()]
    found = PrefixSet(family, prefixes)
    return [address in found for address in addresses]


def test_one_prefix_too_many() -> None:
    for family in BITS:
        rows = _rows(_I << _U64(32), 0, 32)
        full = Lists.empty().added(DROP, {family: rows}, [""])
        more = rows[:1].copy()
        more["upper"] += _U64(COUNT) << _U64(32)
        with pytest.raises(DataError):
            full.added(DROP, {family: more}, [""])
        with pytest.raises(DataError):
            Lists.empty().added(ALLOW, {family: rows[: HOLES + 1]}, [""])


def test_all_full_at_once(asked: Asked) -> None:
    """Both families full at once; then empty again."""
    rng = np.random.default_rng(2)
    new = Lists.empty()
    kinds = {4: "a /32 in each of 2^20 /24s", 6: "two long ones in each /64"}
    for family, name in kinds.items():
        new = new.added(DROP, {family: FULL[name][1]}, [""])
    asked.put(new)
    for family in kinds:
        rows = new.rows[DROP, family]
        addresses = _around(family, rows[rng.choice(COUNT, 2000, replace=False)])
        assert asked.ask(family, addresses) == _is_in(family, rows, addresses)
    asked.put(Lists.empty())
    for family in kinds:
        assert not any(asked.ask(family, _around(family, new.rows[DROP, family][:1000])))
