// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The least an XDP program can do: the floor of the rows. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int xdp_floor(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
