/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A setting is a global variable that an operator changes while packets flow:
 *
 *	__u32 max_pps SETTING = 20;
 *
 * User space maps the section, so a change is one store into the running program's
 * memory. One variable per setting, not a struct: a version that knows more settings
 * takes over the values of the others by name.
 */
#ifndef ECBPF_SETTING_H
#define ECBPF_SETTING_H

#include <bpf/bpf_helpers.h>

#define SETTING SEC(".data.settings")

#endif /* ECBPF_SETTING_H */
