/* SPDX-License-Identifier: BSD-3-Clause */
/* See lines.h. */
#include "config.h"

#include "management/export/lines.h"

#include "lib/base/enc.h"
#include "lib/json/json.h"
#include "management/domain/activity.h"
#include "management/domain/user.h"
#include "management/snapshot/snapshot.h"

#define LINE_MAX ((size_t)1 << 20)

static const char SQL_EVENTS[] =
    "SELECT id, at, activity, initiator, target, account_id, meta FROM "
    "event WHERE id > $1 ORDER BY id LIMIT $2";

static struct rk_str kept(struct rk_arena *mem, struct rk_buf *b)
{
    struct rk_str s = rk_arena_dup(mem, rk_buf_str(b));

    rk_buf_done(b);
    return s;
}

/* ---- activity */

static void put_person(struct rk_buf *b, const struct snapshot *s, struct rk_str id)
{
    const struct user *u = s ? snap_user(s, id) : NULL;
    const struct peer *p = s && !u ? snap_peer(s, id) : NULL;

    json_put_key_str(b, "initiator_name", u ? user_shown_name(u) : p ? p->name : RK_STR(""));
    json_put_key_str(b, "initiator_email", u ? u->email : RK_STR(""));
}

/* A lost key loses the details, not the event. */
static void put_meta(struct rk_buf *b, struct mgmt *m, struct rk_arena *mem, struct rk_str account,
                     struct rk_str meta)
{
    bool ok = event_meta_open(mgmt_vault(m), mem, account, &meta, NULL) == RK_OK && meta.n &&
              meta.p[0] == '{';

    json_put_key(b, "meta");
    rk_buf_add(b, ok ? meta : RK_STR("{}"));
}

static struct export_line audit_line(struct mgmt *m, struct db_rows *rows, struct rk_arena *mem)
{
    struct rk_str account = db_col_text(rows, 5, mem), initiator = db_col_text(rows, 3, mem);
    const struct snapshot *s = mgmt_snapshot_try(m, account);
    int activity = (int)db_col_i64(rows, 2);
    int64_t id = db_col_i64(rows, 0), at_us = db_col_i64(rows, 1);
    struct rk_buf b;

    rk_buf_init(&b, LINE_MAX);
    json_put_obj(&b);
    json_put_key_plain(&b, "kind", RK_STR("audit"));
    json_put_key_int(&b, "id", id);
    json_put_key_time(&b, "timestamp", at_us);
    json_put_key_str(&b, "account_id", account);
    json_put_key_str(&b, "activity_code", rk_str_z(activity_code(activity)));
    json_put_key_str(&b, "activity", rk_str_z(activity_text(activity)));
    json_put_key_str(&b, "initiator_id", initiator);
    put_person(&b, s, initiator);
    json_put_key_str(&b, "target_id", db_col_text(rows, 4, mem));
    put_meta(&b, m, mem, account, db_col_text(rows, 6, mem));
    json_put_obj_end(&b);
    snap_unref(s);
    return (struct export_line){true, at_us, kept(mem, &b),
                                rk_arena_printf(mem, "%lld", (long long)id), id};
}

enum rk_code lines_audit(struct mgmt *m, struct db *db, int64_t place, int64_t before_us,
                         int64_t most, struct rk_arena *mem, struct export_line **out, size_t *n,
                         struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, SQL_EVENTS, DB_ARGS(db_i64(place), db_i64(most)));
    size_t cap = 0;

    *out = NULL;
    *n = 0;
    /* one left out would be behind the place for ever: clocks of processes differ */
    while (!rc && db_next(rows) && db_col_i64(rows, 1) < before_us) {
        *out = rk_arena_grow(mem, *out, *n, &cap, sizeof **out);
        (*out)[(*n)++] = audit_line(m, rows, mem);
    }
    return rc ? rc : db_end(rows, err);
}

/* ---- traffic */

static void put_end(struct rk_buf *b, const struct snapshot *s, const struct traffic_end *e)
{
    const struct peer *p = s && e->type == TRAFFIC_PEER ? snap_peer(s, e->id) : NULL;

    json_put_obj(b);
    json_put_key_str(b, "id", e->id);
    json_put_key_str(b, "name", p ? p->name : RK_STR(""));
    json_put_key_plain(b, "ip", e->ip);
    json_put_key_int(b, "port", e->port);
    json_put_obj_end(b);
}

static void put_counts(struct rk_buf *b, const struct traffic_counts *n)
{
    json_put_key_int(b, "rx_packets", n->rx_packets);
    json_put_key_int(b, "tx_packets", n->tx_packets);
    json_put_key_int(b, "rx_bytes", n->rx_bytes);
    json_put_key_int(b, "tx_bytes", n->tx_bytes);
    json_put_key_int(b, "starts", n->starts);
    json_put_key_int(b, "ends", n->ends);
    json_put_key_int(b, "drops", n->drops);
}

static struct export_line traffic_line(struct mgmt *m, const struct traffic_told *t,
                                       struct rk_arena *mem)
{
    static const char *const directions[] = {"DIRECTION_UNKNOWN", "INGRESS", "EGRESS"};
    const struct snapshot *s = mgmt_snapshot_try(m, t->account_id);
    const struct traffic_row *r = &t->r;
    struct rk_str id = rk_hex_encode(mem, r->event_id);
    struct rk_buf b;

    rk_buf_init(&b, LINE_MAX);
    json_put_obj(&b);
    json_put_key_plain(&b, "kind", RK_STR("traffic"));
    json_put_key_plain(&b, "id", id);
    json_put_key_plain(&b, "flow_id", rk_hex_encode(mem, r->flow_id));
    json_put_key_time(&b, "timestamp", r->at_us);
    json_put_key_time(&b, "window_start", r->window_start_us);
    json_put_key_time(&b, "window_end", r->window_end_us);
    json_put_key_str(&b, "account_id", t->account_id);
    json_put_key_str(&b, "reporter_id", r->reporter);
    json_put_key_str(&b, "user_id", r->user_id);
    json_put_key_str(&b, "policy_id", r->policy_id);
    json_put_key_plain(&b, "direction", rk_str_z(directions[r->direction]));
    json_put_key_int(&b, "protocol", r->protocol);
    json_put_key(&b, "source");
    put_end(&b, s, &r->source);
    json_put_key(&b, "destination");
    put_end(&b, s, &r->dest);
    put_counts(&b, &r->n);
    json_put_obj_end(&b);
    snap_unref(s);
    return (struct export_line){false, r->at_us, kept(mem, &b), id, r->seq};
}

enum rk_code lines_traffic(struct mgmt *m, struct traffic *t, int64_t place, int64_t most,
                           struct rk_arena *mem, struct export_line **out, size_t *n,
                           struct rk_err *err)
{
    struct traffic_told *told;
    enum rk_code rc = traffic_after(t, place, most, mem, &told, n, err);

    if (rc)
        return rc;
    *out = rk_new_n(mem, struct export_line, *n);
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = traffic_line(m, &told[i], mem);
    return RK_OK;
}
