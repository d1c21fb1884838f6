// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * A program that passes every packet. Many drivers reset their queues when the first XDP
 * program is attached or the last one detached, and lose packets while they do: nop keeps
 * the interface in XDP mode while it has no root array.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int xdp_nop_prog(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
