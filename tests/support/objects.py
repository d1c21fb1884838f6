"""The kernel programs made for tests: support/bpf/ROOM/NAME.bpf.c."""

import os
from collections.abc import Callable

from ecbpf.build import compile_object

__all__ = ["Build", "builder", "source_of"]

Build = Callable[[str], str]

_HERE = os.path.dirname(os.path.abspath(__file__))


def source_of(name: str) -> str:
    """The path of the source of a test's program. name: ROOM/NAME."""
    return os.path.join(_HERE, "bpf", f"{name}.bpf.c")


def builder(folder: str) -> Build:
    """Returns a function that compiles a test's program, ROOM/NAME, into the folder once, and returns its path."""

    def build(name: str) -> str:
        output = os.path.join(folder, f"{name}.bpf.o")
        if not os.path.exists(output):
            os.makedirs(os.path.dirname(output), exist_ok=True)
            compile_object(source_of(name), output)
        return output

    return build
