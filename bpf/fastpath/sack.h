/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Does a TCP header carry SACK blocks (RFC 2018), at one of the two offsets that stacks use? */
#ifndef ECBPF_FASTPATH_SACK_H
#define ECBPF_FASTPATH_SACK_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/tcp.h>
#include <bpf/bpf_helpers.h>

#define TCP_OPTION_NOP 1
#define TCP_OPTION_SACK 5
#define TIMESTAMP_WORDS 3 /* with two NOPs before it */

/* word: where two NOPs, SACK and its length would be; length: of the header in words. */
static __always_inline bool has_sack_at(const __u8 *tcp, void *end, __u32 word,
					__u32 length)
{
	const __u8 *option = tcp + word * 4;

	return length > word && (void *)(option + 4) <= end &&
	       option[0] == TCP_OPTION_NOP && option[1] == TCP_OPTION_NOP &&
	       option[2] == TCP_OPTION_SACK;
}

static __always_inline bool has_sack(struct xdp_md *ctx, const struct tcphdr *tcp)
{
	void *end = (void *)(long)ctx->data_end;
	__u32 fixed = sizeof(*tcp) / 4;

	if ((void *)(tcp + 1) > end)
		return false; /* never: it was all there */
	return has_sack_at((void *)tcp, end, fixed, tcp->doff) ||
	       has_sack_at((void *)tcp, end, fixed + TIMESTAMP_WORDS, tcp->doff);
}

#endif /* ECBPF_FASTPATH_SACK_H */
