/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The filter's settings. */
#ifndef ECBPF_FILTER_SETTINGS_H
#define ECBPF_FILTER_SETTINGS_H

#include <stdbool.h>

#include <linux/types.h>

#include "ecbpf/setting.h"

bool frags_drop SETTING = true;
bool ptb_send SETTING = true;
__u32 ptb_max_pps SETTING = 20; /* per CPU; 0: none */
bool frags_pass_local SETTING = true;
bool ip_options_drop SETTING = true;
bool ip_evil_drop SETTING = true;
bool ip_header_abort SETTING = true; /* IPv4 that cannot be parsed */
bool ip6_header_drop SETTING = true; /* IPv6 that cannot be parsed */

#endif /* ECBPF_FILTER_SETTINGS_H */
