"""What the tests of types share."""

from collections.abc import Iterator

import pytest

from ecbpf.build import compile_object
from ecbpf.kernel import Object


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """tests/netns/bpf/kernel_types.bpf.c, compiled: every kind of type."""
    output = str(tmp_path_factory.mktemp("types") / "kernel_types.bpf.o")
    compile_object("tests/netns/bpf/kernel_types.bpf.c", output)
    return output


@pytest.fixture(scope="session")
def types(path: str) -> Iterator[Object]:
    """The same, opened and not loaded."""
    with Object.open(path) as opened:
        yield opened
