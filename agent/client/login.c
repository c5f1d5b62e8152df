/* SPDX-License-Identifier: BSD-3-Clause */
/* Logging in; see login.h. */
#include "config.h"

#include "agent/client/login.h"

#include <stdlib.h>

#include "agent/client/backoff.h"
#include "agent/client/meta.h"
#include "lib/grpc/status.h"
#include "schema/pb_arena.h"

/* Decoded, an answer is a few kilobytes. */
#define ANSWER_MAX_BYTES ((size_t)4 << 20)

struct login {
    struct login_opts o;
    struct login_user *user;
    struct rk_arena *mem; /* wiping: setup key and token */
    struct mgmt_client_call_user cu;
    struct mgmt_client_call *call;
    bool with_key; /* the running call carries setup key or token */
    struct backoff wait;
    int64_t give_up_ms;
    struct rk_err last;
    struct rk_timer *timer;
};

static void login_free(struct login *l)
{
    rk_timer_cancel(&l->timer);
    rk_arena_free(l->mem);
    free(l);
}

static void finish(struct login *l, const Management__LoginResponse *msg, const struct rk_err *err)
{
    struct login_user *u = l->user;

    login_free(l);
    u->ops->done(u, msg, err);
}

static const struct mgmt_client_call_ops CALL_OPS;

static void ask(void *arg)
{
    struct login *l = arg;
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct rk_str key = l->with_key ? l->o.setup_key : RK_STR("");
    struct rk_str token = l->with_key ? l->o.token : RK_STR("");
    const Management__LoginRequest *req = meta_login(mem, l->o.route, l->o.profile, key, token);

    l->cu.ops = &CALL_OPS;
    l->call = mgmt_client_call(l->o.mgc, MGMT_CLIENT_LOGIN, &req->base, &l->cu);
}

static enum rk_code check(const Management__LoginResponse *msg, struct rk_err *err)
{
    if (!msg->netbirdconfig || !msg->netbirdconfig->signal || !msg->peerconfig)
        return rk_fail(err, RK_BAD_REQUEST,
                       "login answer lacks the signal server or the peer configuration");
    return RK_OK;
}

static bool temporary(const struct login *l, int status, const struct rk_err *err)
{
    if (err->code == RK_UNAUTHENTICATED && status == GRPC_UNAVAILABLE) /* a refused certificate */
        return l->o.retry_ms == LOGIN_FOR_EVER;
    switch (status) {
    case GRPC_INVALID_ARGUMENT:
    case GRPC_NOT_FOUND:
    case GRPC_PERMISSION_DENIED:
    case GRPC_FAILED_PRECONDITION:
    case GRPC_UNIMPLEMENTED:
        return false;
    default:
        return true;
    }
}

static void fail(struct login *l, int status, const struct rk_err *why)
{
    struct rk_err err = *why;
    int64_t wait;

    if ((status == GRPC_PERMISSION_DENIED || status == GRPC_INVALID_ARGUMENT) && !l->with_key) {
        if (l->o.setup_key.n || l->o.token.n) { /* not known yet: register */
            l->with_key = true;
            ask(l);
            return;
        }
        err.code = RK_FORBIDDEN;
    }
    l->last = err;
    if (l->o.retry_ms && temporary(l, status, &err)) {
        wait = backoff_next_ms(&l->wait);
        if (rk_loop_now_ms(l->o.loop) < l->give_up_ms - wait) {
            rk_log(l->o.log, RK_INFO, "login failed, trying again", kv_i64("in_ms", wait),
                   KV_ERR(&err));
            l->with_key = false;
            rk_timer_start(l->o.loop, &l->timer, wait, ask, l);
            return;
        }
    }
    (void)rk_wrap(&err, l->with_key ? "register" : "login");
    finish(l, NULL, &err);
}

static void on_done(struct mgmt_client_call_user *u, int status, struct rk_str plain,
                    const struct rk_err *err)
{
    struct login *l = rk_container_of(u, struct login, cu);
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(ANSWER_MAX_BYTES);
    const Management__LoginResponse *msg;
    struct rk_err bad = {0};

    l->call = NULL;
    if (status != GRPC_OK) {
        fail(l, status, err);
        return;
    }
    msg = pb_unpack(mem, &management__login_response__descriptor, plain, &bad);
    if (!msg || check(msg, &bad))
        finish(l, NULL, &bad);
    else
        finish(l, msg, NULL);
}

static const struct mgmt_client_call_ops CALL_OPS = {.done = on_done};

struct login *login_start(const struct login_opts *opts, struct login_user *user)
{
    struct login *l = rk_calloc(1, sizeof *l);

    l->o = *opts;
    l->user = user;
    l->mem = rk_arena_new_wiping(0);
    l->o.setup_key = rk_arena_dup(l->mem, opts->setup_key);
    l->o.token = rk_arena_dup(l->mem, opts->token);
    l->wait = (struct backoff){
        .first_ms = 500, .max_ms = 10000, .factor_permille = 1500, .spread_permille = 500};
    l->give_up_ms =
        opts->retry_ms == LOGIN_FOR_EVER ? INT64_MAX : rk_loop_now_ms(opts->loop) + opts->retry_ms;
    ask(l);
    return l;
}

void login_cancel(struct login *l)
{
    if (!l)
        return;
    mgmt_client_call_cancel(l->call);
    login_free(l);
}

const struct rk_err *login_last_err(const struct login *l)
{
    return &l->last;
}
