"""What `make test-kernels` runs in each guest: everything that can say something about a kernel, in minutes.

An emulated CPU is 10 to 30 times slower than the real one, and much of it is Python.
"""

import glob

__all__ = ["ENVIRONMENT", "LEFT_OUT", "TIMEOUT", "files"]

# Seconds for one kernel.
TIMEOUT = 1800.0

# A random packet is one of a million on the real machine; the first thousands meet what kernels disagree about.
ENVIRONMENT = {"ECBPF_FILTER_PACKETS": "20000"}

LEFT_OUT: dict[str, str] = {}


def files() -> list[str]:
    """The test files, from the checkout's root."""
    return ["tests/vm/guest", *sorted(set(glob.glob("tests/netns/test_*.py")) - LEFT_OUT.keys())]
