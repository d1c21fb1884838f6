/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Is an IPv4 address in the set? One or two loads whatever the set holds.
 *
 * The 2^24 networks of 256 addresses lie in groups of 64, in order. A group has
 * two bits for each: the whole network is in the set; a part of it is. The parts
 * have a leaf each, a bit an address, in the order of the networks: that of a
 * network is found by counting the leaves before it.
 */
#ifndef ECBPF_FILTER_IP4_SET_H
#define ECBPF_FILTER_IP4_SET_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum ip4_set_layout {
	IP4_GROUPS = 1 << 18,
	/* One a prefix at most, be it in the set or taken out of it. */
	IP4_LEAVES = (1 << 20) + (1 << 10),
};

struct ip4_group {
	__u64 whole;
	__u64 part;
	__u64 rank; /* leaves of the groups before */
	__u64 unused;
};

struct ip4_leaf {
	__u64 bits[4];
};

/* The groups first, then the leaves. */
union ip4_element {
	struct ip4_group group;
	struct ip4_leaf leaf;
};

/* One size for all sets: the JIT inlines lookups in maps of maps only then. */
struct ip4_set {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, IP4_GROUPS + IP4_LEAVES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(union ip4_element));
	__uint(map_flags, BPF_F_MMAPABLE);
};

static __always_inline __u32 count_bits(__u64 word)
{
	word -= word >> 1 & 0x5555555555555555;
	word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
	word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return word * 0x0101010101010101 >> 56;
}

/* address: in host byte order. set: a map as above. */
static __always_inline bool ip4_set_has(void *set, __u32 address)
{
	__u64 network = 1ULL << (address >> 8 & 63);
	union ip4_element *element;
	__u32 key = address >> 14;

	element = bpf_map_lookup_elem(set, &key);
	if (!element)
		return false;
	if (element->group.whole & network)
		return true;
	if (!(element->group.part & network))
		return false;

	key = IP4_GROUPS + element->group.rank +
	      count_bits(element->group.part & (network - 1));
	element = bpf_map_lookup_elem(set, &key);
	return element && element->leaf.bits[address >> 6 & 3] >> (address & 63) & 1;
}

#endif /* ECBPF_FILTER_IP4_SET_H */
