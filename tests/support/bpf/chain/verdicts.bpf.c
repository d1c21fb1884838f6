// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * A subprogram with a verdict and a name that the test sets, and with a map
 * and globals of its own, which outlive a replacement.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/chain.h"

#define PASS_ON 100

__u32 verdict = PASS_ON;
__u64 seen_global = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

SEC("xdp")
int xdp_verdicts_prog(struct xdp_md *ctx)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&seen, &zero);

	if (count)
		__sync_fetch_and_add(count, 1);
	__sync_fetch_and_add(&seen_global, 1);
	if (verdict == PASS_ON)
		return chain_pass(ctx);
	return chain_end(ctx, verdict, REASON_EXTERNAL);
}

char _license[] SEC("license") = "Dual BSD/GPL";
