/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The inbound limit: each CPU measures its rate over every wrap_packets packets. At
 * inbound_spike percent above inbound_pps it begins to drop packets of unknown flows, at
 * random: the chance grows with the rate, to nearly 1 at inbound_max percent.
 */
#ifndef ECBPF_FASTPATH_INBOUND_LIMIT_H
#define ECBPF_FASTPATH_INBOUND_LIMIT_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/time.h"
#include "clock.h"
#include "counters.h"
#include "settings.h"

#define DROP_CHANCE_ALL (1 << 16)

/* The rate: hundredths of a packet per second, for all rx_cpus together. */
static __always_inline void measure_rate(struct fastpath_cpu *cpu)
{
	__u64 now = TIME_NANOSECONDS(), took = now - cpu->wrap_start;
	__u64 spike = (__u64)inbound_pps * (100 + inbound_spike);
	__u64 most = (__u64)inbound_pps * (100 + inbound_max);
	__u64 packets = (__u64)cpu->packets * 100 * rx_cpus;
	__u64 rate = packets * NSEC_PER_SEC / (took | !took);
	__u64 chance = 0;

	if (rate >= most)
		chance = DROP_CHANCE_ALL - 1;
	else if (rate > spike)
		chance = (rate - spike) * DROP_CHANCE_ALL / (most - spike);
	cpu->drop_chance = chance < DROP_CHANCE_ALL ? chance : DROP_CHANCE_ALL - 1;
	/* The next packets come more slowly than the spike if they take longer. */
	cpu->drop_until = TIME_TICKS() + packets * ticks_a_second / (spike | !spike) + 1;
	cpu->wrap_start = now;
	cpu->packets = 0;
}

static __always_inline void note_arrival(struct fastpath_cpu *cpu)
{
	if (++cpu->packets >= wrap_packets)
		measure_rate(cpu);
}

/* Is this packet of an unknown flow one too many? If so, count it. */
static __always_inline bool is_above_limit(struct fastpath_cpu *cpu)
{
	if (!cpu->drop_chance || (bpf_get_prandom_u32() & 0xffff) >= cpu->drop_chance)
		return false;
	if (TIME_TICKS() > cpu->drop_until) {
		cpu->drop_chance = 0;
		return false;
	}
	fastpath_count(cpu, lru_miss_in_limited);
	return limit_rates && !monitor;
}

#endif /* ECBPF_FASTPATH_INBOUND_LIMIT_H */
