"""What the tests of the filter share."""

import contextlib
from collections.abc import Iterator

import pytest

from ecbpf.chain.attach import attach, detach
from ecbpf.chain.occupant import look
from tests.netns.filter.kernel import Filter
from tests.support.objects import Build
from tests.support.pair import Pair


@pytest.fixture
def roots(inside: None, pair: Pair) -> Iterator[Pair]:
    """The pair, with a root array on both interfaces; the test runs in its namespace."""
    for interface in (pair.near, pair.far):
        attach(interface)
    yield pair
    for interface in (pair.near, pair.far):
        with contextlib.suppress(Exception):
            if look(interface) is not None:
                detach(interface)


@pytest.fixture(scope="module")
def filter_(build: Build) -> Iterator[Filter]:
    """The filter in the kernel, attached nowhere."""
    with Filter(build("filter/seen")) as loaded:
        yield loaded
