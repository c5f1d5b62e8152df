/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /api/events/audit: who did what, newest first. Names are looked up when the list is read, for
 * deleted users from their sealed copy. Without parameters the answer is the official server's; the
 * filters and pages are ours.
 */
#include "config.h"

#include <jansson.h>

#include "lib/base/map.h"
#include "lib/crypto/vault.h"
#include "management/ops/users.h"
#include "management/rest/handlers.h"
#include "management/rest/query.h"

#define LIST_MAX 10000

/* An empty or zero filter takes all. */
static const char SQL_EVENTS[] =
    "SELECT id, at, activity, initiator, target, meta FROM event WHERE account_id = $1 "
    "AND ($2 = '' OR initiator = $2) AND ($3 = '' OR target = $3) AND ($4 < 0 OR activity = $4) "
    "AND at >= $5 AND at <= $6 ORDER BY at DESC, id DESC LIMIT $7 OFFSET $8";
static const char SQL_DELETED[] =
    "SELECT email_sealed, name_sealed FROM deleted_user WHERE id = $1";

struct filter {
    struct rk_str initiator, target;
    int64_t activity; /* -1: all */
    int64_t since_us, until_us;
    int64_t limit, offset;
};

struct person {
    struct rk_str name, email;
    bool is_user, external;
};

struct list { /* one answer in the making */
    struct http_req *req;
    struct db *db;
    struct rk_map people; /* id → struct person */
    struct rk_map joins;  /* "target initiator" of joins that were shown */
};

/* ---- people */

static struct rk_str unseal(struct list *l, const char *column, struct rk_str id,
                            struct rk_str sealed)
{
    struct rk_arena *mem = l->req->mem;
    struct rk_str plain = {0};

    struct rk_str context = rk_arena_printf(mem, "deleted_user.%s/%.*s", column, RK_STR_ARG(id));

    if (!sealed.n || vault_open(mgmt_vault(op_of(l->req)->m), mem, context, sealed, &plain, NULL))
        return RK_STR(""); /* a lost key loses the name, not the event */
    return plain;
}

static enum rk_code find_deleted(struct list *l, struct rk_str id, struct person *p,
                                 struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(l->db, &rows, err, SQL_DELETED, DB_ARGS(db_text(id)));

    if (!rc && db_next(rows)) {
        p->email = unseal(l, "email", id, db_col_text(rows, 0, l->req->mem));
        p->name = unseal(l, "name", id, db_col_text(rows, 1, l->req->mem));
        p->is_user = true;
    }
    return rc ? rc : db_end(rows, err);
}

/* A user of another account may act here (none does yet, but the shape is agreed). */
static void find_elsewhere(struct list *l, struct rk_str id, struct person *p)
{
    const struct snapshot *s = NULL;
    const struct user *u;

    if (mgmt_snapshot_of_user(op_of(l->req)->m, l->db, id, &s, NULL))
        return;
    u = snap_user(s, id);
    if (u) {
        p->name = rk_arena_dup(l->req->mem, user_shown_name(u));
        p->email = rk_arena_dup(l->req->mem, u->email);
        p->external = true;
    }
    snap_unref(s);
}

static enum rk_code person_of(struct list *l, struct rk_str id, const struct person **out,
                              struct rk_err *err)
{
    const struct op *op = op_of(l->req);
    struct person *p = rk_map_get(&l->people, id);
    const struct user *u;
    enum rk_code rc = RK_OK;

    *out = p;
    if (p)
        return RK_OK;
    p = rk_new(l->req->mem, struct person);
    u = snap_user(op->snap, id);
    if (u) {
        *p = (struct person){user_shown_name(u), u->email, true, false};
    } else if (id.n && !rk_str_eqz(id, EVENT_INITIATOR_SYSTEM)) {
        rc = find_deleted(l, id, p, err);
        if (!rc && !p->name.n && !p->email.n && !snap_peer(op->snap, id) &&
            !snap_setup_key(op->snap, id))
            find_elsewhere(l, id, p);
    }
    (void)rk_map_put(&l->people, rk_arena_dup(l->req->mem, id), p);
    *out = p;
    return rc;
}

/* ---- meta */

static struct rk_str spaced(struct rk_arena *mem, const struct str_list *items)
{
    struct rk_str out = RK_STR("");

    for (size_t i = 0; i < items->n; i++)
        out = RK_CAT(mem, out, i ? RK_STR(" ") : RK_STR(""), items->v[i]);
    return out;
}

/* The API has only texts here. Our own events store texts; lists and nulls are of events that were
 * taken over from an official server, and read as they did there. */
static void put_value(struct list *l, struct rk_buf *b, const json_t *v)
{
    const json_t *item;
    struct str_list items = {0};
    size_t i, cap = 0;

    switch (json_typeof(v)) {
    case JSON_STRING:
        json_put_str(b, rk_str_of(json_string_value(v), json_string_length(v)));
        break;
    case JSON_INTEGER:
        json_put_str(b, rk_arena_printf(l->req->mem, "%lld", (long long)json_integer_value(v)));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        json_put_str(b, op_bool(json_is_true(v)));
        break;
    case JSON_ARRAY:
        json_array_foreach (v, i, item) {
            items.v = rk_arena_grow(l->req->mem, items.v, items.n, &cap, sizeof *items.v);
            items.v[items.n++] = rk_str_z(json_string_value(item));
        }
        json_put_str(
            b, rk_arena_printf(l->req->mem, "[%.*s]", RK_STR_ARG(spaced(l->req->mem, &items))));
        break;
    case JSON_OBJECT:
    case JSON_REAL:
    case JSON_NULL:
        json_put_str(b, RK_STR("<nil>"));
        break;
    }
}

static void put_meta(struct list *l, struct rk_buf *b, struct rk_str text,
                     const struct person *target, bool external)
{
    json_t *meta = text.n ? json_loadb(text.p, text.n, 0, NULL) : NULL;
    const char *key;
    json_t *v;

    json_put_key_obj(b, "meta");
    json_object_foreach (meta, key, v) {
        json_put_key_any(b, rk_str_z(key));
        put_value(l, b, v);
    }
    if (target && target->is_user) {
        json_put_key_str(b, "email", target->email);
        json_put_key_str(b, "username", target->name);
    }
    if (external)
        json_put_key_plain(b, "external", RK_STR("true"));
    json_put_obj_end(b);
    json_decref(meta);
}

/* ---- the list */

/* Of equal joins one is shown. */
static bool seen_join(struct list *l, int64_t activity, struct rk_str target,
                      struct rk_str initiator)
{
    struct rk_str key;

    if (activity != ACT_USER_JOIN)
        return false;
    key = rk_arena_printf(l->req->mem, "%.*s %.*s", RK_STR_ARG(target), RK_STR_ARG(initiator));
    return rk_map_put(&l->joins, key, l) != NULL;
}

/* A lost key loses the details, not the event. */
static struct rk_str meta_of(struct list *l, struct db_rows *rows)
{
    const struct op *op = op_of(l->req);
    struct rk_str meta = db_col_text(rows, 5, l->req->mem);

    return event_meta_open(mgmt_vault(op->m), l->req->mem, op_account(op), &meta, NULL) ? RK_STR("")
                                                                                        : meta;
}

static enum rk_code put_event(struct list *l, struct rk_buf *b, struct db_rows *rows,
                              struct rk_err *err)
{
    struct rk_arena *mem = l->req->mem;
    int64_t activity = db_col_i64(rows, 2);
    struct rk_str initiator = db_col_text(rows, 3, mem), target = db_col_text(rows, 4, mem);
    const struct person *who, *whom;
    enum rk_code rc = person_of(l, initiator, &who, err);

    if (!rc)
        rc = person_of(l, target, &whom, err);
    if (rc || seen_join(l, activity, target, initiator))
        return rc;
    json_put_obj(b);
    json_put_key_plain(b, "id", rk_arena_printf(mem, "%lld", (long long)db_col_i64(rows, 0)));
    json_put_key_time(b, "timestamp", db_col_i64(rows, 1));
    json_put_key_str(b, "activity", rk_str_z(activity_text((int)activity)));
    json_put_key_str(b, "activity_code", rk_str_z(activity_code((int)activity)));
    json_put_key_str(b, "initiator_id", initiator);
    json_put_key_str(b, "initiator_name", who->name);
    json_put_key_str(b, "initiator_email", who->email);
    json_put_key_str(b, "target_id", target);
    put_meta(l, b, meta_of(l, rows), whom, who->external);
    json_put_obj_end(b);
    return RK_OK;
}

static enum rk_code read_filter(struct http_req *req, struct filter *f, struct rk_err *err)
{
    int64_t page = 1;
    struct rk_str code;
    enum rk_code rc;

    *f = (struct filter){RK_STR(""), RK_STR(""), -1, 0, INT64_MAX, LIST_MAX, 0};
    (void)http_req_query(req, "initiator_id", &f->initiator);
    (void)http_req_query(req, "target_id", &f->target);
    if (http_req_query(req, "activity_code", &code) && code.n) {
        f->activity = activity_by_code(code);
        if (f->activity < 0)
            return rk_fail(err, RK_INVALID, "unknown activity_code %.*s", RK_STR_ARG(code));
    }
    rc = query_time(req, "start_date", &f->since_us, err);
    if (!rc)
        rc = query_time(req, "end_date", &f->until_us, err);
    if (!rc)
        rc = query_int(req, "page_size", 1, LIST_MAX, &f->limit, err);
    if (!rc)
        rc = query_int(req, "page", 1, INT64_C(1) << 40, &page, err);
    f->offset = (page - 1) * f->limit;
    return rc;
}

static enum rk_code put_events(struct list *l, const struct filter *f, struct rk_buf *b,
                               struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(l->db, &rows, err, SQL_EVENTS,
                               DB_ARGS(db_text(op_account(op_of(l->req))), db_text(f->initiator),
                                       db_text(f->target), db_i64(f->activity), db_i64(f->since_us),
                                       db_i64(f->until_us), db_i64(f->limit), db_i64(f->offset)));

    json_put_arr(b);
    while (!rc && db_next(rows))
        rc = put_event(l, b, rows, err);
    json_put_arr_end(b);
    return rc ? rc : db_end(rows, err);
}

enum rk_code rest_events_audit(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    struct list l = {.req = req, .db = db};
    struct filter f;
    enum rk_code rc = op_may(op_of(req), PERM_EVENTS, PERM_READ, err);

    if (!rc)
        rc = read_filter(req, &f, err);
    if (rc)
        return rc;
    rk_map_init(&l.people, true);
    rk_map_init(&l.joins, true);
    rc = put_events(&l, &f, &resp->body, err);
    rk_map_done(&l.people);
    rk_map_done(&l.joins);
    return rc ? rc : answer_done(resp);
}
