"""Fixtures for the tests of commands in the documentation."""

from collections.abc import Iterator

import pytest

from ecbpf import lab


@pytest.fixture(autouse=True)
def _no_lab_before_and_after() -> Iterator[None]:
    lab.down()
    yield
    lab.down()
