"""How much goes past IPVS, by IPVS's own counters and by ours; and how much faster that is."""

from collections.abc import Iterator

import pytest

from ecbpf.lab import Topology
from ecbpf.lab.director import MARKED_VIP
from tests.vm.lab.fastpath import FastPath, fast_path
from tests.vm.lab.iperf import iperf, iperf_servers
from tests.vm.lab.ipvs import inbound_packets
from tests.vm.lab.tcp import ENDS, tcp_counts, trouble
from tests.vm.lab.variants import PLAIN

FAMILIES = pytest.mark.parametrize("vip", MARKED_VIP, ids=["ipv4", "ipv6"])
SECONDS = 4


@pytest.fixture
def fastpath(director: Topology) -> Iterator[FastPath]:
    with fast_path(director) as found:
        yield found


def upload(vip: str) -> tuple[float, int]:
    """An upload by iperf3: Mbit/s, and retransmitted segments. Asserts that no packet was wrong."""
    before = tcp_counts(*ENDS)
    own = tcp_counts("director/director")
    with iperf_servers(vip):
        said = iperf(vip, "-t", str(SECONDS))
    # An iperf3 server ends with data of its client unread, and so with a RST; the director sends none.
    wrong = trouble(before, tcp_counts(*ENDS)).keys() - {"OutRsts", "EstabResets"}
    assert not wrong
    assert trouble(own, tcp_counts("director/director")) == {}
    return said["end"]["sum_received"]["bits_per_second"] / 1e6, said["end"]["sum_sent"]["retransmits"]


@FAMILIES
def test_an_upload_passes_ipvs_by(fastpath: FastPath, vip: str) -> None:
    """Only the client's packets cross the director: at least 98% of them pass IPVS by."""
    alone, again_alone = upload(vip)
    fastpath.load()
    ipvs, ours = inbound_packets(vip), fastpath.counts()
    speed, again = upload(vip)
    by_ipvs = inbound_packets(vip) - ipvs
    past = fastpath.counts()["total_bypassed_pkts"] - ours["total_bypassed_pkts"]
    print(f"{past} packets past IPVS, {by_ipvs} by it: {past / (past + by_ipvs):.2%}")
    print(f"IPVS alone {alone:.0f} Mbit/s, {again_alone} sent again; with it {speed:.0f} Mbit/s, {again}")
    assert past > 2000
    assert past >= 0.98 * (past + by_ipvs)
    assert again <= again_alone + (past + by_ipvs) // 50


@FAMILIES
def test_the_acks_of_a_download_pass_ipvs_by(fastpath: FastPath, vip: str) -> None:
    """IPVS gets the first ten ACKs, and then one per second."""
    fastpath.load()
    ipvs, ours = inbound_packets(vip), fastpath.counts()
    with iperf_servers(vip):
        iperf(vip, "-R", "-t", str(2 * SECONDS), "-w", "32K")  # a small window: more ACKs
    by_ipvs = inbound_packets(vip) - ipvs
    past = fastpath.counts()["total_bypassed_pkts"] - ours["total_bypassed_pkts"]
    print(f"{past} packets past IPVS, {by_ipvs} by it: {past / (past + by_ipvs):.2%}")
    assert past >= 0.98 * (past + by_ipvs)


@FAMILIES
@PLAIN
def test_monitoring_leaves_all_to_ipvs(fastpath: FastPath, vip: str) -> None:
    fastpath.load(monitor=True)
    ipvs, ours = inbound_packets(vip), fastpath.counts()
    with iperf_servers(vip):
        iperf(vip, "-t", "2")
    by_ipvs = inbound_packets(vip) - ipvs
    counts = fastpath.counts()
    seen = counts["tcp_pkts"] - ours["tcp_pkts"]
    print(f"{seen} packets, {by_ipvs} of them by IPVS")
    assert by_ipvs == seen
    assert counts["total_bypassed_pkts"] - ours["total_bypassed_pkts"] >= 0.9 * seen  # diverted if not monitoring


@FAMILIES
def test_datagrams_with_udp_on(fastpath: FastPath, vip: str) -> None:
    fastpath.load(udp=True)
    ipvs = inbound_packets(vip)
    with iperf_servers(vip):
        said = iperf(vip, "-u", "-b", "2M", "-l", "400", "-t", "3")
    by_ipvs = inbound_packets(vip) - ipvs
    past = sum(flow.bypassed for flow in fastpath.flows() if flow.proto == "udp")
    sent = said["end"]["sum"]["packets"]
    print(f"{past} datagrams of {sent} past IPVS, {by_ipvs} packets by it")
    assert past >= 0.95 * sent
    assert by_ipvs < 100
    # Some are lost: the socket of a reader that waits for an emulated CPU runs full.
    assert said["end"]["sum"]["lost_packets"] <= sent // 4


@PLAIN
def test_packets_per_second_beside_ipvs_alone(fastpath: FastPath) -> None:
    """For information: the sender is on the same emulated CPUs."""
    vip = MARKED_VIP[0]
    for _ in range(3):
        speeds = []
        for monitor in (True, False):
            fastpath.load(udp=True, monitor=monitor)
            with iperf_servers(vip):
                said = iperf(vip, "-u", "-b", "0", "-l", "64", "-t", "2")["end"]["sum"]
            arrived = said["packets"] - said["lost_packets"]
            speeds.append(arrived / said["seconds"])
        print(f"datagrams per second: IPVS {speeds[0]:.0f}, past it {speeds[1]:.0f}: {speeds[1] / speeds[0]:.2f}")
        assert min(speeds) > 0
