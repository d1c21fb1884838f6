// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* A subprogram that the verifier refuses: it reads the packet unchecked. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/chain.h"

SEC("xdp")
int xdp_refused_prog(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;

	return data[12] ? chain_pass(ctx) : chain_end(ctx, XDP_DROP, REASON_EXTERNAL);
}

char _license[] SEC("license") = "Dual BSD/GPL";
