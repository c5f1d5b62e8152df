/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of the management service, put together and taken apart. See app.h. */
#include "config.h"

#include "management/app.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/crypto/vault.h"
#include "lib/http/h1.h"
#include "lib/json/json.h"
#ifdef HAVE_CONSOLE
#include "management/console/console.h"
#endif
#include "management/engine/keys.h"
#include "management/engine/places.h"
#include "management/health.h"
#include "management/ops/peer_ephemeral.h"
#include "management/ops/peer_expiry.h"
#include "management/proxy/proxy.h"
#include "management/push/relay_pool.h"
#include "management/rest/rest.h"
#include "management/store/probe.h"
#include "management/traffic/traffic.h"

#define STORE_THREADS 16 /* enrolments that wait for one commit together */
#define REST_THREADS  2  /* of their own, so that returning agents do not keep operators waiting */
#define REST_QUEUE    1000
#define HASH_THREADS  2 /* password hashes: a tenth of a second and 32 MiB each */
#define CALL_THREADS  8 /* calls to external providers, up to ten seconds each */
#define SLOW_QUEUE    64
#define SLOW_PER_KEY  32 /* of one address: half of it stays for others */
/* Operations that wait for a store thread: the agents of a very large fleet, each with one. */
#define STORE_QUEUE 50000
#define BUILD_QUEUE HUB_BUILDERS_MAX /* the hub has one work per builder */
#define H1_GRACE_MS 2000             /* for REST requests in progress at the end */
#define PRELOAD_MAX 64               /* accounts that are loaded before somebody asks */

struct mgmt_app {
    struct rk_arena *mem; /* wiping; what the options lent: texts */
    const char *account_domain, *setup_token, *geo_names_path;
    struct rk_log *log;
    struct vault *vault;
    struct probe *probe;
    struct places *places; /* NULL: no location database */
    struct mgmt *mgmt;
    struct rk_pool *store, *rest_pool, *hash_pool, *call_pool, *build;
    struct envelope *envelope;
    struct servers *servers;
    struct relay_pool *relay_pool; /* NULL: this process is alone */
    struct netmap_opts netmap;
    struct hub *hub;
    struct traffic *traffic; /* NULL: traffic events are not kept */
    struct exports *exports; /* NULL: nobody outside takes events */
    struct idp *idp;         /* NULL: no embedded provider */
    struct jwks_remote *remotes[BEARER_ISSUERS_MAX];
    size_t n_remotes;
    struct bearer *bearer; /* NULL: setup keys and access tokens only */
    struct rpc *rpc;
    struct proxies *proxies;
    struct rest *rest;
    struct rest_jobs rest_jobs;
    struct mgmt_health health;
    struct console *console; /* NULL: switched off, or built without */
    struct http_router *router;
    struct http_dispatch *dispatch;
    struct http_h1 *h1;

    struct rk_work preload;
    pthread_t stopper;
    void (*stopped)(void *arg);
    void *stopped_arg;
    bool stop_called;
    struct ephemeral ephemeral;
    struct expiry expiry;
};

struct rest *mgmt_app_rest(struct mgmt_app *a)
{
    return a->rest;
}

struct mgmt *mgmt_app_engine(struct mgmt_app *a)
{
    return a->mgmt;
}

struct hub *mgmt_app_hub(struct mgmt_app *a)
{
    return a->hub;
}

bool mgmt_app_ready(struct mgmt_app *a, char why[240])
{
    return probe_ok(a->probe, why);
}

bool mgmt_app_useful(struct mgmt_app *a)
{
    return mgmt_is_shared(a->mgmt);
}

void mgmt_app_describe(struct mgmt_app *a, bool ready, const char *why, const char *others,
                       int64_t cert_not_after_ms, struct rk_buf *out)
{
    char now[RK_TIME_TEXT], end[RK_TIME_TEXT], reason[240];
    bool store = probe_ok(a->probe, reason);

    json_put_obj(out);
    json_put_key_str(out, "status",
                     ready                ? RK_STR("healthy")
                     : mgmt_app_useful(a) ? RK_STR("degraded")
                                          : RK_STR("unhealthy"));
    json_put_key_str(out, "timestamp", rk_time_format_us(rk_unix_us(), now));
    json_put_key_str(out, "reason", rk_str_z(why));
    json_put_key(out, "store");
    probe_json(a->probe, out);
    rk_buf_printf(out, ",\"serving\":[%s%s\"connected machines\"]", others,
                  store ? "\"sign-in\",\"changes\",\"new connections\"," : "");
    if (cert_not_after_ms) {
        json_put_key(out, "certificate");
        json_put_obj(out);
        json_put_key_bool(out, "valid", cert_not_after_ms > rk_unix_ms());
        json_put_key_str(out, "not_after", rk_time_format_us(cert_not_after_ms * 1000, end));
        json_put_obj_end(out);
    }
    json_put_obj_end(out);
    rk_buf_addc(out, '\n');
}

/* ---- opening */

static enum rk_code open_vault(struct mgmt_app *a, struct rk_str text, struct rk_err *err)
{
    struct rk_key key;
    enum rk_code rc;

    a->vault = vault_new();
    rc = rk_key_parse(text, &key, NULL);
    if (rc)
        rc = rk_fail(err, RK_INVALID, "the store's encryption key is not base64 of 32 bytes");
    if (rc == RK_OK)
        rc = vault_add_key(a->vault, &key, err);
    rk_key_wipe(&key);
    return rc;
}

/* Files that are named must be there: without them posture checks by country refuse everybody. */
static enum rk_code open_places(struct mgmt_app *a, const struct mgmt_app_opts *o,
                                struct rk_err *err)
{
    if (o->geo_names_path && access(o->geo_names_path, R_OK))
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "names of locations %s",
                             o->geo_names_path);
    return o->geo_path ? places_open(o->geo_path, &a->places, err) : RK_OK;
}

enum rk_code mgmt_app_reload(struct mgmt_app *a, struct rk_err *err)
{
    enum rk_code rc = a->places ? places_reload(a->places, err) : RK_OK;

    rest_reload(a->rest);
    return rc;
}

static enum rk_code open_engine(struct mgmt_app *a, const struct mgmt_app_opts *o,
                                struct rk_err *err)
{
    struct probe_opts look = {.url = o->store_url, .log = o->log, .metrics = o->metrics};
    struct mgmt_opts m = {.store_url = o->store_url,
                          .vault = a->vault,
                          .log = o->log,
                          .dns_domain = o->dns_domain,
                          .no_default_policy = o->no_default_policy,
                          .journal_keep_us = o->journal_keep_us,
                          .event_keep_us = o->event_keep_us,
                          .journal_keep_rows = o->journal_keep_rows,
                          .event_keep_rows = o->event_keep_rows,
                          .metrics = o->metrics};
    struct rk_pool_ops ops;
    enum rk_code rc;

    rc = open_places(a, o, err);
    if (rc)
        return rc;
    m.places = a->places;
    m.probe = a->probe = probe_new(&look);
    rc = mgmt_open(&a->mgmt, &m, err);
    if (rc == RK_OK)
        rc = probe_start(a->probe, err);
    if (rc)
        return rc;
    ephemeral_start(&a->ephemeral, a->mgmt, 0);
    expiry_start(&a->expiry, a->mgmt);
    ops = mgmt_pool_ops(a->mgmt);
    return rk_pool_new(&a->store, o->store_threads ? o->store_threads : STORE_THREADS, STORE_QUEUE,
                       &ops, err);
}

static enum rk_code open_envelope(struct mgmt_app *a, const char *store_url, struct rk_err *err)
{
    struct rk_key key;
    enum rk_code rc = keys_box(a->mgmt, &key, err);
    bool pg = db_url_is_pg(store_url);

    if (rc == RK_INTERNAL && err) {
        struct rk_err why = *err;

        rc = rk_fail(err, RK_PRECONDITION,
                     "the store key does not fit the database %s: use the key that it was made "
                     "with, from a backup (%s)",
                     pg ? "(PostgreSQL)" : probe_sqlite_path(store_url), why.msg);
    }
    if (rc == RK_OK)
        a->envelope = envelope_new(&key);
    rk_key_wipe(&key);
    return rc;
}

static struct rk_str keep(struct mgmt_app *a, struct rk_str s)
{
    return rk_arena_dup(a->mem, s);
}

static const char *keep_text(struct mgmt_app *a, const char *z)
{
    return z ? rk_arena_dupz(a->mem, rk_str_z(z)) : NULL;
}

/* ---- identity: whose tokens count, and where agents get them */

static enum rk_code add_remote(struct mgmt_app *a, const struct mgmt_app_issuer *from,
                               struct bearer_opts *b, struct rk_err *err)
{
    struct jwks_remote_opts r = {.issuer = from->issuer, .keys_url = from->keys_url, .log = a->log};
    const char **audiences = rk_new_n(a->mem, const char *, from->n_audiences + 1);

    if (b->n_issuers == BEARER_ISSUERS_MAX)
        return rk_fail(err, RK_INVALID, "more than %d token issuers", BEARER_ISSUERS_MAX);
    for (size_t i = 0; i < from->n_audiences; i++)
        audiences[i] = keep_text(a, from->audiences[i]);
    a->remotes[a->n_remotes] = jwks_remote_new(&r);
    b->issuers[b->n_issuers++] =
        (struct jwt_issuer){.issuer = keep_text(a, from->issuer),
                            .audiences = audiences,
                            .n_audiences = from->n_audiences,
                            .keys = jwks_remote_source(a->remotes[a->n_remotes++])};
    return RK_OK;
}

static enum rk_code open_identity(struct mgmt_app *a, const struct mgmt_app_opts *o,
                                  struct rk_err *err)
{
    struct bearer_opts b = {.m = a->mgmt,
                            .user_claim = keep_text(a, o->user_claim),
                            .local_auth_disabled = o->local_auth_disabled,
                            .account_domain =
                                a->account_domain ? a->account_domain : "netbird.selfhosted"};
    struct idp_opts p = o->idp;
    enum rk_code rc = RK_OK;

    if (p.issuer) {
        p.log = a->log;
        p.local_auth_disabled = o->local_auth_disabled;
        rc = idp_new(a->mgmt, &p, &a->idp, err);
        if (rc)
            return rc;
        b.issuers[b.n_issuers++] = idp_issuer(a->idp);
    }
    for (size_t i = 0; i < o->n_issuers && rc == RK_OK; i++)
        rc = add_remote(a, &o->issuers[i], &b, err);
    if (rc == RK_OK && b.n_issuers) {
        b.custom_audience = b.issuers[0].n_audiences ? b.issuers[0].audiences[0] : NULL;
        a->bearer = bearer_new(&b);
    }
    return rc;
}

/* The embedded provider as agents are told of it; device and PKCE in one. */
static struct rpc_flow embedded_flow(const struct mgmt_app *a)
{
    struct idp_list redirects = idp_cli_redirects(a->idp);

    return (struct rpc_flow){.client_id = IDP_CLIENT_CLI,
                             .audience = IDP_CLIENT_CLI,
                             .device_auth_endpoint = idp_device_url(a->idp),
                             .authorization_endpoint = idp_auth_url(a->idp),
                             .token_endpoint = idp_token_url(a->idp),
                             .scope = "openid profile email groups",
                             .redirect_urls = redirects.v,
                             .n_redirect_urls = redirects.n};
}

static void embedded_ssh_jwt(struct mgmt_app *a)
{
    struct netmap_jwt *to = &a->netmap.jwt;
    struct jwt_issuer i = idp_issuer(a->idp);

    to->issuer = rk_str_z(i.issuer);
    to->audience = RK_STR(IDP_CLIENT_CLI);
    to->keys_location = rk_str_z(idp_keys_url(a->idp));
    to->audiences.v = rk_new_n(a->mem, struct rk_str, i.n_audiences);
    for (size_t k = 0; k < i.n_audiences; k++) /* a token of the console opens no machine */
        if (!rk_str_eqz(rk_str_z(i.audiences[k]), IDP_CLIENT_CONSOLE))
            to->audiences.v[to->audiences.n++] = rk_str_z(i.audiences[k]);
}

static void keep_netmap_opts(struct mgmt_app *a, const struct netmap_jwt *jwt)
{
    struct netmap_jwt *to = &a->netmap.jwt;

    to->issuer = keep(a, jwt->issuer);
    to->audience = keep(a, jwt->audience);
    to->keys_location = keep(a, jwt->keys_location);
    to->audiences.n = jwt->audiences.n;
    to->audiences.v = rk_new_n(a->mem, struct rk_str, jwt->audiences.n);
    for (size_t i = 0; i < jwt->audiences.n; i++)
        to->audiences.v[i] = keep(a, jwt->audiences.v[i]);
}

static enum rk_code open_push(struct mgmt_app *a, const struct mgmt_app_opts *o, struct rk_err *err)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t builders = o->build_threads ? o->build_threads : (size_t)rk_max_i64(cpus, 1);
    struct servers_opts servers = o->servers;
    enum rk_code rc;

    servers.flow_store_key = o->vault_key;
    rc = servers_new(&servers, &a->servers, err);
    builders = rk_min_size(builders, HUB_BUILDERS_MAX);
    if (rc == RK_OK)
        rc = rk_pool_new(&a->build, builders, BUILD_QUEUE, NULL, err);
    if (rc)
        return rc;
    if (a->idp)
        embedded_ssh_jwt(a);
    else
        keep_netmap_opts(a, &o->ssh_jwt);
    a->hub = hub_new(&(struct hub_opts){.mgmt = a->mgmt,
                                        .build = a->build,
                                        .builders = builders,
                                        .loop = o->loops[0],
                                        .servers = a->servers,
                                        .netmap = &a->netmap,
                                        .components = o->component_maps,
                                        .seal = rpc_seal,
                                        .seal_arg = a->envelope,
                                        .sink = &RPC_SYNC_SINK,
                                        .log = o->log,
                                        .metrics = o->metrics});
    return relay_pool_start(a->mgmt, a->hub, a->servers, &a->relay_pool, err);
}

static enum rk_code open_traffic(struct mgmt_app *a, const struct mgmt_app_opts *o,
                                 struct rk_err *err)
{
    struct traffic_opts t = {.mgmt = a->mgmt,
                             .url = traffic_url(a->mem, o->store_url),
                             .store_key = o->vault_key,
                             .keep_days = o->traffic_keep_days,
                             .keep_rows = o->traffic_keep_rows,
                             .addresses_only = o->traffic_addresses_only,
                             .metrics = o->metrics};
    enum rk_code rc;

    if (!o->servers.flow_url)
        return RK_OK;
    rc = traffic_open(&t, &a->traffic, err);
    return rc ? rc : traffic_attach(a->traffic, o->edge, err);
}

static enum rk_code open_exports(struct mgmt_app *a, const struct mgmt_app_opts *o,
                                 struct rk_err *err)
{
    struct export_opts x = o->exports;

    x.mgmt = a->mgmt;
    x.traffic = a->traffic;
    x.metrics = o->metrics;
    return exports_start(&x, &a->exports, err);
}

static enum rk_code open_rpc(struct mgmt_app *a, const struct mgmt_app_opts *o, struct rk_err *err)
{
    struct rpc_opts r = {.mgmt = a->mgmt,
                         .store = a->store,
                         .envelope = a->envelope,
                         .hub = a->hub,
                         .servers = a->servers,
                         .netmap = &a->netmap,
                         .auth = a->bearer ? bearer_auth(a->bearer) : NULL,
                         .device = a->idp ? embedded_flow(a) : o->device,
                         .pkce = a->idp ? embedded_flow(a) : o->pkce,
                         .log = o->log,
                         .metrics = o->metrics};
    enum rk_code rc = rpc_new(&r, &a->rpc, err);

    return rc ? rc : rpc_attach(a->rpc, o->edge, err);
}

/* After the pools, which it uses. */
static enum rk_code open_proxies(struct mgmt_app *a, const struct mgmt_app_opts *o,
                                 struct rk_err *err)
{
    a->proxies = proxies_new(&(struct proxies_opts){.mgmt = a->mgmt,
                                                    .store = a->store,
                                                    .hash = a->hash_pool,
                                                    .store_key = o->vault_key,
                                                    .log = o->log});
    return proxies_attach(a->proxies, o->edge, err);
}

/* What waits or computes has threads of its own, so that all else goes on meanwhile. */
static enum rk_code open_rest_pools(struct mgmt_app *a, struct rk_err *err)
{
    struct rk_pool_ops ops = mgmt_pool_ops(a->mgmt);
    enum rk_code rc = rk_pool_new(&a->rest_pool, REST_THREADS, REST_QUEUE, &ops, err);

    if (rc == RK_OK)
        rc = rk_pool_new(&a->hash_pool, HASH_THREADS, SLOW_QUEUE, &ops, err);
    if (rc == RK_OK)
        rc = rk_pool_new(&a->call_pool, CALL_THREADS, SLOW_QUEUE, &ops, err);
    if (rc)
        return rc;
    rk_pool_limit_key(a->hash_pool, SLOW_PER_KEY);
    rk_pool_limit_key(a->call_pool, SLOW_PER_KEY);
    return RK_OK;
}

static bool can_reach(struct rest_jobs *j, struct rk_str peer_id)
{
    return rpc_can_reach(rk_container_of(j, struct mgmt_app, rest_jobs)->rpc, peer_id);
}

static void open_console(struct mgmt_app *a, const struct mgmt_app_opts *o)
{
#ifdef HAVE_CONSOLE
    if (!o->console)
        return;
    a->console = console_new(&(struct console_opts){.issuer = o->idp.issuer,
                                                    .client = IDP_CLIENT_CONSOLE,
                                                    .name = o->idp.server_name,
                                                    .version = PACKAGE_VERSION});
    console_attach(a->console, a->router);
#else
    (void)a;
    (void)o;
#endif
}

static enum rk_code open_rest(struct mgmt_app *a, const struct mgmt_app_opts *o, struct rk_err *err)
{
    struct rest_opts r = {.m = a->mgmt,
                          .auth = a->bearer ? bearer_auth(a->bearer) : NULL,
                          .jobs = &a->rest_jobs,
                          .health = &a->health.rest,
                          .log = o->log,
                          .version = PACKAGE_VERSION,
                          .account_domain = a->account_domain,
                          .setup_token = a->setup_token,
                          .setup_pat = o->setup_pat,
                          .embedded_idp = o->embedded_idp,
                          .local_auth_disabled = o->local_auth_disabled,
                          .geo_names_path = a->geo_names_path,
                          .traffic = a->traffic,
                          .pat_limits = o->pat_limits};
    struct http_dispatch_opts d = {.budget = edge_budget(o->edge),
                                   .trusted = {o->trusted, o->n_trusted},
                                   .log = o->log,
                                   .metrics = o->metrics};
    struct http_h1_opts h = {.trusted = d.trusted, .log = o->log, .metrics = o->metrics};
    enum rk_code rc = open_rest_pools(a, err);

    a->rest_jobs.can_reach = can_reach;
    mgmt_health_init(&a->health, a, a->mem, o);
    if (rc == RK_OK)
        rc = rest_new(&r, &a->rest, err);
    if (rc)
        return rc;
    a->router = http_router_new();
    d.router = a->router;
    d.pool = a->rest_pool;
    d.hash_pool = a->hash_pool;
    d.call_pool = a->call_pool;
    rest_attach(a->rest, a->router, &d);
    if (a->idp)
        idp_attach(a->idp, a->router);
    open_console(a, o);
    a->dispatch = h.dispatch = http_dispatch_new(&d);
    rc = http_h1_new(&h, &a->h1, err);
    if (rc == RK_OK)
        edge_set_http(o->edge, a->dispatch, a->h1, http_h1_take_fd);
    return rc;
}

/* Large messages from the heap, not from mappings of their own, and freed ones kept for the next:
 * the hub gives memory back when a push is over. Concerns the whole process, and no other part of
 * it badly. */
static void keep_large_blocks(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 32 << 20);
}

enum rk_code mgmt_app_new(const struct mgmt_app_opts *o, struct mgmt_app **out, struct rk_err *err)
{
    struct mgmt_app *a = rk_calloc(1, sizeof *a);
    enum rk_code rc;

    keep_large_blocks();

    a->mem = rk_arena_new_wiping(0);
    a->log = o->log;
    a->account_domain = keep_text(a, o->account_domain);
    a->setup_token = keep_text(a, o->setup_token);
    a->geo_names_path = keep_text(a, o->geo_names_path);
    rc = open_vault(a, o->vault_key, err);
    if (rc == RK_OK)
        rc = open_engine(a, o, err);
    if (rc == RK_OK)
        rc = open_envelope(a, o->store_url, err);
    if (rc == RK_OK)
        rc = open_identity(a, o, err);
    if (rc == RK_OK)
        rc = open_push(a, o, err);
    if (rc == RK_OK)
        rc = open_rpc(a, o, err);
    if (rc == RK_OK)
        rc = open_traffic(a, o, err);
    if (rc == RK_OK)
        rc = open_exports(a, o, err);
    if (rc == RK_OK)
        rc = open_rest(a, o, err);
    if (rc == RK_OK)
        rc = open_proxies(a, o, err);
    if (rc) {
        mgmt_app_free(a);
        return rc;
    }
    *out = a;
    return RK_OK;
}

/* ---- in the background: what the first agents would wait for */

static void preload_run(struct rk_work *w, struct db *db)
{
    struct mgmt_app *a = rk_container_of(w, struct mgmt_app, preload);
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct str_list ids = {0};
    struct rk_err err = {0};
    enum rk_code rc = rpc_load(a->rpc, db, &err);

    if (rc == RK_OK)
        rc = mgmt_account_ids(a->mgmt, db, mem, &ids, &err);
    for (size_t i = 0; rc == RK_OK && i < ids.n && i < PRELOAD_MAX; i++) {
        const struct snapshot *s;

        rc = mgmt_snapshot(a->mgmt, ids.v[i], &s, &err);
        if (rc == RK_OK)
            snap_unref(s);
    }
    if (rc)
        rk_log(a->log, RK_WARN, "accounts not loaded in advance", KV_ERR(&err));
}

static void preload_done(struct rk_work *w, enum rk_code rc)
{
    (void)w;
    (void)rc;
}

void mgmt_app_start(struct mgmt_app *a)
{
    a->preload = (struct rk_work){.run = preload_run, .done = preload_done};
    if (rk_pool_submit(a->store, &a->preload))
        rk_log(a->log, RK_WARN, "accounts not loaded in advance");
}

/* ---- the end */

static void *stop_main(void *arg)
{
    struct mgmt_app *a = arg;

    rest_stop(a->rest);
    http_h1_stop(a->h1, H1_GRACE_MS);
    rk_pool_stop(a->rest_pool);
    rk_pool_stop(a->hash_pool);
    rk_pool_stop(a->call_pool);
    rk_pool_stop(a->store);
    relay_pool_stop(a->relay_pool);
    a->relay_pool = NULL;
    exports_stop(a->exports);
    a->exports = NULL;
    if (a->traffic)
        traffic_stop(a->traffic);
    mgmt_drain(a->mgmt); /* logins that wait for their commit answer on loops that still turn */
    hub_stop(a->hub);
    rk_pool_stop(a->build);
    a->stopped(a->stopped_arg);
    return NULL;
}

void mgmt_app_stop(struct mgmt_app *a, void (*done)(void *arg), void *arg)
{
    a->stopped = done;
    a->stopped_arg = arg;
    a->stop_called = pthread_create(&a->stopper, NULL, stop_main, a) == 0;
    if (!a->stop_called)
        (void)stop_main(a); /* no thread to be had: then it has to wait here */
}

void mgmt_app_free(struct mgmt_app *a)
{
    if (!a)
        return;
    if (a->stop_called)
        (void)pthread_join(a->stopper, NULL);
    exports_stop(a->exports);
    relay_pool_stop(a->relay_pool);
    http_h1_free(a->h1);
    http_dispatch_free(a->dispatch);
    http_router_free(a->router);
#ifdef HAVE_CONSOLE
    console_free(a->console);
#endif
    rk_pool_free(a->rest_pool);
    rk_pool_free(a->hash_pool);
    rk_pool_free(a->call_pool);
    rest_stop(a->rest);
    rk_pool_free(a->store);
    rk_pool_free(a->build);
    mgmt_close(a->mgmt);
    rest_free(a->rest);
    traffic_free(a->traffic);
    places_free(a->places);
    probe_free(a->probe);
    bearer_free(a->bearer);
    for (size_t i = 0; i < a->n_remotes; i++)
        jwks_remote_free(a->remotes[i]);
    idp_free(a->idp);
    proxies_free(a->proxies);
    rpc_free(a->rpc);
    hub_free(a->hub);
    servers_free(a->servers);
    envelope_free(a->envelope);
    vault_free(a->vault);
    rk_arena_free(a->mem);
    free(a);
}

enum rk_code mgmt_app_servers_check(const struct servers_opts *o, struct rk_err *err)
{
    struct servers *s = NULL;
    enum rk_code rc = servers_new(o, &s, err);

    servers_free(s);
    return rc;
}
