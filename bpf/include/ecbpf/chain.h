/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The chain: eight slots, and one exit by which every packet leaves.
 *
 * A subprogram ends with one of two calls:
 *
 *	return chain_pass(ctx);                    on to the next slot
 *	return chain_end(ctx, verdict, reason);    the walk ends here
 *
 * Passing on counts nothing; the program that ends the walk counts the
 * verdict, so the counts of an interface add up to the packets it saw.
 *
 * The maps are shared: whoever loads a subprogram gives it those of the root
 * array it joins, by name. Their shapes are the contract between versions.
 */
#ifndef ECBPF_CHAIN_H
#define ECBPF_CHAIN_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "debug.h"
#include "frags.h"
#include "reason.h"
#include "sample.h"

#define CHAIN_SLOTS 8
#define CHAIN_ROOT CHAIN_SLOTS /* the root's own row in xdp_stats */
#define CHAIN_VERDICTS (XDP_REDIRECT + 1)
#define CHAIN_INVALID CHAIN_VERDICTS /* counts values that are not verdicts */

/* Set before load: the slot this program goes to, or CHAIN_ROOT. */
const volatile __u32 chain_slot = CHAIN_ROOT;

/* A slot's row, per CPU. One lookup serves both the count and the sample. */
struct chain_counts {
	__u64 verdict[CHAIN_VERDICTS + 1];
	__u64 countdown; /* see sample.h */
};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, CHAIN_SLOTS);
	__type(key, __u32);
	__type(value, __u32);
} xdp_program_array SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CHAIN_SLOTS + 1);
	__type(key, __u32);
	__type(value, struct chain_counts);
} xdp_stats SEC(".maps");

/*
 * A hint, shared like a map: bit n is set while slot n may be occupied. It saves trying
 * empty slots (0.6 ns each); the array alone decides. Set the bit before the slot is
 * filled, clear it after the slot is emptied.
 */
__u32 chain_occupied SEC(".data.chain") = 0;

/* A capture program for each verdict, as cloudflare/xdpcap expects it. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, CHAIN_VERDICTS);
	__type(key, __u32);
	__type(value, __u32);
} xdpcap_hook SEC(".maps");

/*
 * Offer the packet to the program that captures this verdict. Every tail call here has a
 * constant index, so that the JIT makes it a direct jump: an empty entry costs 0.6 ns, a
 * taken one 1-2, where a variable index costs 14-27.
 */
static __always_inline int chain_capture(struct xdp_md *ctx, __u32 verdict)
{
	switch (verdict) {
	case XDP_ABORTED:
		bpf_tail_call_static(ctx, &xdpcap_hook, XDP_ABORTED);
		break;
	case XDP_DROP:
		bpf_tail_call_static(ctx, &xdpcap_hook, XDP_DROP);
		break;
	case XDP_PASS:
		bpf_tail_call_static(ctx, &xdpcap_hook, XDP_PASS);
		break;
	case XDP_TX:
		bpf_tail_call_static(ctx, &xdpcap_hook, XDP_TX);
		break;
	case XDP_REDIRECT:
		bpf_tail_call_static(ctx, &xdpcap_hook, XDP_REDIRECT);
		break;
	}
	return verdict;
}

/* The column that a verdict is counted in. */
static __always_inline __u64 chain_column(__u32 verdict)
{
	__u64 column = verdict;

	/*
	 * A verdict known only at run time is bounded in the very register
	 * that becomes the index: verifiers before 6.2 or so do not carry the
	 * bound over from another.
	 */
	if (!__builtin_constant_p(verdict))
		asm volatile("" : "+r"(column));
	return column < CHAIN_VERDICTS ? column : CHAIN_INVALID;
}

/* For the packet that was picked: note which slot decided what, and run the sampler. */
static __always_inline void chain_sample(struct xdp_md *ctx, __u32 row, __u32 verdict,
					 enum reason reason)
{
	__u32 zero = 0;
	struct sample_state *state = bpf_map_lookup_elem(&xdp_sample, &zero);

	if (!state)
		return;
	state->slot = row == CHAIN_ROOT ? SAMPLE_SLOT_ROOT : (__s32)row;
	state->verdict = verdict;
	state->reason = reason;
	bpf_tail_call_static(ctx, &xdp_sample_hook, 0);
}

/*
 * End the walk: count, sample if this packet was picked, offer it to the capture hook,
 * return the verdict. A value that is not a verdict is counted as such and aborted here:
 * the kernel would do the same, with one warning per boot.
 */
static __always_inline int chain_end(struct xdp_md *ctx, __u32 verdict,
				     enum reason reason)
{
	__u32 row = chain_slot;
	struct chain_counts *counts;

	ecbpf_debug("slot %d verdict %d reason %d", row, verdict, reason);

	counts = bpf_map_lookup_elem(&xdp_stats, &row);
	if (!counts) /* never, but the verifier cannot know */
		return XDP_ABORTED;
	counts->verdict[chain_column(verdict)]++;
	if (verdict >= CHAIN_VERDICTS)
		verdict = XDP_ABORTED;

	if (--counts->countdown == 0)
		chain_sample(ctx, row, verdict, reason);
	return chain_capture(ctx, verdict);
}

static __always_inline void chain_try(struct xdp_md *ctx, __u32 first, __u32 occupied,
				      const __u32 slot)
{
	if (first <= slot && occupied & 1 << slot)
		bpf_tail_call_static(ctx, &xdp_program_array, slot);
}

/*
 * Go on to the next slot in order; behind the last one the packet passes. `first` is a
 * constant to the verifier: slots before it leave no code.
 */
static __always_inline int chain_pass(struct xdp_md *ctx)
{
	__u32 slot = chain_slot, occupied = chain_occupied;
	__u32 first = slot == CHAIN_ROOT ? 0 : slot + 1;

	if (occupied >> first) {
		chain_try(ctx, first, occupied, 0);
		chain_try(ctx, first, occupied, 1);
		chain_try(ctx, first, occupied, 2);
		chain_try(ctx, first, occupied, 3);
		chain_try(ctx, first, occupied, 4);
		chain_try(ctx, first, occupied, 5);
		chain_try(ctx, first, occupied, 6);
		chain_try(ctx, first, occupied, 7);
	}
	return chain_end(ctx, XDP_PASS, REASON_NONE);
}

#endif /* ECBPF_CHAIN_H */
