/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A packet as the parser (packet.h) describes it. */
#ifndef ECBPF_PACKET_FIELDS_H
#define ECBPF_PACKET_FIELDS_H

#include <stdbool.h>

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define PACKET_VLAN_MAX 2
#define VLAN_ID_MASK 0xfff
#define PACKET_L2_MAX (ETH_HLEN + PACKET_VLAN_MAX * sizeof(struct packet_vlan))

struct packet_vlan {
	__be16 tpid; /* 802.1Q or 802.1ad */
	__be16 tci;
};

/* Offsets count from the start of the frame. */
struct packet {
	__u32 frame_len;

	struct packet_vlan vlan[PACKET_VLAN_MAX]; /* the outer one first */
	__u8 vlan_count;
	__be16 ethertype; /* behind the tags */
	__u16 l3_offset; /* behind the Ethernet header and tags */

	__u8 version; /* 4, 6; 0: no IP header was read */
	__u8 tos; /* IPv6: traffic class */
	__u8 ttl; /* IPv6: hop limit */
	__u8 proto; /* of what is at l4_offset */
	__u32 ip_len; /* with its header, without Ethernet's padding */
	__be32 saddr[4]; /* IPv4 has the first word */
	__be32 daddr[4];
	__u16 frag_offset; /* in bytes; not 0: no L4 header follows */
	__u8 more_fragments;
	__u8 evil; /* IPv4's reserved flag (RFC 3514) */

	__u16 l4_offset; /* behind the last IP header that was read */
	__u16 payload_offset; /* 0: no L4 header was read */
	__be16 sport; /* TCP and UDP */
	__be16 dport;
	__u8 tcp_flags;
	__u8 icmp_type; /* ICMP and ICMPv6 */
	__u8 icmp_code;
} __attribute__((aligned(8)));

/* Not an IPv6 atomic fragment (RFC 6946): that is a whole packet. */
static __always_inline bool packet_is_fragment(const struct packet *pkt)
{
	return pkt->frag_offset || pkt->more_fragments;
}

/* IPv4 options or IPv6 extension headers. */
static __always_inline bool packet_has_options(const struct packet *pkt)
{
	__u32 fixed = pkt->version == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	return pkt->l4_offset > pkt->l3_offset + fixed;
}

/*
 * The pointer to an offset: use it for every offset in struct packet. The verifier
 * wants to see a bound on the very register that is added; kernels before 5.16 forget
 * a bound that went through the stack in 32 bits, and clang drops a mask that it can
 * prove useless. 8 extension headers end at 16446 at most.
 */
static __always_inline void *packet_at(void *data, __u64 offset)
{
	asm volatile("%0 &= 0x7fff" : "+r"(offset));
	return data + offset;
}

#endif /* ECBPF_PACKET_FIELDS_H */
