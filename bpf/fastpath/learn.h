/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Egress' side of the flow table: new flows, and flows whose server is another now. Both
 * under the lock of the set, so that two CPUs never give a flow two places.
 */
#ifndef ECBPF_FASTPATH_LEARN_H
#define ECBPF_FASTPATH_LEARN_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "clock.h"
#include "table.h"

/* Packets of a young flow that IPVS sees, and the one that made it known is the first. */
#define FLOW_FIRST_PACKETS 10

#define FLOW_LOCKS 1024

/* A cache line each; not in the table, since what has a lock cannot be mapped. */
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
	__u32 port;
	__u16 vlan;
};

static __always_inline struct flow_lock *lock_of(const struct flow_place *place)
{
	__u32 key = place->index % FLOW_LOCKS;

	return bpf_map_lookup_elem(&fastpath_locks, &key);
}

/* Between these, readers take the entry for none. */
static __always_inline void flow_open(struct flow *flow)
{
	flow->version |= 1;
	barrier();
}

static __always_inline void flow_close(struct flow *flow)
{
	barrier();
	flow->version++;
}

static __always_inline void flow_set_key(struct flow *flow, const union flow_id *id)
{
	__u64 *word = (void *)&flow->key;

	word[0] = id->word[0];
	word[1] = id->word[1];
	word[2] = id->word[2];
	word[3] = id->word[3];
	word[4] = id->word[4]; /* with no VLAN, which lies behind the key */
}

static __always_inline void flow_set_server(struct flow *flow,
					    const struct server *server)
{
	flow->hop.word[0] = server->hop.word[0];
	flow->hop.word[1] = server->hop.word[1];
	flow->hop.word[2] = server->hop.word[2];
	flow->vlan = server->vlan;
	flow->port = server->port;
}

static __always_inline bool flow_has_server(const struct flow *flow,
					    const struct server *server)
{
	return flow->hop.word[0] == server->hop.word[0] &&
	       flow->hop.word[1] == server->hop.word[1] &&
	       flow->hop.word[2] == server->hop.word[2] && flow->vlan == server->vlan &&
	       flow->port == server->port;
}

/*
 * The place for a new flow: the one with its tag, so that no tag is there twice; else a
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

/* Enter a new flow. place: as flow_find() left it when it found none. */
static __always_inline void flow_learn(const union flow_id *id,
				       const struct flow_place *place,
				       const struct server *server, __u32 now)
{
	struct flow_lock *lock = lock_of(place);
	struct flow_set *set = place->set;
	struct flow *flow;
	__u32 way;

	if (!lock || !set)
		return;
	bpf_spin_lock(&lock->lock);
	way = flow_choose(set, place->tag, now);
	flow = flow_at(set, way);
	flow_open(flow);
	set->tag[way & (FLOW_WAYS - 1)] = place->tag;
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
	flow_close(flow);
	bpf_spin_unlock(&lock->lock);
}

/* IPVS has sent a packet of a known flow. Returns whether it has another server now. */
static __always_inline bool flow_confirm(struct flow *flow,
					 const struct flow_place *place,
					 const struct server *server, __u32 now)
{
	struct flow_lock *lock;

	flow->unconfirmed = 0;
	if (flow->confirmed != now)
		flow->confirmed = now;
	if (flow_has_server(flow, server))
		return false;
	lock = lock_of(place);
	if (!lock)
		return false;
	bpf_spin_lock(&lock->lock);
	if (place->set->tag[place->way & (FLOW_WAYS - 1)] == place->tag) {
		flow_open(flow);
		flow_set_server(flow, server);
		flow_close(flow);
	}
	bpf_spin_unlock(&lock->lock);
	return true;
}

#endif /* ECBPF_FASTPATH_LEARN_H */
