// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* A source filter made with the kernel's longest-prefix match, for the filter's slot. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/chain.h"
#include "ecbpf/packet.h"

#define TRIE_PREFIXES (1 << 20)

struct trie_ip4 {
	__u32 length;
	__be32 word[1];
};

struct trie_ip6 {
	__u32 length;
	__be32 word[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, TRIE_PREFIXES);
	__type(key, struct trie_ip4);
	__type(value, __u32);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} trie_ip4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, TRIE_PREFIXES);
	__type(key, struct trie_ip6);
	__type(value, __u32);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} trie_ip6 SEC(".maps");

SEC("xdp")
int xdp_trie(struct xdp_md *ctx)
{
	struct packet pkt;
	void *found;

	if (packet_parse_ip(ctx, &pkt))
		return chain_pass(ctx);
	if (pkt.version == 4) {
		struct trie_ip4 key = {32, {pkt.saddr[0]}};

		found = bpf_map_lookup_elem(&trie_ip4, &key);
	} else {
		struct trie_ip6 key = {128, {}};

		__builtin_memcpy(key.word, pkt.saddr, sizeof(key.word));
		found = bpf_map_lookup_elem(&trie_ip6, &key);
	}
	if (found)
		return chain_end(ctx, XDP_DROP, REASON_SOURCE);
	return chain_pass(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
