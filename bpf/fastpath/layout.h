/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * No packet reads this: it brings types into BTF, where user space finds what it needs
 * to read the table and to name the counters.
 */
#ifndef ECBPF_FASTPATH_LAYOUT_H
#define ECBPF_FASTPATH_LAYOUT_H

#include "addresses.h"
#include "counters.h"
#include "table.h"

/* Of a flow, in any detail: one more with each change, and tables are not taken over. */
enum fastpath_format {
	FASTPATH_FORMAT = 1,
};

const volatile struct fastpath_layout {
	enum fastpath_format format;
	enum fastpath_counter counter;
	enum fastpath_address_origin origin;
} fastpath_layout = {.format = FASTPATH_FORMAT};

#endif /* ECBPF_FASTPATH_LAYOUT_H */
