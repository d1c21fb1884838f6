// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * For tests of the lab. XDP: send back what carries a VLAN tag in the frame
 * itself, and what has the test's own EtherType. tc, at egress: give frames of
 * two other EtherTypes a tag as the kernel gives one, beside the frame.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define REFLECT_ME 0x88b5
#define TAG_8021Q 0x88b6
#define TAG_8021AD 0x88b7

SEC("xdp")
int reflect(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u8 mac[ETH_ALEN];

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	if (eth->h_proto != bpf_htons(REFLECT_ME) &&
	    eth->h_proto != bpf_htons(ETH_P_8021Q) &&
	    eth->h_proto != bpf_htons(ETH_P_8021AD))
		return XDP_PASS;
	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	return XDP_TX;
}

SEC("tc")
int tag(struct __sk_buff *skb)
{
	if (skb->protocol == bpf_htons(TAG_8021Q))
		bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 7);
	if (skb->protocol == bpf_htons(TAG_8021AD))
		bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), 7);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
