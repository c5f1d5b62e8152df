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

struct relay_lane;
struct relay_registry;
struct relay_session;

struct relay_registry *relay_registry_new(void);
void relay_registry_free(struct relay_registry *r); /* empty by then; accepts NULL */

/** Enter a session under its id and tell the watchers. The newest wins: returns the session that
 *  had the id, with its reference (the caller kicks and unrefs it), or NULL. from: the lane of the
 *  calling loop thread. */
struct relay_session *relay_registry_add(struct relay_registry *r, struct relay_session *s,
                                         struct relay_lane *from);

/** Take a session out if it is still the one with its id, and tell the watchers. */
bool relay_registry_remove(struct relay_registry *r, struct relay_session *s,
                           struct relay_lane *from);

/** The session with this id, with a reference, or NULL. Any thread. */
struct relay_session *relay_registry_find(struct relay_registry *r, const void *id36);

/** `by` wants to hear of an id (again); *online tells whether it is there. False when it watches
 *  RELAY_WATCH_MAX already. Loop thread of by, for all three. */
bool relay_registry_watch(struct relay_registry *r, struct relay_session *by, const void *id36,
                          bool *online);
void relay_registry_unwatch(struct relay_registry *r, struct relay_session *by, const void *id36);
void relay_registry_unwatch_all(struct relay_registry *r, struct relay_session *by);

/** Entries of all shards (peers and watched ids), for tests. */
size_t relay_registry_size(struct relay_registry *r);

#endif
