/* SPDX-License-Identifier: BSD-3-Clause */
/* See old_events.h. */
#include "config.h"

#include "management/engine/old_events.h"

#include "lib/base/arena.h"
#include "management/store/db.h"

#define STEP 200 /* rows of one transaction: the write lock is short */

static const char SQL_FIND[] =
    "SELECT id, account_id, meta FROM event WHERE id > $1 AND meta LIKE '{%' AND (meta LIKE "
    "'%\"email\":%' OR meta LIKE '%\"user_name\":%' OR meta LIKE '%\"username\":%') ORDER BY id "
    "LIMIT $2";
static const char SQL_SEAL[] = "UPDATE event SET meta = $2 WHERE id = $1";

struct step {
    struct mgmt *m;
    struct rk_arena *mem;
    int64_t after;
    size_t n;
};

struct row {
    int64_t id;
    struct rk_str account, meta;
};

static enum rk_code step_read(struct db *db, struct step *s, struct row *rows, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *r = NULL;
    enum rk_code rc = db_query(db, &r, err, SQL_FIND, DB_ARGS(db_i64(s->after), db_i64(STEP)));

    while (rc == RK_OK && s->n < STEP && db_next(r)) {
        rows[s->n] = (struct row){.id = db_col_i64(r, 0),
                                  .account = db_col_text(r, 1, s->mem),
                                  .meta = db_col_text(r, 2, s->mem)};
        s->n++;
    }
    return rc ? rc : db_end(r, err);
}

static enum rk_code step_tx(struct db *db, void *arg, struct rk_err *err)
{
    struct step *s = arg;
    struct row *rows = rk_new_n(s->mem, struct row, STEP);
    enum rk_code rc;

    s->n = 0;
    rc = step_read(db, s, rows, err);
    for (size_t i = 0; rc == RK_OK && i < s->n; i++) {
        rc = event_meta_seal(mgmt_vault(s->m), s->mem, rows[i].account, &rows[i].meta, err);
        if (rc == RK_OK)
            rc = db_exec(db, err, NULL, SQL_SEAL,
                         DB_ARGS(db_i64(rows[i].id), db_text(rows[i].meta)));
    }
    if (rc == RK_OK && s->n)
        s->after = rows[s->n - 1].id;
    return rc;
}

enum rk_code old_events_seal(struct mgmt *m, struct db *db, int64_t *after, bool *done,
                             struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct step s = {.m = m, .mem = mem, .after = *after};
    enum rk_code rc = mgmt_vault(m) ? mgmt_chore_tx(m, db, step_tx, &s, err) : RK_OK;

    if (rc)
        return rc;
    *after = s.after;
    *done = s.n < STEP;
    return RK_OK;
}
