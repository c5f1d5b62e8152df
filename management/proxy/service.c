/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of methods, who calls, and the life of the service; see proxy.h. */
#include "config.h"

#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/crypto/hmac.h"
#include "management/proxy/impl.h"

#define METHOD(name) "/management.ProxyService/" name

/* Five wrong tokens of an address at once, then one in twelve seconds. */
#define FAILURES_BURST     5
#define FAILURES_MILLI     83
#define FAILURES_ADDRESSES 10000
#define SWEEP_MS           ((int64_t)300000)
#define LOG_KEEP_US        ((int64_t)7 * 86400 * 1000000)
#define LOG_KEEP_ROWS      500000 /* of an account: as many events as by default */
/* Guesses at a password or PIN of one service: thirty at once, then one in six seconds. Four digits
 * last for most of a day then; who has a session is not touched. */
#define GUESSES_BURST    30
#define GUESSES_MILLI    167
#define GUESSES_SERVICES 10000

/* ---- who calls */

bool proxy_may_try(struct proxies *p, struct rk_str ip)
{
    bool yes;

    (void)pthread_mutex_lock(&p->lock);
    yes = rk_ratelimit_take(p->failures, ip, rk_mono_ms());
    if (yes)
        rk_ratelimit_give(p->failures, ip);
    (void)pthread_mutex_unlock(&p->lock);
    return yes;
}

enum rk_code proxy_who(struct proxies *p, struct db *db, struct rk_arena *mem, struct rk_str header,
                       struct rk_str ip, struct proxy_token *out, struct rk_err *err)
{
    struct rk_str bearer = RK_STR("Bearer ");
    enum rk_code rc = RK_OK;

    if (!rk_str_starts(header, bearer))
        rc = rk_fail(err, RK_UNAUTHENTICATED,
                     "the call has no header \"authorization: Bearer …\" with a proxy token");
    if (!rc)
        rc = proxy_token_check(db, mem, rk_str_sub(header, bearer.n, header.n),
                               mgmt_now_us(p->o.mgmt), out, err);
    if (rc && rc != RK_UNAVAILABLE && rc != RK_INTERNAL) {
        if (err)
            err->code = RK_UNAUTHENTICATED; /* also for what is no token at all */
        rc = RK_UNAUTHENTICATED;
        (void)pthread_mutex_lock(&p->lock);
        (void)rk_ratelimit_take(p->failures, ip, rk_mono_ms());
        (void)pthread_mutex_unlock(&p->lock);
    }
    return rc;
}

enum rk_code proxy_scope(const struct proxy_token *t, struct rk_str account_id, struct rk_err *err)
{
    if (t->account_id.n && !rk_str_eq(t->account_id, account_id))
        return rk_fail(err, RK_FORBIDDEN, "the proxy's token is of another account");
    return RK_OK;
}

/* Agents take some numbers as an order to log in anew; to proxies they mean what they say. */
void proxy_fail(struct grpc_call *c, const struct rk_err *err)
{
    enum grpc_status status = err->code == RK_UNAUTHENTICATED ? GRPC_UNAUTHENTICATED
                              : err->code == RK_INVALID       ? GRPC_INVALID_ARGUMENT
                              : err->code == RK_EXISTS        ? GRPC_ALREADY_EXISTS
                                                              : GRPC_OK;

    if (status)
        grpc_call_fail_status(c, status, rk_str_z(err->msg));
    else
        grpc_call_fail(c, err);
}

bool proxy_may_guess(struct proxies *p, struct rk_str what)
{
    bool yes;

    (void)pthread_mutex_lock(&p->lock);
    yes = rk_ratelimit_take(p->guesses, what, rk_mono_ms());
    (void)pthread_mutex_unlock(&p->lock);
    return yes;
}

void proxy_guessed(struct proxies *p, struct rk_str what)
{
    (void)pthread_mutex_lock(&p->lock);
    rk_ratelimit_give(p->guesses, what);
    (void)pthread_mutex_unlock(&p->lock);
}

/* ---- calls with one answer */

static void run(struct rk_work *w, struct db *db)
{
    struct proxy_call *c = rk_container_of(w, struct proxy_call, work);

    if (!proxy_who(c->p, db, c->mem, c->header, c->ip, &c->token, &c->err))
        RK_IGNORE(c->run(c, db, &c->err));
}

static void done(struct rk_work *w, enum rk_code rc)
{
    struct proxy_call *c = rk_container_of(w, struct proxy_call, work);
    struct grpc_call *call = c->call;
    struct rk_str bytes;

    if (rc)
        (void)rk_fail(&c->err, RK_UNAVAILABLE, "the server is stopping");
    if (!c->err.code)
        RK_IGNORE(pb_pack(c->mem, c->answer, &bytes, &c->err));
    if (c->err.code)
        proxy_fail(call, &c->err);
    else
        grpc_call_reply(call, bytes);
    grpc_call_unref(call);
}

static void begin(struct grpc_call *call, struct rk_str body,
                  const ProtobufCMessageDescriptor *type, struct rk_pool *pool,
                  enum rk_code (*fn)(struct proxy_call *, struct db *, struct rk_err *))
{
    struct proxies *p = proxies_of(call);
    struct rk_arena *mem = grpc_call_arena(call);
    struct proxy_call *c = rk_new(mem, struct proxy_call);
    char ip[RK_ADDR_TEXT];

    *c = (struct proxy_call){.work = {.run = run, .done = done, .loop = grpc_call_loop(call)},
                             .p = p,
                             .mem = mem,
                             .run = fn};
    c->ip = rk_arena_dup(mem, rk_ip_format(&grpc_call_peer(call)->ip, ip));
    c->header = rk_arena_dup(mem, grpc_call_header(call, "authorization"));
    if (!proxy_may_try(p, c->ip)) {
        grpc_call_fail_status(call, GRPC_RESOURCE_EXHAUSTED,
                              RK_STR("too many wrong tokens from this address: try again later"));
        return;
    }
    c->msg = pb_unpack(mem, type, body, &c->err);
    if (!c->msg) {
        grpc_call_fail_status(call, GRPC_INVALID_ARGUMENT, RK_STR("invalid request message"));
        return;
    }
    c->call = grpc_call_ref(call);
    if (rk_pool_submit(pool, &c->work) == RK_OK)
        return;
    (void)rk_fail(&c->err, RK_UNAVAILABLE, "too many requests wait");
    grpc_call_fail(call, &c->err);
    grpc_call_unref(call);
}

#define UNARY(name, type, pool, fn)                                                                \
    static void name(struct grpc_call *c, struct rk_str body)                                      \
    {                                                                                              \
        begin(c, body, &management__##type##_request__descriptor, proxies_of(c)->o.pool, fn);      \
    }

UNARY(authenticate, authenticate, hash, proxy_authenticate)
UNARY(validate_session, validate_session, store, proxy_validate_session)
UNARY(validate_peer, validate_tunnel_peer, store, proxy_validate_peer)
UNARY(status_update, send_status_update, store, proxy_status_update)
UNARY(create_peer, create_proxy_peer, store, proxy_create_peer)
UNARY(access_log, send_access_log, store, proxy_access_log)

static void no_sso(struct grpc_call *c, struct rk_str body)
{
    (void)body;
    grpc_call_fail_status(c, GRPC_UNIMPLEMENTED,
                          RK_STR("this server does not sign visitors of services in: use a "
                                 "password, a PIN, or the overlay"));
}

/* Gateways to model providers are not part of this server; proxies go on without. */
static void no_gateway(struct grpc_call *c, struct rk_str body)
{
    (void)body;
    grpc_call_fail_status(c, GRPC_UNIMPLEMENTED,
                          RK_STR("gateways to model providers are not part of this server"));
}

static const struct grpc_method METHODS[] = {
    {.path = METHOD("SyncMappings"),
     .kind = GRPC_BIDI,
     .message = proxy_sync_message,
     .half_closed = proxy_sync_half_closed,
     .ended = proxy_stream_ended},
    {.path = METHOD("GetMappingUpdate"),
     .kind = GRPC_SERVER_STREAM,
     .message = proxy_updates,
     .ended = proxy_stream_ended},
    {.path = METHOD("SendAccessLog"), .kind = GRPC_UNARY, .message = access_log},
    {.path = METHOD("Authenticate"), .kind = GRPC_UNARY, .message = authenticate},
    {.path = METHOD("SendStatusUpdate"), .kind = GRPC_UNARY, .message = status_update},
    {.path = METHOD("CreateProxyPeer"), .kind = GRPC_UNARY, .message = create_peer},
    {.path = METHOD("GetOIDCURL"), .kind = GRPC_UNARY, .message = no_sso},
    {.path = METHOD("ValidateSession"), .kind = GRPC_UNARY, .message = validate_session},
    {.path = METHOD("ValidateTunnelPeer"), .kind = GRPC_UNARY, .message = validate_peer},
    {.path = METHOD("CheckLLMPolicyLimits"), .kind = GRPC_UNARY, .message = no_gateway},
    {.path = METHOD("RecordLLMUsage"), .kind = GRPC_UNARY, .message = no_gateway},
};

/* ---- life */

static void changed(struct mgmt_observer *o, const struct snapshot *old, const struct snapshot *now,
                    const struct change *changes, size_t n)
{
    proxy_streams_changed(rk_container_of(o, struct proxies, observer), old, now, changes, n);
}

static enum rk_code sweep(struct mgmt_chore *c, struct mgmt *m, struct db *db, struct rk_err *err)
{
    enum rk_code rc = proxy_nodes_sweep(db, mgmt_now_us(m), err);

    (void)c;
    return rc ? rc : proxy_log_sweep(db, mgmt_now_us(m) - LOG_KEEP_US, LOG_KEEP_ROWS, err);
}

struct proxies *proxies_new(const struct proxies_opts *o)
{
    struct proxies *p = rk_calloc(1, sizeof *p);

    _Static_assert(RK_KEY_SIZE == HMAC_SHA256_SIZE, "a key is a MAC");
    p->o = *o;
    hmac_sha256(o->store_key, RK_STR("peers of proxies"), p->key.b);
    p->o.store_key = RK_STR("");
    (void)pthread_mutex_init(&p->lock, NULL);
    rk_list_init(&p->streams);
    p->failures = rk_ratelimit_new(FAILURES_ADDRESSES, FAILURES_MILLI, FAILURES_BURST);
    p->guesses = rk_ratelimit_new(GUESSES_SERVICES, GUESSES_MILLI, GUESSES_BURST);
    p->observer = (struct mgmt_observer){.changed = changed};
    mgmt_observe(o->mgmt, &p->observer);
    p->sweep = (struct mgmt_chore){.what = "old rows of proxies were not removed",
                                   .run = sweep,
                                   .first_ms = SWEEP_MS,
                                   .every_ms = SWEEP_MS};
    mgmt_chore_add(o->mgmt, &p->sweep);
    return p;
}

enum rk_code proxies_attach(struct proxies *p, struct edge *e, struct rk_err *err)
{
    return edge_add_grpc(e, METHODS, RK_ARRAY_LEN(METHODS), p, err);
}

void proxies_free(struct proxies *p)
{
    if (!p)
        return;
    rk_ratelimit_free(p->failures);
    rk_ratelimit_free(p->guesses);
    rk_key_wipe(&p->key);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}
