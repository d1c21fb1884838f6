/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The time, in two grains. Ticks (jiffies) cost at most 1 ns to read, nanoseconds 20 to
 * 40. A test defines both macros to bring a clock of its own.
 */
#ifndef ECBPF_TIME_H
#define ECBPF_TIME_H

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#ifndef TIME_TICKS
#define TIME_TICKS() bpf_jiffies64()
#define TIME_NANOSECONDS() bpf_ktime_get_ns()
#endif

#define NSEC_PER_SEC 1000000000ULL

/*
 * How long ago `then` was, in ticks cut to 32 bits: right for 24 days or more. 0 if
 * another CPU noted `then` after this one had read `now`. No branch: in a loop, a
 * verifier would follow both of its ways each time.
 */
static __always_inline __u32 ticks_since(__u32 then, __u32 now)
{
	__s32 passed = now - then, sign = passed >> 31;

	asm volatile("" : "+r"(sign));
	return passed & ~sign;
}

#endif /* ECBPF_TIME_H */
