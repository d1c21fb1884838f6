// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Before the fast path: makes of each packet of a test run the next one of this CPU's
 * frames. And behind it: whether a packet on its way to a server goes to the right one.
 */
#include "clock.h"
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>

#define CPUS 2
#define FRAMES 8192 /* a CPU */
#define FRAME_SIZE 64
#define CLIENT_PORT 34 /* where it stands in a frame of IPv4 */

struct frame {
	__u64 word[FRAME_SIZE / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CPUS *FRAMES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct frame);
} frames SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next_frame SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} ingress SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} egress SEC(".maps");

/* Whose frames are the first, and whose the second. */
const volatile __u32 cpus[CPUS] = {};

__u64 right SEC(".data") = 0;
__u64 wrong SEC(".data") = 0;

static __always_inline int fill(void *data, void *end)
{
	__u32 zero = 0, key, *next = bpf_map_lookup_elem(&next_frame, &zero);
	struct frame *frame;

	if (!next || data + sizeof(*frame) > end)
		return 0;
	key = (*next)++ % FRAMES;
	if (bpf_get_smp_processor_id() == cpus[1])
		key += FRAMES;
	frame = bpf_map_lookup_elem(&frames, &key);
	if (!frame)
		return 0;
	__builtin_memcpy(data, frame, sizeof(*frame));
	return 1;
}

SEC("xdp")
int xdp_stream_prog(struct xdp_md *ctx)
{
	if (fill((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		bpf_tail_call_static(ctx, &ingress, 0);
	return XDP_ABORTED;
}

/* Time goes by, a tick a packet. */
SEC("tc")
int tc_stream_prog(struct __sk_buff *skb)
{
	test_clock.ticks++;
	if (fill((void *)(long)skb->data, (void *)(long)skb->data_end))
		bpf_tail_call_static(skb, &egress, 0);
	return TC_ACT_SHOT;
}

/*
 * The server's MAC and ours end in the port of the client that they are for, and are of
 * one server, which their third byte says.
 */
SEC("xdp")
int xdp_check_prog(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;

	if (data + FRAME_SIZE > (__u8 *)(long)ctx->data_end)
		return XDP_ABORTED;
	if (*(__u16 *)(data + 4) == *(__u16 *)(data + CLIENT_PORT) &&
	    *(__u16 *)(data + 10) == *(__u16 *)(data + CLIENT_PORT) && data[2] == data[8])
		right++;
	else
		wrong++;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
