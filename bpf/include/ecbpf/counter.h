/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Counters of a subprogram, one value per CPU, named by an enum:
 *
 *	enum ttl_counter { TTL_DROPPED, TTL_MULTICAST, TTL_COUNTERS };
 *
 *	COUNTERS(ttl_counters, ttl_counter);
 *
 *	counter_add(&ttl_counters, TTL_DROPPED);
 *
 * The last enumerator, PREFIX_COUNTERS, is their number. User space reads the names from
 * BTF, in lower case and without the prefix. Add new ones before the last: a later
 * version then shares the map, and the counts go on.
 */
#ifndef ECBPF_COUNTER_H
#define ECBPF_COUNTER_H

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define COUNTER_ROOM 64 /* more than there are, so that a later version fits the map */

/*
 * Define a map of counters. No packet reads the variable: it brings the enum into BTF.
 * As the type of the map's key it would do that too, but kernels refuse such an array.
 */
#define COUNTERS(map, names)                             \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); \
		__uint(max_entries, COUNTER_ROOM);       \
		__type(key, __u32);                      \
		__type(value, __u64);                    \
	} map SEC(".maps");                              \
	const volatile enum names map##_names = 0

/* Add 1 to a counter of this CPU. map: the address of one that COUNTERS() defines. */
static __always_inline void counter_add(void *map, __u32 counter)
{
	__u64 *count = bpf_map_lookup_elem(map, &counter);

	if (count)
		++*count;
}

#endif /* ECBPF_COUNTER_H */
