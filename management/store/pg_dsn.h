/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DSNs as the official server's driver takes them: what is no connection option of libpq is a
 * run-time parameter of the session ("TimeZone=UTC", "search_path=app"). libpq wants these in
 * `options`. What the driver keeps for itself has no effect here, and is told.
 */
#ifndef STORE_PG_DSN_H
#define STORE_PG_DSN_H

#include "lib/base/arena.h"
#include "lib/base/str.h"

/** The DSN ("key=value ..." or a URI) with run-time parameters moved into `options`; a text that is
 *  neither comes back as it is, for libpq to refuse. arena. Any thread. */
struct rk_str pg_dsn_for_libpq(struct rk_arena *mem, struct rk_str dsn);

/** The names in the DSN that only the official server's driver knows (its pool, its caches) and
 * that are left out: "pool_max_conns, ..."; empty when there are none. arena. Any thread. */
struct rk_str pg_dsn_idle(struct rk_arena *mem, struct rk_str dsn);

#endif
