// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* In the place of the sampler: shows a test what ingress of the fast path decided. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/chain.h"

#define SLOT 7

struct seen {
	__u32 verdict;
	enum reason reason;
};

struct seen seen SEC(".data") = {};

SEC("xdp")
int xdp_seen_prog(struct xdp_md *ctx)
{
	__u32 zero = 0, row = SLOT;
	struct sample_state *state = bpf_map_lookup_elem(&xdp_sample, &zero);
	struct chain_counts *counts = bpf_map_lookup_elem(&xdp_stats, &row);

	if (!state || !counts)
		return XDP_ABORTED;
	counts->countdown = 1;
	seen.verdict = state->verdict;
	seen.reason = state->reason;
	return chain_capture(ctx, state->verdict);
}

char _license[] SEC("license") = "Dual BSD/GPL";
