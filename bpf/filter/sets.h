/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The drop sets. There are two banks; packets read the one that the last bit of
 * filter_generation names. A change fills the other bank and then adds 1: both families
 * change with that one store. An empty bank drops nothing.
 */
#ifndef ECBPF_FILTER_SETS_H
#define ECBPF_FILTER_SETS_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/packet.h"
#include "ip4_set.h"
#include "ip6_set.h"

#define FILTER_BANKS 2
#define FILTER_PAGE 4096

__u32 filter_generation SEC(".data") = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FILTER_BANKS);
	__type(key, __u32);
	__array(values, struct ip4_set);
} filter_ip4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FILTER_BANKS);
	__type(key, __u32);
	__array(values, struct ip6_set);
} filter_ip6 SEC(".maps");

/*
 * The prefixes that the sets were made of, with their tags and times, in pages. No packet
 * reads them: the loader binds the map to the program, so that it lives as long.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FILTER_BANKS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, FILTER_PAGE);
			__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
		});
} filter_lists SEC(".maps");

/* address: in network byte order, as in struct packet. */
static __always_inline bool ip4_is_listed(const __be32 *address)
{
	__u32 bank = filter_generation % FILTER_BANKS;
	void *set = bpf_map_lookup_elem(&filter_ip4, &bank);

	return set && ip4_set_has(set, bpf_ntohl(*address));
}

static __always_inline bool ip6_is_listed(const __be32 *address)
{
	__u32 bank = filter_generation % FILTER_BANKS;
	void *set = bpf_map_lookup_elem(&filter_ip6, &bank);

	return set && ip6_set_has(set, address);
}

#endif /* ECBPF_FILTER_SETS_H */
