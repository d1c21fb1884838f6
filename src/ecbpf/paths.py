"""Where this package keeps its kernel programs and their headers."""

import os

from ecbpf.errors import MissingError

__all__ = ["include_dir", "object_path"]

_HERE = os.path.dirname(os.path.abspath(__file__))


def include_dir() -> str:
    """The folder that holds ecbpf/chain.h and its siblings: the checkout's, or the wheel's."""
    checkout = os.path.normpath(os.path.join(_HERE, "..", "..", "bpf", "include"))
    return checkout if os.path.isdir(checkout) else os.path.join(_HERE, "include")


def object_path(name: str) -> str:
    """The object file of one of our programs: "root", "nop", "printk". Raises MissingError."""
    path = os.path.join(_HERE, "objects", f"{name}.bpf.o")
    if not os.path.exists(path):
        raise MissingError(path, "the kernel programs are not compiled", "make setup")
    return path
