/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/x/history and /api/x/diff: what was changed, what that meant, and taking it back. */
#include "config.h"

#include "management/ops/history.h"

#include "lib/base/num.h"
#include "management/ops/history_put.h"
#include "management/rest/handlers.h"
#include "management/rest/query.h"
#include "management/review/review.h"

/* As people write it: also "yesterday", "7d". */
static enum rk_code query_moment(struct http_req *req, const char *name, int64_t *out,
                                 struct rk_err *err)
{
    struct rk_str text;

    if (!http_req_query(req, name, &text) || !text.n)
        return RK_OK;
    return history_time(text, mgmt_now_us(op_of(req)->m), out, err);
}

static enum rk_code filter_of(struct http_req *req, struct history_filter *f, struct rk_err *err)
{
    enum entity_kind kind;
    int64_t page = 1;
    enum rk_code rc;

    *f = (struct history_filter){.limit = HISTORY_PAGE};
    (void)http_req_query(req, "kind", &f->kind);
    (void)http_req_query(req, "id", &f->id);
    (void)http_req_query(req, "actor", &f->actor);
    if (f->kind.n && !entity_kind_parse(f->kind, &kind))
        return rk_fail(err, RK_INVALID, "no kind of object is called %.*s", RK_STR_ARG(f->kind));
    rc = query_moment(req, "since", &f->since_us, err);
    if (!rc)
        rc = query_moment(req, "until", &f->until_us, err);
    if (!rc)
        rc = query_int(req, "page_size", 1, HISTORY_PAGE_MAX, &f->limit, err);
    if (!rc)
        rc = query_int(req, "page", 1, INT32_MAX, &page, err);
    f->offset = (page - 1) * f->limit;
    return rc;
}

static enum rk_code answer_entries(struct http_req *req, struct http_resp *resp,
                                   const struct history_filter *f, struct rk_err *err)
{
    struct history_entry *e;
    size_t n;
    enum rk_code rc = history_list(op_of(req), f, &e, &n, err);

    if (rc)
        return rc;
    json_put_arr(&resp->body);
    for (size_t i = 0; i < n; i++)
        history_put(req->mem, op_of(req)->snap, &e[i], true, &resp->body);
    json_put_arr_end(&resp->body);
    return answer_done(resp);
}

enum rk_code rest_history_list(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    struct history_filter f;
    enum rk_code rc = filter_of(req, &f, err);

    (void)db;
    return rc ? rc : answer_entries(req, resp, &f, err);
}

enum rk_code rest_history_undo(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    int64_t seq;
    enum rk_code rc = rk_parse_i64(param(req, 0), 1, INT64_MAX, &seq, NULL)
                          ? rk_fail(err, RK_INVALID, "an entry is a number")
                          : history_undo(op_of(req), seq, err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}

/* ---- two moments */

struct moments {
    int64_t from_us, to_us;
    const struct snapshot *from, *to; /* one reference each */
};

static enum rk_code moments_of(struct http_req *req, struct moments *m, struct rk_err *err)
{
    struct op *op = op_of(req);
    struct rk_str text;
    enum rk_code rc;

    m->to_us = mgmt_now_us(op->m);
    if (!http_req_query(req, "from", &text) || !text.n)
        return rk_fail(err, RK_INVALID, "from is needed: a moment such as yesterday");
    rc = query_moment(req, "from", &m->from_us, err);
    if (!rc)
        rc = query_moment(req, "to", &m->to_us, err);
    if (!rc && m->from_us > m->to_us)
        rc = rk_fail(err, RK_INVALID, "from lies behind to");
    if (!rc)
        rc = history_at(op, m->from_us, &m->from, err);
    if (!rc)
        rc = history_at(op, m->to_us, &m->to, err);
    return rc;
}

enum rk_code rest_diff(struct http_req *req, struct http_resp *resp, struct db *db,
                       struct rk_err *err)
{
    struct moments m = {0};
    struct review r = {0};
    struct change *changes = NULL;
    enum rk_code rc = moments_of(req, &m, err);

    (void)db;
    if (!rc)
        rc = history_between(op_of(req), m.from, m.to, m.from_us, m.to_us, &changes, &r.n_changes,
                             err);
    if (!rc) {
        r.before = m.from;
        r.after = m.to;
        r.changes = changes;
        r.now_us = m.to_us; /* logins are judged by one moment */
        json_put_obj(&resp->body);
        json_put_key_time(&resp->body, "from", m.from_us);
        json_put_key_time(&resp->body, "to", m.to_us);
        review_put(&r, &resp->body);
        json_put_obj_end(&resp->body);
        rc = answer_done(resp);
    }
    snap_unref(m.from);
    snap_unref(m.to);
    return rc;
}
