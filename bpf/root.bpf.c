// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The root of the chain. IPv4 and IPv6 go through the slots, whatever their protocol, VLAN
 * tags, options or extension headers. What is not IP passes and what is cut short is
 * aborted here, and counted in the root's own row.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/chain.h"
#include "ecbpf/packet.h"

SEC("xdp")
int xdp_root_prog(struct xdp_md *ctx)
{
	struct packet pkt;
	enum reason reason = packet_peek(ctx, &pkt);

	/* A third VLAN tag may hide IP. */
	if (reason == REASON_NONE || reason == REASON_VLAN_DEPTH)
		return chain_pass(ctx);
	return chain_end(ctx, reason == REASON_NOT_IP ? XDP_PASS : XDP_ABORTED, reason);
}

char _license[] SEC("license") = "Dual BSD/GPL";
