// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Attached nowhere: a test run returns the jiffies, which user space cannot read. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int tc_clock_prog(struct __sk_buff *skb)
{
	return bpf_jiffies64();
}

char _license[] SEC("license") = "Dual BSD/GPL";
