/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef ECBPF_FILTER_COUNTERS_H
#define ECBPF_FILTER_COUNTERS_H

#include "ecbpf/counter.h"

enum filter_counter {
	FILTER_ETH_FRAME_ERR, /* the Ethernet header or its VLAN tags cannot be read */
	FILTER_IP_HEADER_ERR, /* IPv4 that cannot be parsed */
	FILTER_IP6_HEADER_ERR,
	FILTER_IP_DROP_COUNT, /* the source is in the drop set */
	FILTER_IP6_DROP_COUNT,
	FILTER_IP_FRAG_DROP_COUNT, /* fragments that got no answer */
	FILTER_IP6_FRAG_DROP_COUNT,
	FILTER_PTB_SENT_COUNT, /* fragments that got one */
	FILTER_PTB_ERR_COUNT, /* first fragments that must not get one */
	FILTER_PTB_MEM_ERR_COUNT, /* the kernel had no room for it */
	FILTER_PTB_LIMIT_COUNT, /* ptb_max_pps was reached */
	FILTER_IP_OPTIONS_DROP_COUNT,
	FILTER_IP_EVIL_DROP_COUNT,
	FILTER_FRAG_LOCAL_COUNT, /* fragments to this host's own addresses, passed */
	FILTER_COUNTERS,
};

COUNTERS(filter_stats, filter_counter);

#endif /* ECBPF_FILTER_COUNTERS_H */
