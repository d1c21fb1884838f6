/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A map of every type that this project uses, and a program that counts in them. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct prefix {
	__u32 len;
	__u8 addr[4];
};

struct counts {
	__u64 packets;
	__u32 bytes;
#ifdef NEWER
	__u64 drops;
#endif
};

#define MAP(name, kind, key_type, value_type, entries, flags) \
	struct {                                              \
		__uint(type, BPF_MAP_TYPE_##kind);            \
		__uint(max_entries, entries);                 \
		__uint(map_flags, flags);                     \
		__type(key, key_type);                        \
		__type(value, value_type);                    \
	} name SEC(".maps")

MAP(hash, HASH, __u32, __u64, 1 << 17, 0);
MAP(array, ARRAY, __u32, __u32, 1 << 17, 0);
MAP(lru, LRU_HASH, __u32, __u64, 1 << 17, 0);
MAP(trie, LPM_TRIE, struct prefix, __u32, 1 << 17, BPF_F_NO_PREALLOC);
MAP(percpu_hash, PERCPU_HASH, __u32, struct counts, 1 << 17, 0);
MAP(percpu_array, PERCPU_ARRAY, __u32, __u32, 1000, 0);
MAP(tiny, HASH, __u32, struct counts, 4, 0);
MAP(tiny_trie, LPM_TRIE, struct prefix, __u32, 4, BPF_F_NO_PREALLOC);
MAP(programs, PROG_ARRAY, __u32, __u32, 8, 0);

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} first_inner SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = {
	.values = {&first_inner},
};

SEC("xdp")
int xdp_maps_prog(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct counts *counts = bpf_map_lookup_elem(&percpu_hash, &zero);
	void *in = bpf_map_lookup_elem(&outer, &zero);
	__u64 *inside;

	if (counts)
		counts->packets++;
	if (!in)
		return XDP_DROP;
	inside = bpf_map_lookup_elem(in, &zero);
	if (inside)
		__sync_fetch_and_add(inside, 1);
	bpf_map_lookup_elem(&hash, &zero);
	bpf_map_lookup_elem(&array, &zero);
	bpf_map_lookup_elem(&lru, &zero);
	bpf_map_lookup_elem(&percpu_array, &zero);
	bpf_map_lookup_elem(&tiny, &zero);
	bpf_tail_call_static(ctx, &programs, 1);
	return XDP_PASS;
}

SEC("xdp")
int xdp_tail_prog(struct xdp_md *ctx)
{
	return XDP_TX;
}

char _license[] SEC("license") = "GPL";
