/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What becomes of a packet of a known flow. IPVS keeps its own picture of a connection,
 * with timeouts: it gets the beginning, the end, and a sample; and where it answers none
 * of the samples, it gets everything.
 */
#ifndef ECBPF_FASTPATH_DECIDE_H
#define ECBPF_FASTPATH_DECIDE_H

#include <linux/bpf.h>
#include <linux/tcp.h>
#include <bpf/bpf_helpers.h>

#include "answer.h"
#include "clock.h"
#include "counters.h"
#include "learn.h"
#include "settings.h"
#include "table.h"
#include "transport.h"

#define FINS_UP 5
#define SAMPLES_AFTER_FIN 4 /* times as many */
#define UNCONFIRMED_MAX 3

enum way {
	WAY_UP, /* to the kernel */
	WAY_DIVERT, /* to the server */
	WAY_ANSWER, /* back to the client, as a RST */
	WAY_DISCARD,
};

static __always_inline enum way go_up(struct flow *flow, __u32 now)
{
	flow->went_up = now;
	return WAY_UP;
}

/* How long the client had been silent, in ticks; and it is not any more. */
static __always_inline __u32 flow_heard(const struct flow_place *place, __u32 now)
{
	__u32 *seen = &place->set->seen[place->way & (FLOW_WAYS - 1)];
	__u32 silence = ticks_since(*seen, now);

	if (silence)
		*seen = now;
	return silence;
}

/* Is it time for IPVS to see a packet? The lot of those that are neither first nor last. */
static __always_inline enum way sample(struct fastpath_cpu *cpu, struct flow *flow,
				       __u32 silence, __u32 now)
{
	__u32 pause = sample_seconds * ticks_a_second;

	if (silence > inactive_seconds * ticks_a_second) {
		/* Whatever IPVS knew of it may be gone: it has to send one first. */
		fastpath_count(cpu, inactivity_timeout);
		flow->unconfirmed = UNCONFIRMED_MAX;
		return go_up(flow, now);
	}
	if (flow->unconfirmed >= UNCONFIRMED_MAX) {
		fastpath_count(cpu, unconfirmed);
		return go_up(flow, now);
	}
	if (flow->first) {
		flow->first--;
		return go_up(flow, now);
	}
	if (flow->fins)
		pause /= SAMPLES_AFTER_FIN;
	if (ticks_since(flow->went_up, now) < pause)
		return WAY_DIVERT;
	flow->unconfirmed++;
	return go_up(flow, now);
}

static __always_inline enum way decide_udp(struct fastpath_cpu *cpu, struct flow *flow,
					   const struct flow_place *place)
{
	__u32 now = FASTPATH_TICKS();

	return sample(cpu, flow, flow_heard(place, now), now);
}

/* Of a flow that this host has answered by RST: its client may not have got that. */
static __always_inline enum way
answer_or_discard(struct fastpath_cpu *cpu, struct flow *flow, __u8 flags, __u32 silence)
{
	__u64 now = FASTPATH_NANOSECONDS();

	if (silence >= ANSWER_SILENCE * ticks_a_second) {
		flow->answers = 0;
		flow->resets = 0;
	}
	if (!(flags & TCP_ACK) || flow->answers >= ANSWERS_MAX ||
	    (flow->answers && now - flow->answered < ANSWER_PAUSE)) {
		fastpath_count(cpu, in_rsts_disc_flow);
		return WAY_DISCARD;
	}
	flow->answers++;
	flow->answered = now;
	fastpath_count(cpu, out_rsts_sent_xdp);
	return WAY_ANSWER;
}

static __always_inline enum way decide_tcp(struct fastpath_cpu *cpu, struct flow *flow,
					   const struct flow_place *place,
					   const struct tcphdr *tcp)
{
	__u8 flags = tcp_flags_of(tcp);
	__u32 now = FASTPATH_TICKS();
	__u32 silence = flow_heard(place, now);

	if (flags & TCP_RST) {
		fastpath_count(cpu, lru_deletion_RST);
		flow_end(place);
		return WAY_UP;
	}
	if (flags & TCP_SYN) {
		flow_restart(flow, FLOW_FIRST_PACKETS);
		return go_up(flow, now);
	}
	if (flow->is_reset)
		return answer_or_discard(cpu, flow, flags, silence);
	if (flags & TCP_FIN && flow->fins < FINS_UP) {
		flow->fins++;
		return go_up(flow, now);
	}
	return sample(cpu, flow, silence, now);
}

#endif /* ECBPF_FASTPATH_DECIDE_H */
