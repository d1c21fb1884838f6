/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Global variables of every kind of type, and the layout that the compiler chose. */
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum colour { COLOUR_NONE = -1, COLOUR_RED, COLOUR_GREEN };
enum verdict { VERDICT_DROP = 1, VERDICT_PASS = 2 };

struct inner {
	__u8 small;
	__u32 large;
};

struct every {
	__u8 first;
	__u64 second;
	struct inner nested;
	struct inner both[2];
	char name[8];
	__u32 low : 3;
	__s32 middle : 5;
	__u32 high : 20;
	union {
		__u32 word;
		__u8 bytes[4];
	};
	struct {
		__u16 port;
		__u16 flag : 1;
		__u16 rest : 15;
	};
	union {
		__u16 narrow;
		__u64 wide;
	} choice;
	__u32 value;
	enum colour colour;
	enum verdict verdict;
	bool yes;
	char letter;
	void *pointer;
	__u8 matrix[2][3];
	__u8 padding;
	__s16 negative;
};

struct every every = {
	.first = 1,
	.second = 0x1122334455667788,
	.nested = {2, 3},
	.both = {{4, 5}, {6, 7}},
	.name = "eth0",
	.low = 5,
	.middle = -3,
	.high = 0x54321,
	.word = 0x04030201,
	.port = 80,
	.flag = 1,
	.rest = 0x7ffe,
	.choice = {.wide = 0x100000009},
	.value = 10,
	.colour = COLOUR_NONE,
	.verdict = VERDICT_PASS,
	.yes = true,
	.letter = 'x',
	.pointer = (void *)0xabc,
	.matrix = {{1, 2, 3}, {4, 5, 6}},
	.padding = 11,
	.negative = -2,
};

__u32 size_of_every = sizeof(struct every);
__u32 offset_of_second = offsetof(struct every, second);
__u32 offset_of_nested = offsetof(struct every, nested);
__u32 offset_of_both = offsetof(struct every, both);
__u32 offset_of_name = offsetof(struct every, name);
__u32 offset_of_word = offsetof(struct every, word);
__u32 offset_of_bytes = offsetof(struct every, bytes);
__u32 offset_of_port = offsetof(struct every, port);
__u32 offset_of_choice = offsetof(struct every, choice);
__u32 offset_of_value = offsetof(struct every, value);
__u32 offset_of_colour = offsetof(struct every, colour);
__u32 offset_of_pointer = offsetof(struct every, pointer);
__u32 offset_of_matrix = offsetof(struct every, matrix);
__u32 offset_of_negative = offsetof(struct every, negative);

__int128 huge = -5;
unsigned __int128 vast = (unsigned __int128)3 << 100;
float fraction = 0.5;
double precise = 0.25;
const volatile __u32 limit = 7;
__u64 seen;

SEC("xdp")
int xdp_types_prog(struct xdp_md *ctx)
{
	seen += every.value + limit;
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
