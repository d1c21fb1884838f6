// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The root of the chain. IPv4 and IPv6 go through the slots, whatever their
 * protocol, tags, options or extension headers; what is not IP passes and what
 * is cut short is aborted here, and counted as the root's own.
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

	switch (reason) {
	case REASON_NONE:
	case REASON_VLAN_DEPTH: /* who knows what is behind the third tag */
		return chain_pass(ctx);
	case REASON_NOT_IP:
		return chain_end(ctx, XDP_PASS, reason);
	default:
		return chain_end(ctx, XDP_ABORTED, reason);
	}
}

char _license[] SEC("license") = "Dual BSD/GPL";
