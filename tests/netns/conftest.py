"""Fixtures for the tests on the real kernel."""

import os
from collections.abc import Iterator

import pytest

from ecbpf.chain.repair import sweep
from ecbpf.kernel.bpffs import BPFFS, mount_bpffs
from ecbpf.lab.namespace import inside_namespace
from tests.support.cpus import on_one_cpu
from tests.support.flood import Flood
from tests.support.pair import Pair, made_pair
from tests.support.statsd import Daemon

HERE = os.path.dirname(os.path.abspath(__file__))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests load programs and make namespaces, which needs root."""
    if os.geteuid() != 0:
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(scope="session", autouse=True)
def bpffs() -> Iterator[None]:
    """Mounted; at the end without the pins of interfaces that tests have left attached and deleted."""
    mount_bpffs()
    yield
    sweep()


@pytest.fixture
def pin() -> Iterator[str]:
    """A free path in bpffs."""
    path = f"{BPFFS}/ecbpf-test-{os.getpid()}"
    yield path
    if os.path.exists(path):
        os.unlink(path)


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A fresh pair of interfaces in a namespace of their own."""
    with made_pair() as pair:
        yield pair


@pytest.fixture
def inside(pair: Pair) -> Iterator[None]:
    """The test runs in the pair's namespace."""
    with inside_namespace(pair.namespace):
        yield


@pytest.fixture
def near(inside: None, pair: Pair) -> str:
    """A bare interface; the test runs in its namespace."""
    return pair.near


@pytest.fixture
def flood(inside: None, pair: Pair) -> Iterator[Flood]:
    """Traffic to `near`, in a `with` block."""
    flood = Flood(pair)
    yield flood
    flood.close()


@pytest.fixture
def daemon(near: str) -> Iterator[Daemon]:
    """A statsd daemon where `near` is."""
    made = Daemon()
    yield made
    made.close()


@pytest.fixture
def one_cpu() -> Iterator[int]:
    """The rest of the test runs on this CPU."""
    with on_one_cpu() as cpu:
        yield cpu
