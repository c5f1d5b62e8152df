/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct anonymizer: texts without what tells who somebody is; the same thing always becomes the
 * same replacement, over all texts of one anonymiser.
 *
 *                      default                          strict
 *   public addresses   198.51.100.0 on, 2001:db8:ffff:: the same
 *   private addresses  as they are (IPv6: replaced)     198.18.0.0 on, 2001:db8:1::
 *   MAC addresses      02:00:00:00:00:01 on             the same
 *   domains            anon-1.domain, below them kept   anon-1.domain, below them host-1
 *   WireGuard keys     as they are                      another key-like text
 *
 * Only domains are found that were learned. Loopback, unspecified, multicast and broadcast
 * addresses stay. Main thread.
 */
#ifndef RK_AGENT_CLI_ANONYMIZE_H
#define RK_AGENT_CLI_ANONYMIZE_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/base/str.h"

struct anonymizer;

struct anonymizer *anonymizer_new(bool strict);
void anonymizer_free(struct anonymizer *a); /* accepts NULL */

/** Learn the names that stand in a status or a configuration: of hosts, and in URLs. */
void anonymizer_learn(struct anonymizer *a, const json_t *v);
/** The same for one name; those without a dot (host names) are learned too. */
void anonymizer_learn_name(struct anonymizer *a, struct rk_str name);

/** A text without them. Lives until the anonymiser is freed. */
struct rk_str anonymizer_text(struct anonymizer *a, struct rk_str text);

#endif
