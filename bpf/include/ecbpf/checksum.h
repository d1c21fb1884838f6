/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The Internet checksum (RFC 1071). Words are added as they lie in the packet, in network
 * byte order, and the result is stored the same way:
 *
 *	sum = checksum_add(0, ip, sizeof(*ip));
 *	ip->check = checksum_of(sum);
 *
 * A header that carries its checksum is intact if checksum_is_valid() of its sum.
 */
#ifndef ECBPF_CHECKSUM_H
#define ECBPF_CHECKSUM_H

#include <stdbool.h>

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

/* Add 32-bit words to a sum. bytes: a constant, a multiple of 4. */
static __always_inline __u64 checksum_add(__u64 sum, const void *words, __u32 bytes)
{
	const __be32 *word = words;

#pragma clang loop unroll(full)
	for (__u32 i = 0; i < bytes / sizeof(*word); i++)
		sum += word[i];
	return sum;
}

/* The sum in 16 bits, carries added in. */
static __always_inline __u16 checksum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* What goes into the checksum field, which was 0 when the words were added. */
static __always_inline __sum16 checksum_of(__u64 sum)
{
	return ~checksum_fold(sum);
}

/* sum: of all words, the checksum field included. */
static __always_inline bool checksum_is_valid(__u64 sum)
{
	return checksum_fold(sum) == 0xffff;
}

#endif /* ECBPF_CHECKSUM_H */
