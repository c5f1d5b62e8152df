/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Places at the signal service. Anybody may register under any key, so a count alone would let one
 * stranger take all: when places run short the connection that has most of them loses its oldest,
 * and a newcomer whose connection has none gets in. One per loop, loop thread.
 *
 *   places ─▶ conn (how many) ─▶ streams, oldest first
 */
#ifndef RK_SIGNAL_PLACES_H
#define RK_SIGNAL_PLACES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/list.h"
#include "lib/base/map.h"

/* Registrations of one connection while more than half of all places are taken. Clients have one;
 * connections of reverse proxies, on private addresses or trusted, are not held to it. */
#define SIG_PER_CONN 16

struct sig_places { /* embedded in the lane */
    struct rk_list conns;
    struct rk_map by_id;
};

struct sig_place { /* embedded in the stream */
    struct rk_list link;
    struct sig_conn *conn; /* NULL: has left, or never entered */
};

void sig_places_init(struct sig_places *p);
void sig_places_done(struct sig_places *p); /* after all have left */

/** id: the connection, by its address in memory. */
void sig_places_enter(struct sig_places *p, const void *id, struct sig_place *place);
void sig_places_leave(struct sig_places *p, struct sig_place *place); /* harmless twice */

/** Registrations of this connection. */
size_t sig_places_of(const struct sig_places *p, const void *id);

/** Whose place a newcomer on connection `id` may have: the oldest one of the connection that has
 *  most, if that has more than two more than the newcomer's; else NULL. */
struct sig_place *sig_places_victim(const struct sig_places *p, const void *id);

#endif
