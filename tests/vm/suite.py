"""What `make test-kernels` runs in each guest: what a kernel can answer differently, as far as minutes suffice.

An emulated CPU has a tenth to a thirtieth of the real one's speed, and two of them share two that have other
work. Everything that is not named here runs; a new test file does so by itself.
"""

import glob

__all__ = ["ENVIRONMENT", "LEFT_OUT", "TIMEOUT", "arguments"]

# Seconds for one kernel.
TIMEOUT = 1800.0

# Random packets of the filter: a million where the CPU is real. The first thousands meet what verifiers and
# helpers of different kernels could disagree about.
ENVIRONMENT = {"ECBPF_FILTER_PACKETS": "20000"}

# Test files and single tests, and why they say nothing about a kernel, or nothing that is worth the time.
LEFT_OUT = {
    # Commands and files; every kernel call in them is made by a test that runs.
    "tests/netns/test_demo.py": "the lab, and tables on a terminal",
    "tests/netns/test_lab.py": "namespaces and processes: no BPF",
    "tests/netns/test_howto.py": "a reader's way through docs/, compiling at every step",
    "tests/netns/test_debug_build.py": "compiles everything a second time",
    "tests/netns/test_filter_addresses.py": "which addresses this host has: netlink and /proc",
    "tests/netns/test_filter_bad_input.py": "what the command line refuses",
    "tests/netns/test_filter_lists.py": "files and tables",
    "tests/netns/test_filter_statsd.py": "UDP to a collector, on time",
    # They measure, or rely on CPUs that run at the same moment.
    "tests/netns/test_filter_two_cpus.py": "five million packets",
    "tests/netns/test_filter_swap.py": "a million prefixes under traffic",
    "tests/netns/test_killed.py": "strace stops every system call: 18 operations, minutes each",
    "tests/netns/test_packet.py::test_many_random_frames": "100,000 frames; the Hypothesis test sends some too",
}


def arguments() -> list[str]:
    """What to run, as pytest takes it, in the checkout's root."""
    files = sorted(set(glob.glob("tests/netns/test_*.py")) - LEFT_OUT.keys())
    tests = sorted(name for name in LEFT_OUT if "::" in name)
    return ["tests/vm/guest", *files, *(f"--deselect={test}" for test in tests)]
