// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Marks what comes in, as a service by mark does; and counts what goes out before egress. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

__u32 mark SEC(".data") = 0;
__u32 of_frames SEC(".data") = 0; /* packets longer than any frame, */
__u32 scattered SEC(".data") = 0; /* and those that are not in one piece */

SEC("tc")
int tc_mark_prog(struct __sk_buff *skb)
{
	skb->mark = mark;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int tc_length_prog(struct __sk_buff *skb)
{
	if (skb->len > 1514)
		of_frames++;
	if (skb->len > skb->data_end - skb->data)
		scattered++;
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual BSD/GPL";
