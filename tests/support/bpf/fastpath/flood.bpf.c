// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Before the fast path: makes another client of each packet of a test run, by chance or
 * one behind the other.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} ingress SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} egress SEC(".maps");

/* 0: by chance. Else addresses and ports count up, so many ports an address. */
__u32 ports SEC(".data") = 0;
__u32 first_port SEC(".data") = 0;
__u32 number SEC(".data") = 0;

/* Counted from 11.0.0.0 on; by chance from 12.0.0.0/8, which no counting reaches. */
static __always_inline int change(void *data, void *end)
{
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct iphdr *ip = (void *)(eth + 1);
	__u32 client = 1 << 24 | (bpf_get_prandom_u32() & 0xffffff);
	__u32 port = bpf_get_prandom_u32();
	struct tcphdr *tcp;

	if (ports) {
		client = number / ports;
		port = first_port + number % ports;
		number++;
	}
	if ((void *)(ip + 1) > end)
		return 0;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		tcp = (void *)(ip + 1);
		ip->saddr = bpf_htonl((11 << 24) + client);
	} else {
		if ((void *)(ip6 + 1) > end)
			return 0;
		tcp = (void *)(ip6 + 1);
		ip6->saddr.s6_addr32[3] = bpf_htonl(client);
	}
	if ((void *)(tcp + 1) > end)
		return 0;
	tcp->source = bpf_htons(port);
	return 1;
}

SEC("xdp")
int xdp_flood_prog(struct xdp_md *ctx)
{
	if (change((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		bpf_tail_call_static(ctx, &ingress, 0);
	return XDP_ABORTED;
}

SEC("tc")
int tc_flood_prog(struct __sk_buff *skb)
{
	if (change((void *)(long)skb->data, (void *)(long)skb->data_end))
		bpf_tail_call_static(skb, &egress, 0);
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
