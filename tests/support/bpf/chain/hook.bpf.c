// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* For a hook: a verdict that no other program gives. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int answer_tx(struct xdp_md *ctx)
{
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
