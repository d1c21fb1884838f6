/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Send a packet of a known flow to its server. */
#ifndef ECBPF_FASTPATH_FORWARD_H
#define ECBPF_FASTPATH_FORWARD_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/packet.h"
#include "counters.h"
#include "settings.h"
#include "table.h"

/* The interface that this program is on; user space keeps it up to date. */
struct fastpath_nic {
	__u8 mac[ETH_ALEN];
	__u16 unused;
	__u32 ifindex; /* of its bond if it is in one */
};

struct fastpath_nic nic SEC(".data.nic") = {};

/* Where redirected packets may go, by ifindex as in struct flow. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} fastpath_ports SEC(".maps");

/* Where a packet goes: read from its flow, before that is seen not to have changed. */
struct hop {
	union flow_hop macs;
	__u32 ifindex;
	__u16 vlan;
};

/* Is the frame for this NIC? Others come where a switch floods, or in promiscuous mode. */
static __always_inline bool is_for_this_nic(const struct ethhdr *eth)
{
	const __u16 *to = (const void *)eth->h_dest, *mine = (const void *)nic.mac;

	return to[0] == mine[0] && to[1] == mine[1] && to[2] == mine[2];
}

/*
 * Does the hop lead to the server? Back out of the NIC that the packet came in by, it
 * does if IPVS uses that NIC and, if a VLAN is set, that VLAN. A VLAN that is set also
 * leads to servers that IPVS reaches untagged by another NIC.
 */
static __always_inline bool hop_leads(struct fastpath_cpu *cpu, struct hop *hop)
{
	bool same_nic = hop->ifindex == nic.ifindex;

	if (vlan == VLAN_AS_LEARNED) {
		if (same_nic || redirect)
			return true;
		fastpath_count(cpu, unknown_interface);
		return false;
	}
	if (hop->vlan != vlan && (hop->vlan || same_nic || redirect)) {
		fastpath_count(cpu, vlan_conflicts);
		return false;
	}
	hop->vlan = vlan;
	return true;
}

/* RFC 1624, for a TTL that is 1 less. */
static __always_inline void ip4_decrement_ttl(struct iphdr *ip)
{
	__u32 sum = ip->check + bpf_htons(0x0100);

	ip->check = sum + (sum >= 0xffff);
	ip->ttl--;
}

/* Decrement the TTL, which is above 1, if the setting says so. */
static __always_inline void decrement_hops(void *l3, bool is_ip4)
{
	if (!decrement_ttl)
		return;
	if (is_ip4)
		ip4_decrement_ttl(l3);
	else
		((struct ipv6hdr *)l3)->hop_limit--;
}

/* An Ethernet header with room for one VLAN tag. */
struct tagged_header {
	__u32 macs[3];
	__be16 tpid;
	__be16 tci;
	__be16 ethertype;
} __attribute__((packed));

static __always_inline void set_macs(__u32 *macs, const struct hop *hop)
{
	macs[0] = hop->macs.word[0];
	macs[1] = hop->macs.word[1];
	macs[2] = hop->macs.word[2];
}

/* Add, remove or change the VLAN tag. False: no room, and nothing is changed. */
static __always_inline bool rewrite_tagged(struct xdp_md *ctx, const struct packet *pkt,
					   const struct hop *hop, bool is_ip4)
{
	int tag = sizeof(struct packet_vlan);
	int grow = ((hop->vlan != 0) - pkt->vlan_count) * tag;
	__be16 priority = pkt->vlan[0].tci & ~bpf_htons(VLAN_ID_MASK);
	__u32 l3_len = is_ip4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	struct tagged_header *header;
	void *l3;

	if (grow && bpf_xdp_adjust_head(ctx, -grow))
		return false;
	header = (void *)(long)ctx->data;
	if ((void *)(header + 1) + l3_len > (void *)(long)ctx->data_end)
		return false; /* never: it was there before */
	set_macs(header->macs, hop);
	l3 = header + 1;
	if (hop->vlan) {
		header->tpid = bpf_htons(ETH_P_8021Q);
		header->tci = priority | bpf_htons(hop->vlan);
		header->ethertype = pkt->ethertype;
	} else {
		header->tpid = pkt->ethertype;
		l3 -= tag;
	}
	decrement_hops(l3, is_ip4);
	return true;
}

/* Address a plain packet to its server. False: no room for a tag, and nothing is changed. */
static __always_inline bool rewrite(struct xdp_md *ctx, const struct packet *pkt,
				    const struct hop *hop, void *l3, bool is_ip4)
{
	__u32 *macs = (void *)(long)ctx->data;

	if (hop->vlan || pkt->vlan_count)
		return rewrite_tagged(ctx, pkt, hop, is_ip4);
	if ((void *)(macs + 3) > (void *)(long)ctx->data_end)
		return false;
	set_macs(macs, hop);
	decrement_hops(l3, is_ip4);
	return true;
}

#endif /* ECBPF_FASTPATH_FORWARD_H */
