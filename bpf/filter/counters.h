/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the filter did, a CPU each. Python takes the names from here: in lower
 * case, without FILTER_. Add at the end.
 */
#ifndef ECBPF_FILTER_COUNTERS_H
#define ECBPF_FILTER_COUNTERS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum filter_counter {
	FILTER_ETH_FRAME_ERR, /* the Ethernet header or its tags cannot be read */
	FILTER_IP_HEADER_ERR, /* IPv4 that cannot be parsed */
	FILTER_IP6_HEADER_ERR,
	FILTER_IP_DROP_COUNT, /* the source is in the drop set */
	FILTER_IP6_DROP_COUNT,
	FILTER_IP_FRAG_DROP_COUNT, /* fragments without an answer */
	FILTER_IP6_FRAG_DROP_COUNT,
	FILTER_PTB_SENT_COUNT, /* fragments with one */
	FILTER_PTB_ERR_COUNT, /* first fragments that must not have one */
	FILTER_PTB_MEM_ERR_COUNT, /* the kernel had no room for it */
	FILTER_PTB_LIMIT_COUNT, /* ptb_max_pps was reached */
	FILTER_IP_OPTIONS_DROP_COUNT,
	FILTER_IP_EVIL_DROP_COUNT,
	FILTER_FRAG_LOCAL_COUNT, /* fragments to this host's own addresses, passed */
	FILTER_COUNTERS,
};

/* More than there are: a version with more of them shares the map and its counts. */
#define FILTER_COUNTER_ROOM 64

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FILTER_COUNTER_ROOM);
	__type(key, __u32);
	__type(value, __u64);
} filter_stats SEC(".maps");

static __always_inline void filter_count(enum filter_counter counter)
{
	__u32 key = counter;
	__u64 *count = bpf_map_lookup_elem(&filter_stats, &key);

	if (count)
		++*count;
}

#endif /* ECBPF_FILTER_COUNTERS_H */
