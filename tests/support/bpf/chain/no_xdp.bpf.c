// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Includes chain.h but is not an XDP program. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/chain.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} unused SEC(".maps");

SEC("tc")
int tc_prog(struct __sk_buff *skb)
{
	return chain_slot + chain_occupied + chain_frags;
}

char _license[] SEC("license") = "Dual BSD/GPL";
