"""A client, a director and a server on one switch, of network namespaces, for real TCP through the fast path.

This kernel may have no IPVS. In its place the director routes the VIPs to the server, and marks what comes in:
what is forwarded with a mark is what IPVS sends, to egress. The server has the VIPs on lo, and answers the
client itself. It has two NICs, two servers to everybody else: what is sent to the other one is still welcome.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ecbpf.chain.attach import attach, detach
from ecbpf.chain.repair import sweep
from ecbpf.errors import EcbpfError
from ecbpf.fastpath.running import find_fastpath
from ecbpf.fastpath.verbs import detach_fastpath
from ecbpf.kernel.link import Link
from ecbpf.kernel.object import Object
from ecbpf.kernel.tc import ClsactFilter, attach_tc
from ecbpf.lab.namespace import inside_namespace
from ecbpf.netdev.interfaces import index_of
from ecbpf.netdev.links import link_of
from ecbpf.paths import object_path
from tests.support.shell import sh

__all__ = ["VIPS", "Lab", "lab"]

VIPS = {4: "10.0.9.9", 6: "fd00:9::9"}
_PORT = 80
_NODES = ("client", "director", "server", "switch")
# Networks 0 and 1 are on one switch; the client is in 0. Of a NIC: the ends of its addresses and their length.
_PLUGS = {
    ("client", "eth0"): ("0.2/24", "0::2/64"),
    ("director", "eth0"): ("0.1/24", "0::1/64"),
    ("director", "eth1"): ("1.1/24", "1::1/64"),
    ("server", "eth0"): ("0.11/24", "1.11/24", "0::11/64", "1::11/64"),
    ("server", "eth1"): ("0.12/32", "1.12/32", "0::12/128", "1::12/128"),
}
_SYSCTLS = (
    "net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0"
    " net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0"
    " net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 net.ipv6.conf.default.accept_dad=0"
)


class Lab:
    """One that is up, with a root array on the director's NICs and no fast path."""

    def __init__(self, built: str, pool: ThreadPoolExecutor) -> None:
        """built: the object fastpath_mark."""
        self._pool = pool
        self._marks = Object.open(built)
        self._marks.load()
        self._marks.globals.mark = 1
        self._links: list[Link | ClsactFilter] = []

    def inside(self, node: str) -> AbstractContextManager[None]:
        """Be there, see inside_namespace()."""
        return inside_namespace(_namespace(node))

    def download(self, size: int, family: int = 4, *, seconds: float = 0) -> str:
        """Get so many bytes from the VIP, in so many seconds at least; what went wrong, "" for nothing."""
        with self.inside("client"):
            client = http.client.HTTPConnection(VIPS[family], _PORT, timeout=20)
            client.connect()
        with contextlib.closing(client):
            try:
                client.request("GET", f"/{size}/{seconds}")
                body = client.getresponse().read()
            except (OSError, http.client.HTTPException) as error:
                return repr(error)
        right = hashlib.sha256(_content(size)).digest() == hashlib.sha256(body).digest()
        return "" if right else f"{len(body)} of {size} bytes, or others"

    def downloading(self, size: int, family: int = 4, *, seconds: float) -> Future[str]:
        """The same beside the test."""
        return self._pool.submit(self.download, size, family, seconds=seconds)

    def connect(self, family: int = 4) -> socket.socket:
        """A connection of the client's to the VIP."""
        with self.inside("client"):
            return socket.create_connection((VIPS[family], _PORT), timeout=20)

    def server_mac(self, nic: str = "eth0") -> str:
        """Of one of the server's NICs."""
        with self.inside("server"):
            return link_of(nic).mac.hex(":")

    def route(self, nic: str, by: str = "eth0") -> None:
        """Let the director send to that NIC of the server, by one of its own."""
        number = {"eth0": 11, "eth1": 12}[nic]
        for vip, via in ((VIPS[4], f"10.0.{by[3]}.{number}"), (VIPS[6], f"fd00:{by[3]}::{number}")):
            sh(f"ip -n {_namespace('director')} route replace {vip} via {via} dev {by}")

    def moved(self) -> Callable[[], dict[str, int]]:
        """A function for the director's namespace: by how much the counters have moved since now."""
        before = find_fastpath().counters()

        def since() -> dict[str, int]:
            now = find_fastpath().counters()
            return {name: now[name] - before[name] for name in now}

        return since

    def watch(self, nic: str) -> None:
        """Mark what comes in by a NIC of the director, and give it a root array."""
        with self.inside("director"):
            self._links.append(attach_tc(index_of(nic), self._marks.programs["tc_mark_prog"], "ingress"))
            attach(nic)

    def new_nic(self, nic: str) -> None:
        """Delete a NIC of the director, and make another of its name and address."""
        director = _namespace("director")
        mac = link_of(nic).mac.hex(":")
        sh(f"ip -n {director} link del {nic}")
        _plug("director", nic)
        sh(f"ip -n {director} link set {nic} address {mac}")
        self.watch(nic)

    @contextlib.contextmanager
    def director_is_vip(self) -> Iterator[None]:
        """Let the director's own stack take what is for the VIPs, and refuse it."""
        lo = f"ip -n {_namespace('director')} addr {{}} {{}} dev lo"
        for vip in VIPS.values():
            sh(lo.format("add", vip))
        yield
        for vip in VIPS.values():
            sh(lo.format("del", vip))


class _Handler(BaseHTTPRequestHandler):
    """``GET /SIZE/SECONDS``"""

    def do_GET(self) -> None:
        size, seconds = int(self.path.split("/")[1]), float(self.path.split("/")[2])
        content = _content(size)
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        parts = max(1, round(seconds * 100))
        for part in range(parts):
            self.wfile.write(content[size * part // parts : size * (part + 1) // parts])
            time.sleep(seconds / parts)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


class _Web(ThreadingHTTPServer):
    address_family = socket.AF_INET6  # IPv4 too

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that a test has cut."""


@lru_cache(4)
def _content(size: int) -> bytes:
    return os.urandom(size)


def _namespace(node: str) -> str:
    return f"ecbpf-test-{os.getpid()}-{node}"


def _plug(node: str, nic: str) -> None:
    """Join a NIC of a node to the switch."""
    name, switch, peer = _namespace(node), _namespace("switch"), f"{node}-{nic[3:]}"
    offloads = "tx off gro off"  # checksums are right on the wire, and nothing is larger than a frame
    sh(
        f"set -e; ip -n {switch} link add {peer} type veth peer name {nic} netns {name};"
        f"ip netns exec {name} ethtool -K {nic} {offloads}; ip netns exec {switch} ethtool -K {peer} {offloads};"
        f"ip -n {name} link set {nic} up; ip -n {switch} link set {peer} up;"
        # What XDP sends, veth hands on only if there is a program at the other end.
        f"ip -n {switch} link set {peer} master br0 xdpdrv obj {object_path('nop')} sec xdp;"
    )
    for address in _PLUGS[node, nic]:
        whole = f"fd00:{address}" if "::" in address else f"10.0.{address}"
        sh(f"ip -n {name} addr add {whole} dev {nic} {'nodad' if '::' in address else ''}")


def _build() -> None:
    for node in _NODES:
        sh(f"set -e; ip netns add {_namespace(node)}; ip -n {_namespace(node)} link set lo up")
        with inside_namespace(_namespace(node)):
            sh(f"sysctl -qw {_SYSCTLS}")
    sh(f"ip -n {_namespace('switch')} link add br0 up type bridge mcast_snooping 0")
    for node, nic in _PLUGS:
        _plug(node, nic)
    for vip, gateway, length in ((VIPS[4], "10.0.0.1", 32), (VIPS[6], "fd00:0::1", 128)):
        sh(f"ip -n {_namespace('client')} route add {vip} via {gateway} quickack 1")
        sh(f"ip -n {_namespace('server')} addr add {vip}/{length} dev lo")


@contextlib.contextmanager
def lab(built: str) -> Iterator[Lab]:
    """Bring it up, with flows by the server's eth0. built: the object fastpath_mark."""
    with contextlib.ExitStack() as stack:
        stack.callback(_remove)
        _build()
        pool = stack.enter_context(ThreadPoolExecutor())
        with inside_namespace(_namespace("server")):
            web = stack.enter_context(_Web(("::", _PORT), _Handler))
        stack.callback(web.shutdown)
        pool.submit(web.serve_forever, 0.05)
        made = Lab(built, pool)
        for nic in ("eth0", "eth1"):
            made.watch(nic)
        made.route("eth0")
        with made.inside("director"):
            stack.callback(taken_off)
            yield made


def taken_off() -> None:
    """Leave no pins."""
    with contextlib.suppress(EcbpfError):
        detach_fastpath()
    for nic in ("eth0", "eth1"):
        with contextlib.suppress(EcbpfError):
            detach(nic)


def _remove() -> None:
    for node in _NODES:
        subprocess.run(["ip", "netns", "del", _namespace(node)], check=False, capture_output=True)
    sweep()
