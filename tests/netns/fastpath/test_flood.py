"""Floods of packets of unknown flows leave the table as it is; and how evenly known ones fill it."""

import os
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np
import pytest

from ecbpf.kernel import Object
from tests.netns.fastpath.cases import BOTH, flow_of
from tests.netns.fastpath.kernel import Fastpath, places_of, sk_buff, words_of
from tests.netns.fastpath.state import MACS, prepare, put
from tests.oracle.fastpath_flows import WAYS, FlowId
from tests.oracle.fastpath_packets import ACK, FIN, RST, SYN, frame_of
from tests.oracle.fastpath_settings import Settings
from tests.support.objects import Build

PACKETS = int(os.environ.get("ECBPF_FASTPATH_FLOOD", "1000000"))
SETS = 8192
FROM_IPVS = bytes(sk_buff(mark=1, came_by=1))

every_family = pytest.mark.parametrize("family", BOTH)


class Flood:
    """The fast path, and a flood before it."""

    def __init__(self, build: Build) -> None:
        self.fastpath = Fastpath(build, sets=SETS)
        self._object = flood = Object.open(build("fastpath/flood"))
        flood.load()
        flood.maps["ingress"][0] = self.fastpath.xdp
        flood.maps["egress"][0] = self.fastpath.tc
        self.globals: Any = flood.globals
        self._enter = flood.programs["xdp_flood_prog"]
        self._leave = flood.programs["tc_flood_prog"]

    def close(self) -> None:
        self._object.close()
        self.fastpath.close()

    def enter(self, frame: bytes, packets: int) -> dict[str, int]:
        """From clients by chance; returns the counters that moved."""
        self.globals.ports = 0
        self.fastpath.moved()
        self._enter.test_run(frame, repeat=packets)
        return self.fastpath.moved()

    def leave(self, frame: bytes, packets: int, *, ports: int = 0, first_port: int = 0) -> dict[str, int]:
        """As IPVS sends them; from clients by chance, or of so many ports each."""
        self.globals.ports, self.globals.first_port, self.globals.number = ports, first_port, 0
        self.fastpath.moved()
        self._leave.test_run(frame, context=FROM_IPVS, repeat=packets)
        return self.fastpath.moved()


@pytest.fixture(scope="module")
def flood(build: Build) -> Iterator[Flood]:
    loaded = Flood(build)
    yield loaded
    loaded.close()


def fill(flood: Flood, family: int, settings: Settings) -> FlowId:
    """Known flows in nearly all places, and one that is established."""
    known = flow_of(family)
    model = prepare(flood.fastpath, settings, 1000)
    flood.leave(frame_of(known, macs=MACS), 2 * SETS * WAYS, ports=1000)
    put(flood.fastpath, model, known)
    assert np.count_nonzero(flood.fastpath.tags()) > SETS * WAYS * 9 // 10
    return known


@every_family
@pytest.mark.parametrize("flags", [ACK, SYN])
def test_a_flood_that_comes_in(flood: Flood, family: int, flags: int) -> None:
    """Not a bit of the table changes. Where it is limited as well, known flows go on."""
    settings = Settings(limit_rates=True, inbound_pps=1000, sample_seconds=900)
    known = fill(flood, family, settings)
    before = bytes(flood.fastpath.table)
    moved = flood.enter(frame_of(known, flags), PACKETS)
    assert moved["tcp_pkts"] == PACKETS
    # The clock stands still: above any limit from the second measurement on, on each CPU.
    assert PACKETS - 10_000 * (os.cpu_count() or 1) < moved["lru_miss_in_limited"] < PACKETS
    assert bytes(flood.fastpath.table) == before
    for _ in range(1000):
        assert flood.fastpath.enter(frame_of(known)).verdict == "XDP_TX"


@every_family
@pytest.mark.parametrize("flags", [SYN, SYN | ACK, FIN | ACK, RST])
def test_a_flood_that_ipvs_sends_on(flood: Flood, family: int, flags: int) -> None:
    known = fill(flood, family, Settings())
    before = bytes(flood.fastpath.table)
    packets = PACKETS if flags == SYN else PACKETS // 10
    moved = flood.leave(frame_of(known, flags, macs=MACS), packets)
    missed = "lru_miss_out_syn" if flags & SYN else "lru_miss_out_nonsyn"
    assert moved == {"total_pkts_tc_tx": packets, missed: packets}
    assert bytes(flood.fastpath.table) == before


@every_family
@pytest.mark.parametrize(("ports", "first_port"), [(0, 0), (1, 40000), (65536, 0), (1000, 32768), (2, 443)])
def test_known_flows_fill_the_table(flood: Flood, family: int, ports: int, first_port: int) -> None:
    """As many as the table is made for: 0.8 % are evicted, whatever the clients."""
    prepare(flood.fastpath, Settings(), 1000)
    flows = SETS * WAYS // 2
    moved = flood.leave(frame_of(flow_of(family), macs=MACS), flows, ports=ports, first_port=first_port)
    learned = moved["lru_alloc_nonsyns"]
    assert learned > flows - 5
    held = np.count_nonzero(flood.fastpath.tags())
    assert 0.006 < (learned - held) / learned < 0.0105


CLIENTS: dict[str, Callable[[int], FlowId]] = {
    "client counts up": lambda n: flow_of(4)._replace(client=(0x0B000000 + n).to_bytes(4, "big")),
    "a /24, all ports": lambda n: flow_of(4)._replace(
        client=bytes((11, 0, 0, n % 256)), client_port=(n // 256 * 37) % 65536
    ),
    "one client, all ports": lambda n: flow_of(4, port=n % 65536)._replace(vip_port=n >> 16),
    "every 256th client": lambda n: flow_of(4)._replace(client=(0x0B000000 + 256 * n).to_bytes(4, "big")),
    "every 2nd port": lambda n: flow_of(4, port=2 * n % 65536)._replace(
        client=(0x0B000000 + (n >> 15)).to_bytes(4, "big")
    ),
    "client and port count up": lambda n: flow_of(4, port=n % 65536)._replace(
        client=(0x0B000000 + n).to_bytes(4, "big")
    ),
    "VIP's port counts up": lambda n: flow_of(4)._replace(vip_port=n % 65536, client_port=n >> 16),
    "a /64 counts up": lambda n: flow_of(6)._replace(client=flow_of(6).client[:8] + n.to_bytes(8, "big")),
    "a /64, ports": lambda n: flow_of(6, port=n % 65536)._replace(
        client=flow_of(6).client[:8] + (n >> 16).to_bytes(8, "big")
    ),
    "/64s count up": lambda n: flow_of(6)._replace(client=b"\x20\x01\x0d\xb8" + n.to_bytes(4, "big") + bytes(8)),
    "/64s and hosts count up": lambda n: flow_of(6)._replace(
        client=b"\x20\x01\x0d\xb8" + (n >> 8).to_bytes(4, "big") + bytes(7) + (n % 256).to_bytes(1, "big")
    ),
}


@pytest.mark.parametrize("clients", [pytest.param(make, id=name) for name, make in CLIENTS.items()])
def test_hash(clients: Callable[[int], FlowId]) -> None:
    """Sets and tags are as even as by chance: chi-square within 6 standard deviations, for any seed.

    The same in Python as in the kernel: where flows are found in other tests.
    """
    count = 40_000
    flows = [clients(number) for number in range(count)]
    keys = np.stack([words_of(flow) for flow in flows])
    assert len(np.unique(keys, axis=0)) > count * 9 // 10
    rng = Random(1)
    for seed in (0x6A09E667F3BCC909, *(rng.getrandbits(64) for _ in range(3))):
        for sets in (1024, 10_000, 1 << 14):
            index, tags = places_of(keys, seed, sets, len(flows[0].client) == 4)
            assert _deviation(index, sets) < 6
            assert _deviation(tags & np.uint64(0xFFF), 1 << 12) < 6
            assert _deviation(tags >> np.uint64(20), 1 << 12) < 6
        assert len(np.unique(tags)) > count - 10


def _deviation(values: Any, bins: int) -> float:
    """How much less even than by chance, in standard deviations of chi-square."""
    counts = np.bincount(values.astype(np.int64), minlength=bins)
    mean = len(values) / bins
    return float((((counts - mean) ** 2).sum() / mean - (bins - 1)) / (2 * (bins - 1)) ** 0.5)


@pytest.mark.parametrize(("family", "word"), [(4, 0), (4, 2), (4, 4), (6, 0), (6, 1), (6, 2), (6, 3), (6, 4)])
def test_tags_alike(build: Build, family: int, word: int) -> None:
    """Flows of the same set and tag, alike but for a word of their keys, take each other's place, and know it."""
    by_chance = np.random.default_rng(1).integers(0, 1 << 24, 400_000, np.uint64)
    values = np.unique(by_chance << np.uint64(8) | np.uint64(0x20))  # no multicast
    keys = np.repeat(words_of(flow_of(family)).reshape(1, 5), len(values), 0)
    keys[:, word] = keys[:, word] >> np.uint64(32) << np.uint64(32) | values
    with Fastpath(build, sets=1) as fastpath:
        _, tags = places_of(keys, fastpath.globals.hash_seed, 1, family == 4)
        order = np.argsort(tags)
        pairs = np.flatnonzero(np.diff(tags[order]) == 0)
        assert len(pairs) > 5
        for at in pairs[:10]:
            two = [flow_of_key(keys[order[at + i]].tobytes(), family) for i in range(2)]
            prepare(fastpath, Settings(), 1000)
            for known, unknown in (two, two[::-1], two):
                assert "lru_alloc_nonsyns" in fastpath.leave(frame_of(known, macs=MACS)).counters
                assert np.count_nonzero(fastpath.tags()) == 1
                assert fastpath.find(known)
                rst = frame_of(unknown, RST)
                assert "lru_deletion_RST" not in fastpath.enter(rst).counters
                assert "lru_deletion_RST" not in fastpath.leave(rst).counters


def flow_of_key(key: bytes, family: int) -> FlowId:
    size = 4 if family == 4 else 16
    ports = int.from_bytes(key[32:34], "big"), int.from_bytes(key[34:36], "big")
    return FlowId(key[:size], key[16 : 16 + size], *ports)
