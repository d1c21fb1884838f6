/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A clock that a test sets; the programs of the fast path share it. Before their source. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct test_clock {
	__u64 ticks;
	__u64 nanoseconds;
};

struct test_clock test_clock SEC(".data.clock") = {};

#define TIME_TICKS() (*(volatile __u64 *)&test_clock.ticks)
#define TIME_NANOSECONDS() (*(volatile __u64 *)&test_clock.nanoseconds)
