/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What identifies a flow: addresses, ports and protocol. */
#ifndef ECBPF_FASTPATH_FLOW_ID_H
#define ECBPF_FASTPATH_FLOW_ID_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>

/*
 * As a packet of the client has them; IPv4 uses the first word of an address. Packed, so
 * that struct flow has room for more behind it.
 */
struct flow_key {
	__be32 client[4];
	__be32 vip[4];
	__be16 client_port;
	__be16 vip_port;
	__u8 version;
	__u8 proto;
} __attribute__((packed, aligned(2)));

/* The last word ends with two bytes of 0. */
union flow_id {
	struct flow_key key;
	__u64 word[5];
};

/*
 * l3, l4: as packet_parse_plain() and packet_plain_l4() return them. to_client: the packet
 * goes the other way.
 */
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

static __always_inline __u64 flow_hash_add(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 32;
}

/*
 * The words that are always 0 in IPv4's keys are left out. The last round adds nothing:
 * it spreads neighbouring ports, which are in the last word, over all bits.
 */
static __always_inline __u64 flow_hash(__u64 seed, const union flow_id *id, bool is_ip4)
{
	__u64 hash = seed;

	if (is_ip4) {
		hash = flow_hash_add(hash, id->word[0] | id->word[2] << 32);
	} else {
		hash = flow_hash_add(hash, id->word[0]);
		hash = flow_hash_add(hash, id->word[1]);
		hash = flow_hash_add(hash, id->word[2]);
		hash = flow_hash_add(hash, id->word[3]);
	}
	hash = flow_hash_add(hash, id->word[4]);
	return flow_hash_add(hash, 0);
}

#endif /* ECBPF_FASTPATH_FLOW_ID_H */
