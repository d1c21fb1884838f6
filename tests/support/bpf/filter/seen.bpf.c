// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* In the place of the sampler: shows a test what the filter did with each packet. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/chain.h"
#include "../../../../bpf/filter/counters.h"

/* Since the last look at it; counts are taken from filter_stats. */
struct seen {
	__u32 packets;
	__u32 verdict;
	enum reason reason;
	__u32 readable;
	__u64 count[FILTER_COUNTERS];
};

struct seen seen SEC(".data") = {};

SEC("xdp")
int xdp_seen_prog(struct xdp_md *ctx)
{
	__u32 zero = 0, row = CHAIN_ROOT;
	struct sample_state *state = bpf_map_lookup_elem(&xdp_sample, &zero);
	struct chain_counts *counts = bpf_map_lookup_elem(&xdp_stats, &row);

	if (!state || !counts)
		return XDP_ABORTED;
	counts->countdown = 1;
	seen.packets++;
	seen.verdict = state->verdict;
	seen.reason = state->reason;
	for (__u64 i = 0; i < FILTER_COUNTERS; i++) {
		__u32 key = i;
		__u64 *count = bpf_map_lookup_elem(&filter_stats, &key);

		if (count) {
			seen.count[i] = *count;
			*count = 0;
		}
	}
	return state->verdict;
}

/* How much of a frame lies in the first buffer. */
SEC("xdp")
int xdp_readable_prog(struct xdp_md *ctx)
{
	seen.readable = ctx->data_end - ctx->data;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
