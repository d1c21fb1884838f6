// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Slot 2: drops packets from listed sources, packets whose IP header is not sane, and
 * fragments, and tells senders of fragments to send smaller packets.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/chain.h"
#include "ecbpf/decision.h"
#include "ecbpf/local.h"
#include "ecbpf/packet.h"
#include "filter/counters.h"
#include "filter/layout.h"
#include "filter/ptb.h"
#include "filter/sets.h"
#include "filter/settings.h"

LOCAL_ADDRESSES(filter_local);

static __always_inline struct decision end(__u32 verdict, enum reason reason,
					   enum filter_counter counter)
{
	counter_add(&filter_stats, counter);
	return (struct decision){verdict, reason};
}

static __always_inline struct decision refuse_fragment(struct xdp_md *ctx,
						       const struct packet *pkt)
{
	enum filter_counter answer;

	if (!frags_drop)
		return PASS_ON;
	if (frags_pass_local && local_has(&filter_local, pkt->daddr, pkt->version == 4)) {
		counter_add(&filter_stats, FILTER_FRAG_LOCAL_COUNT);
		return PASS_ON;
	}
	if (pkt->version == 6)
		return end(XDP_DROP, REASON_FRAGMENT, FILTER_IP6_FRAG_DROP_COUNT);
	if (!ptb_send || !ptb_max_pps)
		return end(XDP_DROP, REASON_FRAGMENT, FILTER_IP_FRAG_DROP_COUNT);

	answer = ptb_answer(ctx, pkt);
	if (answer == FILTER_PTB_SENT_COUNT)
		return end(XDP_TX, REASON_TOO_BIG, answer);
	if (answer != FILTER_IP_FRAG_DROP_COUNT)
		counter_add(&filter_stats, answer);
	return end(XDP_DROP, REASON_FRAGMENT, FILTER_IP_FRAG_DROP_COUNT);
}

/* Is the header a reason to refuse the packet? reason: why it cannot be parsed. */
static __always_inline struct decision refuse_header(const struct packet *pkt,
						     enum reason reason)
{
	if (reason == REASON_ETH_SHORT || reason == REASON_VLAN_DEPTH)
		return end(XDP_ABORTED, reason, FILTER_ETH_FRAME_ERR);
	if (pkt->ethertype != bpf_htons(ETH_P_IP)) {
		if (reason && ip6_header_drop)
			return end(XDP_DROP, reason, FILTER_IP6_HEADER_ERR);
		return PASS_ON;
	}
	if (reason) {
		if (ip_header_abort)
			return end(XDP_ABORTED, reason, FILTER_IP_HEADER_ERR);
		return PASS_ON;
	}
	if (packet_has_options(pkt) && ip_options_drop)
		return end(XDP_DROP, REASON_IP4_OPTIONS, FILTER_IP_OPTIONS_DROP_COUNT);
	if (pkt->evil && ip_evil_drop)
		return end(XDP_DROP, REASON_IP4_EVIL, FILTER_IP_EVIL_DROP_COUNT);
	return PASS_ON;
}

/* A header that cannot be parsed still has a source, if it is all there. */
static __always_inline bool is_listed(struct xdp_md *ctx, const struct packet *pkt)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip6 = packet_at(data, pkt->l3_offset);
	struct iphdr *ip = (void *)ip6;

	if (pkt->ethertype == bpf_htons(ETH_P_IP))
		return (void *)(ip + 1) <= end && ip4_is_listed(&ip->saddr);
	return (void *)(ip6 + 1) <= end && ip6_is_listed(ip6->saddr.in6_u.u6_addr32);
}

static __always_inline struct decision decide_unusual(struct xdp_md *ctx)
{
	struct packet pkt;
	enum reason reason = packet_parse_ip(ctx, &pkt);
	struct decision decision;

	if (reason == REASON_NOT_IP)
		return PASS_ON;
	decision = refuse_header(&pkt, reason);
	if (decision.reason)
		return decision;
	if (is_listed(ctx, &pkt))
		return end(XDP_DROP, REASON_SOURCE,
			   pkt.ethertype == bpf_htons(ETH_P_IP) ? FILTER_IP_DROP_COUNT
								: FILTER_IP6_DROP_COUNT);
	if (reason == REASON_NONE && packet_is_fragment(&pkt))
		return refuse_fragment(ctx, &pkt);
	return PASS_ON;
}

/* Called and not inlined, so that clang does not mix it into the path of plain packets. */
static __noinline void call_decide_unusual(struct xdp_md *ctx, struct decision *decision)
{
	*decision = decide_unusual(ctx);
}

static __always_inline int end_unusual(struct xdp_md *ctx)
{
	struct decision decision;

	call_decide_unusual(ctx, &decision);
	return chain_follow(ctx, decision);
}

static __always_inline int drop_source(struct xdp_md *ctx, enum filter_counter counter)
{
	counter_add(&filter_stats, counter);
	return chain_end(ctx, XDP_DROP, REASON_SOURCE);
}

SEC("xdp")
int xdp_filter_prog(struct xdp_md *ctx)
{
	struct packet pkt;
	void *l3 = packet_parse_plain(ctx, &pkt);

	/* A plain packet is judged by its source alone. This short path saves 3 ns. */
	if (l3 && pkt.ethertype == bpf_htons(ETH_P_IP)) {
		if (ip4_is_listed(&((struct iphdr *)l3)->saddr))
			return drop_source(ctx, FILTER_IP_DROP_COUNT);
		return chain_pass(ctx);
	}
	if (l3) {
		if (ip6_is_listed(((struct ipv6hdr *)l3)->saddr.in6_u.u6_addr32))
			return drop_source(ctx, FILTER_IP6_DROP_COUNT);
		return chain_pass(ctx);
	}

	return end_unusual(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
