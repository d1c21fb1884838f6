// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* A subprogram that only passes on. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/chain.h"

SEC("xdp")
int xdp_pass(struct xdp_md *ctx)
{
	return chain_pass(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
