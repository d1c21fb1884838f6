"""The filter against the oracle, on random packets."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.netns.filter.kernel import Filter
from tests.netns.filter.random_packets import NO_LIMIT, TARGETS, compare, random_settings, random_world
from tests.oracle.filter import Settings, World, decide
from tests.oracle.frames import random_frame
from tests.support.needs import needs_frags
from tests.support.objects import Build

PACKETS = int(os.environ.get("ECBPF_FILTER_PACKETS", "1000000"))
PROCESSES = 2
ROOT = Path(__file__).parents[3]


# Every way that the filter can decide.
DECISIONS = {
    "XDP_ABORTED REASON_ETH_SHORT eth_frame_err",
    "XDP_ABORTED REASON_VLAN_DEPTH eth_frame_err",
    "XDP_ABORTED REASON_IP4_SHORT ip_header_err",
    "XDP_ABORTED REASON_IP4_HEADER ip_header_err",
    "XDP_ABORTED REASON_IP4_LENGTH ip_header_err",
    "XDP_DROP REASON_IP6_SHORT ip6_header_err",
    "XDP_DROP REASON_IP6_HEADER ip6_header_err",
    "XDP_DROP REASON_IP6_LENGTH ip6_header_err",
    "XDP_DROP REASON_IP6_EXT_SHORT ip6_header_err",
    "XDP_DROP REASON_IP6_EXT_DEPTH ip6_header_err",
    "XDP_DROP REASON_IP4_OPTIONS ip_options_drop_count",
    "XDP_DROP REASON_IP4_EVIL ip_evil_drop_count",
    "XDP_DROP REASON_SOURCE ip_drop_count",
    "XDP_DROP REASON_SOURCE ip6_drop_count",
    "XDP_DROP REASON_FRAGMENT ip_frag_drop_count",
    "XDP_DROP REASON_FRAGMENT ip6_frag_drop_count",
    "XDP_DROP REASON_FRAGMENT ptb_err_count ip_frag_drop_count",
    "XDP_TX REASON_TOO_BIG ptb_sent_count",
    "XDP_PASS REASON_NONE frag_local_count",
    "XDP_PASS REASON_NONE",
}


def test_a_million_packets() -> None:
    """On all CPUs: one process each, with its own filter and its own seed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.netns.filter.random_packets", str(seed), str(PACKETS // PROCESSES)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(PROCESSES)
    ]
    done = [(*process.communicate(), process.returncode) for process in processes]
    seen: Counter[str] = Counter()
    for output, errors, status in done:
        assert status == 0, errors
        seen.update(json.loads(output))
    assert seen.total() == PACKETS // PROCESSES * PROCESSES
    assert set(seen) == DECISIONS
    assert min(seen.values()) > PACKETS // 1000, seen


def test_the_same_seed_gives_the_same_packets(build: Build) -> None:
    with Filter(build("filter/seen")) as filter_:
        assert compare(filter_, random.Random(3), 500) == compare(filter_, random.Random(3), 500)


def test_hypothesis(build: Build) -> None:
    """Hypothesis looks for the smallest frame on which kernel and oracle differ."""
    rng = random.Random(5)
    with Filter(build("filter/seen")) as filter_:
        world, hosts = random_world(rng, TARGETS)
        filter_.set_lists(world.drop, world.allow)
        filter_.set_local(world.local)

        @given(st.randoms(use_true_random=False))
        @settings(max_examples=500, deadline=None, database=None, derandomize=True)
        def check(rng: random.Random) -> None:
            world.settings = random_settings(rng)
            filter_.set(world.settings)
            frame = random_frame(rng, hosts=hosts)
            assert filter_.agrees(frame, decide(frame, world)), frame.hex()

        check()


@needs_frags
def test_multi_buffer_packets(build: Build) -> None:
    """Only the first buffer can be read; the decision is the same unless a header lies beyond it."""
    rng = random.Random(4)
    cut_off = 0
    with Filter(build("filter/seen"), frags=True) as filter_:
        world, hosts = random_world(rng, TARGETS)
        filter_.set_lists(world.drop, world.allow)
        filter_.set_local(world.local)
        for number in range(5000):
            if number % 50 == 0:
                world.settings = replace(random_settings(rng), ptb_max_pps=NO_LIMIT)
                filter_.set(world.settings)
            frame = random_frame(rng, hosts=hosts, max_units=255) + bytes(rng.randrange(9000))
            readable = filter_.readable(frame)
            decision = decide(frame, world, readable=readable)
            assert filter_.agrees(frame, decision), frame.hex()
            cut_off += decision != decide(frame, world)
    assert cut_off > 20


def test_defaults(build: Build) -> None:
    """A filter that was just loaded, without sets."""
    with Filter(build("filter/seen")) as filter_:
        rng = random.Random(6)
        _, hosts = random_world(rng, TARGETS)
        for _ in range(2000):
            frame = random_frame(rng, hosts=hosts)
            decision = decide(frame, World(Settings()))
            assert decision.verdict == "XDP_TX" or filter_.agrees(frame, decision), frame.hex()
