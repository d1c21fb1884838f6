/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Counters of the fast path and the state of its limits, per CPU. User space reads the
 * names from BTF, without FASTPATH_. Add new ones at the end.
 */
#ifndef ECBPF_FASTPATH_COUNTERS_H
#define ECBPF_FASTPATH_COUNTERS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/counter.h"

enum fastpath_counter {
	FASTPATH_total_pkts_xdp_rx, /* packets that ingress saw */
	FASTPATH_total_pkts_tc_tx, /* packets that egress saw */
	FASTPATH_total_bypassed_pkts, /* sent past IPVS */
	FASTPATH_ipv4_pkts,
	FASTPATH_ipv6_pkts,
	FASTPATH_ipv4_inbound_locals, /* to this host's own addresses */
	FASTPATH_ipv6_inbound_locals,
	FASTPATH_tcp_pkts,
	FASTPATH_broad_multi_pkts,
	FASTPATH_lru_reuse_syns, /* IPVS sent a SYN of a known flow: it begins anew */
	FASTPATH_lru_deletion_RST, /* flows that their client ended by RST */
	FASTPATH_lru_deletion_out_RST, /* flows that this host answered by RST */
	FASTPATH_lru_alloc_nonsyns, /* flows learned */
	FASTPATH_lru_reuse_nonsyns, /* IPVS sent another packet of a known flow */
	FASTPATH_lru_miss_out_syn, /* IPVS sent a SYN of a new flow */
	FASTPATH_lru_miss_out_nonsyn, /* forwarded, but nothing to learn from */
	FASTPATH_lru_miss_in_limited, /* of unknown flows, above inbound_pps */
	FASTPATH_out_rsts_sent_tc, /* RSTs to clients by this host's stack */
	FASTPATH_out_rsts_sent_xdp, /* RSTs to clients by ingress */
	FASTPATH_out_rsts_disc_rate, /* above max_resets_pps */
	FASTPATH_out_rsts_disc_flow, /* more than two for a flow */
	FASTPATH_out_rsts_unknown, /* of no known flow */
	FASTPATH_in_rsts_disc_flow, /* packets of reset flows that got no answer any more */
	FASTPATH_inactivity_timeout, /* flows that were silent for inactive_seconds */
	FASTPATH_ipv4_fragmented_pkts,
	FASTPATH_frame_errors, /* cannot be parsed */
	FASTPATH_adjust_head_errors, /* no room for a VLAN tag */
	FASTPATH_unknown_interface, /* of flows whose server this NIC does not lead to */
	FASTPATH_unexpected_ipvs_rsts, /* RST although IPVS had seen the flow lately */
	FASTPATH_suspect_misflows_sack, /* of unknown flows, with SACK: their connection is under way */
	FASTPATH_server_changes, /* IPVS moved a flow */
	FASTPATH_unconfirmed, /* packets of flows that IPVS does not send any more */
	FASTPATH_vlan_conflicts, /* of flows whose server is not in the VLAN that is set */
	FASTPATH_COUNTERS,
};

struct fastpath_cpu {
	__u64 count[COUNTER_ROOM];

	/* inbound_limit.h */
	__u64 wrap_start; /* ns */
	__u64 drop_until; /* ticks */
	__u32 packets; /* since wrap_start */
	__u32 drop_chance; /* of 2^16 */

	/* reset_limit.h */
	__u64 reset_epoch;
	__u64 resets; /* in this epoch */
	__u64 room[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fastpath_cpu);
} fastpath_cpus SEC(".maps");

static __always_inline struct fastpath_cpu *this_cpu(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&fastpath_cpus, &zero);
}

#define fastpath_count(cpu, name) ((cpu)->count[FASTPATH_##name]++)

#endif /* ECBPF_FASTPATH_COUNTERS_H */
