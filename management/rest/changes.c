/* SPDX-License-Identifier: BSD-3-Clause */
/* GET /api/x/changes: news of the account as they come; see feed.h. */
#include "config.h"

#include "lib/base/num.h"
#include "management/ops/peers.h"
#include "management/rest/feed.h"
#include "management/rest/handlers.h"
#include "management/rest/query.h"

enum { WAIT_S = 30, WAIT_MAX_S = 60 };

/* "ENTRY" or "ENTRY-MILLISECONDS", as answers and events say it. */
static enum rk_code place_of(struct rk_str text, struct feed_want *w, struct rk_err *err)
{
    struct rk_str entry, ms;
    int64_t known_ms = 0;
    bool both = rk_str_cut(text, '-', &entry, &ms);

    if (rk_parse_i64(entry, 0, INT64_MAX, &w->since, NULL) ||
        (both && rk_parse_i64(ms, 0, INT64_MAX / 1000, &known_ms, NULL)))
        return rk_fail(err, RK_INVALID,
                       "since must be the place that an earlier answer gave as \"last\"");
    w->since_us = known_ms * 1000;
    return RK_OK;
}

static enum rk_code want_of(struct http_req *req, struct feed_want *w, struct rk_err *err)
{
    const struct caller *c = req->user;
    struct rk_str text;
    int64_t wait_s = WAIT_S;

    *w = (struct feed_want){.account_id = op_account(&c->op),
                            .user_id = c->op.user->id,
                            .pat_id = c->pat ? c->pat->id : RK_STR(""),
                            .since = -1};
    w->events = http_req_header(req, "Accept", &text) &&
                rk_str_find(text, RK_STR("text/event-stream")) < text.n;
    if (query_int(req, "timeout", 0, WAIT_MAX_S, &wait_s, err))
        return RK_INVALID;
    w->timeout_ms = wait_s * 1000;
    /* what a client that lost its stream sends by itself is newer than its address */
    if ((w->events && http_req_header(req, "Last-Event-ID", &text) && text.n) ||
        (http_req_query(req, "since", &text) && text.n))
        return place_of(text, w, err);
    return RK_OK;
}

enum rk_code rest_changes(struct http_req *req, struct http_resp *resp, struct db *db,
                          struct rk_err *err)
{
    struct feed_want w;
    enum peer_scope scope;
    enum rk_code rc = peer_scope_of(op_of(req), &scope, err); /* who may ask at all */

    (void)db;
    if (!rc)
        rc = want_of(req, &w, err);
    if (!rc)
        rc = feed_listen(rest_of(req)->feed, &w, &resp->live, err);
    if (rc)
        return rc;
    if (w.events)
        resp->content_type = "text/event-stream";
    http_resp_header(resp, "Cache-Control", RK_STR("no-store"));
    http_resp_header(resp, "X-Accel-Buffering", RK_STR("no")); /* as nginx is told so */
    return RK_OK;
}
