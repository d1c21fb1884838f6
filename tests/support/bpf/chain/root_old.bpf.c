// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* A root array as an older version might have had it: no hint, no sample, no capture hook. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef VERDICTS
#define VERDICTS 6
#endif

struct chain_counts {
	__u64 verdict[VERDICTS];
	__u64 countdown;
};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u32);
} xdp_program_array SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 9);
	__type(key, __u32);
	__type(value, struct chain_counts);
} xdp_stats SEC(".maps");

SEC("xdp")
int xdp_root_prog(struct xdp_md *ctx)
{
	__u32 row = 8;
	struct chain_counts *counts;

	bpf_tail_call_static(ctx, &xdp_program_array, 5);
	counts = bpf_map_lookup_elem(&xdp_stats, &row);
	if (counts)
		counts->verdict[XDP_PASS]++;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
