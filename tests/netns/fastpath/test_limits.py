"""How many RSTs go out, and how many packets of unknown flows come in, by a clock that makes rates exact."""

import os
from collections import Counter
from fractions import Fraction
from random import Random

import pytest

from tests.netns.fastpath.cases import BOTH, flow_of
from tests.netns.fastpath.kernel import DROPPED, LET_BY, Fastpath
from tests.netns.fastpath.state import prepare, put
from tests.oracle.fastpath import TICKS_A_SECOND
from tests.oracle.fastpath_limits import InboundLimit
from tests.oracle.fastpath_packets import ACK, FIN, RST, SYN, frame_of
from tests.oracle.fastpath_settings import Settings

CPUS = sorted(os.sched_getaffinity(0))
RESET = frame_of(flow_of(4), RST, to_client=True)
START = 1000  # seconds

every_family = pytest.mark.parametrize("family", BOTH)


@pytest.fixture
def fastpath(fastpath: Fastpath, one_cpu: int) -> Fastpath:
    """On one CPU for the rest of the test."""
    return fastpath


# RSTs of this host's stack


def sent_in(fastpath: Fastpath, eighth: int) -> int:
    """How many RSTs are let by in an epoch, if there are more than may."""
    fastpath.at(START + eighth / 8)
    sent = 0
    while fastpath.leave(RESET, mark=0, came_by=0).verdict == LET_BY:
        sent += 1
    return sent


@pytest.mark.parametrize("rps_cpus", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("limit", [0, 1, 2, 3, 7, 8, 9, 100])
def test_quotas_add_up(fastpath: Fastpath, limit: int, rps_cpus: int) -> None:
    """In so many seconds as there are CPUs each sends the number of one second, spread as evenly as can be."""
    prepare(fastpath, Settings(limit_rates=True, max_resets_pps=limit, rps_cpus=rps_cpus), START)
    epochs = 8 * rps_cpus
    sent = [sent_in(fastpath, eighth) for eighth in range(epochs)]
    assert sum(sent) == limit
    assert max(sent) - min(sent) <= 1
    for first in range(epochs - 7):
        assert abs(sum(sent[first : first + 8]) - limit / rps_cpus) < 1
    again = [sent_in(fastpath, eighth + 1_000_000 * epochs) for eighth in range(epochs)]
    assert again == sent


OFFERED = [(4000, 5000), (4000, 40_000), (800, 8000), (800, 900), (800, 700)]


@pytest.mark.parametrize(("limit", "offered"), OFFERED)
def test_within_5_percent(fastpath: Fastpath, limit: int, offered: int) -> None:
    """RSTs come by chance, so many a second."""
    seconds = 8 * 8000 // offered / 8
    prepare(fastpath, Settings(limit_rates=True, max_resets_pps=limit), START)
    rng = Random(1)
    now, verdicts = 0.0, Counter[str]()
    while (now := now + rng.expovariate(offered)) < seconds:
        fastpath.clock.ticks = int((START + now) * TICKS_A_SECOND)
        verdicts[fastpath.leave(RESET, mark=0, came_by=0).verdict] += 1
    assert verdicts[LET_BY] <= limit * seconds
    # Hardly more than the limit leaves some epochs with room.
    assert verdicts[LET_BY] >= min(limit, offered) * seconds * (0.95 if offered > 2 * limit else 0.85)


def test_only_counted(fastpath: Fastpath) -> None:
    for settings in (Settings(max_resets_pps=16), Settings(max_resets_pps=16, limit_rates=True, monitor=True)):
        prepare(fastpath, settings, START)
        counts = Counter[str]()
        for _ in range(10):
            outcome = fastpath.leave(RESET, mark=0, came_by=0)
            assert outcome.verdict == LET_BY
            counts.update(outcome.counters)
        assert counts == {
            "total_pkts_tc_tx": 10,
            "out_rsts_unknown": 10,
            "out_rsts_sent_tc": 10,
            "out_rsts_disc_rate": 8,
        }


def test_excess_resets_of_a_flow_take_no_quota_of_others(fastpath: Fastpath) -> None:
    model = prepare(fastpath, Settings(limit_rates=True, max_resets_pps=80), START)
    put(fastpath, model, flow_of(4), resets=2, is_reset=1)
    for _ in range(50):
        assert fastpath.leave(RESET, mark=0, came_by=0).verdict == DROPPED
    others = [frame_of(flow_of(4, port=port), RST, to_client=True) for port in range(1, 12)]
    assert [fastpath.leave(each, mark=0, came_by=0).verdict for each in others].count(LET_BY) == 10


@pytest.mark.skipif(len(CPUS) < 2, reason="one CPU")
def test_each_cpu_has_its_part(fastpath: Fastpath) -> None:
    prepare(fastpath, Settings(limit_rates=True, max_resets_pps=160, rps_cpus=2), START)
    sent = []
    for cpu in (*CPUS[:2], *CPUS[:2]):
        os.sched_setaffinity(0, {cpu})
        sent.append(sent_in(fastpath, 0))
    assert sent == [10, 10, 0, 0]


def test_answers_to_a_storm(fastpath: Fastpath) -> None:
    """A reset flow that sends 1000 packets a second: 5 answers, 10 ms apart; and 5 more after 10 s of silence."""
    flow = flow_of(4)
    put(fastpath, prepare(fastpath, Settings(), START), flow, is_reset=1)
    for begin in (0, 12, 24):
        answers = []
        for millisecond in range(200):
            fastpath.at(START + begin + millisecond / 1000)
            if fastpath.enter(frame_of(flow)).reason == "REASON_RESET_ANSWER":
                answers.append(millisecond)
        assert answers == [0, 10, 20, 30, 40]


# Packets of unknown flows


class Arrivals:
    """Packets that come so many a second, and what the limit should make of them."""

    def __init__(self, fastpath: Fastpath, settings: Settings) -> None:
        self.fastpath, self.settings = fastpath, settings
        prepare(fastpath, settings, START)
        self.now = Fraction(START)
        self.limit = InboundLimit()

    def come(self, frame: bytes, packets: int, rate: int | Fraction) -> Counter[str]:
        """So many of them; returns the reasons and counters."""
        seen = Counter[str]()
        clock = self.fastpath.clock
        for _ in range(packets):
            self.now += 1 / Fraction(rate)
            clock.ticks, clock.nanoseconds = int(self.now * TICKS_A_SECOND), int(self.now * 10**9)
            outcome = self.fastpath.enter(frame)
            self.limit.arrive(self.settings, clock.ticks, clock.nanoseconds, TICKS_A_SECOND)
            assert outcome.frame == frame
            seen[outcome.reason] += 1
            seen.update(outcome.counters)
        return seen

    def chance(self) -> float:
        """As the kernel has measured it."""
        chance: int = self.fastpath.cpus[0][CPUS[0]].drop_chance
        return chance / (1 << 16)


LIMIT = Settings(limit_rates=True, inbound_pps=10_000, wrap_packets=256)
CHANCES = [
    (1_000, 0.0),
    (10_000, 0.0),
    (10_500, 0.0),
    (10_950, 0.1),
    (11_625, 0.25),
    (12_750, 0.5),
    (14_100, 0.8),
    (14_955, 0.99),
    (15_000, 1.0),
    (100_000, 1.0),
    (9_000_000, 1.0),
]


@pytest.mark.parametrize(("rate", "chance"), CHANCES)
def test_chance_grows_with_the_rate(fastpath: Fastpath, rate: int, chance: float) -> None:
    """Linearly, between spike and most; what gets through is as many as it says, to within 5 % of all."""
    arrivals = Arrivals(fastpath, LIMIT)
    frame = frame_of(flow_of(4))
    # The first measurement began long ago, and the second one ends with the 512th packet.
    assert arrivals.come(frame, 511, rate)["lru_miss_in_limited"] == 0
    arrivals.come(frame, 1, rate)
    assert abs(arrivals.chance() - arrivals.limit.chance) < 3 / (1 << 16)
    assert abs(arrivals.chance() - chance) < 0.001
    packets = 2048
    seen = arrivals.come(frame, packets, rate)
    assert seen["lru_miss_in_limited"] == seen["REASON_INBOUND_LIMIT"]
    assert abs(seen["REASON_INBOUND_LIMIT"] / packets - chance) < 0.05
    if chance in (0.0, 1.0):
        assert abs(seen["REASON_INBOUND_LIMIT"] - packets * chance) <= 3


PERCENTS = [
    (0, 100, 15_000, 0.5),
    (50, 50, 14_990, 0),
    (50, 50, 15_010, 1),
    (10, 5, 10_490, 0),
    (10, 5, 10_510, 1),
]


@pytest.mark.parametrize(("spike", "most", "rate", "chance"), PERCENTS)
def test_other_percents(fastpath: Fastpath, spike: int, most: int, rate: int, chance: float) -> None:
    arrivals = Arrivals(
        fastpath,
        Settings(limit_rates=True, inbound_pps=10_000, wrap_packets=100, inbound_spike=spike, inbound_max=most),
    )
    arrivals.come(frame_of(flow_of(4)), 200, rate)
    assert abs(arrivals.chance() - arrivals.limit.chance) < 3 / (1 << 16)
    assert abs(arrivals.chance() - chance) < 0.001


@pytest.mark.parametrize("rx_cpus", [1, 2, 16])
def test_a_cpu_sees_its_part_of_the_rate(fastpath: Fastpath, rx_cpus: int) -> None:
    settings = Settings(limit_rates=True, inbound_pps=10_000, wrap_packets=100, rx_cpus=rx_cpus)
    arrivals = Arrivals(fastpath, settings)
    arrivals.come(frame_of(flow_of(4)), 200, Fraction(12_750, rx_cpus))
    assert abs(arrivals.chance() - 0.5) < 0.001


def test_limited_only_counted(fastpath: Fastpath) -> None:
    """With limit_rates off, and in monitor mode."""
    for more in ({"limit_rates": False}, {"limit_rates": True, "monitor": True}):
        arrivals = Arrivals(fastpath, Settings(inbound_pps=1000, wrap_packets=100, **more))
        arrivals.come(frame_of(flow_of(4)), 200, 100_000)
        seen = arrivals.come(frame_of(flow_of(4)), 300, 100_000)
        assert seen["REASON_NONE"] == 300
        assert seen["lru_miss_in_limited"] >= 297


@every_family
def test_only_unknown_flows_are_limited(fastpath: Fastpath, family: int) -> None:
    """In a flood packets of unknown flows alone are dropped, of whatever kind; none that is the kernel's alone."""
    arrivals = Arrivals(fastpath, Settings(limit_rates=True, inbound_pps=1000, wrap_packets=10, udp=True))
    known, local = flow_of(family, port=1), flow_of(family)._replace(vip=flow_of(family).vip[:-1] + b"\x77")
    model = prepare(fastpath, arrivals.settings, START, local=(local.vip,))
    put(fastpath, model, known)
    unknown = frame_of(flow_of(family))
    many = flow_of(family)._replace(vip=b"\xe0\0\0\1" if family == 4 else b"\xff" * 16)
    assert arrivals.come(unknown, 40, 1_000_000)["REASON_INBOUND_LIMIT"] >= 18
    for flags in (ACK, SYN, FIN | ACK, RST, 0):
        seen = arrivals.come(frame_of(flow_of(family), flags), 40, 1_000_000)
        assert seen["REASON_INBOUND_LIMIT"] >= 39
    datagram = frame_of(flow_of(family, 17), payload=bytes(20))
    assert arrivals.come(datagram, 40, 1_000_000)["REASON_INBOUND_LIMIT"] >= 39
    for frame in (
        frame_of(local),
        frame_of(many),
        frame_of(flow_of(family), ttl=1),
        frame_of(flow_of(family), tags=b"\x88\xa8\0\5\x81\0\0\6"),
        frame_of(flow_of(family), data_offset=4),
        frame_of(flow_of(family, 1), payload=bytes(20)),
        frame_of(flow_of(family), macs=b"\2\0\0\0\0\x99" * 2),
    ):
        assert arrivals.come(frame, 40, 1_000_000)["REASON_NONE"] == 40
    # A packet that goes on is another afterwards: not through come().
    for _ in range(200):
        assert fastpath.enter(frame_of(known)).reason == "REASON_FAST_PATH"
    assert arrivals.come(unknown, 20, 1_000_000)["REASON_INBOUND_LIMIT"] >= 19


def test_a_flood_ends(fastpath: Fastpath) -> None:
    """No packet is dropped any more when the next so many take longer than at the spike rate."""
    for wait, is_over in ((0.022, False), (0.027, True), (3600, True), (30 * 86400, True)):
        arrivals = Arrivals(fastpath, LIMIT)
        frame = frame_of(flow_of(4))
        arrivals.come(frame, 512, 1_000_000)
        assert arrivals.chance() > 0.9
        begin = arrivals.now
        assert 256 / 10_500 < 0.025  # seconds: so long it may take
        arrivals.now = begin + Fraction(wait)
        seen = arrivals.come(frame, 100, 1_000_000)
        assert (seen["REASON_INBOUND_LIMIT"] == 0) == is_over, wait


def test_a_flood_becomes_less(fastpath: Fastpath) -> None:
    """The next measurement decides: above the spike less is dropped, at it nothing."""
    arrivals = Arrivals(fastpath, LIMIT)
    frame = frame_of(flow_of(4))
    arrivals.come(frame, 512, 50_000)
    assert arrivals.come(frame, 256, 12_750)["REASON_INBOUND_LIMIT"] > 250
    assert 0.3 < arrivals.come(frame, 512, 12_750)["REASON_INBOUND_LIMIT"] / 512 < 0.7
    arrivals.come(frame, 256, 10_000)
    assert arrivals.come(frame, 512, 10_000)["REASON_INBOUND_LIMIT"] == 0


@pytest.mark.skipif(len(CPUS) < 2, reason="one CPU")
def test_each_cpu_measures(fastpath: Fastpath) -> None:
    arrivals = Arrivals(fastpath, Settings(limit_rates=True, inbound_pps=1000, wrap_packets=10))
    frame = frame_of(flow_of(4))
    assert arrivals.come(frame, 40, 1_000_000)["REASON_INBOUND_LIMIT"] >= 18
    os.sched_setaffinity(0, {CPUS[1]})
    assert arrivals.come(frame, 19, 1_000_000)["REASON_INBOUND_LIMIT"] == 0
