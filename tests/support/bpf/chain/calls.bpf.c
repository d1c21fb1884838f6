// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * A subprogram with functions that are called: static ones and a global one, with 256
 * bytes of stack each, and tail calls both in the program and in a function.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/counter.h"
#include "ecbpf/decision.h"
#include "ecbpf/packet.h"

#define STACK_WORDS 31 /* clang needs one more */

enum calls_counter {
	CALLS_STATIC,
	CALLS_GLOBAL,
	CALLS_COUNTERS,
};

COUNTERS(calls_counters, calls_counter);

__u16 refused_port SEC(".data") = 1;
__u32 length_max SEC(".data") = 1500;

/* Uses the whole stack of a function. Not 0. */
static __always_inline __u64 fill_stack(__u64 seed)
{
	volatile __u64 stack[STACK_WORDS];
	__u64 sum = 0;

	for (int i = 0; i < STACK_WORDS; i++)
		stack[i] = seed + i;
	for (int i = 0; i < STACK_WORDS; i++)
		sum += stack[i];
	return sum;
}

/* Reads its caller's stack. Not 0: drop the packet. */
static __noinline int is_refused(const struct packet *pkt)
{
	counter_add(&calls_counters, CALLS_STATIC);
	return bpf_ntohs(pkt->dport) == refused_port && fill_stack(pkt->frame_len);
}

/* The verifier checks it on its own, for any limit. Not 0: send the packet back. */
__noinline int is_long(struct xdp_md *ctx, __u32 limit)
{
	__u32 length = ctx->data_end - ctx->data;

	counter_add(&calls_counters, CALLS_GLOBAL);
	return length > limit && fill_stack(length);
}

/* The program in the next slot returns to the caller of this function. */
static __noinline int pass_on(struct xdp_md *ctx)
{
	return chain_pass(ctx);
}

SEC("xdp")
int xdp_calls_prog(struct xdp_md *ctx)
{
	struct packet pkt;

	packet_parse(ctx, &pkt);
	if (is_refused(&pkt))
		return chain_end(ctx, XDP_DROP, REASON_EXTERNAL);
	if (is_long(ctx, length_max))
		return chain_end(ctx, XDP_TX, REASON_EXTERNAL);
	return pass_on(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
