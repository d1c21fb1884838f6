/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * No packet reads this: it brings the types into BTF that user space reads the table and
 * names the counters by.
 */
#ifndef ECBPF_FASTPATH_LAYOUT_H
#define ECBPF_FASTPATH_LAYOUT_H

#include "addresses.h"
#include "counters.h"
#include "table.h"

/* Add 1 with any change of struct flow: tables of another format are not taken over. */
enum fastpath_format {
	FASTPATH_FORMAT = 1,
};

const volatile struct fastpath_layout {
	enum fastpath_format format;
	enum fastpath_counter counter;
	enum fastpath_address_origin origin;
} fastpath_layout = {.format = FASTPATH_FORMAT};

#endif /* ECBPF_FASTPATH_LAYOUT_H */
