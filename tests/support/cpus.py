"""The CPU that a test runs on."""

import contextlib
import os
from collections.abc import Iterator

__all__ = ["on_one_cpu"]


@contextlib.contextmanager
def on_one_cpu() -> Iterator[int]:
    """Run the block on one CPU, whose number this gives; afterwards on all as before."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield min(before)
    finally:
        os.sched_setaffinity(0, before)
