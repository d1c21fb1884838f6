/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* No packet reads this: it brings the types into BTF that user space builds the sets from. */
#ifndef ECBPF_FILTER_LAYOUT_H
#define ECBPF_FILTER_LAYOUT_H

#include "ip4_set.h"
#include "ip6_set.h"

/* Add 1 with any change of the sets that builders must know. */
enum filter_format {
	FILTER_FORMAT = 1,
};

const volatile struct filter_layout {
	enum filter_format format;
	enum ip4_set_layout ip4_layout;
	enum ip6_set_layout ip6_layout;
	union ip4_element ip4_element;
	union ip6_block ip6_block[0];
} filter_layout = {};

#endif /* ECBPF_FILTER_LAYOUT_H */
