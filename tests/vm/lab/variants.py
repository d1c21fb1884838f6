"""Marks for tests of one variant of the director's lab; without one, a test runs in both."""

import pytest

__all__ = ["PLAIN", "TAGGED"]

PLAIN = pytest.mark.parametrize("director", [None], indirect=True, ids=["plain"])
TAGGED = pytest.mark.parametrize("director", [7], indirect=True, ids=["vlan"])
