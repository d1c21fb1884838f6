/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The one packet parser. Ethernet, up to two VLAN tags, IPv4 with options,
 * IPv6 with its extension headers, fragments, TCP, UDP, ICMP, ICMPv6.
 *
 *	struct packet pkt;
 *	enum reason reason = packet_parse(ctx, &pkt);
 *
 * or packet_parse_ip(), which stops before TCP, UDP and ICMP, or packet_plain(),
 * which only knows plain IP headers, in half the time; packet_plain_at() does the
 * same wherever the frame lies.
 *
 * REASON_NONE: all there is to read was read. Anything else says what could
 * not be; what came before it is filled in, the rest is 0. Lengths are those of
 * the IP header, whatever Ethernet pads.
 *
 * The packet is a local of the program: a field that the program does not read
 * costs nothing. Fields read only after REASON_NONE stay in registers, 3-6 ns.
 * Whoever reads many after an error too carries them through every exit, 27 ns;
 * in memory, for instance a per-CPU map's, the whole packet costs 7.
 *
 * Of a frame in several buffers (chain_frags) only the first can be read: a
 * header behind it is as good as cut off. Jumbograms (RFC 2675) are refused as
 * REASON_IP6_LENGTH: no Ethernet is that large.
 */
#ifndef ECBPF_PACKET_H
#define ECBPF_PACKET_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "frags.h"
#include "reason.h"

#define PACKET_VLAN_MAX 2
#define VLAN_ID_MASK 0xfff
#define PACKET_L2_MAX (ETH_HLEN + PACKET_VLAN_MAX * sizeof(struct packet_vlan))
#define IP6_EXT_MAX 8
#define IP6_EXT_HIP 139 /* RFC 7401 */
#define IP6_EXT_SHIM6 140 /* RFC 5533 */

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
	__u8 proto; /* IPv6: of what stands at l4_offset */
	__u32 ip_len; /* with its header, without Ethernet's padding */
	__be32 saddr[4]; /* IPv4 has the first word */
	__be32 daddr[4];
	__u16 frag_offset; /* in bytes; not 0: no L4 header here */
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

/* An IPv6 atomic fragment (RFC 6946) is none: nothing is to come before or after. */
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
 * The pointer to an offset: every offset in struct packet needs this before it
 * is added. The verifier wants to see the bound on the very register; kernels
 * before 5.16 forget one that went through the stack in 32 bits, and clang drops
 * a mask that it can prove useless. 8 extension headers end at 16446 at most.
 */
static __always_inline void *packet_at(void *data, __u64 offset)
{
	asm volatile("%0 &= 0x7fff" : "+r"(offset));
	return data + offset;
}

static __always_inline bool packet_is_tag(__be16 ethertype)
{
	return ethertype == bpf_htons(ETH_P_8021Q) ||
	       ethertype == bpf_htons(ETH_P_8021AD);
}

/* The ethertype is the last field of the Ethernet header, and of each tag. */
static __always_inline enum reason packet_parse_eth(void *data, void *end,
						    struct packet *pkt)
{
	__be16 *ethertype = data + offsetof(struct ethhdr, h_proto);

	if ((void *)(ethertype + 1) > end)
		return REASON_ETH_SHORT;
	pkt->ethertype = *ethertype;
	pkt->l3_offset = ETH_HLEN;

	for (int i = 0; i < PACKET_VLAN_MAX; i++) {
		if (!packet_is_tag(pkt->ethertype))
			return REASON_NONE;
		if ((void *)(ethertype + 3) > end)
			return REASON_ETH_SHORT;
		pkt->vlan[i].tpid = *ethertype++;
		pkt->vlan[i].tci = *ethertype++;
		pkt->vlan_count = i + 1;
		pkt->ethertype = *ethertype;
		pkt->l3_offset += sizeof(struct packet_vlan);
	}
	return packet_is_tag(pkt->ethertype) ? REASON_VLAN_DEPTH : REASON_NONE;
}

/* Layer 2, and that a whole fixed IP header follows it. */
static __always_inline enum reason packet_parse_l2(void *data, void *end, void **l3,
						   struct packet *pkt)
{
	enum reason reason = packet_parse_eth(data, end, pkt);

	if (reason)
		return reason;
	*l3 = packet_at(data, pkt->l3_offset);
	if (pkt->ethertype == bpf_htons(ETH_P_IP))
		return *l3 + sizeof(struct iphdr) > end ? REASON_IP4_SHORT : REASON_NONE;
	if (pkt->ethertype == bpf_htons(ETH_P_IPV6))
		return *l3 + sizeof(struct ipv6hdr) > end ? REASON_IP6_SHORT
							  : REASON_NONE;
	return REASON_NOT_IP;
}

static __always_inline enum reason packet_parse_ip4(struct iphdr *ip, void *end,
						    struct packet *pkt)
{
	__u32 header_len, frag;

	if (ip->version != 4 || ip->ihl < 5)
		return REASON_IP4_HEADER;

	header_len = ip->ihl * 4;
	frag = bpf_ntohs(ip->frag_off);
	pkt->version = 4;
	pkt->tos = ip->tos;
	pkt->ttl = ip->ttl;
	pkt->proto = ip->protocol;
	pkt->ip_len = bpf_ntohs(ip->tot_len);
	pkt->saddr[0] = ip->saddr;
	pkt->daddr[0] = ip->daddr;
	pkt->frag_offset = frag << 3; /* the flags fall off the end */
	pkt->more_fragments = frag >> 13 & 1;
	pkt->evil = frag >> 15;

	if ((void *)ip + header_len > end)
		return REASON_IP4_SHORT;
	if (pkt->ip_len < header_len || pkt->l3_offset + pkt->ip_len > pkt->frame_len)
		return REASON_IP4_LENGTH;
	pkt->l4_offset = pkt->l3_offset + header_len;
	return REASON_NONE;
}

/*
 * An extension header is 8 bytes long and `unit` more for each in its length
 * field (RFC 8200 section 4, RFC 6564; AH: RFC 4302 section 2.2). That field is
 * reserved in the fragment header. A table, not a switch: the verifier follows
 * one path through it, where branches would make 3 to the power of 8.
 */
static const struct {
	__u8 is_ext;
	__u8 unit;
} ip6_ext[256] = {
	[IPPROTO_HOPOPTS] = {1, 8},  [IPPROTO_ROUTING] = {1, 8},
	[IPPROTO_FRAGMENT] = {1, 0}, [IPPROTO_AH] = {1, 4},
	[IPPROTO_DSTOPTS] = {1, 8},  [IPPROTO_MH] = {1, 8},
	[IP6_EXT_HIP] = {1, 8},	     [IP6_EXT_SHIM6] = {1, 8},
};

/*
 * Walk the extension headers up to what is none: an L4 header, ESP, no next
 * header, or the middle of a fragmented packet. l4_offset and proto say where
 * the walk stopped, also on an error. The loop counts in 64 bits: kernels before
 * 5.16 forget a counter spilled in 32, and see no end.
 */
static __always_inline enum reason packet_parse_ip6_ext(void *data, void *end,
							struct packet *pkt)
{
	__u32 l3_end = pkt->l3_offset + pkt->ip_len;

	/* RFC 2675 section 3 */
	if (pkt->proto == IPPROTO_HOPOPTS && pkt->ip_len == sizeof(struct ipv6hdr))
		return REASON_IP6_LENGTH;

#pragma clang loop unroll(disable)
	for (__u64 i = 0; i < IP6_EXT_MAX; i++) {
		struct {
			__u8 next;
			__u8 len;
			__be16 frag; /* of the fragment header */
			__be32 rest;
		} *ext = packet_at(data, pkt->l4_offset);
		__u32 ext_end, frag;

		if ((void *)(ext + 1) > end)
			return REASON_IP6_EXT_SHORT;
		ext_end = pkt->l4_offset + sizeof(*ext) +
			  ext->len * ip6_ext[pkt->proto].unit;
		if (ext_end > l3_end)
			return REASON_IP6_EXT_SHORT;

		/* RFC 8200 section 4.5: 13 bits of offset, 2 reserved, M */
		frag = bpf_ntohs(ext->frag) & 0xfff9;
		if (pkt->proto == IPPROTO_FRAGMENT && frag) {
			pkt->frag_offset = frag & 0xfff8;
			pkt->more_fragments = frag & 1;
		}
		pkt->proto = ext->next;
		pkt->l4_offset = ext_end;
		if (pkt->frag_offset || !ip6_ext[pkt->proto].is_ext)
			return REASON_NONE;
	}
	return REASON_IP6_EXT_DEPTH;
}

static __always_inline enum reason packet_parse_ip6(void *data, struct ipv6hdr *ip,
						    void *end, struct packet *pkt)
{
	if (ip->version != 6)
		return REASON_IP6_HEADER;

	pkt->version = 6;
	pkt->tos = bpf_ntohs(*(__be16 *)ip) >> 4;
	pkt->ttl = ip->hop_limit;
	pkt->proto = ip->nexthdr;
	pkt->ip_len = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	__builtin_memcpy(pkt->saddr, &ip->saddr, sizeof(pkt->saddr));
	__builtin_memcpy(pkt->daddr, &ip->daddr, sizeof(pkt->daddr));

	if (pkt->l3_offset + pkt->ip_len > pkt->frame_len)
		return REASON_IP6_LENGTH;
	pkt->l4_offset = pkt->l3_offset + sizeof(*ip);
	if (ip6_ext[pkt->proto].is_ext)
		return packet_parse_ip6_ext(data, end, pkt);
	return REASON_NONE;
}

static __always_inline enum reason packet_parse_tcp(void *l4, void *end, __u32 len,
						    struct packet *pkt)
{
	struct tcphdr *tcp = l4;
	__u32 header_len;

	if (len < sizeof(*tcp) || (void *)(tcp + 1) > end)
		return REASON_L4_SHORT;
	pkt->sport = tcp->source;
	pkt->dport = tcp->dest;
	pkt->tcp_flags = ((__u8 *)tcp)[13];
	header_len = tcp->doff * 4;
	if (header_len < sizeof(*tcp) || header_len > len)
		return REASON_TCP_HEADER;
	pkt->payload_offset = pkt->l4_offset + header_len;
	return REASON_NONE;
}

static __always_inline enum reason packet_parse_udp(void *l4, void *end, __u32 len,
						    struct packet *pkt)
{
	struct udphdr *udp = l4;

	if (len < sizeof(*udp) || (void *)(udp + 1) > end)
		return REASON_L4_SHORT;
	pkt->sport = udp->source;
	pkt->dport = udp->dest;
	pkt->payload_offset = pkt->l4_offset + sizeof(*udp);
	return REASON_NONE;
}

/* Both ICMPs begin alike, and neither has a message shorter than 8 bytes. */
static __always_inline enum reason packet_parse_icmp(void *l4, void *end, __u32 len,
						     struct packet *pkt)
{
	struct {
		__u8 type;
		__u8 code;
		__be16 checksum;
		__be32 rest;
	} *icmp = l4;

	if (len < sizeof(*icmp) || (void *)(icmp + 1) > end)
		return REASON_L4_SHORT;
	pkt->icmp_type = icmp->type;
	pkt->icmp_code = icmp->code;
	pkt->payload_offset = pkt->l4_offset + sizeof(*icmp);
	return REASON_NONE;
}

static __always_inline enum reason packet_parse_l4(void *data, void *end,
						   struct packet *pkt)
{
	__u32 len = pkt->l3_offset + pkt->ip_len - pkt->l4_offset;
	void *l4 = packet_at(data, pkt->l4_offset);

	if (pkt->frag_offset)
		return REASON_NONE;
	if (pkt->proto == IPPROTO_TCP)
		return packet_parse_tcp(l4, end, len, pkt);
	if (pkt->proto == IPPROTO_UDP)
		return packet_parse_udp(l4, end, len, pkt);
	if (pkt->proto == (pkt->version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return packet_parse_icmp(l4, end, len, pkt);
	return REASON_NONE;
}

/*
 * The quick look at most packets: is there nothing between the Ethernet header, or
 * its tags, and the payload but a sane IP header? No options, extension headers or
 * fragments, lengths that fit. Returns the IP header and fills in what
 * packet_peek() does; NULL: whatever it is, packet_parse() knows.
 *
 * frame_len: with what is behind `end`, where no pointer reaches.
 */
static __always_inline void *packet_plain_at(void *data, void *end, __u32 frame_len,
					     struct packet *pkt)
{
	struct ipv6hdr *ip6;
	struct iphdr *ip;
	__u32 length, room;
	void *l3;

	*pkt = (struct packet){};
	if (packet_parse_l2(data, end, &l3, pkt))
		return NULL;
	ip6 = l3;
	ip = l3;
	room = frame_len - pkt->l3_offset;

	if (pkt->ethertype == bpf_htons(ETH_P_IP)) {
		length = bpf_ntohs(ip->tot_len);
		/* Of the flags only "don't fragment" may be set. */
		if (*(__u8 *)ip != 0x45 || length < sizeof(*ip) || length > room ||
		    ip->frag_off & bpf_htons(0xbfff))
			return NULL;
		return l3;
	}
	length = sizeof(*ip6) + bpf_ntohs(ip6->payload_len);
	if (*(__u8 *)ip6 >> 4 != 6 || ip6_ext[ip6->nexthdr].is_ext || length > room)
		return NULL;
	return l3;
}

/* With the buffers behind the first, which no pointer reaches. */
static __always_inline __u32 packet_frame_len(struct xdp_md *ctx)
{
	if (chain_frags)
		return bpf_xdp_get_buff_len(ctx);
	return ctx->data_end - ctx->data;
}

static __always_inline void *packet_plain(struct xdp_md *ctx, struct packet *pkt)
{
	return packet_plain_at((void *)(long)ctx->data, (void *)(long)ctx->data_end,
			       packet_frame_len(ctx), pkt);
}

/*
 * The cheap first half: is this IP, and is its fixed header all there? Fills in
 * the tags, the ethertype and l3_offset.
 */
static __always_inline enum reason packet_peek(struct xdp_md *ctx, struct packet *pkt)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	void *l3;

	*pkt = (struct packet){};
	return packet_parse_l2(data, end, &l3, pkt);
}

/* Down to the IP header and IPv6's extension headers. */
static __always_inline enum reason packet_parse_ip(struct xdp_md *ctx, struct packet *pkt)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	enum reason reason;
	void *l3;

	*pkt = (struct packet){.frame_len = packet_frame_len(ctx)};

	reason = packet_parse_l2(data, end, &l3, pkt);
	if (reason)
		return reason;
	if (pkt->ethertype == bpf_htons(ETH_P_IP))
		return packet_parse_ip4(l3, end, pkt);
	return packet_parse_ip6(data, l3, end, pkt);
}

static __always_inline enum reason packet_parse(struct xdp_md *ctx, struct packet *pkt)
{
	enum reason reason = packet_parse_ip(ctx, pkt);

	if (reason)
		return reason;
	return packet_parse_l4((void *)(long)ctx->data, (void *)(long)ctx->data_end, pkt);
}

#endif /* ECBPF_PACKET_H */
