// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* For test runs with live frames: send each frame out, or drop it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int xdp_transmit(struct xdp_md *ctx)
{
	return XDP_TX;
}

SEC("xdp")
int xdp_only_drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
