/* SPDX-License-Identifier: BSD-3-Clause */
/* Text inside the quotes of a JSON string (RFC 8259 7). Any thread. */
#ifndef RK_BASE_ESCAPE_H
#define RK_BASE_ESCAPE_H

#include "lib/base/buf.h"
#include "lib/base/str.h"

/** Append s, escaped as Go's encoding/json does: also < > & and U+2028/9; bytes that are no UTF-8
 *  become U+FFFD. No quotes around it. */
void rk_json_escape(struct rk_buf *b, struct rk_str s);

/** How many bytes at the front of s stand for themselves. */
size_t rk_json_plain(struct rk_str s);

#endif
