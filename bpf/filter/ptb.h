/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Packet Too Big: the answer to a first IPv4 fragment, destination unreachable,
 * fragmentation needed (RFC 792), with the fragment's length as next-hop MTU
 * (RFC 1191 section 4), so that its sender adapts and sends no more of them.
 */
#ifndef ECBPF_FILTER_PTB_H
#define ECBPF_FILTER_PTB_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/checksum.h"
#include "ecbpf/packet.h"
#include "ecbpf/time.h"
#include "counters.h"
#include "settings.h"

/* RFC 792; RFC 1191 section 4. <linux/icmp.h> needs a C library's headers. */
enum icmp_type {
	ICMP_DEST_UNREACH = 3,
	ICMP_SOURCE_QUENCH = 4,
	ICMP_REDIRECT = 5,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER_PROBLEM = 12,
};

#define ICMP_FRAG_NEEDED 4

struct icmp_too_big {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 unused;
	__be16 mtu;
};

#define PTB_TTL 128
#define PTB_TOS 0xc0 /* internetwork control (RFC 1812 section 4.3.2.5) */
#define PTB_HEADERS (sizeof(struct iphdr) + sizeof(struct icmp_too_big))
#define PTB_DATA 8 /* bytes quoted behind the IP header */
#define PTB_QUOTE_WORDS ((60 + PTB_DATA) / 4)

/* The answers of one CPU in the current second. */
struct ptb_window {
	__u64 jiffies; /* when `second` was read */
	__u64 second;
	__u32 sent;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ptb_window);
} filter_ptb SEC(".maps");

/* Nanoseconds are read once per tick, because of what they cost. */
static __always_inline bool ptb_take_turn(void)
{
	__u32 zero = 0;
	struct ptb_window *window = bpf_map_lookup_elem(&filter_ptb, &zero);
	__u64 now = TIME_TICKS();

	if (!window)
		return false;
	if (window->jiffies != now) {
		__u64 second = TIME_NANOSECONDS() / NSEC_PER_SEC;

		if (window->second != second)
			window->sent = 0;
		window->second = second;
		window->jiffies = now;
	}
	if (window->sent >= ptb_max_pps)
		return false;
	window->sent++;
	return true;
}

/* RFC 1122 section 3.2.2: no answer to ICMP errors, to multicast, or to no host at all. */
static __always_inline bool ptb_is_allowed(const struct ethhdr *eth,
					   const struct iphdr *ip, __u8 icmp_type)
{
	__u32 source = bpf_ntohl(ip->saddr), target = bpf_ntohl(ip->daddr);

	if (eth->h_dest[0] & 1 || target >> 28 >= 0xe || target >> 24 == 0 ||
	    target >> 24 == 127)
		return false;
	if (source >> 28 >= 0xe || source >> 24 == 0 || source >> 24 == 127)
		return false;
	if (ip->protocol != IPPROTO_ICMP)
		return true;
	return icmp_type != ICMP_DEST_UNREACH && icmp_type != ICMP_SOURCE_QUENCH &&
	       icmp_type != ICMP_REDIRECT && icmp_type != ICMP_TIME_EXCEEDED &&
	       icmp_type != ICMP_PARAMETER_PROBLEM;
}

/* The Ethernet header of the answer: addresses swapped, VLAN tags as they came. */
static __always_inline void ptb_move_ethernet(void *to, const void *from)
{
	__builtin_memcpy(to, from + ETH_ALEN, ETH_ALEN);
	__builtin_memcpy(to + ETH_ALEN, from, ETH_ALEN);
	/* Always two tags long: the IP header is written over what is not a tag. */
	__builtin_memcpy(to + 2 * ETH_ALEN, from + 2 * ETH_ALEN,
			 PACKET_VLAN_MAX * sizeof(struct packet_vlan) + sizeof(__be16));
}

static __always_inline void ptb_write_headers(struct iphdr *ip, const struct packet *pkt,
					      __u32 quoted, __u64 quoted_sum)
{
	struct icmp_too_big *icmp = (void *)(ip + 1);

	*ip = (struct iphdr){
		.version = 4,
		.ihl = sizeof(*ip) / 4,
		.tos = PTB_TOS,
		.tot_len = bpf_htons(PTB_HEADERS + quoted),
		.frag_off = bpf_htons(0x4000), /* atomic: needs no id (RFC 6864) */
		.ttl = PTB_TTL,
		.protocol = IPPROTO_ICMP,
		.saddr = pkt->daddr[0],
		.daddr = pkt->saddr[0],
	};
	ip->check = checksum_of(checksum_add(0, ip, sizeof(*ip)));

	*icmp = (struct icmp_too_big){
		.type = ICMP_DEST_UNREACH,
		.code = ICMP_FRAG_NEEDED,
		.mtu = bpf_htons(pkt->ip_len),
	};
	icmp->checksum = checksum_of(checksum_add(quoted_sum, icmp, sizeof(*icmp)));
}

/*
 * Turn the packet into the answer to it. Returns FILTER_PTB_SENT_COUNT, or why it must be
 * dropped instead; FILTER_IP_FRAG_DROP_COUNT: it is a fragment that gets no answer.
 */
static __always_inline enum filter_counter ptb_answer(struct xdp_md *ctx,
						      const struct packet *pkt)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 header = pkt->l4_offset - pkt->l3_offset, payload = pkt->ip_len - header;
	__u32 quoted = header + PTB_DATA;
	struct iphdr *ip = packet_at(data, pkt->l3_offset);
	__u8 *first = packet_at(data, pkt->l4_offset);
	__u64 header_sum = 0, sum = 0;

	if (pkt->frag_offset || payload < PTB_DATA || payload % 8)
		return FILTER_IP_FRAG_DROP_COUNT;
	if ((void *)(ip + 1) > end || (void *)(first + PTB_DATA) > end)
		return FILTER_PTB_ERR_COUNT;
	if (!ptb_is_allowed(data, ip, *first))
		return FILTER_PTB_ERR_COUNT;

#pragma clang loop unroll(disable)
	for (__u64 i = 0; i < PTB_QUOTE_WORDS && i * 4 < quoted; i++) {
		__be32 *word = packet_at(data, pkt->l3_offset + i * 4);

		if ((void *)(word + 1) > end)
			return FILTER_PTB_ERR_COUNT;
		if (i * 4 < header)
			header_sum += *word;
		sum += *word;
	}
	if (!checksum_is_valid(header_sum)) /* RFC 1122 section 3.2.1.2 */
		return FILTER_PTB_ERR_COUNT;

	if (!ptb_take_turn())
		return FILTER_PTB_LIMIT_COUNT;

	if (bpf_xdp_adjust_head(ctx, -(int)PTB_HEADERS))
		return FILTER_PTB_MEM_ERR_COUNT;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + PTB_HEADERS + PACKET_L2_MAX > end)
		return FILTER_PTB_MEM_ERR_COUNT;
	ptb_move_ethernet(data, data + PTB_HEADERS);

	ip = packet_at(data, pkt->l3_offset);
	if ((void *)ip + PTB_HEADERS > end)
		return FILTER_PTB_MEM_ERR_COUNT;
	ptb_write_headers(ip, pkt, quoted, sum);

	if (bpf_xdp_adjust_tail(ctx, pkt->l3_offset + quoted - pkt->frame_len))
		return FILTER_PTB_MEM_ERR_COUNT;
	return FILTER_PTB_SENT_COUNT;
}

#endif /* ECBPF_FILTER_PTB_H */
