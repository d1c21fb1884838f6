"""Sets change as a whole: no packet meets half a set, and a failed change leaves the old one."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ecbpf.chain.attach import attach
from ecbpf.chain.contents import program_in
from ecbpf.chain.occupant import find_root, maps_of
from ecbpf.chain.slots import put
from ecbpf.filter.lists import DROP, Lists
from ecbpf.filter.prefix import ROW, Rows, masked, parse_prefix
from ecbpf.filter.rows import rows_of
from ecbpf.filter.running import find_filter
from ecbpf.filter.subprogram import Filter
from ecbpf.kernel.program import Program
from ecbpf.lab.namespace import inside_namespace
from tests.netns.filter.steps import a_filter
from tests.support.flood import Flood
from tests.support.frames import FLOOD, FLOOD6
from tests.support.invariants import ecbpf, state_of
from tests.support.objects import Build
from tests.support.pair import Pair
from tests.support.strace import disturbed, system_calls

A_MILLION = 1_000_000
SWAPS = 8
# The sources of FLOOD and FLOOD6 in prefixes of several lengths: each lies in another part of an index.
SOURCES = ["192.0.2.1", "192.0.2.0/24", "192.0.2.0/25", "2001:db8::/32", "2001:db8::1", "2001:db8::/64"]


@pytest.fixture
def near(near: str) -> str:
    """An interface with a filter that lists nothing."""
    attach(near)
    put(near, Filter())
    return near


def many(seed: int, family: int, first: int) -> Rows:
    """A million prefixes, none of them near FLOOD's source: all begin with one number of 8 bits."""
    rng = np.random.default_rng(seed)
    rows = np.zeros(A_MILLION, ROW)
    rows["upper"] = rng.integers(0, 1 << 56, A_MILLION, np.uint64) | np.uint64(first << 56)
    rows["lower"] = rng.integers(0, 1 << 63, A_MILLION, np.uint64) if family == 6 else 0
    rows["length"] = rng.choice([24, 26, 32] if family == 4 else [40, 48, 64, 96, 128], A_MILLION)
    masked(rows)
    return rows


def sets(seed: int, sources: list[str]) -> Lists:
    """A million prefixes of each family, and `sources`."""
    given = [parse_prefix(text) for text in sources]
    new = {
        family: np.concatenate(
            [many(seed, family, first), rows_of([each for each in given if each.family == family])]
        )
        for family, first in ((4, 10 + seed), (6, 0x30 + seed))
    }
    return Lists.empty().added(DROP, new, [""])


@pytest.mark.parametrize("frame", [FLOOD, FLOOD6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("is_listed", [True, False], ids=["listed", "not listed"])
def test_no_packet_meets_half_a_set(near: str, flood: Flood, frame: bytes, is_listed: bool) -> None:
    """A source in every set is always dropped; a source in none is never dropped."""
    flood.frame = frame
    running = find_filter(near)
    before = running.sets.read()
    every = [sets(seed, SOURCES[seed::2] if is_listed else []) for seed in (0, 1)]
    running.sets.change(every[0], before)
    with flood:
        for turn in range(SWAPS):
            running.sets.change(every[1 - turn % 2], every[turn % 2])
    assert flood.sent > 10_000
    counts = running.counters()
    dropped = counts["ip_drop_count"] + counts["ip6_drop_count"]
    assert (flood.leaked(), dropped) == ((0, flood.on_the_wire) if is_listed else (flood.on_the_wire, 0))


def test_no_memory_at_any_step(pair: Pair, build: Build, tmp_path: Path) -> None:
    """A refusal of the kernel is one line of error, and the old sets stay, on the first interface too."""
    both = (pair.near, pair.far)
    command = ecbpf("filter", "drop", "-i", ",".join(both), "192.0.2.1", "2001:db8::1")
    with inside_namespace(pair.namespace):
        for interface in both:
            a_filter(interface, build)
        old = [state_of(interface) for interface in both]
        subprocess.run([*command, "--dry-run"], check=True)
        assert [state_of(interface) for interface in both] == old
        calls = system_calls(command, tmp_path / "strace")
        makes = [(call, number) for call, number, line in calls if re.match(r"bpf\(BPF_MAP_(CREATE|UPDATE)", line)]
        assert len(makes) >= 12
        for call, number in makes:
            for interface in both:
                running = find_filter(interface)
                running.sets.change(Lists.empty(), running.sets.read())
                a_filter(interface, build)
            done = disturbed(command, call, number, "error=ENOMEM")
            assert done.returncode == 1, (call, number, done)
            assert re.fullmatch(r"ecbpf: .*: Cannot allocate memory \(ENOMEM\).*\n", done.stderr), done.stderr
            assert [state_of(interface) for interface in both] == old, (call, number)
            for interface in both:
                assert banks(interface) == 1, "what was made for the change is gone"


def banks(interface: str) -> int:
    """How many banks hold a list."""
    return len(maps_of(program(interface))["filter_lists"])


def program(interface: str) -> Program:
    found = program_in(find_root(interface), 2)
    assert found is not None
    return found
