/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The one packet parser. Ethernet, up to two VLAN tags, IPv4 with options, IPv6 with its
 * extension headers, fragments, TCP, UDP, ICMP, ICMPv6.
 *
 *	struct packet pkt;
 *	enum reason reason = packet_parse(ctx, &pkt);
 *
 * packet_parse_ip() stops before TCP, UDP and ICMP. packet_parse_plain() knows only plain IP
 * headers, in half the time; packet_parse_plain_at() is the same for programs at tc.
 *
 * REASON_NONE: everything could be read. Any other reason says what could not; the fields
 * before that point are filled in, the rest are 0. Lengths are those of the IP header,
 * whatever padding Ethernet adds.
 *
 * struct packet is a local variable of the program: a field that it does not read costs
 * nothing. Fields that are read only after REASON_NONE stay in registers, 3-6 ns. A
 * program that also reads many of them after an error carries them through every exit,
 * 27 ns; in memory, for instance in a per-CPU map, the whole packet costs 7.
 *
 * Of a multi-buffer frame (chain_frags) only the first buffer can be read: a header
 * behind it counts as cut off. Jumbograms (RFC 2675) are refused as REASON_IP6_LENGTH: no
 * Ethernet frame is that large.
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
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "frags.h"
#include "packet_fields.h"
#include "reason.h"
#include "transport.h"

#define IP6_EXT_MAX 8
#define IP6_EXT_HIP 139 /* RFC 7401 */
#define IP6_EXT_SHIM6 140 /* RFC 5533 */

static __always_inline bool packet_is_vlan(__be16 ethertype)
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
		if (!packet_is_vlan(pkt->ethertype))
			return REASON_NONE;
		if ((void *)(ethertype + 3) > end)
			return REASON_ETH_SHORT;
		pkt->vlan[i].tpid = *ethertype++;
		pkt->vlan[i].tci = *ethertype++;
		pkt->vlan_count = i + 1;
		pkt->ethertype = *ethertype;
		pkt->l3_offset += sizeof(struct packet_vlan);
	}
	return packet_is_vlan(pkt->ethertype) ? REASON_VLAN_DEPTH : REASON_NONE;
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
 * An extension header is 8 bytes long and `unit` more for each that its length field
 * counts (RFC 8200 section 4, RFC 6564; AH: RFC 4302 section 2.2). That field is
 * reserved in the fragment header. A table, not a switch: the verifier follows one path
 * through it, where branches would make 3 to the power of 8.
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
 * Walk the extension headers up to the first that is not one: an L4 header, ESP, "no
 * next header", or the middle of a fragmented packet. l4_offset and proto say where the
 * walk stopped, also after an error. The loop counts in 64 bits: kernels before 5.16
 * forget a counter spilled in 32, and see no end.
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

/*
 * The quick look, enough for most packets. Returns the IP header if it is plain: no
 * options, extension headers or fragments, and lengths that fit; and fills in what
 * packet_peek() does. NULL: it is not plain, and packet_parse() says what it is.
 *
 * frame_len: of the whole frame, also of the part behind `end`, which no pointer reaches.
 */
static __always_inline void *packet_parse_plain_at(void *data, void *end, __u32 frame_len,
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

/* All buffers of a multi-buffer frame; pointers reach only into the first. */
static __always_inline __u32 packet_frame_len(struct xdp_md *ctx)
{
	if (chain_frags)
		return bpf_xdp_get_buff_len(ctx);
	return ctx->data_end - ctx->data;
}

static __always_inline void *packet_parse_plain(struct xdp_md *ctx, struct packet *pkt)
{
	return packet_parse_plain_at((void *)(long)ctx->data, (void *)(long)ctx->data_end,
				     packet_frame_len(ctx), pkt);
}

/*
 * The cheap first half: is this IP, and is its fixed header all there? Fills in the VLAN
 * tags, the ethertype and l3_offset.
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
