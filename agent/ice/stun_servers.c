/* SPDX-License-Identifier: BSD-3-Clause */
/* What STUN servers say about us, asked over the shared socket and remembered; see mux.h. */
#include "config.h"

#include <stdlib.h>

#include "agent/ice/mux_priv.h"
#include "lib/base/num.h"

#define CACHE_MS     25000 /* as official agents: below the life of a NAT mapping */
#define RESOLVE_MS   300000
#define FIRST_TRY_MS 250 /* then doubled: 250, 500, 1000, 2000 within the 5 s of gathering */
#define MAX_TRIES    5
#define DEFAULT_PORT 3478

static void on_timer(void *arg);

static void arm(struct ice_mux *m)
{
    int64_t now = rk_mono_ms(), next = INT64_MAX;

    for (size_t i = 0; i < m->n_servers; i++)
        for (size_t f = 0; f < ICE_MUX_FAMILIES; f++)
            if (m->servers[i]->path[f].next_ms)
                next = rk_min_i64(next, m->servers[i]->path[f].next_ms);
    if (next == INT64_MAX)
        rk_timer_cancel(&m->stun_timer);
    else
        rk_timer_start(m->loop, &m->stun_timer, rk_max_i64(0, next - now), on_timer, m);
}

static void send_request(struct ice_mux *m, struct ice_mux_path *p, int64_t now)
{
    uint8_t buf[STUN_HEADER_SIZE];
    struct stun_writer w;
    struct rk_str out;

    stun_begin(&w, buf, sizeof buf, STUN_REQUEST, STUN_METHOD_BINDING, &p->txid);
    out = stun_end(&w);
    p->sent_ms = now;
    p->next_ms = now + (FIRST_TRY_MS << p->tries);
    p->tries++;
    ice_mux_send(m, NULL, &p->server, out);
}

static void on_timer(void *arg)
{
    struct ice_mux *m = arg;
    int64_t now = rk_mono_ms();

    for (size_t i = 0; i < m->n_servers; i++)
        for (size_t f = 0; f < ICE_MUX_FAMILIES; f++) {
            struct ice_mux_path *p = &m->servers[i]->path[f];

            if (!p->next_ms || p->next_ms > now)
                continue;
            if (p->tries < MAX_TRIES) {
                send_request(m, p, now);
                continue;
            }
            p->next_ms = 0;
            p->mapped = (struct rk_addr){0};
            (void)rk_fail(&m->servers[i]->err, RK_TIMEOUT, "no answer from the STUN server");
        }
    arm(m);
}

static void ask(struct ice_mux *m, struct ice_mux_server *s, int64_t now)
{
    for (size_t f = 0; f < ICE_MUX_FAMILIES; f++) {
        struct ice_mux_path *p = &s->path[f];

        if (!p->server.ip.family || p->next_ms ||
            (p->mapped.ip.family && now - p->mapped_ms < CACHE_MS))
            continue;
        stun_txid_random(&p->txid);
        p->tries = 0;
        send_request(m, p, now);
    }
    arm(m);
}

static void server_free(struct ice_mux_server *s)
{
    free(s->uri);
    free(s->host);
    free(s);
}

static void on_resolved(struct tcp_resolve *r, const struct rk_addr *addrs, size_t n,
                        const struct rk_err *why)
{
    struct ice_mux_server *s = rk_container_of(r, struct ice_mux_server, resolve);
    bool seen[ICE_MUX_FAMILIES] = {false};

    s->resolving = false;
    if (!s->mux) {
        server_free(s);
        return;
    }
    if (!n) {
        s->err = *why;
        rk_log(s->mux->log, RK_WARN, "stun server name", kv_z("server", s->uri), KV_ERR(why));
        return;
    }
    s->resolved_ms = rk_mono_ms();
    for (size_t i = 0; i < n; i++) {
        size_t f = ice_mux_family_index(&addrs[i].ip);
        struct ice_mux_path *p = &s->path[f];

        if (seen[f] || !ice_mux_may_send(s->mux, &addrs[i].ip))
            continue;
        seen[f] = true;
        if (!rk_addr_eq(&p->server, &addrs[i]))
            *p = (struct ice_mux_path){.server = addrs[i]};
    }
    ask(s->mux, s, s->resolved_ms);
}

static void resolve(struct ice_mux_server *s)
{
    if (s->resolving)
        return;
    s->resolve.done = on_resolved;
    s->resolving = tcp_resolve_start(s->mux->loop, &s->resolve, s->host, s->port, &s->err) == RK_OK;
}

/* ---- asking and telling */

/* The related address says nothing about us. */
static void tell_one(struct ice_mux *m, struct ice_mux_gather *g, const struct rk_addr *mapped)
{
    struct ice_cand c = {.type = ICE_SRFLX,
                         .addr = *mapped,
                         .related = {{.family = mapped->ip.family}, ice_mux_port(m)}};

    ice_cand_complete(&c);
    g->ops->candidate(g, &c);
    if (!m->router_port.ip.family)
        ice_mux_tell_router_port(m, g, mapped);
}

static void tell_all(struct ice_mux *m, const struct rk_addr *mapped)
{
    RK_LIST_FOR_EACH (it, &m->gathers)
        tell_one(m, rk_container_of(it, struct ice_mux_gather, link), mapped);
}

void ice_mux_servers_ask(struct ice_mux *m, struct ice_mux_gather *g)
{
    int64_t now = rk_mono_ms();

    for (size_t i = 0; i < m->n_servers; i++) {
        struct ice_mux_server *s = m->servers[i];

        for (size_t f = 0; f < ICE_MUX_FAMILIES; f++)
            if (s->path[f].mapped.ip.family && now - s->path[f].mapped_ms < CACHE_MS)
                tell_one(m, g, &s->path[f].mapped);
        if (!s->resolved_ms || now - s->resolved_ms > RESOLVE_MS)
            resolve(s);
        if (s->resolved_ms)
            ask(m, s, now);
    }
}

void ice_mux_network_changed(struct ice_mux *m)
{
    int64_t now = rk_mono_ms();

    ice_mux_turn_network_changed(m);
    for (size_t i = 0; i < m->n_servers; i++) {
        struct ice_mux_server *s = m->servers[i];

        for (size_t f = 0; f < ICE_MUX_FAMILIES; f++)
            s->path[f] = (struct ice_mux_path){.server = s->path[f].server};
        if (s->resolved_ms)
            ask(m, s, now);
    }
}

bool ice_mux_servers_input(struct ice_mux *m, const struct rk_addr *from,
                           const struct stun_msg *msg)
{
    for (size_t i = 0; i < m->n_servers; i++)
        for (size_t f = 0; f < ICE_MUX_FAMILIES; f++) {
            struct ice_mux_path *p = &m->servers[i]->path[f];

            if (!p->next_ms || !rk_addr_eq(&p->server, from) || !stun_txid_eq(&p->txid, &msg->txid))
                continue;
            if (msg->cls != STUN_SUCCESS || !msg->mapped.ip.family)
                return true;
            p->next_ms = 0;
            p->mapped = msg->mapped;
            p->mapped_ms = rk_mono_ms();
            m->servers[i]->err = (struct rk_err){0};
            tell_all(m, &p->mapped);
            return true;
        }
    return false;
}

void ice_mux_servers_clear(struct ice_mux *m)
{
    rk_timer_cancel(&m->stun_timer);
    for (size_t i = 0; i < m->n_servers; i++) {
        struct ice_mux_server *s = m->servers[i];

        s->mux = NULL;
        if (s->resolving)
            tcp_resolve_cancel(&s->resolve); /* freed by on_resolved */
        else
            server_free(s);
    }
    m->n_servers = 0;
}

/* "stun:host:port", "stun:host", "host:port", "[::1]:3478". */
static bool parse_uri(struct rk_str uri, struct ice_mux_server *s)
{
    struct rk_str host, port;
    int64_t number = DEFAULT_PORT;

    if (rk_str_istarts(uri, RK_STR("stun:")))
        uri = rk_str_sub(uri, 5, uri.n);
    if (uri.n && uri.p[0] == '[') {
        if (!rk_str_cut(rk_str_sub(uri, 1, uri.n), ']', &host, &port))
            return false;
        if (port.n && port.p[0] != ':')
            return false;
        port = rk_str_sub(port, 1, port.n);
    } else {
        (void)rk_str_cut(uri, ':', &host, &port);
    }
    (void)rk_str_cut(port, '?', &port, &uri); /* ?transport=udp */
    if (!host.n || host.n > 255 || memchr(host.p, '\0', host.n))
        return false;
    if (port.n && rk_parse_i64(port, 1, UINT16_MAX, &number, NULL))
        return false;
    s->host = rk_str_dupz(host);
    s->port = (uint16_t)number;
    return true;
}

static bool same_list(const struct ice_mux *m, const struct rk_str *uris, size_t n)
{
    if (n != m->n_servers)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!rk_str_eqz(uris[i], m->servers[i]->uri))
            return false;
    return true;
}

void ice_mux_set_stun(struct ice_mux *m, const struct rk_str *uris, size_t n)
{
    if (same_list(m, uris, n))
        return; /* management repeats it with every update */
    ice_mux_servers_clear(m);
    for (size_t i = 0; i < n && m->n_servers < ICE_MUX_MAX_SERVERS; i++) {
        struct ice_mux_server *s;

        if (rk_str_istarts(uris[i], RK_STR("turn")))
            continue;
        s = rk_calloc(1, sizeof *s);
        s->mux = m;
        s->uri = rk_str_dupz(uris[i]);
        if (!parse_uri(uris[i], s)) {
            rk_log(m->log, RK_WARN, "stun server is not understood", kv_str("uri", uris[i]));
            server_free(s);
            continue;
        }
        m->servers[m->n_servers++] = s;
        resolve(s);
    }
}

bool ice_mux_stun_status(const struct ice_mux *m, size_t i, struct rk_str *uri,
                         struct rk_addr *mapped, struct rk_err *last_err)
{
    const struct ice_mux_server *s;

    if (i >= m->n_servers)
        return false;
    s = m->servers[i];
    *uri = rk_str_z(s->uri);
    *mapped = s->path[0].mapped.ip.family ? s->path[0].mapped : s->path[1].mapped;
    if (last_err)
        *last_err = s->err;
    return true;
}
