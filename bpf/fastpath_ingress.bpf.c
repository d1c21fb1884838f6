// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Slot 7, ingress of the fast path: packets of flows that egress has learned go straight
 * to their server. IPVS still gets the beginning and the end of each flow, and a packet
 * now and then. All other packets go on to the next slot.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/chain.h"
#include "ecbpf/decision.h"
#include "ecbpf/packet.h"
#include "fastpath/addresses.h"
#include "fastpath/answer.h"
#include "fastpath/clock.h"
#include "fastpath/counters.h"
#include "fastpath/decide.h"
#include "fastpath/forward.h"
#include "fastpath/inbound_limit.h"
#include "fastpath/layout.h"
#include "fastpath/sack.h"
#include "fastpath/settings.h"
#include "fastpath/table.h"

/* A packet with a plain IP header, and TCP or UDP behind it. */
struct plain_packet {
	void *l3;
	void *l4;
	bool is_ip4;
	__u8 proto;
	__u8 tcp_flags; /* read at once: later, old verifiers forget that this is TCP */
};

/*
 * Fragments, options, extension headers and what cannot be parsed are the kernel's. A
 * function that is called: rare, large, and needed twice.
 */
static __noinline void count_unusual(struct xdp_md *ctx, struct fastpath_cpu *cpu)
{
	struct packet pkt;
	enum reason reason = packet_parse_ip(ctx, &pkt);

	if (pkt.ethertype == bpf_htons(ETH_P_IP))
		fastpath_count(cpu, ipv4_pkts);
	else if (pkt.ethertype == bpf_htons(ETH_P_IPV6))
		fastpath_count(cpu, ipv6_pkts);
	if (reason)
		fastpath_count(cpu, frame_errors);
	else if (pkt.version == 4 && packet_is_fragment(&pkt))
		fastpath_count(cpu, ipv4_fragmented_pkts);
}

static __always_inline struct decision pass_unusual(struct xdp_md *ctx,
						    struct fastpath_cpu *cpu)
{
	count_unusual(ctx, cpu);
	return PASS_ON;
}

static __always_inline struct decision pass_local(struct fastpath_cpu *cpu, bool is_ip4)
{
	if (is_ip4)
		fastpath_count(cpu, ipv4_inbound_locals);
	else
		fastpath_count(cpu, ipv6_inbound_locals);
	return PASS_ON;
}

/* A packet of no known flow is the kernel's, unless it is above the inbound limit. */
static __always_inline struct decision decide_unknown(struct xdp_md *ctx,
						      struct fastpath_cpu *cpu,
						      const union flow_id *id,
						      const struct plain_packet *packet)
{
	if (is_multicast(id, packet->is_ip4)) {
		fastpath_count(cpu, broad_multi_pkts);
		return PASS_ON;
	}
	if (is_local(id))
		return pass_local(cpu, packet->is_ip4);
	if (packet->proto == IPPROTO_TCP && has_sack(ctx, packet->l4))
		fastpath_count(cpu, suspect_misflows_sack);
	if (is_above_limit(cpu))
		return drop(REASON_INBOUND_LIMIT);
	return PASS_ON;
}

static __always_inline struct decision answer(struct xdp_md *ctx,
					      const struct packet *pkt, bool is_ip4)
{
	if (monitor)
		return PASS_ON;
	if (!make_answer(ctx, pkt->l3_offset, is_ip4))
		return drop(REASON_RESET_FLOW);
	return (struct decision){XDP_TX, REASON_RESET_ANSWER};
}

static __always_inline struct decision discard(void)
{
	if (monitor)
		return PASS_ON;
	return drop(REASON_RESET_FLOW);
}

static __always_inline struct decision pass_to_ipvs(struct flow *flow)
{
	flow->up++;
	return PASS_ON;
}

static __always_inline struct decision
divert(struct xdp_md *ctx, struct fastpath_cpu *cpu, const struct packet *pkt,
       const struct plain_packet *packet, const struct hop *hop, struct flow *flow)
{
	__u32 verdict = XDP_TX;

	if (redirect) {
		verdict = bpf_redirect_map(&fastpath_ports, hop->ifindex, 0);
		if (verdict != XDP_REDIRECT) {
			fastpath_count(cpu, unknown_interface);
			return pass_to_ipvs(flow);
		}
	}
	if (!monitor && !rewrite(ctx, pkt, hop, packet->l3, packet->is_ip4)) {
		fastpath_count(cpu, adjust_head_errors);
		return pass_to_ipvs(flow);
	}
	fastpath_count(cpu, total_bypassed_pkts);
	flow->bypassed++;
	if (monitor)
		return PASS_ON;
	return (struct decision){verdict, REASON_FAST_PATH};
}

static __always_inline struct decision
decide_known(struct xdp_md *ctx, struct fastpath_cpu *cpu, const struct packet *pkt,
	     const struct plain_packet *packet, const union flow_id *id,
	     struct flow *flow, const struct flow_position *position)
{
	struct hop hop = {flow->hop, flow->ifindex, flow->vlan};
	enum action action;

	if (flow_has_changed(flow, position))
		return PASS_ON;
	if (has_become_local(id, flow))
		return pass_local(cpu, packet->is_ip4);

	action = packet->proto == IPPROTO_TCP
			 ? decide_tcp(cpu, flow, position, packet->tcp_flags)
			 : decide_udp(cpu, flow, position);
	if (action == ACTION_DIVERT && hop_leads(cpu, &hop))
		return divert(ctx, cpu, pkt, packet, &hop, flow);
	if (action == ACTION_ANSWER)
		return answer(ctx, pkt, packet->is_ip4);
	if (action == ACTION_DISCARD)
		return discard();
	return pass_to_ipvs(flow);
}

static __always_inline struct decision decide_plain(struct xdp_md *ctx,
						    struct fastpath_cpu *cpu,
						    const struct packet *pkt, void *l3,
						    bool is_ip4)
{
	struct plain_packet packet = {l3, NULL, is_ip4, packet_plain_proto(l3, is_ip4),
				      0};
	__u8 ttl = is_ip4 ? ((struct iphdr *)l3)->ttl : ((struct ipv6hdr *)l3)->hop_limit;
	struct flow_position position;
	union flow_id id;
	struct flow *flow;

	if (packet.proto == IPPROTO_TCP)
		fastpath_count(cpu, tcp_pkts);
	else if (packet.proto != IPPROTO_UDP || !udp)
		return PASS_ON;
	packet.l4 =
		packet_plain_l4(l3, (void *)(long)ctx->data_end, is_ip4, packet.proto);
	if (!packet.l4) {
		fastpath_count(cpu, frame_errors);
		return PASS_ON;
	}
	if (packet.proto == IPPROTO_TCP)
		packet.tcp_flags = tcp_flags_of(packet.l4);
	if (ttl <= 1 || pkt->vlan_count > 1)
		return PASS_ON;
	flow_id_of(&id, l3, packet.l4, is_ip4, packet.proto, false);
	flow = flow_find(&id, is_ip4, &position);
	if (!flow)
		return decide_unknown(ctx, cpu, &id, &packet);
	return decide_known(ctx, cpu, pkt, &packet, &id, flow, &position);
}

static __always_inline struct decision decide(struct xdp_md *ctx,
					      struct fastpath_cpu *cpu)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct packet pkt;
	void *l3;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return pass_unusual(ctx, cpu);
	if (!is_for_this_nic(eth)) {
		if (eth->h_dest[0] & 1)
			fastpath_count(cpu, broad_multi_pkts);
		return PASS_ON;
	}
	l3 = packet_parse_plain(ctx, &pkt);
	if (!l3)
		return pass_unusual(ctx, cpu);
	if (pkt.ethertype == bpf_htons(ETH_P_IP)) {
		fastpath_count(cpu, ipv4_pkts);
		return decide_plain(ctx, cpu, &pkt, l3, true);
	}
	fastpath_count(cpu, ipv6_pkts);
	return decide_plain(ctx, cpu, &pkt, l3, false);
}

SEC("xdp")
int xdp_fastpath_prog(struct xdp_md *ctx)
{
	struct fastpath_cpu *cpu = this_cpu();
	struct decision decision = PASS_ON;

	if (cpu) {
		fastpath_count(cpu, total_pkts_xdp_rx);
		note_arrival(cpu);
		decision = decide(ctx, cpu);
	}
	return chain_follow(ctx, decision);
}

char _license[] SEC("license") = "Dual BSD/GPL";
