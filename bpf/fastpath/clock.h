/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The time, in two grains. Ticks (jiffies) cost nothing and stand in the table, cut to
 * 32 bits: differences are right for 49 days or more. Tests bring a clock of their own.
 */
#ifndef ECBPF_FASTPATH_CLOCK_H
#define ECBPF_FASTPATH_CLOCK_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef FASTPATH_TICKS
#define FASTPATH_TICKS() bpf_jiffies64()
#define FASTPATH_NANOSECONDS() bpf_ktime_get_ns()
#endif

#define NANOSECONDS_A_SECOND 1000000000ULL

/* Set before load: HZ of this kernel, which no program can ask for. */
const volatile __u32 ticks_a_second = 250;

#endif /* ECBPF_FASTPATH_CLOCK_H */
