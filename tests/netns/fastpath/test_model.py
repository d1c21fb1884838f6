"""The fast path against its model: random lives of a director with a tiny table."""

import os
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.netns.fastpath.kernel import Fastpath
from tests.netns.fastpath.random_walk import EGRESS, SETS, Walk
from tests.support.cpus import on_one_cpu
from tests.support.objects import Build

STEPS = int(os.environ.get("ECBPF_FASTPATH_STEPS", "100000"))
A_LIFE = 2000  # steps

# Every verdict, and every counter but those that need a frame without headroom.
SEEN_OFTEN = {
    *("XDP_PASS REASON_NONE", "XDP_TX REASON_FAST_PATH", "XDP_REDIRECT REASON_FAST_PATH"),
    *("XDP_TX REASON_RESET_ANSWER", "XDP_DROP REASON_RESET_FLOW", "XDP_DROP REASON_INBOUND_LIMIT"),
    *("TC_ACT_UNSPEC ", "TC_ACT_SHOT ", "places held", "places free"),
}


@pytest.fixture(scope="module")
def fastpath(build: Build, came_by: int) -> Iterator[Fastpath]:
    with on_one_cpu(), Fastpath(build, sets=SETS) as loaded:  # limits are per CPU
        for port, vlan in EGRESS[1:]:
            loaded.add_egress(port, vlan)
        for port in (1, 2):
            loaded.ingress.maps["fastpath_ports"][port] = 1
        yield loaded


def test_many_lives(fastpath: Fastpath, came_by: int) -> None:
    rng = Random(7)
    seen: Counter[str] = Counter()
    for _ in range(STEPS // A_LIFE):
        walk = Walk(fastpath, came_by, rng)
        walk.run(A_LIFE)
        seen += walk.seen
    counters = set(fastpath.counter_names) - {"adjust_head_errors"}
    assert set(seen) == SEEN_OFTEN | counters
    assert min(seen.values()) > STEPS // 10_000, seen


def test_small_failures_are_found_small(fastpath: Fastpath, came_by: int) -> None:
    """Hypothesis looks for the shortest life that is seen differently."""

    @given(st.randoms(use_true_random=False), st.integers(1, 60))
    @settings(max_examples=150, deadline=None, database=None, derandomize=True)
    def check(rng: Random, steps: int) -> None:
        Walk(fastpath, came_by, rng).run(steps)

    check()
