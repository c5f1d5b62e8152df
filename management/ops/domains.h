/* SPDX-License-Identifier: BSD-3-Clause */
/* Domain names as clients write them: checked, and in punycode for storing. Any thread. */
#ifndef MGMT_OPS_DOMAINS_H
#define MGMT_OPS_DOMAINS_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "management/domain/types.h"

#define DOMAINS_MAX 32 /* of one route */

/** ASCII name that fits the pattern of the API: labels of letters, digits, '-' and '_', the last
 *  character of each a letter or digit; a leading "*." only when allowed; at most 255 bytes. */
bool dns_name_ok(struct rk_str s, bool wildcard_allowed);

/** Lower-case punycode of a name that may hold any script. Errors: RK_INVALID. arena */
enum rk_code dns_name_to_ascii(struct rk_arena *mem, struct rk_str s, bool wildcard_allowed,
                               struct rk_str *out, struct rk_err *err) RK_MUST;

/** For showing: the text itself where it has no readable form. arena */
struct rk_str dns_name_to_unicode(struct rk_arena *mem, struct rk_str s);

/** 1 to DOMAINS_MAX names to punycode. Errors: RK_INVALID. arena */
enum rk_code dns_names_to_ascii(struct rk_arena *mem, const struct str_list *in,
                                struct str_list *out, struct rk_err *err) RK_MUST;

#endif
