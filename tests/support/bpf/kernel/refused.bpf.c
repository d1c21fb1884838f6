/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Programs that the verifier refuses, one per build: -DREFUSED_name. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} refused_map SEC(".maps");

#ifdef REFUSED_packet
SEC("xdp")
int refused(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;

	return data[13] == 8 ? XDP_DROP : XDP_PASS;
}
#endif

#ifdef REFUSED_register
SEC("xdp")
int refused(struct xdp_md *ctx)
{
	int verdict;

	asm volatile("%0 = r7" : "=r"(verdict));
	return verdict;
}
#endif

#ifdef REFUSED_null
SEC("xdp")
int refused(struct xdp_md *ctx)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&refused_map, &key);

	*count += 1;
	return XDP_PASS;
}
#endif

#ifdef REFUSED_map
SEC("xdp")
int refused(struct xdp_md *ctx)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&refused_map, &key);

	if (count)
		count[1] = 7;
	return XDP_PASS;
}
#endif

#ifdef REFUSED_helper
static long (*no_such_helper)(void) = (void *)9999;

SEC("xdp")
int refused(struct xdp_md *ctx)
{
	return no_such_helper();
}
#endif

#ifdef REFUSED_helper_here
SEC("xdp")
int refused(struct xdp_md *ctx)
{
	return bpf_override_return((void *)ctx, 1);
}
#endif

#ifdef REFUSED_loop
SEC("xdp")
int refused(struct xdp_md *ctx)
{
	asm volatile("1: goto 1b");
	return XDP_PASS;
}
#endif

#ifdef REFUSED_endless
SEC("xdp")
int refused(struct xdp_md *ctx)
{
	asm volatile("1: if %0 != 0 goto 1b" ::"r"(ctx->rx_queue_index));
	return XDP_PASS;
}
#endif

#ifdef REFUSED_complex
SEC("xdp")
int refused(struct xdp_md *ctx)
{
	__u64 sum = 0;

#pragma clang loop unroll(disable)
	for (__u64 i = 0; i < 10000000; i++)
		sum += bpf_get_prandom_u32() & 1 ? i : sum;
	return sum & 1;
}
#endif

#ifdef REFUSED_unreachable
SEC("xdp")
int refused(struct xdp_md *ctx)
{
	asm volatile("r0 = 2; exit; r0 = 1");
	return XDP_PASS;
}
#endif

#ifdef REFUSED_global
__attribute__((noinline)) int refused_part(__u64 *count)
{
	return *count;
}

SEC("xdp")
int refused(struct xdp_md *ctx)
{
	__u64 count = ctx->rx_queue_index;

	return refused_part(&count);
}
#endif

#ifdef REFUSED_context
SEC("xdp")
int refused(struct xdp_md *ctx)
{
	ctx->rx_queue_index = 1;
	return XDP_PASS;
}
#endif

char _license[] SEC("license") = "GPL";
