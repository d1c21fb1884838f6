/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The flow table: an 8-way set-associative table. A flow's hash says which set, and a tag
 * of 32 bits says which of the set's eight entries. A lookup reads two cache lines, and
 * counting the packet a third.
 *
 * Who writes what: egress fills and changes entries, under the lock of the set; ingress
 * counts, notes times and ends entries, without a lock. So a reader may meet an entry
 * that is being written: its sequence count is odd meanwhile, and a different one
 * afterwards. A count or time that ingress writes at that moment lands in the wrong flow:
 * an error of one.
 */
#ifndef ECBPF_FASTPATH_TABLE_H
#define ECBPF_FASTPATH_TABLE_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>

#include "flow_id.h"

#define FLOW_WAYS 8

/* Packets of a young flow that IPVS sees; the one that made it known is the first. */
#define FLOW_FIRST_PACKETS 10

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
	__u16 vlan; /* of the server; 0: no VLAN tag */
	union flow_hop hop;
	__u32 ifindex; /* of the NIC that leads to the server */
	__u32 went_up; /* ticks: the last packet that IPVS saw */
	__u8 first; /* packets that still go to IPVS because the flow is young */
	__u8 fins : 3; /* that the client sent */
	__u8 unconfirmed : 2; /* samples that IPVS did not send */
	__u8 is_reset : 1; /* this host has answered by RST */
	__u8 generation; /* low byte of address_generation when the VIP was last looked up */
	__u8 sequence; /* odd: being written */

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
	__u32 tag[FLOW_WAYS]; /* 0: the entry is free */
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
struct flow_position {
	struct flow_set *set;
	__u32 index; /* of the set */
	__u32 tag;
	__u32 way;
	__u8 sequence; /* of the entry, before it was read */
};

static __always_inline __u8 flow_sequence(const struct flow *flow)
{
	return *(const volatile __u8 *)&flow->sequence;
}

/* Has the entry changed since flow_find()? What was read of it may then be of two flows. */
static __always_inline bool flow_has_changed(const struct flow *flow,
					     const struct flow_position *position)
{
	barrier();
	return position->sequence & 1 || flow_sequence(flow) != position->sequence;
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

/* The last word of a key ends with two bytes that belong to another member. */
static __always_inline bool flow_has_id(const struct flow *flow, const union flow_id *id,
					bool is_ip4)
{
	const __u64 *word = (const void *)&flow->key;

	return *(const __u32 *)&word[4] == *(const __u32 *)&id->word[4] &&
	       *(const __u16 *)&flow->key.version == *(const __u16 *)&id->key.version &&
	       word[0] == id->word[0] && word[2] == id->word[2] &&
	       (is_ip4 || (word[1] == id->word[1] && word[3] == id->word[3]));
}

/*
 * Look a flow up; NULL if it is not known. position: where it is or would be, for
 * flow_learn(); its set is NULL if there is no table. No two entries of a set have the
 * same tag: flow_learn() makes sure of it.
 */
static __always_inline struct flow *flow_find(const union flow_id *id, bool is_ip4,
					      struct flow_position *position)
{
	__u64 hash = flow_hash(hash_seed, id, is_ip4), way = 0;
	struct flow_set *set;
	struct flow *flow;

	position->index = (hash >> 32) * flow_sets >> 32;
	position->tag = (__u32)hash | !(__u32)hash;
	position->set = set = bpf_map_lookup_elem(&fastpath_flows, &position->index);
	if (!set)
		return NULL;

#pragma clang loop unroll(full)
	for (int i = 1; i < FLOW_WAYS; i++)
		way += i * same_tag(set->tag[i], position->tag);
	position->way = way;
	flow = flow_at(set, way);
	position->sequence = flow_sequence(flow);
	barrier();
	/* A miss comes to the first entry as well: the key decides. */
	if (set->tag[way & (FLOW_WAYS - 1)] != position->tag ||
	    !flow_has_id(flow, id, is_ip4))
		return NULL;
	return flow;
}

static __always_inline void flow_end(const struct flow_position *position)
{
	position->set->tag[position->way & (FLOW_WAYS - 1)] = 0;
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
