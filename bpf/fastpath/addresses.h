/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Addresses whose packets are the kernel's alone: multicast addresses, this host's own
 * and excluded VIPs. User space lists the last two. After a change it adds 1 to
 * address_generation: then each flow learned before has its VIP looked up once more.
 */
#ifndef ECBPF_FASTPATH_ADDRESSES_H
#define ECBPF_FASTPATH_ADDRESSES_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/local.h"
#include "flow_id.h"
#include "table.h"

/* What the values of the map are made of. */
enum fastpath_address_origin {
	FASTPATH_ADDRESS_OWN = 1,
	FASTPATH_ADDRESS_EXCLUDED = 2,
};

LOCAL_ADDRESSES(fastpath_local);

#define ADDRESS_INTERFACES 8

__u32 address_generation SEC(".data.director") = 1;
/* No packet reads these: ifindexes whose addresses are own ones; 0 ends the list. */
__u32 address_interfaces[ADDRESS_INTERFACES] SEC(".data.director") = {};

static __always_inline bool is_multicast(const union flow_id *id, bool is_ip4)
{
	__u8 first = *(const __u8 *)id->key.vip;

	return is_ip4 ? first >= 0xe0 : first == 0xff; /* 255.255.255.255 as well */
}

static __always_inline bool is_local(const union flow_id *id)
{
	return local_has(&fastpath_local, id->key.vip, id->key.version == 4);
}

/* Has the VIP of a known flow become an own or excluded one? */
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
