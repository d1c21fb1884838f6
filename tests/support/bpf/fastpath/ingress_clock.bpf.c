// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Ingress of the fast path, by a clock that a test sets. */
#include "clock.h"
#include "../../../../bpf/fastpath_ingress.bpf.c"
