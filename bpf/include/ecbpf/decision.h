/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a subprogram decides about a packet, for one exit at its end. */
#ifndef ECBPF_DECISION_H
#define ECBPF_DECISION_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "chain.h"
#include "reason.h"

/* REASON_NONE: the packet goes on to the next slot. */
struct decision {
	__u32 verdict;
	enum reason reason;
};

static const struct decision PASS_ON = {XDP_PASS, REASON_NONE};

static __always_inline struct decision drop(enum reason reason)
{
	return (struct decision){XDP_DROP, reason};
}

/* Return what this returns. */
static __always_inline int chain_follow(struct xdp_md *ctx, struct decision decision)
{
	if (decision.reason == REASON_NONE)
		return chain_pass(ctx);
	return chain_end(ctx, decision.verdict, decision.reason);
}

#endif /* ECBPF_DECISION_H */
