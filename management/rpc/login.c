/* SPDX-License-Identifier: BSD-3-Clause */
/* Login, ExtendAuthSession and Logout: one operation each on a store thread. */
#include "config.h"

#include "lib/base/num.h"
#include "management/ops/peer_login.h"
#include "management/ops/peer_logout.h"
#include "management/push/message.h"
#include "management/rpc/meta.h"
#include "management/rpc/rpc_impl.h"
#include "management/snapshot/pb.h"

#define LABELS_MAX   32 /* extra DNS labels of a request; more are refused by the operation */
#define RESPONSE_MAX ((size_t)1 << 20)

/* Fields of LoginResponse. */
enum { F_CONFIG = 1, F_PEER_CONFIG = 2, F_CHECKS = 3, F_SESSION = 4 };

/* ---- JWT */

/* What agents expect: 3 not valid, 13 no account, 16 used or expired, 7 not allowed. */
static enum rk_code token_fail(struct rpc_job *j, enum auth_fault f, const struct rk_err *why)
{
    static const struct {
        enum grpc_status status;
        const char *before;
    } AS[AUTH_FAULTS] = {
        [AUTH_OK] = {GRPC_OK, ""},
        [AUTH_BAD] = {GRPC_INVALID_ARGUMENT, "invalid jwt token, err: "},
        [AUTH_EXPIRED] = {GRPC_UNAUTHENTICATED, "JWT expired: "},
        [AUTH_USED] = {GRPC_UNAUTHENTICATED, ""},
        [AUTH_NOT_ALLOWED] = {GRPC_PERMISSION_DENIED, ""},
        [AUTH_NO_ACCOUNT] = {GRPC_INTERNAL, "unable to fetch account with claims, err: "},
        [AUTH_UNAVAILABLE] = {GRPC_UNAVAILABLE, ""},
    };

    j->status = AS[f].status;
    return rk_fail(&j->err, why->code ? why->code : RK_UNAUTHENTICATED, "%s%s", AS[f].before,
                   why->msg);
}

/* From a token to the user id; the job's status says what agents expect on failure. Store thread.
 */
static enum rk_code user_of_token(struct rpc_job *j, struct db *db, struct rk_str token,
                                  struct rk_str *user_id)
{
    struct auth *auth = rpc_of(j->call)->o.auth;
    struct auth_found found = {0};
    struct rk_err why = {0};
    enum auth_fault f = AUTH_BAD;

    if (auth)
        f = auth->login(auth, db, grpc_call_arena(j->call), token, &found, &why);
    else
        (void)rk_fail(&why, RK_UNAUTHENTICATED, "this server has no identity provider");
    if (f)
        return token_fail(j, f, &why);
    j->status = GRPC_OK;
    *user_id = found.user_id; /* in the call's arena */
    snap_unref(found.snap);
    return RK_OK;
}

/* ---- Login */

struct login {
    struct rpc_job job;
    struct peer_meta meta;
    struct peer_login_job login;
    struct rk_str jwt;
};

/* Lane thread: an enrolment was committed, or failed. */
static void login_enrolled(struct peer_login_job *done)
{
    struct login *l = rk_container_of(done, struct login, login);

    l->job.err = l->login.err;
    rpc_job_finish(&l->job);
}

/* An enrolment waits for its commit without keeping this thread, so that many share one. */
static void login_run(struct rpc_job *j, struct db *db)
{
    struct login *l = rk_container_of(j, struct login, job);
    struct rpc *r = rpc_of(j->call);

    if (l->jwt.n && user_of_token(j, db, l->jwt, &l->login.req.user_id))
        return;
    l->login.done = login_enrolled;
    j->more = 2;
    if (peer_login_begin(r->o.mgmt, db, &l->login))
        return; /* everything may be over by now */
    j->more = 1;
    j->err = l->login.err;
    if (l->login.asks)
        grpc_call_set_quiet(j->call);
}

/* Read from the very state that Sync will use: what differs makes an agent restart. */
static void login_reply(struct rpc_job *j)
{
    struct login *l = rk_container_of(j, struct login, job);
    struct rpc *r = rpc_of(j->call);
    const struct snapshot *s = l->login.res.snap;
    struct servers_agent agent = servers_agent_of(s, l->login.res.index);
    struct netmap_opts netmap = *r->o.netmap;
    struct rk_buf b;
    size_t at;

    netmap.now_us = mgmt_now_us(r->o.mgmt);
    netmap.meta = &l->meta;
    rk_buf_init(&b, RESPONSE_MAX);
    at = pb_begin(&b, F_CONFIG);
    servers_encode(r->o.servers, SERVERS_LOGIN, &agent, netmap.now_us / 1000000, &b);
    pb_end(&b, at);
    at = pb_begin(&b, F_PEER_CONFIG);
    netmap_encode_peer_config(s, l->login.res.index, &netmap,
                              netmap_ssh_by_policy(s, l->login.res.index, &netmap), &b);
    pb_end(&b, at);
    message_put_checks(&b, F_CHECKS, s, l->login.res.index, grpc_call_arena(j->call));
    message_put_session(&b, F_SESSION, l->login.res.peer, snap_settings(s));
    if (b.full)
        rpc_fail_status(j->call, GRPC_INTERNAL, "the answer is too large");
    else
        rpc_reply_sealed(j->call, &j->peer.shared, rk_buf_str(&b));
    rk_buf_done(&b);
    rk_log(r->o.log, l->login.res.registered ? RK_INFO : RK_DEBUG,
           l->login.res.registered ? "peer registered" : "peer login",
           kv_str("peer", l->login.res.peer->id), kv_str("name", l->login.res.peer->name));
    rk_metric_add(r->logins, 1);
    peer_login_done(&l->login.res);
}

static struct str_list labels_of(struct rk_arena *mem, const Management__LoginRequest *req)
{
    struct str_list l = {.n = rk_min_size(req->n_dnslabels, LABELS_MAX + 1)};

    l.v = rk_new_n(mem, struct rk_str, l.n);
    for (size_t i = 0; i < l.n; i++)
        l.v[i] = rk_str_z(req->dnslabels[i]);
    return l;
}

#define SSH_KEY_MAX 8192 /* bytes; RSA of 16384 bits has 2,800 */

void rpc_login(struct grpc_call *c, struct rk_str body)
{
    struct rk_arena *mem = grpc_call_arena(c);
    struct login *l = rk_new(mem, struct login);
    const Management__LoginRequest *req =
        rpc_open(c, mem, body, &management__login_request__descriptor, &l->job.peer);

    if (!req)
        return;
    if (!req->meta) {
        rpc_fail_status(c, GRPC_FAILED_PRECONDITION,
                        "peer system meta has to be provided to log in. Peer %s", l->job.peer.text);
        return;
    }
    if (rpc_meta(mem, req->meta, &l->meta, &l->job.err)) {
        rpc_fail(c, &l->job.err);
        return;
    }
    if (req->peerkeys && req->peerkeys->sshpubkey.len > SSH_KEY_MAX) {
        (void)rk_fail(&l->job.err, RK_INVALID, "the SSH key is longer than %d bytes", SSH_KEY_MAX);
        rpc_fail(c, &l->job.err);
        return;
    }
    l->jwt = rk_str_z(req->jwttoken);
    l->login.req = (struct peer_login_req){
        .key = rk_str_z(l->job.peer.text),
        .setup_key = rk_str_z(req->setupkey),
        .meta = &l->meta,
        .ssh_key = req->peerkeys ? pb_bytes(req->peerkeys->sshpubkey) : (struct rk_str){0},
        .extra_dns_labels = labels_of(mem, req),
        .location = {.connection_ip = grpc_call_peer(c)->ip},
        .gate = rpc_of(c)->gate,
    };
    l->job.run = login_run;
    l->job.reply = login_reply;
    rpc_job_submit(&l->job, c);
}

/* ---- ExtendAuthSession */

struct extend {
    struct rpc_job job;
    struct rk_str jwt;
    int64_t expires_at_us;
};

static void extend_run(struct rpc_job *j, struct db *db)
{
    struct extend *x = rk_container_of(j, struct extend, job);
    struct rk_str user_id;

    if (user_of_token(j, db, x->jwt, &user_id))
        return;
    j->err.code = peer_session_extend(rpc_of(j->call)->o.mgmt, db, rk_str_z(j->peer.text), user_id,
                                      &x->expires_at_us, &j->err);
}

static void extend_reply(struct rpc_job *j)
{
    struct extend *x = rk_container_of(j, struct extend, job);
    Management__ExtendAuthSessionResponse resp = MANAGEMENT__EXTEND_AUTH_SESSION_RESPONSE__INIT;
    Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

    at.seconds = x->expires_at_us / 1000000;
    at.nanos = (int32_t)(x->expires_at_us % 1000000 * 1000);
    resp.sessionexpiresat = &at;
    rpc_reply_msg(j->call, &j->peer.shared, &resp.base);
}

void rpc_extend(struct grpc_call *c, struct rk_str body)
{
    struct extend *x = rk_new(grpc_call_arena(c), struct extend);
    const Management__ExtendAuthSessionRequest *req =
        rpc_open(c, grpc_call_arena(c), body, &management__extend_auth_session_request__descriptor,
                 &x->job.peer);

    if (!req)
        return;
    x->jwt = rk_str_z(req->jwttoken);
    if (!x->jwt.n) {
        rpc_fail_status(c, GRPC_INVALID_ARGUMENT, "jwt token is required");
        return;
    }
    x->job.run = extend_run;
    x->job.reply = extend_reply;
    rpc_job_submit(&x->job, c);
}

/* ---- Logout */

static void logout_run(struct rpc_job *j, struct db *db)
{
    j->err.code = peer_logout(rpc_of(j->call)->o.mgmt, db, rk_str_z(j->peer.text), &j->err);
}

/* In the clear, as SyncMeta. */
static void logout_reply(struct rpc_job *j)
{
    grpc_call_reply(j->call, (struct rk_str){0});
}

void rpc_logout(struct grpc_call *c, struct rk_str body)
{
    struct rpc_job *j = rk_new(grpc_call_arena(c), struct rpc_job);

    if (!rpc_open(c, grpc_call_arena(c), body, &management__empty__descriptor, &j->peer))
        return;
    j->run = logout_run;
    j->reply = logout_reply;
    rpc_job_submit(j, c);
}
