// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* How other chains of XDP programs do it, for comparison. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/chain.h"
#include "ecbpf/packet.h"

/* The root with its tail calls in a loop: to the JIT, the index is a variable. */
SEC("xdp")
int xdp_walk_by_index(struct xdp_md *ctx)
{
	struct packet pkt;

	if (packet_peek(ctx, &pkt))
		return chain_end(ctx, XDP_PASS, REASON_NOT_IP);
#pragma clang loop unroll(disable)
	for (__u32 slot = 0; slot < CHAIN_SLOTS; slot++)
		bpf_tail_call(ctx, &xdp_program_array, slot);
	return chain_end(ctx, XDP_PASS, REASON_NONE);
}

/* The exit with one random number per packet to pick the sample: 1 in 2^20. */
SEC("xdp")
int xdp_exit_random(struct xdp_md *ctx)
{
	__u32 row = chain_slot;
	struct chain_counts *counts = bpf_map_lookup_elem(&xdp_stats, &row);

	if (counts)
		counts->verdict[XDP_PASS]++;
	if (bpf_get_prandom_u32() >> 12 == 0)
		bpf_tail_call_static(ctx, &xdp_sample_hook, 0);
	return chain_capture(ctx, XDP_PASS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
