"""Random packets against random sets under random settings.

``python -m tests.netns.filter.random_packets SEED PACKETS``

Prints how often each decision was seen, as JSON; fails at the first packet that the kernel and the oracle see
differently.
"""

import json
import sys
import tempfile
from collections import Counter
from dataclasses import fields
from random import Random
from typing import Any

from tests.netns.filter.kernel import Filter
from tests.oracle.filter import Settings, World, decide
from tests.oracle.frames import Hosts, random_frame
from tests.oracle.prefixes import BITS, Pairs, edges, random_holes, random_prefixes
from tests.support.objects import builder

PER_SET = 20_000  # packets that meet the same sets
PER_SETTING = 400  # packets that meet the same settings
NO_LIMIT = 2**32 - 1


def random_settings(rng: Random) -> Settings:
    """Three in four switches at their default; ptb_max_pps without a limit, or off."""
    values: dict[str, Any] = {each.name: bool(rng.randrange(4)) == each.default for each in fields(Settings)}
    values["ptb_max_pps"] = rng.choice((NO_LIMIT, NO_LIMIT, NO_LIMIT, 0))
    return Settings(**values)


def packed(family: int, numbers: list[int]) -> list[bytes]:
    return [number.to_bytes(BITS[family] // 8, "big") for number in numbers]


def within(rng: Random, family: int, prefixes: Pairs) -> list[int]:
    return [first | rng.getrandbits(BITS[family]) >> length for first, length in prefixes]


def random_world(rng: Random, targets: Hosts) -> tuple[World, Hosts]:
    """Sets, and hosts that are listed, at the edge of a prefix, just outside it, or allowed."""
    drop = {family: random_prefixes(rng, family) for family in BITS}
    allow = {family: random_holes(rng, family, drop[family]) for family in BITS}
    sources = {}
    for family in BITS:
        numbers = []
        for prefixes in (drop[family], allow[family]):
            some = rng.sample(prefixes, min(len(prefixes), 60))
            numbers += edges(family, some) + within(rng, family, some)
        sources[family] = packed(family, numbers)
    local = frozenset(target for each in targets.targets.values() for target in each[:2])
    return World(None, drop, allow, local), Hosts(sources, targets.targets)


TARGETS = Hosts(
    {},
    {
        4: [bytes((192, 0, 2, last)) for last in range(10)] + [bytes((224, 0, 0, 1)), bytes((127, 0, 0, 1))],
        6: [b"\x20\x01\x0d\xb8" + bytes(11) + bytes((last,)) for last in (1, 2, 3, 4)],
    },
)


def compare(filter_: Filter, rng: Random, packets: int) -> Counter[str]:
    """Run that many packets; returns the decisions. Raises AssertionError at the first difference."""
    seen: Counter[str] = Counter()
    for number in range(packets):
        if number % PER_SET == 0:
            world, hosts = random_world(rng, TARGETS)
            filter_.set_lists(world.drop, world.allow)
            filter_.set_local(world.local)
        if number % PER_SETTING == 0:
            world.settings = random_settings(rng)
            filter_.set(world.settings)
        frame = random_frame(rng, hosts=hosts)
        decision = decide(frame, world)
        if not filter_.agrees(frame, decision):
            raise AssertionError(
                f"packet {number}: {frame.hex()}\n{world.settings}\noracle {decision}\nkernel {filter_(frame)}"
            )
        seen[f"{decision.verdict} {decision.reason} {' '.join(decision.counters)}".strip()] += 1
    return seen


def main(seed: int, packets: int) -> int:
    with tempfile.TemporaryDirectory() as folder, Filter(builder(folder)("filter/seen")) as filter_:
        print(json.dumps(compare(filter_, Random(seed), packets)))
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
