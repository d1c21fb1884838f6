// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Asks the filter's sets for one address after the other, one a repetition of a test run. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/packet.h"
#include "../../../../bpf/filter/layout.h"
#include "../../../../bpf/filter/sets.h"

struct question {
	__be32 address[4]; /* IPv4 has the first word */
	__u64 is_listed; /* the answer: 0 or 1 */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 20);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct question);
} questions SEC(".maps");

__u32 next_question SEC(".data.next") = 0;

static __always_inline struct question *take_question(void)
{
	__u32 key = next_question++;

	return bpf_map_lookup_elem(&questions, &key);
}

SEC("xdp")
int xdp_ask_ip4_prog(struct xdp_md *ctx)
{
	struct question *question = take_question();

	if (!question)
		return XDP_ABORTED;
	question->is_listed = ip4_is_listed(question->address);
	return XDP_PASS;
}

SEC("xdp")
int xdp_ask_ip6_prog(struct xdp_md *ctx)
{
	struct question *question = take_question();

	if (!question)
		return XDP_ABORTED;
	question->is_listed = ip6_is_listed(question->address);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
