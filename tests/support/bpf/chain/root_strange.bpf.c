// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* A root array of a version whose counts have another layout. */
#define VERDICTS 32
#include "root_old.bpf.c"
