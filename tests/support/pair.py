"""A network namespace with two interfaces joined by a wire (a veth pair)."""

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

from tests.support.shell import sh

__all__ = ["Pair", "made_pair"]


class Pair(NamedTuple):
    """The namespace, and its two interfaces."""

    namespace: str
    near: str
    far: str

    def command(self, *words: str) -> list[str]:
        """A command line that runs `words` in the namespace, bpffs and all."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *words]


@contextlib.contextmanager
def made_pair() -> Iterator[Pair]:
    """A fresh pair, up, without IPv6 traffic."""
    pair = Pair(f"ecbpf-test-{os.getpid()}", "near0", "far0")
    sh(f"ip netns add {pair.namespace}")
    try:
        sh(
            f"ip -n {pair.namespace} link add {pair.near} type veth peer name {pair.far};"
            f"nsenter --net=/run/netns/{pair.namespace} sysctl -qw net.ipv6.conf.all.disable_ipv6=1;"
            f"ip -n {pair.namespace} link set {pair.near} up && ip -n {pair.namespace} link set {pair.far} up"
        )
        yield pair
    finally:
        sh(f"ip netns del {pair.namespace}")
