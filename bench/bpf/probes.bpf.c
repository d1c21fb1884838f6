// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Parts of the data path on their own. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/chain.h"
#include "ecbpf/packet.h"

SEC("xdp")
int xdp_exit(struct xdp_md *ctx)
{
	return chain_end(ctx, XDP_PASS, REASON_NONE);
}

/* The verdict depends on the fields, or clang would leave out the code that reads them. */
SEC("xdp")
int xdp_parse(struct xdp_md *ctx)
{
	struct packet pkt;
	__u32 sum;

	if (packet_parse(ctx, &pkt))
		return XDP_ABORTED;
	sum = pkt.saddr[0] + pkt.saddr[1] + pkt.saddr[2] + pkt.saddr[3] + pkt.daddr[0] +
	      pkt.daddr[1] + pkt.daddr[2] + pkt.daddr[3];
	sum += pkt.sport + pkt.dport + pkt.proto + pkt.ttl + pkt.ip_len + pkt.tcp_flags;
	sum += pkt.payload_offset + pkt.vlan[0].tci + packet_is_fragment(&pkt);
	return sum == 0xfeedbeef ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
