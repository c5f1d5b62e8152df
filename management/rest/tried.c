/* SPDX-License-Identifier: BSD-3-Clause */
/* See tried.h. */
#include "config.h"

#include "management/rest/tried.h"

#include "management/rest/handlers.h"
#include "management/review/review.h"

enum rk_code rest_wants_trial(const struct http_req *req, bool *out, struct rk_err *err)
{
    struct rk_str text;

    *out = false;
    if (!http_req_query(req, "dry_run", &text) || rk_str_eqz(text, "false") || !text.n)
        return RK_OK;
    if (!rk_str_eqz(text, "true") && !rk_str_eqz(text, "1"))
        return rk_fail(err, RK_INVALID, "dry_run must be true or false, not %.*s",
                       RK_STR_ARG(text));
    if (req->route->handler != rest_tried)
        return rk_fail(err, RK_INVALID,
                       "dry_run: this cannot be tried without doing it; nothing was done");
    *out = true;
    return RK_OK;
}

static void put_report(struct rk_buf *out, const struct mgmt_trial *t, int64_t now_us)
{
    struct review r = {.before = t->before,
                       .after = t->after,
                       .changes = t->changes,
                       .n_changes = t->n_changes,
                       .now_us = now_us};

    json_put_obj(out);
    json_put_key_bool(out, "dry_run", true);
    review_put(&r, out);
    json_put_obj_end(out);
}

/* A request that had nothing to change: the state is compared with itself. */
static void nothing_done(const struct op *op, struct mgmt_trial *t)
{
    if (t->after)
        return;
    t->before = snap_ref(op->snap);
    t->after = snap_ref(op->snap);
}

enum rk_code rest_tried(struct http_req *req, struct http_resp *resp, struct db *db,
                        struct rk_err *err)
{
    const struct tried *route = req->route->arg;
    struct op *op = op_of(req);
    struct mgmt_trial t = {0};
    bool trial;
    enum rk_code rc = rest_wants_trial(req, &trial, err);

    if (rc || !trial)
        return rc ? rc : route->handler(req, resp, db, err);
    op->trial = &t;
    rc = route->handler(req, resp, db, err);
    op->trial = NULL;
    if (rc == RK_OK) {
        nothing_done(op, &t);
        rk_buf_clear(&resp->body);
        put_report(&resp->body, &t, mgmt_now_us(op->m));
        rc = answer_done(resp);
    }
    mgmt_trial_done(&t);
    return rc;
}
