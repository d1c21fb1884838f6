/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What to do with a packet of a known flow. IPVS keeps its own state of a connection, with
 * timeouts: it gets the beginning, the end, and a sample. If it sends none of the samples
 * on, it gets every packet.
 */
#ifndef ECBPF_FASTPATH_DECIDE_H
#define ECBPF_FASTPATH_DECIDE_H

#include <linux/bpf.h>
#include <linux/tcp.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/time.h"
#include "ecbpf/transport.h"
#include "answer.h"
#include "clock.h"
#include "counters.h"
#include "settings.h"
#include "table.h"

#define FINS_UP 5 /* of a flow, that IPVS gets */
#define SAMPLES_AFTER_FIN 4 /* times as many samples */
#define UNCONFIRMED_MAX 3

enum action {
	ACTION_GO_UP, /* to IPVS, by the kernel's stack */
	ACTION_DIVERT, /* to the server */
	ACTION_ANSWER, /* back to the client, as a RST */
	ACTION_DISCARD,
};

static __always_inline enum action go_up(struct flow *flow, __u32 now)
{
	flow->went_up = now;
	return ACTION_GO_UP;
}

/* How long the client was silent before this packet, in ticks. */
static __always_inline __u32 flow_heard(const struct flow_position *position, __u32 now)
{
	__u32 *seen = &position->set->seen[position->way & (FLOW_WAYS - 1)];
	__u32 silence = ticks_since(*seen, now);

	if (silence)
		*seen = now;
	return silence;
}

/* Packets between the first ones and the last ones: is it time for IPVS to see one? */
static __always_inline enum action sample(struct fastpath_cpu *cpu, struct flow *flow,
					  __u32 silence, __u32 now)
{
	__u32 pause = sample_seconds * ticks_a_second;

	if (silence > inactive_seconds * ticks_a_second) {
		/* IPVS may have forgotten it: first it has to send one. */
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
		return ACTION_DIVERT;
	flow->unconfirmed++;
	return go_up(flow, now);
}

static __always_inline enum action decide_udp(struct fastpath_cpu *cpu, struct flow *flow,
					      const struct flow_position *position)
{
	__u32 now = TIME_TICKS();

	return sample(cpu, flow, flow_heard(position, now), now);
}

/* This host has answered the flow by RST, which its client may not have received. */
static __always_inline enum action
answer_or_discard(struct fastpath_cpu *cpu, struct flow *flow, __u8 flags, __u32 silence)
{
	__u64 now = TIME_NANOSECONDS();

	if (silence >= ANSWER_SILENCE * ticks_a_second) {
		flow->answers = 0;
		flow->resets = 0;
	}
	if (!(flags & TCP_ACK) || flow->answers >= ANSWERS_MAX ||
	    (flow->answers && now - flow->answered < ANSWER_PAUSE)) {
		fastpath_count(cpu, in_rsts_disc_flow);
		return ACTION_DISCARD;
	}
	flow->answers++;
	flow->answered = now;
	fastpath_count(cpu, out_rsts_sent_xdp);
	return ACTION_ANSWER;
}

static __always_inline enum action decide_tcp(struct fastpath_cpu *cpu, struct flow *flow,
					      const struct flow_position *position,
					      __u8 flags)
{
	__u32 now = TIME_TICKS();
	__u32 silence = flow_heard(position, now);

	if (flags & TCP_RST) {
		fastpath_count(cpu, lru_deletion_RST);
		flow_end(position);
		return ACTION_GO_UP;
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
