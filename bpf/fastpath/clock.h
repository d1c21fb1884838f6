/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Times in the table are ticks, cut to 32 bits. */
#ifndef ECBPF_FASTPATH_CLOCK_H
#define ECBPF_FASTPATH_CLOCK_H

#include <linux/types.h>

#include "ecbpf/time.h"

/* Set before load: HZ of this kernel, which a BPF program cannot read. */
const volatile __u32 ticks_a_second = 250;

#endif /* ECBPF_FASTPATH_CLOCK_H */
