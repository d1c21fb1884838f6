/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The flow table: sets of eight places; a flow's hash says which set, and a tag of 32
 * bits which place. A lookup reads two cache lines, and a third one counts the packet.
 *
 * Who writes what: egress fills and changes entries, under the lock of the set; ingress
 * counts, notes times and ends entries, without one. So a reader may see an entry being
 * written: `version` is odd meanwhile, and another one afterwards. A count or time that
 * ingress writes just then lands in the wrong flow: an error of one.
 */
#ifndef ECBPF_FASTPATH_TABLE_H
#define ECBPF_FASTPATH_TABLE_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>

#define FLOW_WAYS 8

/*
 * As a packet of the client has them; IPv4 uses the first word of an address. Packed, so
 * that a flow has room for more behind it.
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

/* The first 12 bytes of a frame to the server. */
struct flow_macs {
	__u8 server[ETH_ALEN];
	__u8 ours[ETH_ALEN];
};

union flow_hop {
	struct flow_macs macs;
	__u32 word[3];
};

struct flow {
	/* What most packets need to read. */
	struct flow_key key;
	__u16 vlan; /* of the server; 0: no tag */
	union flow_hop hop;
	__u32 port; /* ifindex of the NIC that leads to the server */
	__u32 went_up; /* ticks: the last packet that IPVS saw */
	__u8 first; /* packets that still go up because the flow is young */
	__u8 fins : 3; /* that the client sent */
	__u8 unconfirmed : 2; /* samples that IPVS did not send */
	__u8 is_reset : 1; /* this host has answered by RST */
	__u8 generation; /* the end of that of the addresses, of which the VIP was none */
	__u8 version;

	__u64 bypassed; /* packets */
	__u64 up;
	__u32 learned; /* ticks */
	__u32 confirmed; /* ticks: IPVS sent a packet */
	__u64 answered; /* ns: the last RST of ingress, */
	__u8 answers; /* and how many */
	__u8 resets; /* RSTs of this host's stack */
	__u8 room[30];
} __attribute__((aligned(64)));

struct flow_set {
	__u32 tag[FLOW_WAYS]; /* 0: the place is free */
	__u32 seen[FLOW_WAYS]; /* ticks: the last packet of the client */
	struct flow flow[FLOW_WAYS];
};

_Static_assert(sizeof(struct flow) == 128, "two cache lines");
_Static_assert(__builtin_offsetof(struct flow, bypassed) == 64, "the second one");
_Static_assert(sizeof(struct flow_set) == 64 + FLOW_WAYS * 128, "a line more");

/* BPF_F_MMAPABLE also lays the sets out on whole cache lines. Resized before load. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_set);
	__uint(map_flags, BPF_F_MMAPABLE);
} fastpath_flows SEC(".maps");

/* Random, so that nobody can aim at a set; the same in all programs of a director. */
__u64 hash_seed SEC(".data.director") = 0x6a09e667f3bcc909;

/* Set before load: the size of the table. */
const volatile __u32 flow_sets = 1;

/* Where a flow is or would be. */
struct flow_place {
	struct flow_set *set;
	__u32 index; /* of the set */
	__u32 tag;
	__u32 way;
	__u8 version; /* of the flow there, before it was looked at */
};

static __always_inline __u8 flow_version(const struct flow *flow)
{
	return *(const volatile __u8 *)&flow->version;
}

/* Whether what was read of a flow since it was found may be of two: it is as good as none. */
static __always_inline bool flow_has_changed(const struct flow *flow,
					     const struct flow_place *place)
{
	barrier();
	return place->version & 1 || flow_version(flow) != place->version;
}

static __always_inline __u64 flow_mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 32;
}

/*
 * The words of IPv4's keys that are 0 take no part. The last round takes nothing in: it
 * makes of neighbouring ports, the last word, what looks like chance.
 */
static __always_inline __u64 flow_hash(const union flow_id *id, bool is_ip4)
{
	__u64 hash = hash_seed;

	if (is_ip4) {
		hash = flow_mix(hash, id->word[0] | id->word[2] << 32);
	} else {
		hash = flow_mix(hash, id->word[0]);
		hash = flow_mix(hash, id->word[1]);
		hash = flow_mix(hash, id->word[2]);
		hash = flow_mix(hash, id->word[3]);
	}
	hash = flow_mix(hash, id->word[4]);
	return flow_mix(hash, 0);
}

/* 1 if they are the same, without a branch that a CPU would have to guess. */
static __always_inline __u64 same_tag(__u32 a, __u32 b)
{
	__u64 difference = a ^ b;

	asm volatile("" : "+r"(difference));
	return (difference - 1) >> 63;
}

static __always_inline struct flow *flow_at(struct flow_set *set, __u64 way)
{
	asm volatile("%0 &= 7" : "+r"(way));
	return &set->flow[way];
}

/* Of the last word the two bytes behind the key are something else. */
static __always_inline bool flow_is(const struct flow *flow, const union flow_id *id,
				    bool is_ip4)
{
	const __u64 *word = (const void *)&flow->key;

	return *(const __u32 *)&word[4] == *(const __u32 *)&id->word[4] &&
	       *(const __u16 *)&flow->key.version == *(const __u16 *)&id->key.version &&
	       word[0] == id->word[0] && word[2] == id->word[2] &&
	       (is_ip4 || (word[1] == id->word[1] && word[3] == id->word[3]));
}

/*
 * Look a flow up; NULL if it is not known. place: where it is or would be, and what
 * flow_learn() needs; its set is NULL if there is no table. No two places of a set have
 * the same tag: flow_learn() sees to it.
 */
static __always_inline struct flow *flow_find(const union flow_id *id, bool is_ip4,
					      struct flow_place *place)
{
	__u64 hash = flow_hash(id, is_ip4), way = 0;
	struct flow_set *set;
	struct flow *flow;

	place->index = (hash >> 32) * flow_sets >> 32;
	place->tag = (__u32)hash | !(__u32)hash;
	place->set = set = bpf_map_lookup_elem(&fastpath_flows, &place->index);
	if (!set)
		return NULL;

#pragma clang loop unroll(full)
	for (int i = 1; i < FLOW_WAYS; i++)
		way += i * same_tag(set->tag[i], place->tag);
	place->way = way;
	flow = flow_at(set, way);
	place->version = flow_version(flow);
	barrier();
	/* The first place is what a miss comes to as well: the key decides. */
	if (set->tag[way & (FLOW_WAYS - 1)] != place->tag || !flow_is(flow, id, is_ip4))
		return NULL;
	return flow;
}

static __always_inline void flow_end(const struct flow_place *place)
{
	place->set->tag[place->way & (FLOW_WAYS - 1)] = 0;
}

/* A new connection of the same addresses and ports. */
static __always_inline void flow_restart(struct flow *flow, __u8 first)
{
	flow->first = first;
	flow->fins = 0;
	flow->unconfirmed = 0;
	flow->is_reset = 0;
	flow->resets = 0;
	flow->answers = 0;
}

#endif /* ECBPF_FASTPATH_TABLE_H */
