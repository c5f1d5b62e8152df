/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is connected to the relay, and who wants to hear of whom: peer id → session and watches.
 * Shared by all loops; read for every forwarded packet, so it is cut into shards with a
 * reader-writer lock each.
 *
 *   shard: id ─▶ entry { current session (one reference), watches of other sessions }
 *
 * A watch is born with "online" interest, which the next arrival of the peer uses up, and keeps
 * "offline" interest until it is dropped; that is what official clients build on.
 */
#ifndef RK_RELAY_REGISTRY_H
#define RK_RELAY_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"
#include "lib/net/relayproto.h"

struct rly_lane;
struct rly_registry;
struct rly_session;

struct rly_registry *rly_registry_new(void);
void rly_registry_free(struct rly_registry *r); /* empty by then; accepts NULL */

/** Enter a session under its id and tell the watchers. The newest wins: returns the session that
 *  had the id, with its reference (the caller kicks and unrefs it), or NULL. from: the lane of the
 *  calling loop thread. */
struct rly_session *rly_registry_add(struct rly_registry *r, struct rly_session *s,
                                     struct rly_lane *from);

/** Take a session out if it is still the one with its id, and tell the watchers. */
bool rly_registry_remove(struct rly_registry *r, struct rly_session *s, struct rly_lane *from);

/** The session with this id, with a reference, or NULL. Any thread. */
struct rly_session *rly_registry_find(struct rly_registry *r, const void *id36);

/** `by` wants to hear of an id (again); *online tells whether it is there. False when it watches
 *  RLY_WATCH_MAX already. Loop thread of by, for all three. */
bool rly_registry_watch(struct rly_registry *r, struct rly_session *by, const void *id36,
                        bool *online);
void rly_registry_unwatch(struct rly_registry *r, struct rly_session *by, const void *id36);
void rly_registry_unwatch_all(struct rly_registry *r, struct rly_session *by);

/** Entries of all shards (peers and watched ids), for tests. */
size_t rly_registry_size(struct rly_registry *r);

#endif
