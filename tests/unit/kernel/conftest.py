"""Fixtures for the tests of types."""

from collections.abc import Iterator

import pytest

from ecbpf.kernel import Object
from tests.support.objects import Build


@pytest.fixture(scope="session")
def path(build: Build) -> str:
    """A program with every kind of type, compiled."""
    return build("kernel/types")


@pytest.fixture(scope="session")
def types(path: str) -> Iterator[Object]:
    """The same, opened and not loaded."""
    with Object.open(path) as opened:
        yield opened
