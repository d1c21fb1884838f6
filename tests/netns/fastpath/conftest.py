"""What the tests of the fast path share."""

from collections.abc import Iterator

import pytest

from ecbpf.chain.attach import attach
from tests.netns.fastpath.director import director
from tests.netns.fastpath.kernel import Fastpath
from tests.netns.fastpath.typed import taken_off
from tests.support.objects import Build
from tests.support.shell import sh


@pytest.fixture
def host(inside: None) -> Iterator[None]:
    """Be in a namespace with INTERFACES; all have a root array but bare0. Nothing of it is left at the end."""
    sh(
        "sysctl -qw net.ipv6.conf.default.disable_ipv6=1;"
        "ip link add other0 type veth peer name bare0 && ip link set other0 up && ip link set bare0 up;"
        "ip tuntap add mode tun name tun0 && ip link set tun0 up"
    )
    for interface in ("near0", "far0", "other0"):
        attach(interface)
    attach("tun0", generic=True)
    yield
    taken_off()


@pytest.fixture(scope="module")
def fastpath(build: Build) -> Iterator[Fastpath]:
    """The fast path in the kernel, attached nowhere."""
    with Fastpath(build, sets=16) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def came_by() -> Iterator[int]:
    """The tests of the file run in a director's namespace; the ifindex by which packets come there."""
    with director() as ifindex:
        yield ifindex
