// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* A subprogram that only drops. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/chain.h"

SEC("xdp")
int xdp_drop(struct xdp_md *ctx)
{
	return chain_end(ctx, XDP_DROP, REASON_NONE);
}

char _license[] SEC("license") = "Dual BSD/GPL";
