"""Attacks beside a download: they leave no trace in the flow table, and do not disturb the download.

The file's name puts it after the downloads: servers answer SYNs for a minute after a flood, which would count as
retransmissions.
"""

import os
from collections.abc import Iterator

import pytest

from ecbpf.lab import Topology
from ecbpf.lab.director import MARKED_VIP, VIP
from tests.vm.lab.batch import Running, check
from tests.vm.lab.fastpath import FastPath, fast_path
from tests.vm.lab.flood import ACK, SYN, flood
from tests.vm.lab.variants import PLAIN

# A million is for tests that need no network (BPF_PROG_TEST_RUN); here each packet takes a tenth of a millisecond.
PACKETS = int(os.environ.get("ECBPF_FLOOD_PACKETS", "10000"))


@pytest.fixture
def fastpath(director: Topology) -> Iterator[FastPath]:
    with fast_path(director) as found:
        yield found


@PLAIN
@pytest.mark.parametrize("vip", [VIP[0], MARKED_VIP[1]])
@pytest.mark.parametrize("flags", [ACK, SYN], ids=["ACKs", "SYNs"])
def test_random_packets_create_no_flow_and_evict_none(fastpath: FastPath, vip: str, flags: int) -> None:
    """IPVS answers ACKs without a connection by RSTs, and forwards SYNs; neither makes a flow."""
    fastpath.load()
    size = 3_000_000
    running = Running(vip, size)
    try:
        running.wait_for_the_middle()
        before, known = fastpath.counts(), fastpath.flows()
        flood(vip, flags, PACKETS, seed=flags)
        after, then = fastpath.counts(), fastpath.flows()
    finally:
        done = running.finish()
    check(done, size)
    assert {flow.client_port for flow in then} == {flow.client_port for flow in known} == {running.port}
    arrived = after["tcp_pkts"] - before["tcp_pkts"]
    print(f"{arrived} packets, {PACKETS} of them random")
    assert arrived > PACKETS // 2  # no wire of the lab waits for a slow receiver
    assert after["lru_alloc_nonsyns"] == before["lru_alloc_nonsyns"]
    if flags == SYN:
        assert after["lru_miss_out_syn"] - before["lru_miss_out_syn"] >= 0.9 * min(arrived, PACKETS)
    else:
        assert after["out_rsts_unknown"] - before["out_rsts_unknown"] >= 0.9 * min(arrived, PACKETS)
