/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Drops packets that are too short, and counts; with OLDER, an earlier version. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum count { COUNT_SHORT, COUNT_LONG };

struct lengths {
#ifndef OLDER
	__u64 bytes;
#endif
	__u32 smallest;
	__u32 largest;
};

const volatile __u32 drop_verdict = XDP_DROP;
__u32 min_length SEC(".data.settings") = 20;
__u32 last_length;
#ifndef OLDER
__u32 max_length SEC(".data.settings") = 1 << 16;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} by_length SEC(".maps");
#endif

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, enum count);
	__type(value, __u64);
} packets_by_whether SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lengths);
} lengths SEC(".maps");

SEC("xdp")
int xdp_lengths_prog(struct xdp_md *ctx)
{
	__u32 length = ctx->data_end - ctx->data, zero = 0;
	__u32 key = length < min_length ? COUNT_SHORT : COUNT_LONG;
	struct lengths *seen = bpf_map_lookup_elem(&lengths, &zero);
	__u64 *count = bpf_map_lookup_elem(&packets_by_whether, &key);

	last_length = length;
	if (count)
		++*count;
	if (seen && length > seen->largest)
		seen->largest = length;
#ifndef OLDER
	__u64 one = 1;

	bpf_map_update_elem(&by_length, &length, &one, BPF_ANY);
	if (length > max_length)
		return drop_verdict;
#endif
	return key == COUNT_SHORT ? drop_verdict : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
