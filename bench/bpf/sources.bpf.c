// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * A test run repeats one packet. These programs give each run the next source address, and
 * go on to the program that is measured.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_helpers.h>

#define SOURCES (1 << 16)

/* IPv4 has the first word. */
struct source {
	__be32 word[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SOURCES);
	__type(key, __u32);
	__type(value, struct source);
	__uint(map_flags, BPF_F_MMAPABLE);
} sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} measured SEC(".maps");

__u32 next_source SEC(".data") = 0;

static __always_inline struct source *take_source(void)
{
	__u32 key = next_source++ % SOURCES;

	return bpf_map_lookup_elem(&sources, &key);
}

SEC("xdp")
int xdp_source_ip4(struct xdp_md *ctx)
{
	struct iphdr *ip = (void *)(long)ctx->data + ETH_HLEN;
	struct source *source = take_source();

	if (!source || (void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	ip->saddr = source->word[0];
	bpf_tail_call_static(ctx, &measured, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int xdp_source_ip6(struct xdp_md *ctx)
{
	struct ipv6hdr *ip = (void *)(long)ctx->data + ETH_HLEN;
	struct source *source = take_source();

	if (!source || (void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(&ip->saddr, source, sizeof(*source));
	bpf_tail_call_static(ctx, &measured, 0);
	return XDP_ABORTED;
}

char _license[] SEC("license") = "Dual BSD/GPL";
