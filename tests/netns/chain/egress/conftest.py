"""Fixtures for the tests of programs at tc egress."""

from collections.abc import Iterator

import pytest

from ecbpf.chain.repair import sweep
from ecbpf.kernel import tc
from ecbpf.kernel.object import Object
from ecbpf.netdev.interfaces import names
from tests.netns.chain.egress.programs import TCX, Load, is_tidy, load, no_tcx
from tests.support.objects import Build
from tests.support.shell import sh


@pytest.fixture(params=[TCX, "clsact"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By tcx, and as on a kernel without it."""
    if request.param == "clsact":
        monkeypatch.setattr(tc, "probe_tcx", no_tcx)
    return str(request.param)


@pytest.fixture
def near(near: str) -> Iterator[str]:
    """A bare interface; the test runs in its namespace, and leaves no pins."""
    try:
        yield near
    finally:
        for name in names():
            if name != "lo":
                sh(f"ip link del {name} || true")  # deleting one end of a pair deletes the other
        sweep()
    assert is_tidy()


@pytest.fixture
def new(build: Build) -> Iterator[Load]:
    """Loads the counting programs, a next version each time."""
    loaded: list[Object] = []

    def load_next() -> Object:
        loaded.append(load(build("chain/egress_count"), len(loaded) + 1))
        return loaded[-1]

    yield load_next
    for each in loaded:
        each.close()
