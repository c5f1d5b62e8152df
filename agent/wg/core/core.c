/* SPDX-License-Identifier: BSD-3-Clause */
/* Life and configuration of a WireGuard interface without sockets; see core.h. */
#include "config.h"

#include "agent/wg/core/core.h"

#include <stdlib.h>
#include <string.h>

#include "agent/wg/core/core_priv.h"
#include "lib/base/num.h"

static struct rk_str key_str(const struct rk_key *k)
{
    return rk_str_of(k->b, sizeof k->b);
}

enum rk_code wgc_new(struct wgc_user *user, struct wgc **out, struct rk_err *err)
{
    struct wgc_crypt *crypt;
    enum rk_code rc = wgc_crypt_new(&crypt, err);
    struct wgc *w;

    if (rc)
        return rc;
    w = rk_calloc(1, sizeof *w);
    w->user = user;
    w->crypt = crypt;
    rk_map_init(&w->peers, true);
    rk_map_init(&w->indices, true);
    rk_heap_init(&w->due);
    *out = w;
    return RK_OK;
}

/* ---- indices, endpoints */

uint32_t wgc_index_add(struct wgc *w, struct wgc_index *i)
{
    wgc_index_remove(w, i);
    do
        rk_secret_random(i->key, sizeof i->key);
    while (rk_map_get(&w->indices, rk_str_of(i->key, sizeof i->key)));
    (void)rk_map_put(&w->indices, rk_str_of(i->key, sizeof i->key), i);
    return wgc_get32(i->key);
}

void wgc_index_remove(struct wgc *w, struct wgc_index *i)
{
    if (rk_map_get(&w->indices, rk_str_of(i->key, sizeof i->key)) == i)
        (void)rk_map_del(&w->indices, rk_str_of(i->key, sizeof i->key));
    i->peer = NULL;
}

void wgc_peer_send(struct wgc_peer *p, struct rk_str datagram)
{
    if (p->endpoint.addr.ip.family)
        p->w->user->ops->send(p->w->user, &p->endpoint, datagram);
}

/* Roaming, section 2.1. Who chose a relayed way means it: neither is it left for an address that
 * some packet came from, nor does a late relayed packet end a direct one. */
void wgc_peer_heard(struct wgc_peer *p, const struct wgc_endpoint *from)
{
    if (!from)
        return;
    if (p->endpoint.addr.ip.family && (p->way_given || from->way))
        return;
    p->endpoint = *from;
}

/* ---- peers */

static struct wgc_peer *peer_new(struct wgc *w, const struct rk_key *key)
{
    struct wgc_peer *p = rk_calloc(1, sizeof *p);

    p->w = w;
    p->key = *key;
    wgc_owner_init(&p->owner);
    rk_list_init(&p->staged);
    wgc_noise_init(&p->noise, &w->own, key);
    wgc_stamp_init(&p->stamp, w->crypt, key);
    (void)rk_map_put(&w->peers, key_str(&p->key), p);
    return p;
}

static void peer_free(struct wgc_peer *p)
{
    struct wgc *w = p->w;

    (void)rk_map_del(&w->peers, key_str(&p->key));
    wgc_timers_stop(p);
    wgc_index_remove(w, &p->hs_index);
    wgc_sessions_clear(p);
    wgc_staged_clear(p);
    wgc_allowed_drop(&w->allowed, &p->owner);
    wgc_stamp_done(&p->stamp);
    wgc_noise_done(&p->noise);
    free(p);
}

static void peers_clear(struct wgc *w)
{
    size_t pos = 0;
    void *p;

    while (rk_map_next(&w->peers, &pos, NULL, &p))
        peer_free(p);
}

void wgc_free(struct wgc *w)
{
    if (!w)
        return;
    peers_clear(w);
    rk_map_done(&w->peers);
    rk_map_done(&w->indices);
    rk_heap_done(&w->due);
    wgc_allowed_done(&w->allowed);
    rk_ratelimit_free(w->per_source);
    wgc_gate_done(&w->gate);
    wgc_crypt_free(w->crypt);
    rk_key_wipe(&w->own.private_key);
    free(w);
}

/* ---- configuration */

/* A new identity: sessions and handshakes of the old one are void. */
static void set_identity(struct wgc *w, const struct rk_key *private_key)
{
    size_t pos = 0;
    void *value;

    if (rk_key_eq(&w->own.private_key, private_key))
        return;
    w->own.private_key = *private_key;
    rk_key_public(private_key, &w->own.public_key);
    wgc_gate_init(&w->gate, w->crypt, &w->own.public_key);
    while (rk_map_next(&w->peers, &pos, NULL, &value)) {
        struct wgc_peer *p = value;

        wgc_index_remove(w, &p->hs_index);
        wgc_sessions_clear(p);
        wgc_noise_init(&p->noise, &w->own, &p->key);
        p->initiated_ms = 0;
    }
}

static void set_keepalive(struct wgc_peer *p, int seconds, int64_t mono_ms)
{
    bool on = !p->keepalive_s && seconds;

    p->keepalive_s = seconds;
    wgc_timers_keepalive(p, mono_ms);
    if (on) /* turned on: begin at once, as the other implementations do */
        wgc_flush_staged(p, true, mono_ms);
}

static void set_allowed(struct wgc_peer *p, const struct wg_peer_change *c)
{
    if (c->replace_allowed)
        wgc_allowed_drop(&p->w->allowed, &p->owner);
    for (size_t i = 0; i < c->n_allowed; i++)
        wgc_allowed_put(&p->w->allowed, &c->allowed[i], &p->owner);
}

static void set_endpoint(struct wgc_peer *p, const struct rk_addr *to, int64_t mono_ms)
{
    p->endpoint =
        (struct wgc_endpoint){.addr = *to, .way = p->w->user->ops->way_of(p->w->user, to)};
    p->way_given = p->endpoint.way != 0;
    if (p->n_staged)
        wgc_flush_staged(p, false, mono_ms);
}

static void apply_peer(struct wgc *w, const struct wg_peer_change *c, int64_t mono_ms)
{
    struct wgc_peer *p = rk_map_get(&w->peers, key_str(&c->key));

    if (c->remove) {
        if (p)
            peer_free(p);
        return;
    }
    if (!p && c->update_only)
        return;
    if (!p && rk_key_eq(&c->key, &w->own.public_key))
        return; /* ourselves: the other implementations skip it too */
    if (!p)
        p = peer_new(w, &c->key);
    if (c->has_psk)
        p->noise.psk = c->psk;
    if (c->has_endpoint)
        set_endpoint(p, &c->endpoint, mono_ms);
    set_allowed(p, c);
    if (c->keepalive_s != WG_KEEPALIVE_KEEP)
        set_keepalive(p, c->keepalive_s, mono_ms);
}

static enum rk_code check(const struct wg_peer_change *c, struct rk_err *err)
{
    for (size_t i = 0; i < c->n_allowed; i++) {
        const struct rk_prefix *p = &c->allowed[i];

        if (!rk_ip_size(&p->ip) || p->bits > 8 * rk_ip_size(&p->ip))
            return rk_fail(err, RK_INVALID, "allowed address %zu is none", i);
    }
    if (c->keepalive_s != WG_KEEPALIVE_KEEP && (c->keepalive_s < 0 || c->keepalive_s > UINT16_MAX))
        return rk_fail(err, RK_INVALID, "keepalive of %d seconds", c->keepalive_s);
    if (c->has_endpoint && (!rk_ip_size(&c->endpoint.ip) || !c->endpoint.port))
        return rk_fail(err, RK_INVALID, "endpoint without address or port");
    return RK_OK;
}

enum rk_code wgc_apply(struct wgc *w, const struct wg_change *c, int64_t mono_ms,
                       struct rk_err *err)
{
    for (size_t i = 0; i < c->n_peers; i++) {
        enum rk_code rc = c->peers[i].remove ? RK_OK : check(&c->peers[i], err);

        if (rc)
            return rc;
    }
    if (c->has_private_key)
        set_identity(w, &c->private_key);
    if (c->replace_peers)
        peers_clear(w);
    for (size_t i = 0; i < c->n_peers; i++)
        apply_peer(w, &c->peers[i], mono_ms);
    return RK_OK;
}

void wgc_read(const struct wgc *w, struct rk_arena *mem, struct wg_state *out)
{
    size_t pos = 0, n = 0;
    void *value;

    out->peers = rk_new_n(mem, struct wg_peer_state, w->peers.n ? w->peers.n : 1);
    while (rk_map_next(&w->peers, &pos, NULL, &value)) {
        const struct wgc_peer *p = value;
        struct wg_peer_state *s = &out->peers[n++];

        *s = (struct wg_peer_state){
            .key = p->key,
            .psk = p->noise.psk,
            .endpoint = p->endpoint.addr,
            .handshake_unix_ms = p->handshake_unix_ms,
            .rx_bytes = p->rx_bytes,
            .tx_bytes = p->tx_bytes,
            .keepalive_s = p->keepalive_s,
            .allowed = rk_new_n(mem, struct rk_prefix, p->owner.n ? p->owner.n : 1),
        };
        s->n_allowed = s->cap_allowed = wgc_allowed_list(&p->owner, s->allowed, p->owner.n);
    }
    out->n_peers = out->cap_peers = n;
}

struct wgc_stats wgc_stats_of(const struct wgc *w)
{
    return w->stats;
}
