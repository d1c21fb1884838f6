"""A connection that IPVS has forgotten: the first RST of the ingress program ends it in a real Linux client."""

import contextlib
import http.client
import time
from collections.abc import Iterator

import pytest

from ecbpf import lab
from ecbpf.lab import Topology
from ecbpf.lab.director import MARKED_VIP, VIP
from ecbpf.lab.namespace import run_in
from tests.vm.lab.downloads import CLIENT
from tests.vm.lab.fastpath import FastPath, fast_path
from tests.vm.lab.ipvs import DIRECTOR, remove_server, restore
from tests.vm.lab.tcp import tcp_counts
from tests.vm.lab.variants import PLAIN

_PATIENCE = 20.0


@pytest.fixture
def fastpath(director: Topology) -> Iterator[FastPath]:
    with fast_path(director) as found:
        yield found


@contextlib.contextmanager
def forgotten(vip: str, port: int) -> Iterator[None]:
    """For the block, IPVS expires connections to deleted servers, and the server of this connection is deleted."""
    setting = "net.ipv4.vs.expire_nodest_conn"
    run_in(DIRECTOR, "sysctl", "-qw", f"{setting}=1")
    rule = remove_server(vip, port)
    try:
        yield
    finally:
        restore(*rule)
        run_in(DIRECTOR, "sysctl", "-qw", f"{setting}=0")


def ask(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/id")
    assert connection.getresponse().read().startswith(b"real")


def ask_on(connection: http.client.HTTPConnection) -> None:
    """Send a request five times per second. Raises the error that ends the connection, if one does in time."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        ask(connection)
        time.sleep(0.2)


@PLAIN
@pytest.mark.parametrize("vip", [*VIP, *MARKED_VIP])
def test_the_first_rst_of_ingress_ends_a_connection(fastpath: FastPath, vip: str) -> None:
    """All RSTs of the director's own stack are dropped, so that the client gets that of the ingress program."""
    fastpath.load(limit_rates=True, max_resets_pps=0)
    connection = http.client.HTTPConnection(vip, 80, timeout=5)
    with lab.inside(CLIENT):
        connection.connect()
    with contextlib.closing(connection):
        for _ in range(10):
            ask(connection)
        client, counts = tcp_counts(CLIENT), fastpath.counts()
        with forgotten(vip, connection.sock.getsockname()[1]), pytest.raises(ConnectionResetError):
            ask_on(connection)
    after, now = fastpath.counts(), tcp_counts(CLIENT)
    assert after["out_rsts_disc_rate"] > counts["out_rsts_disc_rate"]
    assert after["out_rsts_sent_xdp"] - counts["out_rsts_sent_xdp"] == 1
    assert now["EstabResets"] - client["EstabResets"] == 1
    assert now["InErrs"] == client["InErrs"]
    assert now["InCsumErrors"] == client["InCsumErrors"]


@PLAIN
@pytest.mark.parametrize("vip", [VIP[0], MARKED_VIP[1]])
def test_the_rst_of_the_stack_passes(fastpath: FastPath, vip: str) -> None:
    """Without limits, as with IPVS alone, the first RST to the client comes from the director's stack."""
    fastpath.load()
    connection = http.client.HTTPConnection(vip, 80, timeout=5)
    with lab.inside(CLIENT):
        connection.connect()
    with contextlib.closing(connection):
        for _ in range(10):
            ask(connection)
        counts = fastpath.counts()
        with forgotten(vip, connection.sock.getsockname()[1]), pytest.raises(ConnectionResetError):
            ask_on(connection)
    after = fastpath.counts()
    assert after["out_rsts_sent_tc"] - counts["out_rsts_sent_tc"] == 1
    assert after["out_rsts_disc_rate"] == counts["out_rsts_disc_rate"]
