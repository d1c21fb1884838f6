"""Fixtures for all tests."""

import pytest

from tests.support.objects import Build, builder


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Compiles a test's kernel program once, ROOM/NAME in tests/support/bpf; returns the object's path."""
    return builder(str(tmp_path_factory.mktemp("objects")))
