// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Before the filter: makes of each packet of a test run the next one of this CPU's
 * frames. A test run restores nothing between its repetitions, and takes 10 ms to
 * begin when there are several.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define CPUS 2
#define FRAMES 256 /* a CPU */
#define FRAME_SIZE 64

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
} behind SEC(".maps");

/* Whose frames are the first, and whose the second. */
const volatile __u32 cpus[CPUS] = {};

SEC("xdp")
int xdp_stream_prog(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 zero = 0, key, *next = bpf_map_lookup_elem(&next_frame, &zero);
	struct frame *frame;

	if (!next || data + sizeof(*frame) > end)
		return XDP_ABORTED;
	key = (*next)++ % FRAMES;
	if (bpf_get_smp_processor_id() == cpus[1])
		key += FRAMES;
	frame = bpf_map_lookup_elem(&frames, &key);
	if (!frame)
		return XDP_ABORTED;
	__builtin_memcpy(data, frame, sizeof(*frame));
	bpf_tail_call_static(ctx, &behind, 0);
	return XDP_ABORTED;
}

char _license[] SEC("license") = "Dual BSD/GPL";
