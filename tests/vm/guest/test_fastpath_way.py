"""The ways that a packet can take past IPVS, and packets that are routed instead of sent by IPVS."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ecbpf.lab import Topology
from ecbpf.lab.director import VIP
from ecbpf.lab.namespace import run_in
from tests.vm.lab.batch import check
from tests.vm.lab.downloads import download
from tests.vm.lab.fastpath import FastPath, fast_path
from tests.vm.lab.tcp import ENDS, tcp_counts, trouble
from tests.vm.lab.variants import TAGGED

FAMILIES = pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
SIZE = 3_000_000
ROUTER = "ecbpf-director-router"


@pytest.fixture
def fastpath(director: Topology) -> Iterator[FastPath]:
    with fast_path(director) as found:
        yield found


def past_ipvs(fastpath: FastPath, host: str) -> int:
    """How many packets of a download from `host` pass IPVS by; asserts that it is correct and undisturbed."""
    counts, tcp = fastpath.counts(), tcp_counts(*ENDS)
    check(download(host, f"bytes/{SIZE}"), SIZE)
    assert trouble(tcp, tcp_counts(*ENDS)) == {}
    return fastpath.counts()["total_bypassed_pkts"] - counts["total_bypassed_pkts"]


@FAMILIES
def test_redirect_with_a_decremented_ttl(fastpath: FastPath, family: int) -> None:
    fastpath.load(redirect=True, decrement_ttl=True)
    assert past_ipvs(fastpath, VIP[family]) > 20


@FAMILIES
def test_a_vlan_that_ipvs_contradicts(fastpath: FastPath, family: int) -> None:
    """The flow stays with IPVS, and that is counted."""
    fastpath.load()
    fastpath.set(vlan=99, force=True)
    assert past_ipvs(fastpath, VIP[family]) == 0
    assert fastpath.counts()["vlan_conflicts"] > 0
    fastpath.set(vlan=-1)
    assert past_ipvs(fastpath, VIP[family]) > 20


@TAGGED
@FAMILIES
def test_the_right_vlan_by_its_number(fastpath: FastPath, family: int) -> None:
    fastpath.load(vlan=fastpath.vlan)
    assert past_ipvs(fastpath, VIP[family]) > 20
    assert fastpath.counts()["vlan_conflicts"] == 0


@contextmanager
def by_the_director(host: str) -> Iterator[None]:
    """For the block, the router sends packets for a real server's own address by the director."""
    prefix, via = (f"{host}/128", "fd00:58::10") if ":" in host else (f"{host}/32", "192.168.58.10")
    run_in(ROUTER, "ip", "route", "add", prefix, "via", via)
    try:
        yield
    finally:
        run_in(ROUTER, "ip", "route", "del", prefix, "via", via)


@FAMILIES
def test_flows_that_the_director_routes_are_not_learned(fastpath: FastPath, family: int) -> None:
    network = (("192.168.59.11", "fd00:59::11") if fastpath.vlan else ("192.168.58.11", "fd00:58::11"))[family]
    fastpath.load()
    with by_the_director(network):
        before = fastpath.counts()
        assert past_ipvs(fastpath, network) == 0
        after = fastpath.counts()
    assert after["tcp_pkts"] - before["tcp_pkts"] > 20
    assert after["total_pkts_tc_tx"] - before["total_pkts_tc_tx"] > 20
    assert not [flow for flow in fastpath.flows() if flow.vip == network]
