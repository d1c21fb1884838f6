/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * RSTs of this host's stack to clients: two per flow, and max_resets_pps in all. Each CPU
 * has its share of max_resets_pps for each eighth of a second; the shares are rounded so
 * that they add up, however small they are.
 */
#ifndef ECBPF_FASTPATH_RESET_LIMIT_H
#define ECBPF_FASTPATH_RESET_LIMIT_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/time.h"
#include "clock.h"
#include "counters.h"
#include "settings.h"
#include "table.h"

#define RESETS_PER_FLOW 2
#define RESET_EPOCHS 8 /* per second */

/* Take one of this CPU's RSTs in this epoch; false: they are used up. */
static __always_inline bool take_reset(struct fastpath_cpu *cpu)
{
	__u64 epoch = TIME_TICKS() * RESET_EPOCHS / ticks_a_second;
	__u64 divisor = (__u64)rps_cpus * RESET_EPOCHS | !rps_cpus;
	/* The shares repeat with this period. */
	__u64 phase = epoch % divisor;
	__u64 quota =
		(phase + 1) * max_resets_pps / divisor - phase * max_resets_pps / divisor;

	if (cpu->reset_epoch != epoch) {
		cpu->reset_epoch = epoch;
		cpu->resets = 0;
	}
	if (cpu->resets >= quota)
		return false;
	cpu->resets++;
	return true;
}

/* IPVS saw a packet of this flow a moment ago, and yet this host does not know it. */
static __always_inline bool is_unexpected(const struct flow *flow, __u32 now)
{
	return ticks_since(flow->went_up, now) < (sample_seconds + 1) * ticks_a_second;
}

/* Is this RST one too many? flow: that it belongs to; NULL: of no known flow. */
static __always_inline bool refuse_reset(struct fastpath_cpu *cpu, struct flow *flow,
					 __u32 now)
{
	bool over = false;

	if (!flow) {
		fastpath_count(cpu, out_rsts_unknown);
	} else {
		if (!flow->is_reset) {
			flow->is_reset = 1;
			flow->answers = 0;
			fastpath_count(cpu, lru_deletion_out_RST);
			if (is_unexpected(flow, now))
				fastpath_count(cpu, unexpected_ipvs_rsts);
		}
		if (flow->resets >= RESETS_PER_FLOW) {
			fastpath_count(cpu, out_rsts_disc_flow);
			over = true;
		} else {
			flow->resets++;
		}
	}
	if (!over && !take_reset(cpu)) {
		fastpath_count(cpu, out_rsts_disc_rate);
		over = true;
	}
	if (over && limit_rates && !monitor)
		return true;
	fastpath_count(cpu, out_rsts_sent_tc);
	return false;
}

#endif /* ECBPF_FASTPATH_RESET_LIMIT_H */
