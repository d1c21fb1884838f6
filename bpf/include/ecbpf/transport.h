/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* TCP, UDP, ICMP and ICMPv6: the headers behind the IP header. packet.h includes this. */
#ifndef ECBPF_TRANSPORT_H
#define ECBPF_TRANSPORT_H

#include <stdbool.h>

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "packet_fields.h"
#include "reason.h"

enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10,
};

static __always_inline __u8 tcp_flags_of(const struct tcphdr *tcp)
{
	return ((const __u8 *)tcp)[13];
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
	pkt->tcp_flags = tcp_flags_of(tcp);
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

/* What follows the last IP header, if this packet has it. */
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

/* l3: a plain IP header, as packet_parse_plain() returns it. */
static __always_inline __u8 packet_plain_proto(const void *l3, bool is_ip4)
{
	return is_ip4 ? ((const struct iphdr *)l3)->protocol
		      : ((const struct ipv6hdr *)l3)->nexthdr;
}

/*
 * The TCP or UDP header behind a plain IP header, if all of it is in the packet and
 * before `end`; NULL if not. proto: TCP or UDP.
 */
static __always_inline void *packet_plain_l4(void *l3, void *end, bool is_ip4, __u8 proto)
{
	__u32 room =
		is_ip4 ? bpf_ntohs(((struct iphdr *)l3)->tot_len) - sizeof(struct iphdr)
		       : bpf_ntohs(((struct ipv6hdr *)l3)->payload_len);
	void *l4 = l3 + (is_ip4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	struct tcphdr *tcp = l4;

	if (proto == IPPROTO_UDP)
		return l4 + sizeof(struct udphdr) <= end && room >= sizeof(struct udphdr)
			       ? l4
			       : NULL;
	if ((void *)(tcp + 1) > end || tcp->doff < 5 || tcp->doff * 4 > room)
		return NULL;
	return l4;
}

#endif /* ECBPF_TRANSPORT_H */
