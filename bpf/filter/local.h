/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* This host's own addresses, as user space last saw them. */
#ifndef ECBPF_FILTER_LOCAL_H
#define ECBPF_FILTER_LOCAL_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/packet.h"

/* IPv4 as in ::ffff:192.0.2.1 (RFC 4291 section 2.5.5.2) */
struct filter_address {
	__be32 word[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct filter_address);
	__type(value, __u8);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} filter_local SEC(".maps");

static __always_inline bool goes_to_this_host(const struct packet *pkt)
{
	struct filter_address address = {
		{0, 0, bpf_htonl(0xffff), pkt->daddr[0]},
	};

	if (pkt->version == 6)
		__builtin_memcpy(&address, pkt->daddr, sizeof(address));
	return bpf_map_lookup_elem(&filter_local, &address);
}

#endif /* ECBPF_FILTER_LOCAL_H */
