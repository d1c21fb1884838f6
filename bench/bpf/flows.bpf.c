// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Only look a packet's flow up and note when it was seen: in the fast path's table, and
 * in the kernel's LRU hash.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/packet.h"
#include "../../bpf/fastpath/table.h"

struct touched {
	__u32 seen;
	__u32 unused[15];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1000000);
	__type(key, union flow_id);
	__type(value, struct touched);
} lru_flows SEC(".maps");

static __always_inline bool take_id(struct xdp_md *ctx, union flow_id *id, bool *is_ip4)
{
	struct packet pkt;
	void *l3 = packet_parse_plain(ctx, &pkt), *l4;

	if (!l3)
		return false;
	*is_ip4 = pkt.ethertype == bpf_htons(ETH_P_IP);
	l4 = packet_plain_l4(l3, (void *)(long)ctx->data_end, *is_ip4, IPPROTO_TCP);
	if (!l4)
		return false;
	flow_id_of(id, l3, l4, *is_ip4, IPPROTO_TCP, false);
	return true;
}

SEC("xdp")
int xdp_parse(struct xdp_md *ctx)
{
	union flow_id id;
	bool is_ip4;

	if (!take_id(ctx, &id, &is_ip4))
		return XDP_ABORTED;
	return id.word[4] ? XDP_TX : XDP_ABORTED;
}

SEC("xdp")
int xdp_own(struct xdp_md *ctx)
{
	__u32 now = bpf_jiffies64();
	struct flow_position at;
	union flow_id id;
	bool is_ip4;

	if (!take_id(ctx, &id, &is_ip4) || !flow_find(&id, is_ip4, &at))
		return XDP_ABORTED;
	if (at.set->seen[at.way & (FLOW_WAYS - 1)] != now)
		at.set->seen[at.way & (FLOW_WAYS - 1)] = now;
	return XDP_TX;
}

SEC("xdp")
int xdp_lru(struct xdp_md *ctx)
{
	__u32 now = bpf_jiffies64();
	struct touched *touched;
	union flow_id id;
	bool is_ip4;

	if (!take_id(ctx, &id, &is_ip4))
		return XDP_ABORTED;
	touched = bpf_map_lookup_elem(&lru_flows, &id);
	if (!touched)
		return XDP_ABORTED;
	if (touched->seen != now)
		touched->seen = now;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
