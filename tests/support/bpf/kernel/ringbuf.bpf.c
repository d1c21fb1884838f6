/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Copies each packet into a ring buffer; one that begins with 0xdd is reserved and discarded. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define LONGEST 1024

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

__u64 refused = 0;

SEC("xdp")
int xdp_ring_prog(struct xdp_md *ctx)
{
	__u64 len = ctx->data_end - ctx->data;
	static __u8 copy[2 * LONGEST];
	__u8 first;

	/* Since Linux 5.18 there is bpf_xdp_load_bytes() for this. */
	if (bpf_probe_read_kernel(&first, 1, (void *)(long)ctx->data))
		return XDP_ABORTED;
	if (first == 0xdd) {
		void *record = bpf_ringbuf_reserve(&ring, 24, 0);

		if (record)
			bpf_ringbuf_discard(record, 0);
		return XDP_PASS;
	}
	/* The verifier needs the bounds on the register that the helpers get. */
	asm volatile("%0 &= 0x7ff" : "+r"(len));
	if (len < 14 || len > LONGEST ||
	    bpf_probe_read_kernel(copy, len, (void *)(long)ctx->data))
		return XDP_ABORTED;
	if (bpf_ringbuf_output(&ring, copy, len, 0))
		refused++;
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
