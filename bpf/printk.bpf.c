// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Slot 6: writes one line per packet to the trace pipe, and passes the packet on. */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ecbpf/chain.h"
#include "ecbpf/counter.h"
#include "ecbpf/packet.h"
#include "ecbpf/setting.h"

enum printk_counter {
	PRINTK_LOGGED,
	PRINTK_SKIPPED, /* by one_in */
	PRINTK_COUNTERS,
};

COUNTERS(printk_counters, printk_counter);

__u32 one_in SETTING = 1; /* log one packet in so many, chosen at random */

/* Set before load. */
const volatile char interface[16] = "?";
const volatile __u8 has_vprintk = 1; /* more than three arguments: Linux 5.16 */

static __always_inline bool is_chosen(void)
{
	__u32 many = *(volatile __u32 *)&one_in;

	return many <= 1 || bpf_get_prandom_u32() % many == 0;
}

static __always_inline void log_addresses(const struct packet *pkt, enum reason reason,
					  const char *name)
{
	__u16 sport = bpf_ntohs(pkt->sport), dport = bpf_ntohs(pkt->dport);

	if (pkt->version == 4)
		bpf_printk("%s: %pI4:%d > %pI4:%d proto %d length %d tags %d reason %d",
			   name, pkt->saddr, sport, pkt->daddr, dport, pkt->proto,
			   pkt->frame_len, pkt->vlan_count, reason);
	else
		bpf_printk(
			"%s: [%pI6]:%d > [%pI6]:%d proto %d length %d tags %d reason %d",
			name, pkt->saddr, sport, pkt->daddr, dport, pkt->proto,
			pkt->frame_len, pkt->vlan_count, reason);
}

static __always_inline void log_packet(struct xdp_md *ctx)
{
	char name[sizeof(interface)];
	struct packet pkt;
	enum reason reason = packet_parse(ctx, &pkt);

	for (__u32 i = 0; i < sizeof(name); i++)
		name[i] = interface[i];
	if (!pkt.version)
		bpf_printk("%s: no IP header, length %d reason %d", name, pkt.frame_len,
			   reason);
	else if (has_vprintk)
		log_addresses(&pkt, reason, name);
	else
		bpf_printk("%s: proto %d length %d", name, pkt.proto, pkt.frame_len);
}

SEC("xdp")
int xdp_printk_prog(struct xdp_md *ctx)
{
	if (is_chosen()) {
		log_packet(ctx);
		counter_add(&printk_counters, PRINTK_LOGGED);
	} else {
		counter_add(&printk_counters, PRINTK_SKIPPED);
	}
	return chain_pass(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
