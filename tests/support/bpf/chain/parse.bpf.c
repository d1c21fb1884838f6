// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Stores the parser's result where a test can read it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/packet.h"
#include "ecbpf/reason.h"

struct packet parsed;
enum reason reason;
bool fragment;
bool options;
__u32 readable; /* bytes in the first buffer */

SEC("xdp")
int xdp_parse_prog(struct xdp_md *ctx)
{
	struct packet pkt;

	reason = packet_parse(ctx, &pkt);
	parsed = pkt;
	fragment = packet_is_fragment(&pkt);
	options = packet_has_options(&pkt);
	readable = ctx->data_end - ctx->data;
	return XDP_PASS;
}

SEC("xdp")
int xdp_peek_prog(struct xdp_md *ctx)
{
	struct packet pkt;

	reason = packet_peek(ctx, &pkt);
	parsed = pkt;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
