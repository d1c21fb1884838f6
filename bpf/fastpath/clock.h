/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The time, in two grains. Ticks (jiffies) cost nothing and stand in the table, cut to
 * 32 bits: differences are right for 24 days or more. Tests bring a clock of their own.
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

/*
 * How long ago `then` was; 0 if another CPU noted it after this one had read `now`. No
 * branch: a verifier would follow both ways of each of a set's eight places.
 */
static __always_inline __u32 ticks_since(__u32 then, __u32 now)
{
	__s32 passed = now - then, sign = passed >> 31;

	asm volatile("" : "+r"(sign));
	return passed & ~sign;
}

#endif /* ECBPF_FASTPATH_CLOCK_H */
