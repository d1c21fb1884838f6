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

/*
 * Rare packets are parsed again: what only they need would otherwise be carried
 * through the way of all others, 3 ns.
 */
static __always_inline struct decision refuse_fragment(struct xdp_md *ctx)
{
	enum filter_counter answer;
	struct packet pkt;

	if (!filter_settings.frags_drop)
		return PASS_ON;
	barrier();
	packet_parse_ip(ctx, &pkt);
	if (filter_settings.frags_pass_local && goes_to_this_host(&pkt)) {
		filter_count(FILTER_FRAG_LOCAL_COUNT);
		return PASS_ON;
	}
	if (pkt.version == 6)
		return drop(REASON_FRAGMENT, FILTER_IP6_FRAG_DROP_COUNT);
	if (!filter_settings.ptb_send || !filter_settings.ptb_max_pps)
		return drop(REASON_FRAGMENT, FILTER_IP_FRAG_DROP_COUNT);

	answer = ptb_answer(ctx, &pkt);
	if (answer == FILTER_PTB_SENT_COUNT)
		return (struct decision){XDP_TX, REASON_TOO_BIG, answer};
	if (answer != FILTER_IP_FRAG_DROP_COUNT)
		filter_count(answer);
	return drop(REASON_FRAGMENT, FILTER_IP_FRAG_DROP_COUNT);
}

/* A header that cannot be parsed still has a source, if it is all there. */
static __always_inline struct decision decide_broken(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	enum reason reason;
	struct packet pkt;
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	barrier();
	reason = packet_parse_ip(ctx, &pkt);
	ip = packet_at(data, pkt.l3_offset);
	ip6 = (void *)ip;
	if (reason == REASON_NOT_IP)
		return PASS_ON;
	if (reason == REASON_ETH_SHORT || reason == REASON_VLAN_DEPTH)
		return (struct decision){XDP_ABORTED, reason, FILTER_ETH_FRAME_ERR};
	if (pkt.ethertype == bpf_htons(ETH_P_IP)) {
		if (filter_settings.ip_header_abort)
			return (struct decision){XDP_ABORTED, reason,
						 FILTER_IP_HEADER_ERR};
		if ((void *)(ip + 1) <= end && ip4_is_listed(&ip->saddr))
			return drop(REASON_SOURCE, FILTER_IP_DROP_COUNT);
		return PASS_ON;
	}
	if (filter_settings.ip6_header_drop)
		return drop(reason, FILTER_IP6_HEADER_ERR);
	if ((void *)(ip6 + 1) <= end && ip6_is_listed(ip6->saddr.in6_u.u6_addr32))
		return drop(REASON_SOURCE, FILTER_IP6_DROP_COUNT);
	return PASS_ON;
}

/* IPv4 that nobody needs. */
static __always_inline struct decision decide_odd(const struct packet *pkt)
{
	if (pkt->version != 4)
		return PASS_ON;
	if (packet_has_options(pkt) && filter_settings.ip_options_drop)
		return drop(REASON_IP4_OPTIONS, FILTER_IP_OPTIONS_DROP_COUNT);
	if (pkt->evil && filter_settings.ip_evil_drop)
		return drop(REASON_IP4_EVIL, FILTER_IP_EVIL_DROP_COUNT);
	return PASS_ON;
}

SEC("xdp")
int xdp_filter_prog(struct xdp_md *ctx)
{
	struct decision decision;
	struct packet pkt;
	bool is_ip4, is_listed;

	if (packet_parse_ip(ctx, &pkt)) {
		decision = decide_broken(ctx);
		goto decided;
	}
	decision = decide_odd(&pkt);
	if (decision.reason)
		goto decided;

	is_ip4 = pkt.version == 4;
	is_listed = is_ip4 ? ip4_is_listed(pkt.saddr) : ip6_is_listed(pkt.saddr);
	if (is_listed) {
		filter_count(is_ip4 ? FILTER_IP_DROP_COUNT : FILTER_IP6_DROP_COUNT);
		return chain_end(ctx, XDP_DROP, REASON_SOURCE);
	}
	if (!packet_is_fragment(&pkt))
		return chain_pass(ctx);
	decision = refuse_fragment(ctx);

decided:
	if (!decision.reason)
		return chain_pass(ctx);
	filter_count(decision.counter);
	return chain_end(ctx, decision.verdict, decision.reason);
}

char _license[] SEC("license") = "Dual BSD/GPL";
