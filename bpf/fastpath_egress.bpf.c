// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Egress of the fast path, at tc: learns flows from the packets that IPVS sends to real
 * servers, and limits the RSTs of this host's stack. Other packets go on unchanged.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/packet.h"
#include "ecbpf/time.h"
#include "fastpath/addresses.h"
#include "fastpath/clock.h"
#include "fastpath/counters.h"
#include "fastpath/layout.h"
#include "fastpath/learn.h"
#include "fastpath/reset_limit.h"
#include "fastpath/settings.h"
#include "fastpath/table.h"

#define FAMILY_IP4 2
#define FAMILY_IP6 10

/* All headers that are read, with two VLAN tags and TCP behind IPv6. */
#define HEADERS_MAX (ETH_HLEN + 8 + 40 + 20)

/* Set before load. Where packets leave by a VLAN interface: the NIC or bond below it. */
const volatile __u32 egress_ifindex = 0;
const volatile __u16 egress_vlan = 0;

/* On to the next program at tc, if there is one (TCX_NEXT is the same number). */
#define GO_ON TC_ACT_UNSPEC

/*
 * Has IPVS sent this packet, which came in by some NIC? Its destination, a VIP, is this
 * host itself, so plain routing would not have forwarded it: either the host forwards
 * nothing, or the route ends here. A packet with a firewall mark may belong to a service
 * by mark: only a policy route knows the VIPs of those, which this lookup does not see.
 */
static __always_inline bool is_from_ipvs(struct __sk_buff *skb, const union flow_id *id,
					 bool is_ip4)
{
	struct bpf_fib_lookup route = {
		.family = is_ip4 ? FAMILY_IP4 : FAMILY_IP6,
		.ifindex = skb->ingress_ifindex,
	};
	long found;

	if (skb->mark)
		return true;
	__builtin_memcpy(route.ipv6_src, id->key.client, sizeof(route.ipv6_src));
	__builtin_memcpy(route.ipv6_dst, id->key.vip, sizeof(route.ipv6_dst));
	found = bpf_fib_lookup(skb, &route, sizeof(route), 0);
	return found == BPF_FIB_LKUP_RET_NOT_FWDED ||
	       found == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

/*
 * A forwarded packet: learn, confirm, change or end its flow. server: where it goes; NULL
 * if ingress could not send packets the same way.
 */
static __always_inline void note_forwarded(struct __sk_buff *skb,
					   struct fastpath_cpu *cpu,
					   const union flow_id *id, bool is_ip4,
					   __u8 flags, const struct server *server)
{
	__u32 now = TIME_TICKS();
	struct flow_position position;
	struct flow *flow = flow_find(id, is_ip4, &position);

	if (flow && flags & TCP_RST) {
		fastpath_count(cpu, lru_deletion_RST);
		flow_end(&position);
		return;
	}
	if (flow && server) {
		if (flags & TCP_SYN) {
			fastpath_count(cpu, lru_reuse_syns);
			flow_restart(flow, FLOW_FIRST_PACKETS);
		} else {
			fastpath_count(cpu, lru_reuse_nonsyns);
			flow->is_reset = 0;
		}
		if (flow_confirm(flow, &position, server, now))
			fastpath_count(cpu, server_changes);
		return;
	}
	if (flow)
		flow_end(&position);
	if (flags & TCP_SYN) {
		fastpath_count(cpu, lru_miss_out_syn);
		return;
	}
	if (flags & (TCP_RST | TCP_FIN) || !server || is_multicast(id, is_ip4) ||
	    is_local(id) || !is_from_ipvs(skb, id, is_ip4)) {
		fastpath_count(cpu, lru_miss_out_nonsyn);
		return;
	}
	fastpath_count(cpu, lru_alloc_nonsyns);
	flow_learn(id, &position, server, now);
}

static __always_inline int limit_reset(struct fastpath_cpu *cpu, const union flow_id *id,
				       bool is_ip4)
{
	struct flow_position position;
	struct flow *flow = flow_find(id, is_ip4, &position);

	return refuse_reset(cpu, flow, TIME_TICKS()) ? TC_ACT_SHOT : GO_ON;
}

/*
 * The VLAN that a packet leaves in. Its tag is in the packet, beside it in the skb, or
 * added by the interface. False: there are several tags.
 */
static __always_inline bool vlan_of(const struct __sk_buff *skb, const struct packet *pkt,
				    __u16 *vlan)
{
	__u32 tags = (egress_vlan != 0) + (skb->vlan_present != 0) + pkt->vlan_count;

	*vlan = egress_vlan;
	if (skb->vlan_present)
		*vlan = skb->vlan_tci & VLAN_ID_MASK;
	else if (pkt->vlan_count)
		*vlan = bpf_ntohs(pkt->vlan[0].tci) & VLAN_ID_MASK;
	return tags <= 1;
}

static __always_inline int take_plain(struct __sk_buff *skb, struct fastpath_cpu *cpu,
				      const struct packet *pkt, void *l3, bool is_ip4)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	bool is_forwarded = skb->ingress_ifindex != 0;
	__u8 proto = packet_plain_proto(l3, is_ip4), flags = 0;
	struct server server = {.ifindex = egress_ifindex};
	union flow_id id;
	void *l4;

	if (proto != IPPROTO_TCP && (proto != IPPROTO_UDP || !udp))
		return GO_ON;
	l4 = packet_plain_l4(l3, end, is_ip4, proto);
	if (!l4)
		return GO_ON;
	if (proto == IPPROTO_TCP)
		flags = tcp_flags_of(l4);
	if (!is_forwarded && !(flags & TCP_RST))
		return GO_ON;
	flow_id_of(&id, l3, l4, is_ip4, proto, !is_forwarded);
	if (!is_forwarded)
		return limit_reset(cpu, &id, is_ip4);

	if (data + sizeof(server.hop) > end)
		return GO_ON; /* never: an IP header follows */
	__builtin_memcpy(&server.hop, data, sizeof(server.hop));
	note_forwarded(skb, cpu, &id, is_ip4, flags,
		       vlan_of(skb, pkt, &server.vlan) ? &server : NULL);
	return GO_ON;
}

SEC("tc")
int tc_fastpath_prog(struct __sk_buff *skb)
{
	struct fastpath_cpu *cpu = this_cpu();
	void *data, *end, *l3;
	struct packet pkt;

	if (!cpu)
		return GO_ON;
	fastpath_count(cpu, total_pkts_tc_tx);
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	if (data + HEADERS_MAX > end && skb->len > end - data) {
		if (bpf_skb_pull_data(skb,
				      skb->len < HEADERS_MAX ? skb->len : HEADERS_MAX))
			return GO_ON;
		data = (void *)(long)skb->data;
		end = (void *)(long)skb->data_end;
	}
	l3 = packet_parse_plain_at(data, end, skb->len, &pkt);
	if (!l3)
		return GO_ON;
	if (pkt.ethertype == bpf_htons(ETH_P_IP))
		return take_plain(skb, cpu, &pkt, l3, true);
	return take_plain(skb, cpu, &pkt, l3, false);
}

char _license[] SEC("license") = "Dual BSD/GPL";
