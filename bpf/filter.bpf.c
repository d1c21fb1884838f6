// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Slot 2: drops packets of listed sources, packets whose IP header is not sane,
 * and fragments, and tells senders of fragments to send smaller packets.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/chain.h"
#include "ecbpf/packet.h"
#include "filter/counters.h"
#include "filter/layout.h"
#include "filter/local.h"
#include "filter/ptb.h"
#include "filter/sets.h"
#include "filter/settings.h"

/* REASON_NONE: the packet goes on. */
struct decision {
	__u32 verdict;
	enum reason reason;
	enum filter_counter counter;
};

static const struct decision PASS_ON = {XDP_PASS, REASON_NONE, FILTER_COUNTERS};

static __always_inline struct decision drop(enum reason reason,
					    enum filter_counter counter)
{
	return (struct decision){XDP_DROP, reason, counter};
}

static __always_inline struct decision refuse_fragment(struct xdp_md *ctx,
						       const struct packet *pkt)
{
	enum filter_counter answer;

	if (!filter_settings.frags_drop)
		return PASS_ON;
	if (filter_settings.frags_pass_local && goes_to_this_host(pkt)) {
		filter_count(FILTER_FRAG_LOCAL_COUNT);
		return PASS_ON;
	}
	if (pkt->version == 6)
		return drop(REASON_FRAGMENT, FILTER_IP6_FRAG_DROP_COUNT);
	if (!filter_settings.ptb_send || !filter_settings.ptb_max_pps)
		return drop(REASON_FRAGMENT, FILTER_IP_FRAG_DROP_COUNT);

	answer = ptb_answer(ctx, pkt);
	if (answer == FILTER_PTB_SENT_COUNT)
		return (struct decision){XDP_TX, REASON_TOO_BIG, answer};
	if (answer != FILTER_IP_FRAG_DROP_COUNT)
		filter_count(answer);
	return drop(REASON_FRAGMENT, FILTER_IP_FRAG_DROP_COUNT);
}

/* l3: the fixed IP header of `version`; false if it is not all there. */
static __always_inline bool is_listed(void *l3, void *end, __u8 version)
{
	struct ipv6hdr *ip6 = l3;
	struct iphdr *ip = l3;

	if (version == 4)
		return (void *)(ip + 1) <= end && ip4_is_listed(ip);
	return (void *)(ip6 + 1) <= end && ip6_is_listed(ip6);
}

static __always_inline struct decision decide_parsed(struct xdp_md *ctx,
						     const struct packet *pkt)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	bool is_ip4 = pkt->version == 4;

	if (is_ip4 && packet_has_options(pkt) && filter_settings.ip_options_drop)
		return drop(REASON_IP4_OPTIONS, FILTER_IP_OPTIONS_DROP_COUNT);
	if (is_ip4 && pkt->evil && filter_settings.ip_evil_drop)
		return drop(REASON_IP4_EVIL, FILTER_IP_EVIL_DROP_COUNT);
	if (is_listed(packet_at(data, pkt->l3_offset), end, pkt->version))
		return drop(REASON_SOURCE,
			    is_ip4 ? FILTER_IP_DROP_COUNT : FILTER_IP6_DROP_COUNT);
	if (packet_is_fragment(pkt))
		return refuse_fragment(ctx, pkt);
	return PASS_ON;
}

/* A header that cannot be parsed still has a source, if its version is right. */
static __always_inline struct decision
decide_broken(struct xdp_md *ctx, const struct packet *pkt, enum reason reason)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;

	if (reason == REASON_NOT_IP)
		return PASS_ON;
	if (reason == REASON_ETH_SHORT || reason == REASON_VLAN_DEPTH)
		return (struct decision){XDP_ABORTED, reason, FILTER_ETH_FRAME_ERR};
	if (pkt->ethertype == bpf_htons(ETH_P_IP)) {
		if (filter_settings.ip_header_abort)
			return (struct decision){XDP_ABORTED, reason,
						 FILTER_IP_HEADER_ERR};
		if (is_listed(packet_at(data, pkt->l3_offset), end, 4))
			return drop(REASON_SOURCE, FILTER_IP_DROP_COUNT);
		return PASS_ON;
	}
	if (filter_settings.ip6_header_drop)
		return drop(reason, FILTER_IP6_HEADER_ERR);
	if (is_listed(packet_at(data, pkt->l3_offset), end, 6))
		return drop(REASON_SOURCE, FILTER_IP6_DROP_COUNT);
	return PASS_ON;
}

SEC("xdp")
int xdp_filter_prog(struct xdp_md *ctx)
{
	struct packet pkt;
	enum reason reason = packet_parse_ip(ctx, &pkt);
	struct decision decision;

	if (reason == REASON_NONE)
		decision = decide_parsed(ctx, &pkt);
	else
		decision = decide_broken(ctx, &pkt, reason);
	if (decision.reason == REASON_NONE)
		return chain_pass(ctx);

	filter_count(decision.counter);
	return chain_end(ctx, decision.verdict, decision.reason);
}

char _license[] SEC("license") = "Dual BSD/GPL";
