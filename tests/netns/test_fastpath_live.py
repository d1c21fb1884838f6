"""Egress on a router's real interfaces: long packets in pieces, and RSTs of its own stack."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import pytest

from ecbpf.kernel import Object, Program
from ecbpf.kernel.tc import TcxLink
from ecbpf.lab.namespace import inside_namespace
from tests.netns.conftest import needs_tcx, sh
from tests.netns.fastpath_cases import BOTH
from tests.netns.fastpath_kernel import Bare
from tests.oracle.fastpath_flows import FlowId

Direction = Literal["ingress", "egress"]

BYTES = 4 << 20
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
SERVER = {4: "10.9.2.2", 6: "2001:db8:92::2"}
ROUTER = {4: "10.9.1.1", 6: "2001:db8:91::1"}

pytestmark = needs_tcx
every_family = pytest.mark.parametrize("family", BOTH)


class Net(NamedTuple):
    """A client, a router and a server: namespaces; the router's interfaces are `to_client` and `to_server`."""

    client: str
    router: str
    server: str


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    net = Net(*(f"ecbpf-{name}-{os.getpid()}" for name in ("client", "router", "server")))
    for namespace in net:
        sh(f"ip netns add {namespace}")
    try:
        sh(
            f"""set -e
            ip -n {net.router} link add to_client type veth peer name eth0 netns {net.client}
            ip -n {net.router} link add to_server type veth peer name eth0 netns {net.server}
            nsenter --net=/run/netns/{net.router} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
            """
        )
        for subnet, near, far in ((1, "to_client", net.client), (2, "to_server", net.server)):
            sh(
                f"""set -e
                ip -n {net.router} addr add 10.9.{subnet}.1/24 dev {near}
                ip -n {net.router} addr add 2001:db8:9{subnet}::1/64 dev {near} nodad
                ip -n {net.router} link set {near} up
                ip -n {far} addr add 10.9.{subnet}.2/24 dev eth0
                ip -n {far} addr add 2001:db8:9{subnet}::2/64 dev eth0 nodad
                ip -n {far} link set eth0 up
                ip -n {far} route add default via 10.9.{subnet}.1
                ip -n {far} -6 route add default via 2001:db8:9{subnet}::1
                """
            )
        yield net
    finally:
        for namespace in net:
            sh(f"ip netns del {namespace}")


class Router:
    """The fast path's egress on both interfaces of the router."""

    def __init__(self, net: Net, build: Callable[[str], str], stack: contextlib.ExitStack) -> None:
        self.net = net
        with inside_namespace(net.router):
            ports = {name: socket.if_nametoindex(name) for name in ("to_client", "to_server")}
        self.port = ports["to_server"]
        self.fastpath = stack.enter_context(Bare(sets=64, port=self.port))
        self.aside = stack.enter_context(Object.open(build("fastpath_mark")))
        self.aside.load()
        to_client = self.fastpath.egress_at(ports["to_client"])
        with inside_namespace(net.router):
            self._attach(stack, "to_client", self.aside.programs["tc_mark_prog"], "ingress")
            self._attach(stack, "to_server", self.aside.programs["tc_length_prog"], "egress")
            self._attach(stack, "to_server", self.fastpath.tc, "egress")
            self._attach(stack, "to_client", to_client, "egress")

    @staticmethod
    def _attach(stack: contextlib.ExitStack, interface: str, program: Program, direction: Direction) -> None:
        stack.enter_context(TcxLink.create(socket.if_nametoindex(interface), program, direction))

    def counts(self) -> dict[str, int]:
        total = self.fastpath.cpus.sum(0)
        return {name: total.count[i] for i, name in enumerate(self.fastpath.counter_names) if total.count[i]}

    def send(self, family: int) -> FlowId:
        """The client sends BYTES to the server through the router; returns the flow."""
        with inside_namespace(self.net.server):
            listener = socket.socket(FAMILIES[family])
        listener.bind((SERVER[family], 0))
        listener.listen()
        received: list[int] = []

        def receive() -> None:
            with listener, listener.accept()[0] as served:
                received.append(sum(len(piece) for piece in iter(lambda: served.recv(1 << 20), b"")))

        thread = threading.Thread(target=receive)
        thread.start()
        with inside_namespace(self.net.client):
            client = socket.socket(FAMILIES[family])
        with client:
            client.connect(listener.getsockname()[:2])
            client.sendall(bytes(BYTES))
            name, port = client.getsockname()[:2]
            target = client.getpeername()[1]
        thread.join()
        assert received == [BYTES]
        addresses = [socket.inet_pton(FAMILIES[family], each) for each in (name, SERVER[family])]
        return FlowId(addresses[0], addresses[1], port, target)


@pytest.fixture
def router(net: Net, build: Callable[[str], str]) -> Iterator[Router]:
    with contextlib.ExitStack() as stack:
        yield Router(net, build, stack)


def mac(namespace: str, interface: str) -> bytes:
    return bytes.fromhex(sh(f"ip -n {namespace} -br link show {interface}").split()[2].replace(":", ""))


@every_family
def test_long_packets_in_pieces(router: Router, family: int) -> None:
    """What segmentation offload sends, and receive offload gathers, is learned from as from any packet."""
    router.aside.globals.mark = 5
    flow = router.send(family)
    assert router.aside.globals.of_frames > 10
    assert router.aside.globals.scattered > 10
    entry = router.fastpath.find(flow)
    assert entry
    assert bytes(entry.flow.hop) == mac(router.net.server, "eth0") + mac(router.net.router, "to_server")
    assert (entry.flow.port, entry.flow.vlan) == (router.port, 0)
    counts = router.counts()
    assert counts["lru_alloc_nonsyns"] == 1
    assert counts["lru_miss_out_syn"] >= 2  # the server's as well, which is routed back
    assert counts["lru_reuse_nonsyns"] > router.aside.globals.of_frames
    assert "server_changes" not in counts


@every_family
def test_what_is_routed_is_not_learned(router: Router, family: int) -> None:
    flow = router.send(family)
    assert not router.fastpath.find(flow)
    assert not router.fastpath.tags().any()
    counts = router.counts()
    assert "lru_alloc_nonsyns" not in counts
    assert counts["lru_miss_out_nonsyn"] > 10


@every_family
def test_resets_of_the_router(router: Router, family: int) -> None:
    """A connection to a port where nobody listens is refused, by a RST that egress sees as its own host's."""
    for _ in range(3):
        with inside_namespace(router.net.client):
            client = socket.socket(FAMILIES[family])
        with client, pytest.raises(ConnectionRefusedError):
            client.connect((ROUTER[family], 9))
    counts = router.counts()
    assert counts["out_rsts_unknown"] == 3
    assert counts["out_rsts_sent_tc"] == 3


@every_family
def test_resets_above_the_limit_do_not_reach_the_client(router: Router, family: int) -> None:
    router.fastpath.globals.limit_rates = True
    router.fastpath.globals.max_resets_pps = 0
    with inside_namespace(router.net.client):
        client = socket.socket(FAMILIES[family])
    with client:
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.connect((ROUTER[family], 9))
    counts = router.counts()
    assert counts["out_rsts_disc_rate"] >= 1
    assert "out_rsts_sent_tc" not in counts
