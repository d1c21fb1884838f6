/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Is an IPv6 address in the set?
 *
 * The set is a sorted list of prefixes, none of which covers another. An address can only be
 * in one of them: the last that does not begin behind it. To find that one with few loads,
 * everything lies in lines of 64 bytes, and the lines in blocks of 4 MiB. The first block,
 * the index, is looked up once, and has
 *
 *   head      a few numbers
 *   gate      a bit for each value that a hash of the first 32 bits can have. For most
 *             addresses that are not in the set, the search ends here.
 *   firsts    the first key of each leaf: searched between two radixes
 *   radix     how many leaves begin before each part of the address space
 *   sectors   which parts those are: for each value of the first 16 bits, into how many
 *             equal parts its space is cut, and which is the first of them
 *
 * The other blocks have, one after the other,
 *
 *   leaves    6 keys per line, the upper halves of the addresses where prefixes begin;
 *             for each a byte with the prefix length, or IP6_LONG; and how many of the
 *             latter there are before this leaf
 *   records   one for each key marked IP6_LONG, 4 per line: the only prefix longer than
 *             64 bits in this network, or where in the pool its prefixes are
 *   pool      lower half and length of prefixes longer than 64 bits, 4 per line
 *
 * The first leaf begins with one free entry or more, of key and length 0: so there is a
 * leaf for every address, and nothing is found there.
 */
#ifndef ECBPF_FILTER_IP6_SET_H
#define ECBPF_FILTER_IP6_SET_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Enough for 2^20 prefixes of any kind, and for what 2^10 holes make of them. */
enum ip6_set_layout {
	IP6_BLOCKS = 10,
	IP6_BLOCK_LINES = 1 << 16, /* 4 MiB, the largest value before Linux 5.16 */
	IP6_GATE_BITS = 22,
	IP6_LEAVES = 196592,
	IP6_SECTORS = 1 << 16,
	IP6_RADIXES = (1 << 19) + 16 - IP6_SECTORS,
	IP6_LEAF_KEYS = 6,
	IP6_LONG = 0x80,
	IP6_SEARCH_STEPS = 21, /* halvings, from the most there can be of anything to 1 */
};

struct ip6_head {
	/* The lines, counted from the end of the index, where these begin. */
	__u32 records;
	__u32 pool;
	__u64 unused[7];
};

struct ip6_index {
	struct ip6_head head;
	__u64 gate[(1 << IP6_GATE_BITS) / 64];
	__u64 firsts[IP6_LEAVES];
	__u32 radix[IP6_RADIXES];
	/* The first radix; in the last 6 bits, by how much to shift the address' next 48 bits. */
	__u32 sector[IP6_SECTORS];
};

struct ip6_leaf {
	__u64 key[IP6_LEAF_KEYS];
	__u8 length[8]; /* 6 are used; read as a word, the first is its lowest byte */
	__u64 rank;
};

/* A record: one prefix (count 1), or `count` prefixes in the pool from index `lower` on. */
struct ip6_long {
	__u64 lower; /* the lower half of the address, or an index in the pool */
	__u32 length; /* beyond the first 64 bits */
	__u32 count;
};

union ip6_line {
	struct ip6_leaf leaf;
	struct ip6_long longer[4];
};

union ip6_block {
	struct ip6_index index;
	union ip6_line line[IP6_BLOCK_LINES];
};

_Static_assert(sizeof(union ip6_block) == 4 << 20, "an index fits into a block");

struct ip6_set {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, IP6_BLOCKS);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(union ip6_block));
	__uint(map_flags, BPF_F_MMAPABLE);
};

/*
 * Elements of the index. The verifier wants to see a bound on the very register. A power
 * of two that stays within the block is enough: the numbers are right anyway.
 */
static __always_inline const __u32 *ip6_radix(const struct ip6_index *index, __u64 number)
{
	asm volatile("%0 &= 0x7ffff" : "+r"(number));
	return &index->radix[number];
}

static __always_inline __u64 ip6_first(const struct ip6_index *index, __u64 number)
{
	asm volatile("%0 &= 0x3ffff" : "+r"(number));
	return index->firsts[number];
}

/* 1 if a <= b, without a branch: the verifier would follow both ways of each step. */
static __always_inline __u64 is_at_most(__u64 a, __u64 b)
{
	__u64 above = ((~b & a) | ((~b | a) & (b - a))) >> 63;

	asm volatile("" : "+r"(above));
	return 1 - above;
}

/* A line behind the index. */
static __always_inline union ip6_line *ip6_line_at(void *set, __u64 line)
{
	__u32 key = 1 + line / IP6_BLOCK_LINES;
	union ip6_block *block = bpf_map_lookup_elem(set, &key);

	if (!block)
		return NULL;
	asm volatile("" : "+r"(block)); /* clang would add first and check then */
	return &block->line[line % IP6_BLOCK_LINES];
}

/* Do the first `length` bits agree? length: 1 to 64. */
static __always_inline bool ip6_agree(__u64 a, __u64 b, __u32 length)
{
	return (a ^ b) >> ((64 - length) & 63) == 0;
}

/* Is the lower half in one of the prefixes of this network longer than 64 bits? */
static __always_inline bool ip6_record_has(void *set, const struct ip6_head *head,
					   __u64 rank, __u64 lower)
{
	union ip6_line *line = ip6_line_at(set, head->records + (rank >> 2));
	struct ip6_long *longer;
	__u32 first, count;

	if (!line)
		return false;
	longer = &line->longer[rank & 3];
	if (longer->count == 1)
		return ip6_agree(lower, longer->lower, longer->length);

	first = longer->lower;
	count = longer->count;
	for (int step = 0; step < IP6_SEARCH_STEPS && count > 1; step++) {
		__u32 half = count >> 1, middle = first + half;

		line = ip6_line_at(set, head->pool + (middle >> 2));
		if (!line)
			return false;
		first += half & -(__u32)is_at_most(line->longer[middle & 3].lower, lower);
		count -= half;
	}
	line = ip6_line_at(set, head->pool + (first >> 2));
	if (!line)
		return false;
	longer = &line->longer[first & 3];
	return ip6_agree(lower, longer->lower, longer->length);
}

/* The last leaf that does not begin behind this key, or the leaf after it. */
static __always_inline __u64 ip6_find_leaf(const struct ip6_index *index, __u64 upper)
{
	__u32 sector = index->sector[upper >> 48];
	__u64 part = (upper & 0xffffffffffff) >> (sector & 63);
	const __u32 *radix = ip6_radix(index, (sector >> 6) + part);
	__u64 leaf, count;

	leaf = radix[0];
	count = radix[1] - leaf;

	for (int step = 0; step < IP6_SEARCH_STEPS && count > 1; step++) {
		__u64 half = count >> 1;
		__u64 first = ip6_first(index, leaf + half - 1);

		leaf += half & -is_at_most(first, upper);
		count -= half;
	}
	return leaf + count - 1;
}

struct ip6_found {
	__u64 key;
	__u32 length;
	__u32 index; /* in the leaf */
};

/* index: a constant, so that nothing is copied to the stack. */
static __always_inline struct ip6_found ip6_take(const struct ip6_leaf *leaf, __u32 index)
{
	return (struct ip6_found){leaf->key[index], leaf->length[index], index};
}

/* The last key of a leaf that is not above `upper`; the leaf does not begin behind it. */
static __always_inline struct ip6_found ip6_find_key(const struct ip6_leaf *leaf,
						     __u64 upper)
{
	if (upper >= leaf->key[3]) {
		if (upper >= leaf->key[5])
			return ip6_take(leaf, 5);
		return upper >= leaf->key[4] ? ip6_take(leaf, 4) : ip6_take(leaf, 3);
	}
	if (upper >= leaf->key[2])
		return ip6_take(leaf, 2);
	return upper >= leaf->key[1] ? ip6_take(leaf, 1) : ip6_take(leaf, 0);
}

static __always_inline __u64 ip6_half(const __be32 *word)
{
	return (__u64)bpf_ntohl(word[0]) << 32 | bpf_ntohl(word[1]);
}

/* address: in network byte order. set: a map as above. */
static __always_inline bool ip6_set_has(void *set, const __be32 *address)
{
	__u64 upper = ip6_half(address);
	__u64 hash = (upper >> 32) * 0x9e3779b97f4a7c15 >> (64 - IP6_GATE_BITS);
	const struct ip6_index *index;
	union ip6_line *line;
	struct ip6_found found;
	__u64 leaf, longer;
	__u32 zero = 0;

	index = bpf_map_lookup_elem(set, &zero);
	if (!index || !(index->gate[hash >> 6] >> (hash & 63) & 1))
		return false;

	leaf = ip6_find_leaf(index, upper);
	line = ip6_line_at(set, leaf);
	if (line && upper < line->leaf.key[0])
		line = ip6_line_at(set, leaf - 1);
	if (!line)
		return false;

	found = ip6_find_key(&line->leaf, upper);
	if (!(found.length & IP6_LONG))
		return found.length && ip6_agree(upper, found.key, found.length);
	if (found.key != upper)
		return false;
	longer = *(__u64 *)line->leaf.length & ((1ULL << 8 * found.index) - 1);
	longer = (longer >> 7 & 0x010101010101) * 0x0101010101010101 >> 56;
	return ip6_record_has(set, &index->head, line->leaf.rank + longer,
			      ip6_half(address + 2));
}

#endif /* ECBPF_FILTER_IP6_SET_H */
