"""Global variables before the load: values, refusals, and memory that outlives libbpf's."""

import gc
from collections.abc import Iterator

import pytest

from ecbpf.errors import DataError
from ecbpf.kernel import Object


@pytest.fixture
def types(path: str) -> Iterator[Object]:
    """A fresh one for each test: they change its globals."""
    with Object.open(path) as opened:
        yield opened


def test_initial_values(types: Object) -> None:
    assert (types.globals.limit, types.globals.seen, types.globals.huge) == (7, 0, -5)
    types.globals.limit = 9
    types.globals.every.nested.large = 77
    types.globals.vast = 1 << 127
    assert (types.globals.limit, types.globals.every.nested.large) == (9, 77)
    assert types.globals.vast == 1 << 127
    assert "limit" in types.globals
    assert {"limit", "seen", "every"} <= set(types.globals)


def test_refusals_change_nothing(types: Object) -> None:
    for wrong in (-1, 1 << 32, None, "7", b"abc"):
        with pytest.raises(DataError):
            types.globals.limit = wrong
    assert types.globals.limit == 7
    with pytest.raises(AttributeError, match="no global 'no_such'"):
        _ = types.globals.no_such
    with pytest.raises(AttributeError, match="no global 'no_such'"):
        types.globals.no_such = 1
    assert "no_such" not in types.globals


def test_adopt_takes_over_by_name(path: str, types: Object) -> None:
    with Object.open(path) as other:
        other.globals.limit = 100
        other.globals.every.second = 5
        types.globals.adopt(other.globals)
    assert (types.globals.limit, types.globals.every.second) == (100, 5)


def test_values_outlive_the_object(path: str) -> None:
    opened = Object.open(path)
    globals_ = opened.globals
    every = globals_.every
    opened.close()
    del opened
    gc.collect()
    globals_.limit = 3
    assert (globals_.limit, every.second, every.name) == (3, 0x1122334455667788, b"eth0")


def test_a_closed_object_has_no_maps(path: str) -> None:
    opened = Object.open(path)
    opened.close()
    opened.close()
    assert opened.program_names == ["xdp_types_prog"]
    assert opened.map_names == []
    with pytest.raises(KeyError):
        opened.map_shape(".data")
