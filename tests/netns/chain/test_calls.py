"""Functions that a subprogram calls (BPF-to-BPF calls), together with the tail calls of the chain."""

from typing import NamedTuple

import pytest

from ecbpf.chain.attach import attach
from ecbpf.chain.contents import program_in
from ecbpf.chain.counters import read
from ecbpf.chain.occupant import find_root, maps_of
from ecbpf.chain.slots import put
from ecbpf.chain.subprogram import FileSubprogram
from ecbpf.kernel.globals import map_globals
from ecbpf.kernel.uapi import XDP_DROP, XDP_REDIRECT, XDP_TX
from tests.support.frames import THROUGH_SLOTS
from tests.support.objects import Build
from tests.support.slots import Verdict

CALLS, BEHIND = 3, 5


class Case(NamedTuple):
    """A packet and two limits; its verdict, the slot that gave it, and the number of calls of each function."""

    packet: str
    port: int
    length: int
    verdict: int
    slot: int
    calls: tuple[int, int]


CASES = {
    "passed on by a function": Case("IPv4 UDP", 1, 62, XDP_REDIRECT, BEHIND, (1, 1)),
    "dropped by the static function": Case("IPv4 UDP", 2000, 62, XDP_DROP, CALLS, (1, 0)),
    "sent back by the global function": Case("IPv4 UDP", 1, 61, XDP_TX, CALLS, (1, 1)),
    "IPv6, passed on": Case("IPv6 hop-by-hop", 1, 90, XDP_REDIRECT, BEHIND, (1, 1)),
    "IPv6, dropped": Case("IPv6 hop-by-hop", 2000, 90, XDP_DROP, CALLS, (1, 0)),
    "IPv6, sent back": Case("IPv6 hop-by-hop", 1, 89, XDP_TX, CALLS, (1, 1)),
}
VERDICTS = {XDP_DROP: "XDP_DROP", XDP_TX: "XDP_TX", XDP_REDIRECT: "XDP_REDIRECT"}


@pytest.fixture
def chain(near: str, build: Build) -> str:
    """An interface with the subprogram that calls functions, and one after it that redirects every packet."""
    attach(near)
    put(near, FileSubprogram(CALLS, build("chain/calls")))
    put(near, Verdict(BEHIND, build("chain/verdicts"), XDP_REDIRECT))
    return near


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_called_functions_decide_and_the_chain_continues(chain: str, case: Case) -> None:
    root = find_root(chain)
    program = program_in(root, CALLS)
    assert program is not None
    maps = maps_of(program)
    live = map_globals(maps[".data"])
    live.refused_port, live.length_max = case.port, case.length

    # More often than the limit of tail calls: it counts anew for each packet.
    for _ in range(50):
        assert root.program.test_run(bytes(THROUGH_SLOTS[case.packet])).retval == case.verdict

    counted = {slot: {name: count for name, count in read(root, slot).items() if count} for slot in range(8)}
    assert {slot: counts for slot, counts in counted.items() if counts} == {
        case.slot: {VERDICTS[case.verdict]: 50}
    }
    counters = maps["calls_counters"]
    assert tuple(counters.sum(key) for key in (0, 1)) == tuple(50 * calls for calls in case.calls)
