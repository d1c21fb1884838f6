/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where a sampler plugs in. Every exit takes 1 from the countdown in its slot's row of
 * xdp_stats. The packet that brings it to 0 is picked: the exit notes here which slot
 * decided what, and tail-calls entry 0 of xdp_sample_hook. The program there records the
 * packet, draws the row's next countdown (one random number per sample, not one per
 * packet: 0.9 ns instead of 20) and ends with chain_capture().
 *
 * A countdown of 0 wraps and picks nothing for 2^64 packets: sampling is off until
 * somebody sets it.
 */
#ifndef ECBPF_SAMPLE_H
#define ECBPF_SAMPLE_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "reason.h"

#define SAMPLE_SLOT_ROOT (-1) /* how a sample names the root itself */

struct sample_state {
	__s32 slot; /* that decided about the picked packet, */
	__u32 verdict; /* what it decided, */
	enum reason reason; /* and why */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sample_state);
} xdp_sample SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} xdp_sample_hook SEC(".maps");

#endif /* ECBPF_SAMPLE_H */
