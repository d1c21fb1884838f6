"""A network namespace of a director: VIPs on lo, a network that it routes, and services by firewall mark."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ecbpf.lab.namespace import inside_namespace
from tests.support.shell import sh

__all__ = ["BY_MARK", "ROUTED", "UNREACHABLE", "VIP", "director", "set_forwarding"]

# By family. A VIP of this host; hosts behind the next router; of a service by mark; of no route.
VIP = {4: bytes((10, 0, 1, 10)), 6: b"\x20\x01\x0d\xb8\0\1" + bytes(9) + b"\x10"}
ROUTED = {4: bytes((10, 0, 2, 10)), 6: b"\x20\x01\x0d\xb8\0\2" + bytes(9) + b"\x10"}
BY_MARK = {4: bytes((10, 0, 4, 10)), 6: b"\x20\x01\x0d\xb8\0\4" + bytes(9) + b"\x10"}
UNREACHABLE = {4: bytes((10, 0, 3, 10)), 6: b"\x20\x01\x0d\xb8\0\3" + bytes(9) + b"\x10"}

_SETUP = """
ip link set lo up
ip link add near0 type veth peer name far0
ip link set near0 up
ip link set far0 up
ip addr add 10.0.1.10/32 dev lo
ip addr add 2001:db8:1::10/128 dev lo
ip addr add 192.0.2.1/24 dev near0
ip addr add 2001:db8:f::1/64 dev near0 nodad
ip route add 10.0.2.0/24 via 192.0.2.254
ip route add 10.0.4.0/24 via 192.0.2.254
ip route add unreachable 10.0.3.0/24
ip route add 2001:db8:2::/48 via 2001:db8:f::fe
ip route add 2001:db8:4::/48 via 2001:db8:f::fe
ip route add unreachable 2001:db8:3::/48
ip rule add fwmark 1 lookup 100
ip route add local 10.0.4.0/24 dev lo table 100
ip -6 rule add fwmark 1 lookup 100
ip -6 route add local 2001:db8:4::/48 dev lo table 100
"""


def set_forwarding(on: bool) -> None:
    """Let the host that the caller is in route, or not."""
    sh(f"sysctl -qw net.ipv4.conf.all.forwarding={on:d} net.ipv6.conf.all.forwarding={on:d}")


@contextmanager
def director() -> Iterator[int]:
    """Be there, with forwarding on; gives the ifindex by which packets come."""
    namespace = f"ecbpf-director-{os.getpid()}"
    sh(f"ip netns add {namespace}")
    try:
        with inside_namespace(namespace):
            sh("set -e" + _SETUP)
            set_forwarding(True)
            yield int(sh("ip -o link show near0").split(":")[0])
    finally:
        sh(f"ip netns del {namespace}")
