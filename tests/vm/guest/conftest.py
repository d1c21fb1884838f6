"""Tests that only a guest can run: they need devices and modules that the machine at hand may lack."""

import os

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Outside they would load modules into somebody's machine."""
    if "ECBPF_GUEST" not in os.environ:
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.skip(reason="for a guest: make test-vm"))
