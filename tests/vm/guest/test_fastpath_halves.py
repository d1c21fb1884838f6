"""Half a fast path, or one taken off during a download: unconfirmed flows go by IPVS, and arrive correctly."""

import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from ecbpf.lab import Topology
from ecbpf.lab.director import MARKED_VIP, VIP
from tests.vm.lab.batch import Running, check, run_batch
from tests.vm.lab.fastpath import FastPath, fast_path
from tests.vm.lab.ipvs import remove_server, restore
from tests.vm.lab.tcp import ENDS, tcp_counts, trouble
from tests.vm.lab.variants import PLAIN

FAMILIES = pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
SIZE = 8_000_000
LONG = 60_000_000  # a quarter of a minute at slow speed


@pytest.fixture
def fastpath(director: Topology) -> Iterator[FastPath]:
    with fast_path(director) as found:
        yield found


def bypassed(fastpath: FastPath) -> int:
    return fastpath.counts()["total_bypassed_pkts"]


@FAMILIES
@PLAIN
def test_egress_alone_learns_and_diverts_nothing(fastpath: FastPath, family: int) -> None:
    fastpath.load()
    before = bypassed(fastpath)
    fastpath.unload_ingress()
    run_batch((VIP[family], MARKED_VIP[family]))
    assert bypassed(fastpath) == before
    assert len(fastpath.flows()) > 0


@FAMILIES
@PLAIN
@pytest.mark.parametrize("part", ["unload", "unload_egress", "unload_ingress"])
def test_taken_off_in_the_middle(fastpath: FastPath, part: str, family: int) -> None:
    fastpath.load()
    before = tcp_counts(*ENDS)

    def act(running: Sequence[Running]) -> None:
        taken_off: Callable[[], None] = getattr(fastpath, part)
        taken_off()
        if part == "unload_egress":  # for three samples it uses the flows that it knew
            time.sleep(4)

    run_batch((VIP[family], MARKED_VIP[family]), act)
    assert trouble(before, tcp_counts(*ENDS)) == {}


@PLAIN
def test_ingress_alone_stops_diverting_unconfirmed_flows(fastpath: FastPath) -> None:
    fastpath.load()
    running = Running(VIP[0], LONG)
    try:
        running.wait_for_the_middle()
        fastpath.unload_egress()
        deadline = time.monotonic() + 20
        while (flow := fastpath.flow(running.port)) is None or flow.state != "unconfirmed":
            assert time.monotonic() < deadline, flow
            time.sleep(0.2)
        still = bypassed(fastpath)
        fastpath.load()  # egress is back: the next packet that IPVS sends confirms the flow
        while bypassed(fastpath) == still:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        done = running.finish()
    check(done, LONG)


@FAMILIES
@PLAIN
@pytest.mark.parametrize("vip", [VIP, MARKED_VIP], ids=["address", "mark"])
def test_a_server_deleted_and_back(fastpath: FastPath, vip: tuple[str, str], family: int) -> None:
    """IPVS drops packets for a deleted server, and continues when it is back. So does the fast path."""
    fastpath.load()
    running = Running(vip[family], SIZE)
    try:
        running.wait_for_the_middle()
        rule = remove_server(vip[family], running.port)
        time.sleep(1.5)
        restore(*rule)
    finally:
        done = running.finish()
    check(done, SIZE)
