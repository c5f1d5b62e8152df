/* SPDX-License-Identifier: BSD-3-Clause */
/* The edge: options, registrations and the end; see edge.h. Listeners: edge_listen.c, connections:
 * edge_conn.c, their number: edge_places.c. */
#include "config.h"

#include "lib/http/edge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/http/edge_priv.h"
#include "lib/http/h1.h"

struct rk_log_gate *edge_log_gate(struct edge *e, const char *kind)
{
    return &e->log_gates[rk_str_hash(rk_str_z(kind)) % EDGE_LOG_KINDS];
}

static void tell_done(struct rk_task *t)
{
    const struct edge *e = rk_container_of(t, struct edge_loop, stop_task)->edge;

    if (e->done)
        e->done(e->done_arg); /* may free the edge */
}

void edge_loop_less(struct edge_loop *el)
{
    if (--el->n_open || !el->stopping || el->finished)
        return;
    el->finished = true;
    rk_timer_cancel(&el->grace);
    if (el->spare_fd >= 0)
        (void)close(el->spare_fd);
    el->spare_fd = -1;
    if (atomic_fetch_sub(&el->edge->loops_left, 1) == 1) {
        el->stop_task.run = tell_done;
        rk_loop_post(el->loop, &el->stop_task);
    }
}

/* ---- sockets from other threads */

struct edge_upgraded { /* a socket that lib/http/h1 gives back */
    struct rk_task task;
    struct edge_loop *to;
    int fd;
    struct rk_addr peer;
    size_t head_n;
    struct rk_buf bytes; /* head and what follows */
};

static bool upgrade_wants(void *arg, struct rk_str path)
{
    const struct edge *e = arg;

    for (size_t i = 0; i < e->n_ws; i++)
        if (rk_str_eq(e->ws_paths[i], path))
            return true;
    return false;
}

static void upgraded_run(struct rk_task *t)
{
    struct edge_upgraded *u = rk_container_of(t, struct edge_upgraded, task);

    if (u->to->stopping)
        (void)close(u->fd);
    else
        edge_conn_upgraded(u->to, u->fd, &u->peer, rk_buf_str(&u->bytes), u->head_n);
    rk_buf_done(&u->bytes);
    free(u);
}

static void upgrade_take(void *arg, int fd, const struct rk_addr *peer, struct rk_str head,
                         struct rk_str rest)
{
    struct edge *e = arg;
    struct edge_upgraded *u = rk_calloc(1, sizeof *u);

    u->task.run = upgraded_run;
    u->to = &e->loops[atomic_fetch_add(&e->next_loop, 1) % e->n_loops];
    u->fd = fd;
    u->peer = *peer;
    u->head_n = head.n;
    rk_buf_init(&u->bytes, head.n + rest.n);
    rk_buf_add(&u->bytes, head);
    rk_buf_add(&u->bytes, rest);
    rk_loop_post(u->to->loop, &u->task);
}

uint16_t edge_port(const struct edge *e, size_t i)
{
    return i < e->n_listen && e->started ? e->listen[i].addr.port : 0;
}

/* ---- stopping */

static void grace_over(void *arg)
{
    struct edge_loop *el = arg;

    RK_LIST_FOR_EACH_SAFE (node, &el->conns)
        edge_conn_drop(rk_container_of(node, struct edge_conn, link), NULL);
}

static void loop_stop(struct rk_task *t);

static void post_stop(struct edge *e, size_t from, size_t to)
{
    for (size_t k = from; k < to; k++) {
        e->loops[k].stop_task.run = loop_stop;
        rk_loop_post(e->loops[k].loop, &e->loops[k].stop_task);
    }
}

static void loop_stop(struct rk_task *t)
{
    struct edge_loop *el = rk_container_of(t, struct edge_loop, stop_task);

    el->stopping = true;
    if (el->edge->one_acceptor && el == el->edge->loops) /* behind the last socket handed over */
        post_stop(el->edge, 1, el->edge->n_loops);
    el->n_open++; /* held here, so that the end is noticed once, below */
    for (size_t i = 0; i < el->edge->n_listen; i++)
        if (el->listeners[i].open)
            tcp_watch_close(&el->listeners[i].watch);
    RK_LIST_FOR_EACH_SAFE (node, &el->conns) {
        struct edge_conn *c = rk_container_of(node, struct edge_conn, link);

        if (c->state == EC_H2)
            edge_h2_shutdown(c);
        else if (c->state < EC_H2)
            edge_conn_drop(c, NULL);
    }
    rk_timer_start(el->loop, &el->grace, el->edge->grace_ms, grace_over, el);
    edge_loop_less(el);
}

void edge_stop(struct edge *e, int64_t grace_ms, void (*done)(void *arg), void *arg)
{
    e->grace_ms = grace_ms;
    e->done = done;
    e->done_arg = arg;
    atomic_store(&e->loops_left, e->n_loops);
    post_stop(e, 0, e->one_acceptor ? 1 : e->n_loops);
}

/* ---- set-up */

static enum rk_code add_ws(struct edge *e, const char *path, const struct edge_ws_ops *ops,
                           void *app, struct rk_err *err)
{
    struct rk_str p = rk_str_z(path);
    struct edge_ws *w;

    if (!p.n || p.n > EDGE_PATH_MAX || e->n_ws == EDGE_MAX_WS)
        return rk_fail(err, RK_INVALID, "WebSocket path %s", path);
    for (size_t i = 0; i < e->n_ws; i++)
        if (rk_str_eq(e->ws_paths[i], p))
            return rk_fail(err, RK_EXISTS, "WebSocket path %s is taken", path);
    w = &e->ws[e->n_ws];
    memcpy(w->path, p.p, p.n);
    w->ops = ops;
    w->app = app;
    e->ws_paths[e->n_ws++] = rk_str_of(w->path, p.n);
    return RK_OK;
}

enum rk_code edge_add_ws(struct edge *e, const char *path, const struct edge_ws_ops *ops, void *app,
                         struct rk_err *err)
{
    return add_ws(e, path, ops, app, err);
}

enum rk_code edge_add_ws_proxy(struct edge *e, const char *path, struct rk_err *err)
{
    return add_ws(e, path, NULL, NULL, err);
}

enum rk_code edge_add_rpc(struct edge *e, const char *path, struct edge_rpc *rpc,
                          struct rk_err *err)
{
    if (edge_has_rpc(e, path))
        return rk_fail(err, RK_EXISTS, "path %s is taken", path ? path : "(unknown)");
    if (path)
        (void)rk_map_put(&e->rpcs, rk_str_z(path), rpc);
    else
        e->unknown_rpc = rpc;
    return RK_OK;
}

bool edge_has_rpc(const struct edge *e, const char *path)
{
    return path ? rk_map_get(&e->rpcs, rk_str_z(path)) != NULL : e->unknown_rpc != NULL;
}

void edge_paths(const struct edge *e, void (*each)(void *arg, struct rk_str path, bool websocket),
                void *arg)
{
    size_t pos = 0;
    struct rk_str key;
    void *value;

    while (rk_map_next(&e->rpcs, &pos, &key, &value))
        each(arg, key, false);
    for (size_t i = 0; i < e->n_ws; i++)
        each(arg, e->ws_paths[i], true);
}

struct rk_budget *edge_budget(const struct edge *e)
{
    return e->budget;
}

void edge_set_http(struct edge *e, struct http_dispatch *d, struct http_h1 *h1,
                   edge_take_fd_fn *take)
{
    e->dispatch = d;
    e->h1 = h1;
    e->take = take;
    e->upgrade = (struct http_h1_upgrade){upgrade_wants, upgrade_take, e};
    if (h1 && take == http_h1_take_fd)
        http_h1_set_upgrade(h1, &e->upgrade);
}

static void set_default_size(size_t *v, size_t def)
{
    if (!*v)
        *v = def;
}

static void set_default_ms(int64_t *v, int64_t def)
{
    if (!*v)
        *v = def;
}

static void fill_limits(struct edge_limits *l)
{
    set_default_size(&l->max_conns, 20000);
    set_default_size(&l->max_conns_per_addr, l->max_conns / 2 + 1);
    set_default_ms(&l->header_timeout_ms, 10000);
    set_default_ms(&l->idle_timeout_ms, 600000);
    set_default_ms(&l->request_timeout_ms, 30000);
    set_default_ms(&l->stall_timeout_ms, 30000);
    set_default_ms(&l->ping_after_ms, 60000);
    set_default_ms(&l->ping_timeout_ms, 20000);
    if (!l->max_streams)
        l->max_streams = 250;
    set_default_size(&l->max_header_bytes, 16 * 1024);
    set_default_size(&l->max_conn_recv_bytes, (size_t)16 << 20);
    set_default_size(&l->max_stream_queued_bytes, (size_t)64 << 20);
    set_default_size(&l->max_held_bytes, (size_t)128 << 20);
    set_default_size(&l->max_held_bytes_per_addr, (size_t)32 << 20);
}

static void register_stats(struct edge_stats *s, struct rk_metrics *m)
{
    static const char refused[] = "edge_connections_refused_total";
    static const char refused_help[] = "Connections closed before they were of use";
    static const char kinds[] = "edge_connections_by_protocol_total";
    static const char kinds_help[] = "Connections by what they turned out to speak";

    s->open = rk_metric_gauge(m, "edge_connections", NULL, "Open connections");
    s->accepted = rk_metric_counter(m, "edge_accepted_total", NULL, "Accepted connections");
    s->over_limit = rk_metric_counter(m, refused, "reason=\"limit\"", refused_help);
    s->dropped = rk_metric_counter(m, refused, "reason=\"bad_input\"", refused_help);
    s->tls_failed = rk_metric_counter(m, refused, "reason=\"tls\"", refused_help);
    s->h2 = rk_metric_counter(m, kinds, "protocol=\"h2\"", kinds_help);
    s->http1 = rk_metric_counter(m, kinds, "protocol=\"http1\"", kinds_help);
    s->ws = rk_metric_counter(m, kinds, "protocol=\"websocket\"", kinds_help);
    s->proxy_active =
        rk_metric_gauge(m, "wsproxy_active_connections", NULL, "Open gRPC tunnels over WebSocket");
    s->proxy_in = rk_metric_counter(m, "wsproxy_bytes_transferred_total",
                                    "direction=\"ws_to_grpc\"", "Bytes through these tunnels");
    s->proxy_out = rk_metric_counter(m, "wsproxy_bytes_transferred_total",
                                     "direction=\"grpc_to_ws\"", "Bytes through these tunnels");
    s->proxy_errors =
        rk_metric_counter(m, "wsproxy_errors_total", "error_type=\"websocket_read_error\"",
                          "Tunnels that ended with an error");
}

static enum rk_code load_tls(struct edge *e, const struct edge_opts *opts, struct rk_err *err)
{
    struct tls_server_opts tls = {.cert_file = opts->cert_file, .key_file = opts->key_file};

    if (opts->cert_file || opts->key_file)
        return tls_server_new(&tls, &e->tls, err);
    for (size_t i = 0; i < e->n_listen; i++)
        if (e->listen[i].tls)
            return rk_fail(err, RK_INVALID, "a TLS listener needs a certificate");
    return RK_OK;
}

enum rk_code edge_new(const struct edge_opts *opts, struct edge **out, struct rk_err *err)
{
    struct edge *e;
    enum rk_code rc;

    if (!opts->n_loops || opts->n_loops > EDGE_MAX_LOOPS || !opts->n_listen ||
        opts->n_listen > EDGE_MAX_LISTEN)
        return rk_fail(err, RK_INVALID, "edge: %zu loops, %zu listeners", opts->n_loops,
                       opts->n_listen);
    e = rk_calloc(1, sizeof *e);
    (void)pthread_mutex_init(&e->lock, NULL);
    rk_map_init(&e->per_addr, false);
    rk_map_init(&e->rpcs, false);
    e->log = opts->log;
    e->limits = opts->limits;
    fill_limits(&e->limits);
    e->budget = rk_budget_new(e->limits.max_held_bytes, e->limits.max_held_bytes_per_addr);
    register_stats(&e->stats, opts->metrics);
    memcpy(e->listen, opts->listen, opts->n_listen * sizeof *opts->listen);
    e->n_listen = opts->n_listen;
    e->never_shared = opts->single_acceptor;
    e->n_trusted = opts->n_trusted;
    if (opts->n_trusted)
        e->trusted = rk_memdup(opts->trusted, opts->n_trusted * sizeof *opts->trusted);
    e->loops = rk_calloc(opts->n_loops, sizeof *e->loops);
    e->n_loops = opts->n_loops;
    for (size_t k = 0; k < e->n_loops; k++) {
        struct edge_loop *el = &e->loops[k];

        el->edge = e;
        el->loop = opts->loops[k];
        el->spare_fd = -1;
        rk_list_init(&el->conns);
        for (size_t i = 0; i < EDGE_MAX_LISTEN; i++) {
            el->listeners[i].el = el;
            el->listeners[i].fd = -1;
        }
    }
    rc = load_tls(e, opts, err);
    if (rc)
        edge_free(e);
    else
        *out = e;
    return rc;
}

static void destroy_rpc(struct edge_rpc *rpc)
{
    if (rpc && rpc->destroy)
        rpc->destroy(rpc);
}

void edge_free(struct edge *e)
{
    struct rk_str key;
    void *value;
    size_t pos = 0;

    if (!e)
        return;
    while (rk_map_next(&e->rpcs, &pos, &key, &value))
        destroy_rpc(value);
    destroy_rpc(e->unknown_rpc);
    rk_map_done(&e->rpcs);
    for (pos = 0; rk_map_next(&e->per_addr, &pos, &key, &value);)
        free(value);
    rk_map_done(&e->per_addr);
    rk_budget_free(e->budget);
    tls_ctx_free(e->tls);
    (void)pthread_mutex_destroy(&e->lock);
    free(e->trusted);
    free(e->loops);
    free(e);
}

enum rk_code edge_reload_tls(struct edge *e, struct rk_err *err)
{
    return e->tls ? tls_ctx_reload(e->tls, err) : RK_OK;
}

struct tls_ctx *edge_tls(const struct edge *e)
{
    return e->tls;
}

int64_t edge_cert_not_after_ms(const struct edge *e)
{
    return e->tls ? tls_ctx_not_after_ms(e->tls) : 0;
}

size_t edge_conns(const struct edge *e)
{
    return atomic_load(&e->n_conns);
}
