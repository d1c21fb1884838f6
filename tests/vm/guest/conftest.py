"""Tests that only a guest can run: they need devices and modules that the machine at hand may lack."""

import os
from collections.abc import Iterator

import pytest

from ecbpf import lab
from ecbpf.lab import Topology

HERE = os.path.dirname(os.path.abspath(__file__))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Elsewhere they would load modules into a real machine."""
    if "ECBPF_GUEST" not in os.environ:
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.skip(reason="for a guest: make test-vm"))


@pytest.fixture(scope="session", params=[None, 7], ids=["plain", "vlan"])
def director(request: pytest.FixtureRequest) -> Iterator[Topology]:
    """The director's lab, up: it takes half a minute, so all tests of one variant share it."""
    topology = lab.director(request.param)
    lab.down(topology)
    lab.up(topology)
    yield topology
    lab.down(topology)
