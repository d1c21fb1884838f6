// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* A subprogram whose work is inlined, or in a function that it calls. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/chain.h"
#include "ecbpf/packet.h"

/* Set before load: no packet of a benchmark has it, but clang and the verifier cannot know. */
const volatile __u32 refused = 0;

static __always_inline __u32 hash_inlined(__u32 a, __u32 b)
{
	return (a ^ b) * 0x9e3779b9;
}

static __noinline __u32 hash_static(__u32 a, __u32 b)
{
	return hash_inlined(a, b);
}

__noinline __u32 hash_global(__u32 a, __u32 b)
{
	return hash_inlined(a, b);
}

/* The tail calls are in the function. */
static __noinline int pass_on(struct xdp_md *ctx)
{
	return chain_pass(ctx);
}

static __always_inline int decide(struct xdp_md *ctx, __u32 (*hash)(__u32, __u32),
				  int (*pass)(struct xdp_md *))
{
	__u32 *word = packet_at((void *)(long)ctx->data, 0);

	if ((void *)(word + 8) > (void *)(long)ctx->data_end)
		return chain_end(ctx, XDP_ABORTED, REASON_NONE);
	if (hash(word[6], word[7]) == refused)
		return chain_end(ctx, XDP_DROP, REASON_NONE);
	return pass(ctx);
}

SEC("xdp")
int xdp_inlined(struct xdp_md *ctx)
{
	return decide(ctx, hash_inlined, chain_pass);
}

SEC("xdp")
int xdp_static(struct xdp_md *ctx)
{
	return decide(ctx, hash_static, chain_pass);
}

SEC("xdp")
int xdp_global(struct xdp_md *ctx)
{
	return decide(ctx, hash_global, chain_pass);
}

SEC("xdp")
int xdp_tail(struct xdp_md *ctx)
{
	return decide(ctx, hash_inlined, pass_on);
}

char _license[] SEC("license") = "Dual BSD/GPL";
