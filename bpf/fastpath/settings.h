/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Settings of the fast path: all its programs share this memory. */
#ifndef ECBPF_FASTPATH_SETTINGS_H
#define ECBPF_FASTPATH_SETTINGS_H

#include <stdbool.h>

#include <linux/types.h>

#include "ecbpf/setting.h"

#define VLAN_AS_LEARNED (-1)

bool monitor SETTING = false; /* decide and count as ever, but change no packet's way */
bool limit_rates SETTING = false; /* drop what is over a limit, not only count it */
bool redirect SETTING = false; /* by the NIC that IPVS chose, not back by the same */
bool decrement_ttl SETTING = false;
bool udp SETTING = false;
__s32 vlan SETTING = VLAN_AS_LEARNED; /* 1 to 4094: only to servers in that VLAN */
__u32 inactive_seconds SETTING = 60;
__u32 sample_seconds SETTING = 1;
__u32 rx_cpus SETTING = 1; /* CPUs that packets come in on, */
__u32 rps_cpus SETTING = 1; /* and CPUs that the stack runs on */
__u32 max_resets_pps SETTING = 4000;
__u32 inbound_pps SETTING = 8000000;
__u32 inbound_spike SETTING = 5; /* percent above it from which packets are dropped, */
__u32 inbound_max SETTING = 50; /* and from which nearly all are */
__u32 wrap_packets SETTING = 4096; /* between two measurements of the rate */

#endif /* ECBPF_FASTPATH_SETTINGS_H */
