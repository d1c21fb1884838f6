/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* TCP or UDP behind a plain IP header, and the flow that a packet is of. */
#ifndef ECBPF_FASTPATH_TRANSPORT_H
#define ECBPF_FASTPATH_TRANSPORT_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "table.h"

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

static __always_inline __u8 plain_proto(const void *l3, bool is_ip4)
{
	return is_ip4 ? ((const struct iphdr *)l3)->protocol
		      : ((const struct ipv6hdr *)l3)->nexthdr;
}

/*
 * The header behind a plain IP header, if all of it is in the packet and before `end`;
 * NULL if not. proto: TCP or UDP.
 */
static __always_inline void *plain_l4(void *l3, void *end, bool is_ip4, __u8 proto)
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

/* l4: as plain_l4() gives it. to_client: the packet goes the other way. */
static __always_inline void flow_id_of(union flow_id *id, const void *l3, const void *l4,
				       bool is_ip4, __u8 proto, bool to_client)
{
	const struct udphdr *ports = l4;
	const struct ipv6hdr *ip6 = l3;
	const struct iphdr *ip = l3;

	if (is_ip4) {
		id->word[0] = to_client ? ip->daddr : ip->saddr;
		id->word[1] = 0;
		id->word[2] = to_client ? ip->saddr : ip->daddr;
		id->word[3] = 0;
	} else {
		const struct in6_addr *client = to_client ? &ip6->daddr : &ip6->saddr;
		const struct in6_addr *vip = to_client ? &ip6->saddr : &ip6->daddr;

		__builtin_memcpy(id->key.client, client, sizeof(*client));
		__builtin_memcpy(id->key.vip, vip, sizeof(*vip));
	}
	id->word[4] = 0;
	id->key.client_port = to_client ? ports->dest : ports->source;
	id->key.vip_port = to_client ? ports->source : ports->dest;
	id->key.version = is_ip4 ? 4 : 6;
	id->key.proto = proto;
}

#endif /* ECBPF_FASTPATH_TRANSPORT_H */
