/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Is an IPv4 address in the set? One or two loads, whatever is in the set.
 *
 * The 2^24 networks of 256 addresses are divided into groups of 64, in order. A group has
 * two bits per network: all of it is in the set; a part of it is. Each network of the
 * second kind has a leaf, with one bit per address. Leaves are in the order of their
 * networks: a network's leaf is found by counting the leaves before it.
 */
#ifndef ECBPF_FILTER_IP4_SET_H
#define ECBPF_FILTER_IP4_SET_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum ip4_set_layout {
	IP4_GROUPS = 1 << 18,
	/* At most one per prefix, in the set or taken out of it. */
	IP4_LEAVES = (1 << 20) + (1 << 10),
};

struct ip4_group {
	__u64 whole;
	__u64 part;
	__u8 ranks[8]; /* for each byte of `part`: bits in those before it */
	__u64 rank; /* leaves of the groups before */
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

/* BPF has no instruction that counts bits. */
#define BITS_2(n) n, n + 1, n + 1, n + 2
#define BITS_4(n) BITS_2(n), BITS_2(n + 1), BITS_2(n + 1), BITS_2(n + 2)
#define BITS_6(n) BITS_4(n), BITS_4(n + 1), BITS_4(n + 1), BITS_4(n + 2)

static const __u8 bits_of[128] = {BITS_6(0), BITS_6(1)};

/* The leaf of a network in its group, 0 to 63, that is in the set in part. */
static __always_inline __u32 ip4_leaf_of(const struct ip4_group *group, __u32 network)
{
	__u64 before = group->part >> (network & 0x38) & ((1 << (network & 7)) - 1);

	/* It has 7 bits anyway, but the verifier cannot know. */
	asm volatile("%0 &= 0x7f" : "+r"(before));
	return group->rank + group->ranks[network >> 3 & 7] + bits_of[before];
}

/* address: in host byte order. set: a map as above. */
static __always_inline bool ip4_set_has(void *set, __u32 address)
{
	__u32 network = address >> 8 & 63, key = address >> 14;
	__u64 bit = 1ULL << network;
	union ip4_element *element;

	element = bpf_map_lookup_elem(set, &key);
	if (!element)
		return false;
	if (element->group.whole & bit)
		return true;
	if (!(element->group.part & bit))
		return false;

	key = IP4_GROUPS + ip4_leaf_of(&element->group, network);
	element = bpf_map_lookup_elem(set, &key);
	return element && element->leaf.bits[address >> 6 & 3] >> (address & 63) & 1;
}

#endif /* ECBPF_FILTER_IP4_SET_H */
