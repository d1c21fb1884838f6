"""Two CPUs at once: packets of a flow go to its server whole, and no flow has two places."""

import os
import threading
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest

from ecbpf.kernel import Object, Program
from tests.netns.fastpath.cases import flow_of
from tests.netns.fastpath.kernel import Fastpath, key_of, sk_buff
from tests.oracle.fastpath_flows import WAYS, FlowId
from tests.oracle.fastpath_packets import ACK, RST, frame_of
from tests.oracle.fastpath_settings import Settings
from tests.support.objects import Build

PACKETS = int(os.environ.get("ECBPF_FASTPATH_TWO_CPUS", "3000000"))
FRAMES, FRAME_SIZE = 8192, 64  # of stream.bpf.c
CPUS = sorted(os.sched_getaffinity(0))[:2]
FROM_IPVS = bytes(sk_buff(mark=1, came_by=1))
XDP_TX = 3

pytestmark = pytest.mark.skipif(len(CPUS) < 2, reason="one CPU")


class Streams:
    """The fast path with a table of one set, and frames that each CPU repeats."""

    def __init__(self, build: Build) -> None:
        self.fastpath = fastpath = Fastpath(build, sets=1)
        fastpath.set(Settings(sample_seconds=10**6, inactive_seconds=10**6))
        self._object = stream = Object.open(build("fastpath/stream"))
        clock = next(name for name in stream.map_names if name.endswith(".data.clock"))
        stream.share_map(clock, fastpath.shared[".data.clock"])
        stream.globals.cpus = tuple(CPUS)
        stream.load()
        stream.maps["ingress"][0] = fastpath.xdp
        stream.maps["egress"][0] = fastpath.tc
        fastpath.ingress.maps["xdpcap_hook"][XDP_TX] = stream.programs["xdp_check_prog"]
        self.frames = stream.maps["frames"].memory()
        self.globals: Any = stream.globals
        self.enter: Program = stream.programs["xdp_stream_prog"]
        self.leave: Program = stream.programs["tc_stream_prog"]

    def close(self) -> None:
        self._object.close()
        self.fastpath.close()

    def run(self, *both: tuple[Program, list[bytes], int]) -> dict[str, int]:
        """Program, frames and how many packets: of either CPU. Returns the counters that moved."""
        self.globals.right = self.globals.wrong = 0
        self.fastpath.moved()
        together = threading.Barrier(len(both))
        failures: list[Exception] = []

        def repeat(place: int, program: Program, packets: int) -> None:
            try:
                os.sched_setaffinity(0, {CPUS[place]})
                context = FROM_IPVS if program is self.leave else b""
                together.wait()
                program.test_run(bytes(FRAME_SIZE), context=context, repeat=packets)
            except Exception as error:
                failures.append(error)
                together.abort()

        threads = []
        for place, (program, frames, packets) in enumerate(both):
            raw = b"".join(frame.ljust(FRAME_SIZE, b"\0") for frame in frames)
            self.frames[place * len(raw) : (place + 1) * len(raw)] = raw
            threads.append(threading.Thread(target=repeat, args=(place, program, packets)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        return self.fastpath.moved()


@pytest.fixture(scope="module")
def streams(build: Build) -> Iterator[Streams]:
    loaded = Streams(build)
    yield loaded
    loaded.close()


@pytest.fixture
def rng(streams: Streams) -> Random:
    streams.fastpath.clear()
    return Random(1)


FLOWS = [flow_of(4, port=40000 + number) for number in range(24)]


def to_server(flow: FlowId, server: int, flags: int = ACK) -> bytes:
    """A packet as IPVS sends it: MACs that say which flow and which of its servers."""
    port = flow.client_port.to_bytes(2, "big")
    kind = bytes((server,))
    return frame_of(flow, flags, macs=b"\x02\0" + kind + b"\0" + port + b"\x02\0" + kind + b"\x0a" + port)


def check_table(streams: Streams) -> None:
    """No two tags alike, no flow twice, nothing half-written; each goes where it belongs."""
    tags = streams.fastpath.tags()[0]
    held = [streams.fastpath.flow_set(0).flow[way] for way in np.flatnonzero(tags)]
    assert len(set(tags[tags != 0])) == len(held)
    keys = [bytes(flow.key) for flow in held]
    assert len(set(keys)) == len(keys)
    assert set(keys) <= {key_of(flow) for flow in FLOWS}
    for flow in held:
        assert flow.sequence % 2 == 0
        macs = bytes(flow.hop)
        assert macs[4:6] == macs[10:12] == bytes(flow.key)[32:34]
        assert macs[2] == macs[8]


def test_servers_change_while_packets_come(streams: Streams, rng: Random) -> None:
    """IPVS moves the flows all the time: a packet goes to the old server or the new one."""
    flows = FLOWS[:3]
    moves = [to_server(rng.choice(flows), rng.randrange(256)) for _ in range(FRAMES)]
    packets = [frame_of(rng.choice(flows)) for _ in range(FRAMES)]
    moved = streams.run((streams.leave, moves, PACKETS), (streams.enter, packets, 2 * PACKETS))
    assert streams.globals.wrong == 0
    assert streams.globals.right == moved["total_bypassed_pkts"] > PACKETS
    assert moved["server_changes"] > PACKETS * 9 // 10
    check_table(streams)


def test_flows_come_and_go_while_packets_come(streams: Streams, rng: Random) -> None:
    """Three times as many flows as places, and RSTs."""
    moves = []
    for _ in range(FRAMES):
        moves.append(to_server(rng.choice(FLOWS), 1, ACK if rng.randrange(20) else RST))
    packets: list[bytes] = []
    while len(packets) < FRAMES:
        packets += [frame_of(rng.choice(FLOWS))] * rng.choice((1, 1, 1, 14))
    moved = streams.run((streams.leave, moves, PACKETS), (streams.enter, packets[:FRAMES], 2 * PACKETS))
    assert streams.globals.wrong == 0
    assert streams.globals.right == moved["total_bypassed_pkts"] > PACKETS // 10
    assert moved["lru_alloc_nonsyns"] > PACKETS // 10
    check_table(streams)


@pytest.mark.parametrize("flows", [4, 8, 24])
def test_both_learn(streams: Streams, rng: Random, flows: int) -> None:
    """The same flows on both CPUs, ended and learned again all the time, in one set."""
    alike = [
        [to_server(rng.choice(FLOWS[:flows]), 1, ACK if rng.randrange(4) else RST) for _ in range(FRAMES)]
        for _ in CPUS
    ]
    for _ in range(10):
        moved = streams.run(*((streams.leave, frames, PACKETS // 40) for frames in alike))
        assert moved["lru_alloc_nonsyns"] > PACKETS // 400
        check_table(streams)
    assert len(streams.fastpath.tags()[0]) == WAYS
