/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/x/reach: who can reach what, and why (not); see management/reach/report.h. */
#include "config.h"

#include "management/ops/history.h"
#include "management/ops/peers.h"
#include "management/reach/matrix.h"
#include "management/rest/handlers.h"
#include "management/rest/query.h"

/* All with peers.read ask everything; others about their own peers, unless peers are hidden. */
static enum rk_code asker(const struct op *op, struct reach_question *q, struct rk_err *err)
{
    enum peer_scope scope;
    enum rk_code rc = peer_scope_of(op, &scope, err);

    q->policies = perm_of_user(op->user, PERM_POLICIES) & PERM_READ;
    if (!rc && scope == PEERS_NONE)
        return rk_fail(err, RK_FORBIDDEN, "this account hides peers from its members");
    if (!rc && scope == PEERS_OWN)
        q->member = op->user->id;
    return rc;
}

/* ?at=: the account as it was. One reference. */
static enum rk_code state_of(struct http_req *req, struct reach_question *q,
                             const struct snapshot **out, struct rk_err *err)
{
    struct op *op = op_of(req);
    struct rk_str at;
    enum rk_code rc;

    if (!http_req_query(req, "at", &at) || !at.n) {
        *out = snap_ref(op->snap);
        return RK_OK;
    }
    rc = history_time(at, q->now_us, &q->now_us, err);
    return rc ? rc : history_at(op, q->now_us, out, err);
}

static enum rk_code read_question(struct http_req *req, struct reach_question *q,
                                  struct rk_err *err)
{
    enum rk_code rc = query_int(req, "port", 0, UINT16_MAX, &q->port, err);

    (void)http_req_query(req, "from", &q->from);
    (void)http_req_query(req, "to", &q->to);
    (void)http_req_query(req, "protocol", &q->protocol);
    if (!rc)
        rc = query_int(req, "page", 0, INT32_MAX, &q->page, err);
    return rc ? rc : query_int(req, "page_size", 0, REACH_PAGE_MAX, &q->page_size, err);
}

enum rk_code rest_reach(struct http_req *req, struct http_resp *resp, struct db *db,
                        struct rk_err *err)
{
    const struct op *op = op_of(req);
    struct reach_question q = {.now_us = mgmt_now_us(op->m)};
    const struct snapshot *state = NULL;
    enum rk_code rc = asker(op, &q, err);

    (void)db;
    if (!rc)
        rc = read_question(req, &q, err);
    if (!rc)
        rc = state_of(req, &q, &state, err);
    if (!rc)
        rc = reach_report(state, &q, req->mem, &resp->body, err);
    snap_unref(state);
    return rc ? rc : answer_done(resp);
}

/* A table is about everybody: for those who may read all of it. */
enum rk_code rest_matrix(struct http_req *req, struct http_resp *resp, struct db *db,
                         struct rk_err *err)
{
    const struct op *op = op_of(req);
    struct reach_matrix_question m = {.q.now_us = mgmt_now_us(op->m)};
    const struct snapshot *state = NULL;
    struct rk_str of = RK_STR("");
    enum rk_code rc = op_may(op, PERM_PEERS, PERM_READ, err);

    (void)db;
    if (!rc)
        rc = op_may(op, PERM_GROUPS, PERM_READ, err);
    (void)http_req_query(req, "of", &of);
    m.peers = rk_str_eqz(of, "peers");
    if (!rc && of.n && !m.peers && !rk_str_eqz(of, "groups"))
        rc = rk_fail(err, RK_INVALID, "of must be groups or peers");
    if (!rc)
        rc = read_question(req, &m.q, err);
    if (!rc)
        rc = state_of(req, &m.q, &state, err);
    if (!rc)
        rc = reach_matrix(state, &m, req->mem, &resp->body, err);
    snap_unref(state);
    return rc ? rc : answer_done(resp);
}
