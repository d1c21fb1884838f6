/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What an operator can set, each a store into the running program's memory. */
#ifndef ECBPF_FILTER_SETTINGS_H
#define ECBPF_FILTER_SETTINGS_H

#include <linux/types.h>

struct filter_settings {
	__u8 frags_drop;
	__u8 ptb_send;
	__u32 ptb_max_pps; /* a CPU and second; 0: none */
	__u8 frags_pass_local;
	__u8 ip_options_drop;
	__u8 ip_evil_drop;
	__u8 ip_header_abort; /* IPv4 that cannot be parsed */
	__u8 ip6_header_drop; /* IPv6 that cannot be parsed */
};

struct filter_settings filter_settings SEC(".data") = {
	.frags_drop = 1,
	.ptb_send = 1,
	.ptb_max_pps = 20,
	.frags_pass_local = 1,
	.ip_options_drop = 1,
	.ip_evil_drop = 1,
	.ip_header_abort = 1,
	.ip6_header_drop = 1,
};

#endif /* ECBPF_FILTER_SETTINGS_H */
