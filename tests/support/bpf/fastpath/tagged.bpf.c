// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Before egress of the fast path: puts tags on, the outermost beside the packet, as VLAN devices do. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} behind SEC(".maps");

/* Priority and VLAN, the inner one first; 0: none. */
__u16 tags[2] SEC(".data") = {};

SEC("tc")
int tc_tagged_prog(struct __sk_buff *skb)
{
	for (int i = 0; i < 2; i++)
		if (tags[i])
			bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), tags[i]);
	bpf_tail_call_static(skb, &behind, 0);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
