/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enrolment and login: see peer_login.h and spec/network-map.md section 2.
 *
 *   peer_login --known key--> login_known: from the snapshot; a mutation only if something changes
 *              --unknown----> peer_register.c
 */
#include "config.h"

#include "management/ops/peer_login.h"

#include "management/ops/peer_register.h"
#include "management/ops/peers.h"
#include "management/ops/report_gate.h"

#define SESSION_US(s) ((s)->peer_login_expiration_s * 1000000)

void peer_login_done(struct peer_login_res *res)
{
    snap_unref(res->snap);
    *res = (struct peer_login_res){0};
}

/* The peer with this key in the account's current snapshot. */
static enum rk_code login_result(struct mgmt *m, struct rk_str account_id, struct rk_str key,
                                 bool registered, struct peer_login_res *out, struct rk_err *err)
{
    struct peer_login_res res = {.registered = registered};
    enum rk_code rc = mgmt_snapshot(m, account_id, &res.snap, err);

    if (rc)
        return rc;
    res.index = snap_index_by_key(res.snap, key);
    res.peer = res.index == SNAP_NO_PEER ? NULL : snap_peer_at(res.snap, res.index);
    if (!res.peer) {
        peer_login_done(&res);
        return rk_fail(err, RK_NOT_FOUND, "peer was removed");
    }
    *out = res;
    return RK_OK;
}

/* ---- a peer that is known */

static enum rk_code check_user(const struct peer *p, const struct user *owner,
                               struct rk_str user_id, struct rk_err *err)
{
    if (!rk_str_eq(p->user_id, user_id))
        return rk_fail(err, RK_UNAUTHENTICATED,
                       "peer is already registered by a different User or a Setup Key");
    if (owner && owner->blocked)
        return rk_fail(err, RK_FORBIDDEN, "user is blocked");
    return RK_OK;
}

/* A login that names none keeps those that there are: it may come from an agent without the option.
 */
static bool labels_change(const struct peer *p, const struct peer_login_req *req)
{
    return req->extra_dns_labels.n && !str_list_eq(&p->extra_dns_labels, &req->extra_dns_labels);
}

/* The rules; *expired: the login is to be renewed. owner may be NULL. */
static enum rk_code check_known(const struct peer *p, const struct settings *s,
                                const struct user *owner, const struct peer_login_req *req,
                                int64_t now_us, bool *expired, struct rk_err *err)
{
    *expired = peer_is_sso(p) && peer_login_expired(p, s, now_us);
    if (req->user_id.n) {
        enum rk_code rc = check_user(p, owner, req->user_id, err);

        if (rc)
            return rc;
    } else if (*expired) {
        return rk_fail(err, RK_FORBIDDEN, "peer login has expired, please log in once more");
    }
    if (req->extra_dns_labels.n && !p->allow_extra_dns_labels)
        return rk_fail(err, RK_PRECONDITION,
                       "couldn't login peer: setup key doesn't allow extra DNS labels");
    return labels_change(p, req) ? peer_labels_check(&req->extra_dns_labels, err) : RK_OK;
}

static bool ssh_key_changes(const struct peer *p, const struct peer_login_req *req)
{
    return req->ssh_key.n && !rk_str_eq(p->ssh_key, req->ssh_key);
}

/* What a login may change by itself, in bytes; 0: nothing. */
static size_t changed_bytes(const struct peer *p, const struct peer_login_req *req)
{
    size_t n = ssh_key_changes(p, req) ? req->ssh_key.n : 0;

    for (size_t i = 0; i < req->extra_dns_labels.n && labels_change(p, req); i++)
        n += req->extra_dns_labels.v[i].n;
    return n;
}

struct relogin {
    const struct peer_login_req *req;
    struct rk_str peer_id;
};

static enum rk_code relogin_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct relogin *l = arg;
    const struct peer *p = tx_get(tx, ENT_PEER, l->peer_id);
    const struct settings *s = tx_get(tx, ENT_SETTINGS, tx->account_id);
    const struct user *owner = p ? tx_get(tx, ENT_USER, p->user_id) : NULL;
    struct peer next;
    bool expired = false;
    enum rk_code rc;

    if (!p || !s)
        return rk_fail(err, RK_NOT_FOUND, "peer was removed");
    rc = check_known(p, s, owner, l->req, tx->now_us, &expired, err);
    if (rc)
        return rc;
    next = *p;
    if (ssh_key_changes(p, l->req))
        next.ssh_key = rk_arena_dup(tx->mem, l->req->ssh_key);
    if (labels_change(p, l->req))
        next.extra_dns_labels = l->req->extra_dns_labels;
    if (l->req->user_id.n) /* a person has signed in for it */
        rc = peer_user_seen(tx, owner, err);
    if (rc == RK_OK && expired && l->req->user_id.n) {
        next.last_login_us = tx->now_us;
        next.status.login_expired = false;
        rc = tx_event_by(tx, l->req->user_id, ACT_USER_PEER_LOGIN, p->id,
                         peer_event_meta(tx->mem, tx->snap, &next, NULL, 0), err);
    }
    return rc ? rc : tx_put(tx, ENT_PEER, &next, err);
}

/* snap is taken. */
static enum rk_code login_known(struct mgmt *m, const struct snapshot *snap,
                                const struct peer_login_req *req, struct peer_login_res *out,
                                struct rk_err *err)
{
    struct peer_login_res res = {.snap = snap, .index = snap_index_by_key(snap, req->key)};
    struct relogin relogin = {.req = req};
    struct actor actor = ACTOR_SYSTEM;
    struct rk_str account_id = snap_account(snap)->id;
    bool expired = false;
    size_t changed;
    enum rk_code rc;

    res.peer = snap_peer_at(snap, res.index);
    rc = check_known(res.peer, snap_settings(snap), snap_user(snap, res.peer->user_id), req,
                     mgmt_now_us(m), &expired, err);
    changed = changed_bytes(res.peer, req);
    if (rc == RK_OK && !expired && !req->user_id.n && !changed) {
        *out = res;
        return RK_OK;
    }
    if (rc == RK_OK && changed &&
        !report_gate_take(req->gate, req->key, report_bytes(&res.peer->meta) + changed))
        rc = rk_fail(err, RK_LIMIT,
                     "this machine changes its SSH key or names too often: try again later");
    relogin.peer_id = res.peer->id;
    if (req->user_id.n)
        actor.id = req->user_id;
    if (rc == RK_OK) /* the serial stays; others see the change by the push of the commit */
        rc = mgmt_mutate(m, account_id, &actor, MUT_QUIET, relogin_tx, &relogin, err);
    if (rc == RK_OK)
        rc = login_result(m, account_id, req->key, false, out, err);
    peer_login_done(&res);
    return rc;
}

/* ---- entry */

/* Answer a known key, or prepare the enrolment of an unknown one (*enrol true). */
static enum rk_code start(struct mgmt *m, struct db *db, struct peer_login_job *j, bool *enrol,
                          struct rk_err *err)
{
    const struct snapshot *snap = NULL;
    enum rk_code rc = mgmt_snapshot_of_peer(m, db, j->req.key, &snap, err);

    *enrol = rc == RK_NOT_FOUND;
    if (rc == RK_OK)
        return login_known(m, snap, &j->req, &j->res, err);
    if (rc != RK_NOT_FOUND)
        return rc;
    j->asks = !j->req.user_id.n && !j->req.setup_key.n;
    if (j->asks)
        return rk_fail(err, RK_UNAUTHENTICATED,
                       "no peer auth method provided, please use a setup key or interactive SSO "
                       "login");
    return peer_register_prepare(m, db, j, err);
}

enum rk_code peer_login(struct mgmt *m, struct db *db, const struct peer_login_req *req,
                        struct peer_login_res *out, struct rk_err *err)
{
    struct peer_login_job j = {.req = *req};
    bool enrol = false;
    enum rk_code rc = start(m, db, &j, &enrol, err);

    if (rc == RK_OK && enrol) {
        rc = mgmt_mutate(m, j.account_id, &j.actor, j.mut.flags, j.mut.fn, &j, err);
        if (rc == RK_OK)
            rc = login_result(m, j.account_id, req->key, true, &j.res, err);
    }
    if (rc == RK_OK)
        *out = j.res;
    return rc;
}

/* Lane thread: the account was published before, so nothing is loaded here. */
static void enrol_done(struct mgmt_mutation *mut)
{
    struct peer_login_job *j = rk_container_of(mut, struct peer_login_job, mut);

    j->err = mut->err;
    if (j->err.code == RK_OK) {
        j->res = (struct peer_login_res){.snap = mgmt_snapshot_try(j->m, j->account_id),
                                         .registered = true};
        if (j->res.snap)
            j->res.index = snap_index_by_key(j->res.snap, j->req.key);
        j->res.peer = j->res.snap && j->res.index != SNAP_NO_PEER
                          ? snap_peer_at(j->res.snap, j->res.index)
                          : NULL;
        if (!j->res.peer) { /* a later change of the same batch removed it again */
            peer_login_done(&j->res);
            (void)rk_fail(&j->err, RK_NOT_FOUND, "peer was removed");
        }
    }
    j->done(j);
}

bool peer_login_begin(struct mgmt *m, struct db *db, struct peer_login_job *j)
{
    bool enrol = false;

    j->err = (struct rk_err){0};
    if (start(m, db, j, &enrol, &j->err) || !enrol)
        return false;
    j->mut.done = enrol_done;
    return mgmt_submit(m, &j->mut, &j->err) == RK_OK;
}

/* ---- session extension */

struct extend {
    struct rk_str peer_key, user_id;
    int64_t expires_at_us;
};

static enum rk_code extend_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct extend *x = arg;
    uint32_t index = snap_index_by_key(tx->snap, x->peer_key);
    const struct peer *p = index == SNAP_NO_PEER ? NULL : snap_peer_at(tx->snap, index);
    const struct settings *s = snap_settings(tx->snap);
    struct peer next;
    enum rk_code rc;

    if (!p)
        return rk_fail(err, RK_NOT_FOUND, "peer not found");
    if (!s->peer_login_expiration_enabled)
        return rk_fail(err, RK_PRECONDITION, "peer login expiration is disabled for the account");
    if (!peer_is_sso(p) || !p->login_expiration_enabled)
        return rk_fail(err, RK_PRECONDITION, "peer is not eligible for session extension");
    rc = check_user(p, snap_user(tx->snap, p->user_id), x->user_id, err);
    if (rc)
        return rc;
    next = *p;
    next.last_login_us = tx->now_us;
    x->expires_at_us = tx->now_us + SESSION_US(s);
    rc = tx_put(tx, ENT_PEER, &next, err);
    return rc ? rc
              : tx_event_by(tx, x->user_id, ACT_USER_PEER_SESSION_EXTEND, p->id,
                            peer_event_meta(tx->mem, tx->snap, &next, NULL, 0), err);
}

enum rk_code peer_session_extend(struct mgmt *m, struct db *db, struct rk_str peer_key,
                                 struct rk_str user_id, int64_t *expires_at_us, struct rk_err *err)
{
    struct extend x = {.peer_key = peer_key, .user_id = user_id};
    struct actor actor = {.id = user_id};
    const struct snapshot *snap = NULL;
    enum rk_code rc;

    if (!user_id.n)
        return rk_fail(err, RK_FORBIDDEN, "session extend requires a JWT");
    rc = mgmt_snapshot_of_peer(m, db, peer_key, &snap, err);
    if (rc)
        return rc;
    rc = mgmt_mutate(m, snap_account(snap)->id, &actor, MUT_QUIET, extend_tx, &x, err);
    snap_unref(snap);
    if (rc == RK_OK)
        *expires_at_us = x.expires_at_us;
    return rc;
}
