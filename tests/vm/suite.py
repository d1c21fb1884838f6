"""What `make test-kernels` runs in each guest: tests that depend on the kernel and take minutes at most.

An emulated CPU has a tenth to a thirtieth of the real one's speed, and two of them share two CPUs that have other
work. Everything that is not listed here runs, new test files too.
"""

import glob
from collections.abc import Sequence

__all__ = ["ENVIRONMENT", "LEFT_OUT", "TIMEOUT", "arguments"]

# Seconds for one kernel.
TIMEOUT = 3600.0

# A flood leaves an emulated CPU no time for a hundred replacements under it, and a million packets take minutes.
ENVIRONMENT = {
    "ECBPF_REPLACEMENTS": "5",
    "ECBPF_FASTPATH_FLOOD": "5000",
    "ECBPF_FASTPATH_STEPS": "2000",
}

# Test files and single tests, and why they say nothing about a kernel, or too little for their time.
LEFT_OUT = {
    # Commands and files; tests that run make every kernel call in them.
    "tests/netns/docs/test_demo.py": "the lab, and tables on a terminal",
    "tests/netns/lab/test_lab.py": "namespaces and processes: no BPF",
    "tests/netns/docs/test_howto.py": "docs/subprogram.md, compiling at every step",
    "tests/netns/docs/test_sessions.py": "the same",
    "tests/netns/docs/test_pages.py": "commands in the lab, a million prefixes among them",
    "tests/netns/chain/test_debug_build.py": "compiles everything a second time",
    "tests/netns/filter/test_addresses.py": "which addresses this host has: netlink and /proc",
    "tests/netns/filter/test_bad_input.py": "36 ways to be refused",
    "tests/netns/filter/test_lists.py": "files and tables",
    "tests/netns/filter/test_commands.py": "the same changes as in test_table.py, one process each",
    "tests/netns/filter/test_statsd.py": "UDP to a collector, on time",
    "tests/netns/fastpath/test_bad_input.py": "115 ways to be refused",
    "tests/netns/fastpath/test_classic.py": "the same as test_commands.py, by other flags",
    "tests/netns/fastpath/test_statsd.py": "UDP to a collector, on time",
    "tests/netns/invariants/test_full_bpffs.py": "no room for any one of eleven pins",
    "tests/netns/cli/test_commands.py::test_bad_input_gets_one_line_and_changes_nothing": "36 ways to be refused",
    # They measure, or rely on CPUs that run at the same moment.
    "tests/netns/invariants/test_window.py": "emulated CPUs panic (tests/vm/README.md)",
    "tests/netns/chain/egress/test_killed.py": "strace stops every system call",
    "tests/netns/fastpath/test_live.py": "the guests' own tests do it, with IPVS",
    "tests/netns/fastpath/test_two_cpus.py": "three million packets",
    "tests/netns/filter/test_two_cpus.py": "five million packets",
    "tests/netns/filter/test_swap.py": "a million prefixes under traffic",
    "tests/netns/invariants/test_killed.py": "strace stops every system call: 18 operations, minutes each",
    "tests/netns/filter/test_ptb.py::test_the_limit_per_second": "a rate that emulated CPUs do not reach",
    "tests/netns/filter/test_sets.py::test_capacity": "sets of a million prefixes",
    "tests/netns/kernel/test_map.py::test_a_hundred_thousand_at_once": "a hundred thousand elements",
    "tests/netns/kernel/test_object.py::test_refused[complex": "the verifier walks a million instructions",
    "tests/netns/chain/test_parser.py::test_many_random_frames": "100,000 frames; test_random_frames sends some",
    "tests/netns/filter/test_packets.py::test_a_million_packets": "two processes, a million packets",
    # Repetition: tests that run have a few of each.
    "tests/netns/chain/test_packets.py::test_each_verdict_is_counted_where_it_fell": "56 times, 4 s each",
    "tests/netns/filter/test_table.py::test_every_combination_of_switches": "128 times all packets",
    "tests/netns/filter/test_table.py::test_every_truncation": "316 packets cut at every byte",
    "tests/netns/filter/test_table.py::test_three_vlan_tags": "316 packets with the same verdict",
    "tests/netns/chain/test_parser.py::test_every_truncation": "101 packets cut at every byte",
}


def arguments(named: Sequence[str] = ()) -> list[str]:
    """What to run, as pytest takes it, in the checkout's root.

    `named` files instead of all, but still without the tests that are left out; a test that is named itself runs.
    """
    files = named or [
        "tests/vm/guest",
        *sorted(set(glob.glob("tests/netns/**/test_*.py", recursive=True)) - LEFT_OUT.keys()),
    ]
    tests = sorted(name for name in LEFT_OUT if "::" in name and name not in named)
    return [*files, *(f"--deselect={test}" for test in tests)]
