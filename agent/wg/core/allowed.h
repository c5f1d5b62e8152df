/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cryptokey routing (whitepaper section 2): which peer an inner address belongs to, by the longest
 * prefix. A binary trie without chains, one per family; a prefix belongs to one owner. One thread
 * at a time.
 */
#ifndef RK_AGENT_WG_CORE_ALLOWED_H
#define RK_AGENT_WG_CORE_ALLOWED_H

#include <stddef.h>

#include "lib/base/list.h"
#include "lib/net/addr.h"

struct wgc_allowed_node;

struct wgc_allowed { /* embed; all zero: empty */
    struct wgc_allowed_node *v4, *v6;
};

struct wgc_owner { /* embed in the peer */
    struct rk_list nodes;
    size_t n;
};

void wgc_owner_init(struct wgc_owner *o);

/** Give a prefix (host bits are cleared) to o, taking it from any other. */
void wgc_allowed_put(struct wgc_allowed *t, const struct rk_prefix *p, struct wgc_owner *o);

/** Take everything from o; must come before o goes. */
void wgc_allowed_drop(struct wgc_allowed *t, struct wgc_owner *o);

/** Owner of an address (bytes in network order: 4 or 16), or NULL. Lent. */
struct wgc_owner *wgc_allowed_find4(const struct wgc_allowed *t, const uint8_t ip[4]);
struct wgc_owner *wgc_allowed_find6(const struct wgc_allowed *t, const uint8_t ip[16]);

/** The prefixes of o, in no order. Returns how many were written. */
size_t wgc_allowed_list(const struct wgc_owner *o, struct rk_prefix *out, size_t max);

void wgc_allowed_done(struct wgc_allowed *t); /* all owners must have dropped theirs */

#endif
