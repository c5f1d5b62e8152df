/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions about the network, now and in the past: what /api/x answers, for whoever has the
 * machine. */
#include "config.h"

#include "lib/base/num.h"
#include "lib/json/json.h"
#include "management/ops/history_put.h"
#include "management/reach/report.h"
#include "management/review/review.h"
#include "server/command/call.h"

#define ANSWER_MAX (32 << 20)

static enum rk_code reach(struct call *c, struct rk_err *err)
{
    struct reach_question q = {.from = arg_text(c, "from"),
                               .to = arg_text(c, "to"),
                               .protocol = arg_text(c, "protocol"),
                               .port = arg_i64(c, "port", 0),
                               .page = arg_i64(c, "page", 0),
                               .page_size = REACH_PAGE_MAX,
                               .now_us = mgmt_now_us(c->op.m),
                               .policies = true};
    const struct snapshot *state = NULL;
    struct rk_str at = arg_text(c, "at");
    struct rk_buf out;
    enum rk_code rc = RK_OK;

    rk_buf_init(&out, ANSWER_MAX);
    if (at.n)
        rc = history_time(at, q.now_us, &q.now_us, err);
    if (rc == RK_OK && at.n)
        rc = history_at(&c->op, q.now_us, &state, err);
    if (rc == RK_OK)
        rc = reach_report(state ? state : c->op.snap, &q, c->mem, &out, err);
    snap_unref(state);
    return rc ? rc : call_answer(c, &out, err);
}

/* ---- the past */

static enum rk_code history(struct call *c, struct rk_err *err)
{
    struct history_filter f = {.kind = arg_text(c, "kind"), .limit = arg_i64(c, "limit", 50)};
    struct history_entry *e = NULL;
    struct rk_str since = arg_text(c, "since");
    enum entity_kind kind;
    struct rk_buf out;
    size_t n = 0;
    enum rk_code rc = RK_OK;

    if (f.kind.n && !entity_kind_parse(f.kind, &kind))
        return rk_fail(err, RK_INVALID, "no kind of object is called %.*s", RK_STR_ARG(f.kind));
    rc = since.n ? history_time(since, mgmt_now_us(c->op.m), &f.since_us, err) : RK_OK;

    if (rc == RK_OK)
        rc = history_list(&c->op, &f, &e, &n, err);
    if (rc)
        return rc;
    rk_buf_init(&out, ANSWER_MAX);
    json_put_arr(&out);
    for (size_t i = 0; i < n; i++)
        history_put(c->mem, c->op.snap, &e[i], true, &out);
    json_put_arr_end(&out);
    return call_answer(c, &out, err);
}

/* The two moments of a diff as snapshots, one reference each. */
static enum rk_code moments(struct call *c, struct review *r, int64_t *from_us, struct rk_err *err)
{
    struct rk_str from = arg_text(c, "from"), to = arg_text(c, "to");
    int64_t now_us = mgmt_now_us(c->op.m);
    enum rk_code rc = history_time(from, now_us, from_us, err);

    if (rc == RK_OK)
        rc = history_time(to, now_us, &r->now_us, err);
    if (rc == RK_OK && *from_us > r->now_us)
        rc = rk_fail(err, RK_INVALID, "%.*s lies behind %.*s", RK_STR_ARG(from), RK_STR_ARG(to));
    if (rc == RK_OK)
        rc = history_at(&c->op, *from_us, &r->before, err);
    if (rc == RK_OK)
        rc = history_at(&c->op, r->now_us, &r->after, err);
    return rc;
}

static enum rk_code diff(struct call *c, struct rk_err *err)
{
    struct review r = {0};
    struct change *changes = NULL;
    struct rk_buf out;
    int64_t from_us;
    enum rk_code rc = moments(c, &r, &from_us, err);

    rk_buf_init(&out, ANSWER_MAX);
    if (rc == RK_OK)
        rc = history_between(&c->op, r.before, r.after, from_us, r.now_us, &changes, &r.n_changes,
                             err);
    if (rc == RK_OK) {
        r.changes = changes;
        json_put_obj(&out);
        review_put(&r, &out);
        json_put_obj_end(&out);
    }
    snap_unref(r.before);
    snap_unref(r.after);
    if (rc)
        rk_buf_done(&out);
    return rc ? rc : call_answer(c, &out, err);
}

static enum rk_code undo(struct call *c, struct rk_err *err)
{
    int64_t seq;
    enum rk_code rc = rk_parse_i64(arg_text(c, "entry"), 1, INT64_MAX, &seq, NULL)
                          ? rk_fail(err, RK_INVALID, "an entry is a number; see rookery history")
                          : history_undo(&c->op, seq, err);

    if (rc == RK_OK)
        c->result = json_object();
    return rc;
}

const struct command_row COMMAND_QUESTIONS[] = {{"reach", reach, false},
                                                {"history", history, false},
                                                {"diff", diff, false},
                                                {"undo", undo, true},
                                                {NULL, NULL, false}};
