// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* An XDP program that is not ours. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int xdp_stranger(struct xdp_md *ctx)
{
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
