/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This host's own addresses, as user space last saw them, in a map of the subprogram:
 *
 *	LOCAL_ADDRESSES(filter_local);
 *
 *	if (local_has(&filter_local, pkt.daddr, pkt.version == 4))
 */
#ifndef ECBPF_LOCAL_H
#define ECBPF_LOCAL_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* IPv4 as in ::ffff:192.0.2.1 (RFC 4291 section 2.5.5.2) */
struct local_address {
	__be32 word[4];
};

/* What the value says, which is not 0, is between the subprogram and user space. */
#define LOCAL_ADDRESSES(map)                          \
	struct {                                      \
		__uint(type, BPF_MAP_TYPE_HASH);      \
		__uint(max_entries, 16384);           \
		__type(key, struct local_address);    \
		__type(value, __u8);                  \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
	} map SEC(".maps")

/* map: the address of such a map. address: of IPv4 the first word is read. */
static __always_inline bool local_has(void *map, const __be32 *address, bool is_ip4)
{
	struct local_address key = {
		{0, 0, bpf_htonl(0xffff), address[0]},
	};

	if (!is_ip4)
		__builtin_memcpy(&key, address, sizeof(key));
	return bpf_map_lookup_elem(map, &key);
}

#endif /* ECBPF_LOCAL_H */
