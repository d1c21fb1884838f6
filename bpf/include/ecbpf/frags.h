/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Set before load, the same in all programs of a chain: frames may be multi-buffer (a
 * large MTU; Linux 5.18). Then data_end is the end of the first buffer, not of the frame.
 */
#ifndef ECBPF_FRAGS_H
#define ECBPF_FRAGS_H

#include <linux/types.h>

const volatile __u8 chain_frags = 0;

#endif /* ECBPF_FRAGS_H */
