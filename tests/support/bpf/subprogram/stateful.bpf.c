// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* A subprogram with settings and counters, by names longer than the kernel keeps. */
#include "ecbpf/chain.h"
#include "ecbpf/counter.h"
#include "ecbpf/packet.h"
#include "ecbpf/setting.h"

__u8 drop_everything_at_once SETTING = 0;
__u16 length_of_the_longest SETTING = 1000;

enum stateful_counter {
	STATEFUL_SEEN,
	STATEFUL_TOO_LONG,
	STATEFUL_COUNTERS,
};

COUNTERS(counters_of_a_long_name, stateful_counter);

SEC("xdp")
int xdp_stateful_program(struct xdp_md *ctx)
{
	counter_add(&counters_of_a_long_name, STATEFUL_SEEN);
	if (packet_frame_len(ctx) > length_of_the_longest)
		counter_add(&counters_of_a_long_name, STATEFUL_TOO_LONG);
	else if (!drop_everything_at_once)
		return chain_pass(ctx);
	return chain_end(ctx, XDP_DROP, REASON_EXTERNAL);
}

char _license[] SEC("license") = "Dual BSD/GPL";
