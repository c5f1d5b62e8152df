/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared box keys of agents that have proved to own theirs: deriving one costs 50 us, and every
 * agent makes several calls in a row. Two generations of a bounded size: what is asked for moves to
 * the young one, the old one is dropped as a whole when the young one is full. Any thread.
 */
#ifndef MGMT_RPC_KEYCACHE_H
#define MGMT_RPC_KEYCACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/crypto/box.h"
#include "lib/crypto/secret.h"

struct keycache;

/** max: keys of one generation. Owned: keycache_free (wipes). */
struct keycache *keycache_new(size_t max);
void keycache_free(struct keycache *c); /* accepts NULL */

bool keycache_get(struct keycache *c, const struct rk_key *peer, struct box_shared *out);
/** Only for keys whose owner sealed something with the shared key: then strangers cannot push
 *  others out. */
void keycache_put(struct keycache *c, const struct rk_key *peer, const struct box_shared *shared);

#endif
