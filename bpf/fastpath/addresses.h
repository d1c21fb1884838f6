/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Addresses whose packets are the kernel's alone: those of many hosts, and this host's
 * own and excluded VIPs, which user space lists. After a change it adds 1 to
 * address_generation: then flows that were learned before are looked at again, each once.
 */
#ifndef ECBPF_FASTPATH_ADDRESSES_H
#define ECBPF_FASTPATH_ADDRESSES_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "table.h"

/* IPv4 as in ::ffff:192.0.2.1 (RFC 4291 section 2.5.5.2) */
struct fastpath_address {
	__be32 word[4];
};

enum fastpath_address_origin {
	FASTPATH_ADDRESS_OWN = 1,
	FASTPATH_ADDRESS_EXCLUDED = 2,
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct fastpath_address);
	__type(value, __u8); /* enum fastpath_address_origin, together */
	__uint(map_flags, BPF_F_NO_PREALLOC);
} fastpath_local SEC(".maps");

#define ADDRESS_INTERFACES 8

__u32 address_generation SEC(".data.director") = 1;
/* No packet reads these: ifindexes whose addresses are own ones; 0 ends them. */
__u32 address_interfaces[ADDRESS_INTERFACES] SEC(".data.director") = {};

static __always_inline bool is_multicast(const union flow_id *id, bool is_ip4)
{
	__u8 first = *(const __u8 *)id->key.vip;

	return is_ip4 ? first >= 0xe0 : first == 0xff; /* 255.255.255.255 as well */
}

static __always_inline bool is_local(const union flow_id *id)
{
	struct fastpath_address address = {
		{0, 0, bpf_htonl(0xffff), id->key.vip[0]},
	};

	if (id->key.version == 6)
		__builtin_memcpy(&address, id->key.vip, sizeof(address));
	return bpf_map_lookup_elem(&fastpath_local, &address);
}

/* Has the VIP of a known flow become one of them? */
static __always_inline bool has_become_local(const union flow_id *id, struct flow *flow)
{
	__u8 now = *(volatile __u32 *)&address_generation;

	if (flow->generation == now)
		return false;
	if (is_local(id))
		return true;
	flow->generation = now;
	return false;
}

#endif /* ECBPF_FASTPATH_ADDRESSES_H */
