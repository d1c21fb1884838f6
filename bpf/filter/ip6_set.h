/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Is an IPv6 address in the set?
 *
 * The set is a list of prefixes of which none covers another, sorted. An address
 * can be in one only: the last that does not begin behind it. To find that one
 * with few loads, everything lies in lines of 64 bytes:
 *
 *   head      1 line: where the others begin
 *   gate      a bit for each value that a hash of the first 32 bits can have. Most
 *             addresses that are not in the set end here.
 *   radix     the range of the keys cut into equal parts: how many leaves begin
 *             before each, 32 bits each
 *   firsts    the first key of each leaf, 8 a line: searched between two radixes
 *   leaves    6 keys a line, the upper halves of the addresses where prefixes begin;
 *             a byte for each: the prefix' length, or IP6_LONG; and how many long
 *             ones there are before this leaf
 *   records   one for each long key, 4 a line: the one prefix longer than 64 bits in
 *             this network, or where in the pool there are several
 *   pool      lower half and length of prefixes longer than 64 bits, 4 a line
 *
 * Free places of a leaf come first, with key and length 0: only the first leaf
 * has any, and no address finds them when there is a prefix to be found.
 */
#ifndef ECBPF_FILTER_IP6_SET_H
#define ECBPF_FILTER_IP6_SET_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum ip6_set_layout {
	IP6_LINES = 5 << 17, /* enough for 2^20 + 2^17 prefixes of any kind */
	IP6_GATE_BITS = 22,
	IP6_RADIX_BITS = 20,
	IP6_LEAF_KEYS = 6,
	IP6_LONG = 0x80,
	IP6_SEARCH_STEPS = 21, /* halves what IP6_LINES can hold of anything down to 1 */
};

struct ip6_head {
	__u64 base; /* the first key */
	__u32 shift; /* of a key's distance from it, to get its radix */
	__u32 parts; /* how many parts the range is cut into */
	/* The lines where these begin. */
	__u32 gate;
	__u32 radix;
	__u32 firsts;
	__u32 leaves;
	__u32 records;
	__u32 pool;
	__u64 unused[3];
};

struct ip6_leaf {
	__u64 key[IP6_LEAF_KEYS];
	__u64 lengths; /* the first one's in the lowest byte */
	__u64 rank;
};

/* Of a record: a prefix by itself, or `count` in the pool from `lower` on. */
struct ip6_long {
	__u64 lower; /* the lower half of the address, or a place in the pool */
	__u32 length;
	__u32 count;
};

union ip6_line {
	struct ip6_head head;
	struct ip6_leaf leaf;
	struct ip6_long longer[4];
	__u64 word[8];
	__u32 half[16];
};

struct ip6_set {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, IP6_LINES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(union ip6_line));
	__uint(map_flags, BPF_F_MMAPABLE);
};

/* 1 if a <= b, without a branch: the verifier would follow both ways of each step. */
static __always_inline __u64 not_above(__u64 a, __u64 b)
{
	__u64 above = ((~b & a) | ((~b | a) & (b - a))) >> 63;

	asm volatile("" : "+r"(above));
	return 1 - above;
}

static __always_inline union ip6_line *ip6_line_at(void *set, __u32 line)
{
	return bpf_map_lookup_elem(set, &line);
}

/* Do the first `length` bits agree? length: 1 to 64. */
static __always_inline bool ip6_agree(__u64 a, __u64 b, __u32 length)
{
	return (a ^ b) >> ((64 - length) & 63) == 0;
}

/* May there be a prefix in the set that begins with these 32 bits? */
static __always_inline bool ip6_gate(void *set, const struct ip6_head *head, __u64 upper)
{
	__u64 hash = (upper >> 32) * 0x9e3779b97f4a7c15 >> (64 - IP6_GATE_BITS);
	union ip6_line *line = ip6_line_at(set, head->gate + (hash >> 9));

	return line && line->word[hash >> 6 & 7] >> (hash & 63) & 1;
}

/* Is the lower half in one of the prefixes of this network longer than 64 bits? */
static __always_inline bool ip6_record_has(void *set, const struct ip6_head *head,
					   __u64 rank, __u64 lower)
{
	union ip6_line *line = ip6_line_at(set, head->records + (rank >> 2));
	__u32 pool = head->pool, first, count;
	struct ip6_long *longer;

	if (!line)
		return false;
	longer = &line->longer[rank & 3];
	if (longer->count == 1)
		return ip6_agree(lower, longer->lower, longer->length);

	first = longer->lower;
	count = longer->count;
	for (int step = 0; step < IP6_SEARCH_STEPS && count > 1; step++) {
		__u32 half = count >> 1, middle = first + half;

		line = ip6_line_at(set, pool + (middle >> 2));
		if (!line)
			return false;
		first += half & -(__u32)not_above(line->longer[middle & 3].lower, lower);
		count -= half;
	}
	line = ip6_line_at(set, pool + (first >> 2));
	if (!line)
		return false;
	longer = &line->longer[first & 3];
	return ip6_agree(lower, longer->lower, longer->length);
}

/* The number of leaves that begin before a part of the range of keys. */
static __always_inline bool ip6_radix(void *set, const struct ip6_head *head, __u32 part,
				      __u32 *leaves)
{
	union ip6_line *line = ip6_line_at(set, head->radix + (part >> 4));

	if (!line)
		return false;
	*leaves = line->half[part & 15];
	return true;
}

/* upper, lower: the address in host byte order. set: a map as above. */
static __always_inline bool ip6_set_has(void *set, __u64 upper, __u64 lower)
{
	union ip6_line *line = ip6_line_at(set, 0);
	const struct ip6_head *head = &line->head;
	__u32 part, leaf, next, count, place, length;
	__u64 distance, key, longer;

	if (!line || upper < head->base || !ip6_gate(set, head, upper))
		return false;

	distance = (upper - head->base) >> (head->shift & 63);
	part = distance < head->parts ? distance : head->parts - 1;
	if (!ip6_radix(set, head, part, &leaf) || !ip6_radix(set, head, part + 1, &next))
		return false;
	count = next - leaf;
	for (int step = 0; step < IP6_SEARCH_STEPS && count; step++) {
		__u32 half = (count + 1) >> 1, middle = leaf + half - 1;

		line = ip6_line_at(set, head->firsts + (middle >> 3));
		if (!line)
			return false;
		leaf += half & -(__u32)not_above(line->word[middle & 7], upper);
		count -= half;
	}
	line = ip6_line_at(set, head->leaves + leaf - 1);
	if (!line)
		return false;

	if (upper >= line->leaf.key[3])
		place = upper >= line->leaf.key[4] ? 4 + (upper >= line->leaf.key[5]) : 3;
	else
		place = upper >= line->leaf.key[1] ? 1 + (upper >= line->leaf.key[2]) : 0;
	key = line->word[place & 7];
	length = line->leaf.lengths >> 8 * place & 0xff;
	if (!(length & IP6_LONG))
		return length && ip6_agree(upper, key, length);
	if (key != upper)
		return false;
	longer = line->leaf.lengths & 0x808080808080 & ((1ULL << 8 * place) - 1);
	return ip6_record_has(
		set, head, line->leaf.rank + ((longer >> 7) * 0x0101010101010101 >> 56),
		lower);
}

#endif /* ECBPF_FILTER_IP6_SET_H */
