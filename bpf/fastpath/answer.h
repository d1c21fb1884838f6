/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Answers to packets of a reset flow: RFC 9293 section 3.10.7.1, a segment with ACK gets
 * <SEQ=SEG.ACK><CTL=RST>.
 */
#ifndef ECBPF_FASTPATH_ANSWER_H
#define ECBPF_FASTPATH_ANSWER_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/checksum.h"
#include "ecbpf/packet.h"

#define ANSWERS_MAX 5
#define ANSWER_PAUSE 10000000ULL /* ns */
#define ANSWER_SILENCE 10 /* seconds without a packet, after which answers begin anew */

#define TTL_OF_ANSWER 64
#define ECN_MASK 3
#define IP_DONT_FRAGMENT 0x4000

static __always_inline void swap_macs(struct ethhdr *eth)
{
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
}

static __always_inline void answer_ip4(struct iphdr *ip)
{
	__be32 address = ip->saddr;

	ip->tos &= ~ECN_MASK;
	ip->tot_len = bpf_htons(sizeof(*ip) + sizeof(struct tcphdr));
	ip->id = 0;
	ip->frag_off = bpf_htons(IP_DONT_FRAGMENT);
	ip->ttl = TTL_OF_ANSWER;
	ip->saddr = ip->daddr;
	ip->daddr = address;
	ip->check = 0;
	ip->check = checksum_of(checksum_add(0, ip, sizeof(*ip)));
}

static __always_inline void answer_ip6(struct ipv6hdr *ip)
{
	struct in6_addr address = ip->saddr;

	/* Version and traffic class without ECN; no flow label. */
	*(__be32 *)ip &= bpf_htonl(0xffc00000);
	ip->payload_len = bpf_htons(sizeof(struct tcphdr));
	ip->hop_limit = TTL_OF_ANSWER;
	ip->saddr = ip->daddr;
	ip->daddr = address;
}

/* sum: of the pseudo header's addresses, not folded. */
static __always_inline void answer_tcp(struct tcphdr *tcp, __u64 sum)
{
	__be16 port = tcp->source;

	tcp->source = tcp->dest;
	tcp->dest = port;
	tcp->seq = tcp->ack_seq;
	tcp->ack_seq = 0;
	((__be32 *)tcp)[3] = bpf_htonl(sizeof(*tcp) / 4 << 28 | TCP_RST << 16);
	tcp->check = 0;
	tcp->urg_ptr = 0;
	sum = checksum_add(sum, tcp, sizeof(*tcp));
	sum += bpf_htonl(IPPROTO_TCP) + (__u64)bpf_htonl(sizeof(*tcp));
	tcp->check = checksum_of(sum);
}

/*
 * Turn a plain TCP packet with ACK into the RST that answers it. What is behind the TCP
 * header is cut off, down to the shortest frame of Ethernet, or zeroed. False: the
 * kernel refused to cut; the packet is unchanged. A function that is called: rare, large,
 * and needed for both families.
 */
static __noinline bool make_answer(struct xdp_md *ctx, __u32 l3_offset, bool is_ip4)
{
	__u32 l3_len = is_ip4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	__u32 end_of_tcp = l3_offset + l3_len + sizeof(struct tcphdr);
	__u32 wanted = end_of_tcp < ETH_ZLEN ? ETH_ZLEN : end_of_tcp;
	__u32 length = packet_frame_len(ctx);
	void *data, *end, *l3;
	struct tcphdr *tcp;

	if (length > wanted && bpf_xdp_adjust_tail(ctx, (int)wanted - (int)length))
		return false;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	l3 = packet_at(data, l3_offset);
	tcp = l3 + l3_len;
	if ((void *)(tcp + 1) > end)
		return false; /* never: it was all there */

	swap_macs(data);
	if (is_ip4) {
		struct iphdr *ip = l3;
		__u8 *padding = (void *)(tcp + 1);

		answer_ip4(ip);
		answer_tcp(tcp, checksum_add(0, &ip->saddr, 2 * sizeof(ip->saddr)));
#pragma clang loop unroll(full)
		for (int i = 0; i < ETH_ZLEN - ETH_HLEN - 40; i++)
			if ((void *)(padding + i + 1) <= end)
				padding[i] = 0;
		return true;
	}
	answer_ip6(l3);
	answer_tcp(tcp, checksum_add(0, &((struct ipv6hdr *)l3)->saddr,
				     2 * sizeof(struct in6_addr)));
	return true;
}

#endif /* ECBPF_FASTPATH_ANSWER_H */
