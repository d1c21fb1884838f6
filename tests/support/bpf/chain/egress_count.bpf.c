/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counts frames at tc and leaves them to the next program. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 version = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

static __always_inline int count(void)
{
	__u32 key = 0;
	__u64 *frames = bpf_map_lookup_elem(&seen, &key);

	if (frames)
		*frames += 1;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int tc_ours_that_counts(struct __sk_buff *skb)
{
	return version ? count() : TC_ACT_SHOT;
}

SEC("tc")
int tc_theirs(struct __sk_buff *skb)
{
	return count();
}

char _license[] SEC("license") = "GPL";
