/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ecbpf_debug(fmt, ...): writes a line to the trace pipe in a `make DEBUG=1` build, and
 * is no instruction in any other. The arguments are always compiled, so that a debug line
 * cannot rot.
 */
#ifndef ECBPF_DEBUG_H
#define ECBPF_DEBUG_H

#include <bpf/bpf_helpers.h>

#ifdef DEBUG
#define ECBPF_DEBUG_ON 1
#else
#define ECBPF_DEBUG_ON 0
#endif

#define ecbpf_debug(fmt, ...)                                     \
	do {                                                      \
		if (ECBPF_DEBUG_ON)                               \
			bpf_printk("ecbpf: " fmt, ##__VA_ARGS__); \
	} while (0)

#endif /* ECBPF_DEBUG_H */
