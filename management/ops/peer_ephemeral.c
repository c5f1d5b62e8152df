/* SPDX-License-Identifier: BSD-3-Clause */
/* Clean-up of ephemeral peers: see peer_ephemeral.h. */
#include "config.h"

#include "management/ops/peer_ephemeral.h"

#include "management/engine/presence.h"
#include "management/ops/peers.h"
#include "management/snapshot/snapshot.h"

/* A batch; the next look takes the next one. */
static const char SQL_DUE[] =
    "SELECT p.account_id, p.id FROM peer p JOIN peer_status s ON s.id = p.id WHERE p.ephemeral = 1 "
    "AND s.connected = 0 AND (s.last_seen IS NULL OR s.last_seen <= $1) ORDER BY p.id LIMIT 500";

struct due {
    struct rk_str account_id, peer_id;
};

/* The rows are read before the first deletion: the connection is free then. */
static enum rk_code due_list(struct db *db, struct rk_arena *mem, int64_t before_us,
                             struct due **out, size_t *n, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    size_t cap = 0;
    enum rk_code rc = db_query(db, &rows, err, SQL_DUE, DB_ARGS(db_i64(before_us)));

    while (rc == RK_OK && db_next(rows)) {
        *out = rk_arena_grow(mem, *out, *n, &cap, sizeof **out);
        (*out)[(*n)++] = (struct due){.account_id = db_col_text(rows, 0, mem),
                                      .peer_id = db_col_text(rows, 1, mem)};
    }
    return rc ? rc : db_end(rows, err);
}

struct clean {
    struct rk_str peer_id;
    int64_t before_us;
};

/* Presence is newer than what is stored: ask it once more. */
static enum rk_code clean_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct clean *c = arg;
    const struct peer *p = tx_get(tx, ENT_PEER, c->peer_id);
    struct presence seen;

    if (!p || !p->ephemeral)
        return RK_OK;
    seen = presence_of(tx->m, p);
    if (seen.connected || seen.last_seen_us > c->before_us)
        return RK_OK;
    if (peer_check_unused(tx->snap, p, true, err))
        return RK_PRECONDITION;
    return peer_delete_tx(tx, tx->mem, p, err);
}

enum rk_code ephemeral_clean(struct mgmt *m, struct db *db, int64_t lifetime_us, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    int64_t before_us = mgmt_now_us(m) - lifetime_us;
    struct actor actor = ACTOR_SYSTEM;
    struct due *due = NULL;
    size_t n = 0;
    enum rk_code rc = due_list(db, mem, before_us, &due, &n, err);

    for (size_t i = 0; rc == RK_OK && i < n; i++) {
        struct clean c = {.peer_id = due[i].peer_id, .before_us = before_us};

        rc = mgmt_mutate(m, due[i].account_id, &actor, MUT_CHORE, clean_tx, &c, err);
        if (rc == RK_PRECONDITION || rc == RK_NOT_FOUND)
            rc = RK_OK; /* in use, or gone with its account */
    }
    return rc;
}

static enum rk_code chore_run(struct mgmt_chore *c, struct mgmt *m, struct db *db,
                              struct rk_err *err)
{
    struct ephemeral *e = rk_container_of(c, struct ephemeral, chore);

    return ephemeral_clean(m, db, e->lifetime_us, err);
}

void ephemeral_start(struct ephemeral *e, struct mgmt *m, int64_t lifetime_us)
{
    int64_t us = lifetime_us ? lifetime_us : EPHEMERAL_LIFETIME_US;

    *e = (struct ephemeral){.chore = {.what = "ephemeral peers were not removed",
                                      .run = chore_run,
                                      .first_ms = us / 1000,
                                      .every_ms = EPHEMERAL_EVERY_MS,
                                      .once = true},
                            .lifetime_us = us};
    mgmt_chore_add(m, &e->chore);
}
