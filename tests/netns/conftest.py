"""What the tests on the real kernel share: a veth pair in a namespace of its own, and objects of C sources."""

import os
import subprocess
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from ecbpf.build import compile_object
from ecbpf.chain.contents import programs
from ecbpf.chain.occupant import Occupant
from ecbpf.kernel.bpffs import BPFFS, mount_bpffs
from ecbpf.kernel.probe import Answer, probe_live_frames, probe_tcx, probe_xdp_frags

HERE = os.path.dirname(os.path.abspath(__file__))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests load programs and make namespaces: without root they cannot say anything."""
    if os.geteuid() != 0:
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.skip(reason="needs root"))


# A test is skipped where the kernel itself says that it lacks the feature, and fails everywhere else.
needs_frags = pytest.mark.skipif(
    probe_xdp_frags() is Answer.NO, reason="no packets of several buffers before Linux 5.18"
)
needs_live_frames = pytest.mark.skipif(
    probe_live_frames() is Answer.NO, reason="no test runs with live frames before Linux 5.18"
)
needs_tcx = pytest.mark.skipif(probe_tcx() is Answer.NO, reason="no tcx before Linux 6.6")


def sh(command: str) -> str:
    """Run a shell command that must succeed; returns what it prints."""
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout


def slot_ids(root: Occupant) -> list[int | None]:
    """The ids of the programs in the slots."""
    return [program.id if program else None for program in programs(root)]


@pytest.fixture(scope="session", autouse=True)
def bpffs() -> None:
    mount_bpffs()


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Compile tests/netns/bpf/NAME.bpf.c once; returns the object's path."""
    folder = tmp_path_factory.mktemp("objects")

    def compile_once(name: str) -> str:
        output = str(folder / f"{name}.bpf.o")
        if not os.path.exists(output):
            compile_object(os.path.join(HERE, "bpf", f"{name}.bpf.c"), output)
        return output

    return compile_once


@pytest.fixture
def pin() -> Iterator[str]:
    """A free path in bpffs."""
    path = f"{BPFFS}/ecbpf-test-{os.getpid()}"
    yield path
    if os.path.exists(path):
        os.unlink(path)


class Pair(NamedTuple):
    """A network namespace, and two interfaces in it that are joined by a wire."""

    namespace: str
    near: str
    far: str

    def command(self, *words: str) -> list[str]:
        """A command line that runs `words` in the namespace, bpffs and all."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *words]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A fresh pair, up and quiet: no IPv6 chatter."""
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
