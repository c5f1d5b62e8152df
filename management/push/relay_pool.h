/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The relays that agents are told of where several processes share a database: those of the
 * configuration and those that the living processes announce (engine/cluster.h), in the order of
 * their addresses. One whose process died stays for a minute, for agents switch by themselves and a
 * list that flaps disturbs everybody. A change is sent to every stream.
 *
 *   cluster ─ once a second ─▶ pool ─▶ servers_relays_set() ─▶ hub_servers_changed()
 */
#ifndef MGMT_PUSH_RELAY_POOL_H
#define MGMT_PUSH_RELAY_POOL_H

#include "lib/base/err.h"

struct hub;
struct mgmt;
struct relay_pool;
struct servers;

#define RELAY_POOL_KEEP_MS 60000 /* after its process was last seen */

/** A thread that keeps the list; all are lent. *out NULL where a process is alone (SQLite). Owned:
 *  relay_pool_stop. Errors: RK_UNAVAILABLE. */
enum rk_code relay_pool_start(struct mgmt *m, struct hub *hub, struct servers *servers,
                              struct relay_pool **out, struct rk_err *err) RK_MUST;
void relay_pool_stop(struct relay_pool *p); /* accepts NULL */

#endif
