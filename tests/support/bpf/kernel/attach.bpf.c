/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Programs that count what they see, at XDP and tc. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

__u64 first_saw = 0;
__u64 second_saw = 0;
__u64 received = 0;
const volatile __u32 verdict = XDP_PASS;
const volatile __u32 marker = 0;

SEC("xdp")
int xdp_first_prog(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&first_saw, 1);
	return verdict;
}

SEC("xdp")
int xdp_second_prog(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&second_saw, 1);
	return XDP_PASS;
}

SEC("xdp")
int xdp_receiver_prog(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&received, 1);
	return XDP_DROP;
}

/* Reports its context and packet; puts 4 bytes before the packet. */
SEC("xdp")
int xdp_context_prog(struct xdp_md *ctx)
{
	__u32 queue = ctx->rx_queue_index;
	__u8 *data, *end;

	if (bpf_xdp_adjust_head(ctx, -4))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + 4 > end)
		return XDP_ABORTED;
	__builtin_memset(data, 0xec, 4);
	return ctx->ingress_ifindex + queue;
}

SEC("xdp")
int xdp_print_prog(struct xdp_md *ctx)
{
	bpf_printk("ecbpf test marker %u\n", marker);
	return XDP_PASS;
}

SEC("tc")
int tc_first_prog(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&first_saw, 1);
	skb->mark += 1;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int tc_second_prog(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&second_saw, 1);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
