// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Egress of the fast path, by a clock that a test sets. */
#include "clock.h"
#include "../../../../bpf/fastpath_egress.bpf.c"
