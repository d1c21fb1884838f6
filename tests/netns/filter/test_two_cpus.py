"""Packets on two CPUs at the same time: neither CPU sees data of the other."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from ecbpf.kernel import Object
from tests.netns.filter.cases import Case, frame_of
from tests.netns.filter.kernel import VERDICTS, Bare
from tests.oracle.filter import Decision, World, decide
from tests.oracle.prefixes import BITS, Pairs
from tests.support.objects import Build

PACKETS = int(os.environ.get("ECBPF_FILTER_TWO_CPUS", "5000000"))
FRAMES, FRAME_SIZE = 256, 64  # of stream.bpf.c
ROUND = 1000 * FRAMES  # packets of a test run
CPUS = sorted(os.sched_getaffinity(0))[:2]

pytestmark = pytest.mark.skipif(len(CPUS) < 2, reason="one CPU")

_NET6 = 0x20010DB8 << 96
# Each network has listed and unlisted addresses, so that a lookup goes down to its last load.
DROP: dict[int, Pairs] = {
    4: [(0x0A000000 + (i << 8) + (i * 7 % 128 << 1), 32) for i in range(256)]
    + [(0x0B000000 + (i << 8), 25) for i in range(64)],
    6: [(_NET6 | i << 64 | 2 * j, 128) for i in range(64) for j in range(i % 5 + 1)]
    + [(_NET6 | 1 << 80 | i << 65, 64) for i in range(64)],
}


def _ip4(source: int, fragment: int = 0) -> bytes:
    header = bytes((0x45, 0, 0, 28, 0, 0)) + fragment.to_bytes(2, "big") + b"\x40\x11\0\0"
    return frame_of(Case("", header + source.to_bytes(4, "big") + bytes((192, 0, 2, 1)) + bytes(8)))


def _ip6(source: int) -> bytes:
    header = b"\x60\0\0\0\0\x08\x11\x40" + source.to_bytes(16, "big") + b"\x20\x01\x0d\xb8" + bytes(12)
    return frame_of(Case("", header + bytes(8), ethertype=0x86DD))


Frames = list[tuple[bytes, Decision]]


def _frames() -> tuple[Frames, Frames]:
    """Packets from listed sources, and packets from sources beside those."""
    world = World(drop=DROP)
    listed: Frames = []
    beside: Frames = []
    for family, make in ((4, _ip4), (6, _ip6)):
        for first, length in DROP[family]:
            last = first | (1 << (BITS[family] - length)) - 1
            for source in (first, last, last + 1, first ^ 1):
                frame = make(source).ljust(FRAME_SIZE, b"\0")
                decision = decide(frame, world)
                (listed if decision.reason == "REASON_SOURCE" else beside).append((frame, decision))
    for offset in (1, 2):
        frame = _ip4(0xC0000201, offset).ljust(FRAME_SIZE, b"\0")
        beside += [(frame, decide(frame, world))] * 20
    return listed, beside


class Stream:
    """A filter, and frames before it."""

    def __init__(self, filter_: Bare, stream: Object) -> None:
        self.filter = filter_
        stream.globals.cpus = tuple(CPUS)
        stream.load()
        stream.maps["behind"][0] = filter_.program
        self.program = stream.programs["xdp_stream_prog"]
        self.frames = stream.maps["frames"].memory()

    def counts(self, cpu: int) -> Counter[str]:
        """What the kernel has counted on one CPU."""
        stats, verdicts = self.filter.object.maps["filter_stats"], self.filter.object.maps["xdp_stats"]
        counts = Counter({name: stats[number][cpu] for number, name in enumerate(self.filter.counter_names)})
        root = verdicts[max(verdicts.keys())][cpu].verdict
        counts.update({name: root[number] for number, name in VERDICTS.items()})
        return counts

    def run(self, index: int, frames: Frames) -> None:
        """A test run on the CPU that the thread is on; frames: as many as the buffer of a CPU holds."""
        raw = b"".join(frame for frame, _ in frames)
        self.frames[index * len(raw) : (index + 1) * len(raw)] = raw
        self.program.test_run(bytes(FRAME_SIZE), repeat=ROUND)


@pytest.fixture(scope="module")
def stream(build: Build) -> Iterator[Stream]:
    with Bare() as filter_, Object.open(build("filter/stream")) as opened:
        filter_.set_lists(DROP, {})
        yield Stream(filter_, opened)


class Cpu(threading.Thread):
    """Runs packets on one CPU; `sent` says what each counter should show."""

    def __init__(
        self, stream: Stream, index: int, frames: Frames, rounds: int, together: threading.Barrier
    ) -> None:
        super().__init__()
        self.stream, self.index, self.frames, self.rounds, self.together = stream, index, frames, rounds, together
        self.sent: Counter[str] = Counter()
        self.failed: Exception | None = None

    def run(self) -> None:
        try:
            os.sched_setaffinity(0, {CPUS[self.index]})
            rng = Random(self.index)
            for _ in range(self.rounds):
                frames = rng.choices(self.frames, k=FRAMES)
                self.together.wait()
                self.stream.run(self.index, frames)
                for _, decision in frames:
                    for each in (decision.verdict, *decision.counters):
                        self.sent[each] += ROUND // FRAMES
        except Exception as error:
            self.failed = error
            self.together.abort()


def _both(stream: Stream, frames: tuple[Frames, Frames], packets: int) -> int:
    """Each CPU runs its own packets, and must count exactly those. Returns the number of packets."""
    before = [stream.counts(cpu) for cpu in CPUS]
    together = threading.Barrier(2)
    rounds = -(-packets // (2 * ROUND))
    threads = [Cpu(stream, index, each, rounds, together) for index, each in enumerate(frames)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for thread, cpu, earlier in zip(threads, CPUS, before, strict=True):
        if thread.failed:
            raise thread.failed
        assert stream.counts(cpu) - earlier == thread.sent
    return sum(thread.sent[verdict] for thread in threads for verdict in VERDICTS.values())


def test_neither_cpu_sees_packets_of_the_other(stream: Stream) -> None:
    """Listed sources on one CPU and others on the other, the other way round, and both kinds on both."""
    listed, beside = _frames()
    every = listed + beside
    assert len(listed) > 300
    assert len(beside) > 300
    packets = 0
    for frames in ((listed, beside), (beside, listed), (every, every)):
        packets += _both(stream, frames, -(-PACKETS // 3))
    assert packets >= PACKETS
