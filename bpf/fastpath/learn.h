/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What egress does to the flow table: it enters new flows, and changes the server of known
 * ones. Both under the lock of the set, so that two CPUs never enter a flow twice.
 */
#ifndef ECBPF_FASTPATH_LEARN_H
#define ECBPF_FASTPATH_LEARN_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/time.h"
#include "addresses.h"
#include "table.h"

#define FLOW_LOCKS 1024

/* One cache line each; not in the table, since a map with locks cannot be mmapped. */
struct flow_lock {
	struct bpf_spin_lock lock;
	__u32 unused[15];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FLOW_LOCKS);
	__type(key, __u32);
	__type(value, struct flow_lock);
} fastpath_locks SEC(".maps");

/* Where IPVS sends the packets of a flow. */
struct server {
	union flow_hop hop;
	__u32 ifindex; /* of the NIC or bond that leads there */
	__u16 vlan;
};

static __always_inline struct flow_lock *lock_of(const struct flow_position *position)
{
	__u32 key = position->index % FLOW_LOCKS;

	return bpf_map_lookup_elem(&fastpath_locks, &key);
}

/* Between these two, readers do not use what they read of the entry. */
static __always_inline void flow_begin_write(struct flow *flow)
{
	flow->sequence |= 1;
	barrier();
}

static __always_inline void flow_end_write(struct flow *flow)
{
	barrier();
	flow->sequence++;
}

static __always_inline void flow_set_key(struct flow *flow, const union flow_id *id)
{
	__u64 *word = (void *)&flow->key;

	word[0] = id->word[0];
	word[1] = id->word[1];
	word[2] = id->word[2];
	word[3] = id->word[3];
	word[4] = id->word[4]; /* clears the VLAN, which lies behind the key */
}

static __always_inline void flow_set_server(struct flow *flow,
					    const struct server *server)
{
	flow->hop.word[0] = server->hop.word[0];
	flow->hop.word[1] = server->hop.word[1];
	flow->hop.word[2] = server->hop.word[2];
	flow->vlan = server->vlan;
	flow->ifindex = server->ifindex;
}

static __always_inline bool flow_has_server(const struct flow *flow,
					    const struct server *server)
{
	return flow->hop.word[0] == server->hop.word[0] &&
	       flow->hop.word[1] == server->hop.word[1] &&
	       flow->hop.word[2] == server->hop.word[2] && flow->vlan == server->vlan &&
	       flow->ifindex == server->ifindex;
}

/*
 * The entry for a new flow: the one with its tag, so that no set has a tag twice; else a
 * free one; else that of the flow that has been silent longest.
 */
static __always_inline __u32 flow_choose(const struct flow_set *set, __u32 tag, __u32 now)
{
	__u64 best = 0;
	__u32 way = 0;

#pragma clang loop unroll(full)
	for (int i = FLOW_WAYS - 1; i >= 0; i--) {
		__u64 merit = (__u64)ticks_since(set->seen[i], now) + 1;

		if (set->tag[i] == 0)
			merit = 1ULL << 33;
		if (set->tag[i] == tag)
			merit = 1ULL << 34;
		if (merit >= best) {
			best = merit;
			way = i;
		}
	}
	return way;
}

/*
 * Enter a new flow. position: as flow_find() left it when it found none. Not a function
 * that is called, though rare: its arguments would have to be in memory for all packets,
 * which cost egress 10 ns.
 */
static __always_inline void flow_learn(const union flow_id *id,
				       const struct flow_position *position,
				       const struct server *server, __u32 now)
{
	struct flow_lock *lock = lock_of(position);
	struct flow_set *set = position->set;
	struct flow *flow;
	__u32 way;

	if (!lock || !set)
		return;
	bpf_spin_lock(&lock->lock);
	way = flow_choose(set, position->tag, now);
	flow = flow_at(set, way);
	flow_begin_write(flow);
	set->tag[way & (FLOW_WAYS - 1)] = position->tag;
	set->seen[way & (FLOW_WAYS - 1)] = now;
	flow_set_key(flow, id);
	flow_set_server(flow, server);
	flow_restart(flow, FLOW_FIRST_PACKETS - 1);
	flow->went_up = now;
	flow->bypassed = 0;
	flow->up = 1;
	flow->generation = address_generation;
	flow->learned = now;
	flow->confirmed = now;
	flow->answered = 0;
	flow_end_write(flow);
	bpf_spin_unlock(&lock->lock);
}

/* IPVS has sent a packet of a known flow. Returns whether its server has changed. */
static __always_inline bool flow_confirm(struct flow *flow,
					 const struct flow_position *position,
					 const struct server *server, __u32 now)
{
	struct flow_lock *lock;

	flow->unconfirmed = 0;
	if (flow->confirmed != now)
		flow->confirmed = now;
	if (flow_has_server(flow, server))
		return false;
	lock = lock_of(position);
	if (!lock)
		return false;
	bpf_spin_lock(&lock->lock);
	if (position->set->tag[position->way & (FLOW_WAYS - 1)] == position->tag) {
		flow_begin_write(flow);
		flow_set_server(flow, server);
		flow_end_write(flow);
	}
	bpf_spin_unlock(&lock->lock);
	return true;
}

#endif /* ECBPF_FASTPATH_LEARN_H */
