/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes in over the shared socket and where it goes; see mux.h. */
#include "config.h"

#include "agent/ice/mux.h"

#include <stdlib.h>

#include "agent/ice/mux_priv.h"
#include "lib/base/num.h"
#include "lib/crypto/secret.h"

#define RX_SLOTS 32
#define ADDR_KEY 19

struct ice_mux_claim {
    struct rk_list link; /* in its wire */
    struct ice_mux_wire *wire;
    struct rk_addr from;
    uint8_t key[ADDR_KEY];
};

static void addr_key(const struct rk_addr *a, uint8_t out[ADDR_KEY])
{
    out[0] = a->ip.family;
    memcpy(out + 1, a->ip.b, 16);
    out[17] = (uint8_t)(a->port >> 8);
    out[18] = (uint8_t)a->port;
}

/* ---- receiving */

static struct ice_mux_session *session_for(const struct ice_mux *m, const struct stun_msg *msg)
{
    struct rk_str ours, theirs;

    if (msg->cls == STUN_REQUEST) {
        if (!rk_str_cut(msg->username, ':', &ours, &theirs))
            return NULL;
        return rk_map_get(&m->by_ufrag, ours);
    }
    return rk_map_get(&m->by_tag, rk_str_of(msg->txid.b, sizeof(uint32_t)));
}

static void on_stun(struct ice_mux *m, const struct udp_in *in, struct rk_str datagram)
{
    struct ice_mux_session *s;
    struct stun_msg msg;

    if (ice_mux_in_overlay(m, &in->from.ip) || stun_decode(datagram, &msg, NULL))
        return;
    if (ice_mux_servers_input(m, &in->from, &msg))
        return;
    s = session_for(m, &msg);
    if (s)
        (void)s->ops->stun(s, &in->from, &in->to, &msg);
}

static struct ice_mux_wire *wire_for(struct ice_mux *m, const struct rk_addr *from)
{
    uint8_t key[ADDR_KEY];

    if (!m->last || !rk_addr_eq(&m->last->from, from)) {
        addr_key(from, key);
        m->last = rk_map_get(&m->by_addr, rk_str_of(key, sizeof key));
    }
    return m->last ? m->last->wire : NULL;
}

static bool has_stun(const struct udp_in *in)
{
    for (size_t i = 0, n = udp_in_count(in); i < n; i++)
        if (stun_is(udp_in_at(in, i)))
            return true;
    return false;
}

/* A joined datagram with STUN in it: take it apart. */
static void split(struct ice_mux *m, const struct udp_in *in)
{
    for (size_t i = 0, n = udp_in_count(in); i < n; i++) {
        struct udp_in one = {.from = in->from, .to = in->to, .bytes = udp_in_at(in, i)};
        struct ice_mux_wire *w;

        if (stun_is(one.bytes))
            on_stun(m, in, one.bytes);
        else if ((w = wire_for(m, &one.from)))
            w->ops->data(w, &one, 1);
    }
}

static void receive(struct ice_mux *m, const struct udp_in *v, size_t n)
{
    size_t i = 0;

    while (i < n && (m->sock || m->shared)) {
        struct ice_mux_wire *w;
        size_t from = i;

        if (has_stun(&v[i])) {
            split(m, &v[i++]);
            continue;
        }
        w = wire_for(m, &v[i].from);
        do
            i++;
        while (i < n && !has_stun(&v[i]) && wire_for(m, &v[i].from) == w);
        if (w)
            w->ops->data(w, v + from, i - from);
    }
}

static void on_received(struct udp_user *u, const struct udp_in *v, size_t n)
{
    receive(rk_container_of(u, struct ice_mux, user), v, n);
}

static void on_shared(struct wg_port_user *u, const struct udp_in *v, size_t n)
{
    receive(rk_container_of(u, struct ice_mux, port_user), v, n);
}

static const struct wg_port_user_ops PORT_OPS = {.other = on_shared};

static const struct udp_ops UDP_OPS = {.received = on_received};

void ice_mux_relayed_input(struct ice_mux *m, const struct rk_addr *from, struct rk_str datagram)
{
    struct ice_mux_session *s;
    struct ice_mux_wire *w;
    struct stun_msg msg;

    if (ice_mux_in_overlay(m, &from->ip))
        return;
    if (!stun_is(datagram)) {
        w = wire_for(m, from);
        if (w && w->ops->relayed)
            w->ops->relayed(w, datagram);
        return;
    }
    s = stun_decode(datagram, &msg, NULL) ? NULL : session_for(m, &msg);
    if (s && s->ops->stun_relayed)
        (void)s->ops->stun_relayed(s, from, &msg);
}

/* ---- opening */

static size_t copy_names(char **out, const struct rk_str *names, size_t n)
{
    n = rk_min_size(n, ICE_MUX_MAX_NAMES);
    for (size_t i = 0; i < n; i++)
        out[i] = rk_str_dupz(names[i]);
    return n;
}

enum rk_code ice_mux_open(const struct ice_mux_opts *opts, struct ice_mux **out, struct rk_err *err)
{
    struct ice_mux *m = rk_calloc(1, sizeof *m);
    enum rk_code rc;

    m->loop = opts->loop;
    m->log = opts->log;
    m->user.ops = &UDP_OPS;
    m->disable_ipv6 = opts->disable_ipv6;
    m->with_loopback = opts->with_loopback;
    m->fwmark = opts->fwmark;
    m->tls = opts->tls;
    m->n_blacklist = copy_names(m->blacklist, opts->blacklist, opts->n_blacklist);
    m->n_own_ifaces = copy_names(m->own_ifaces, opts->own_ifaces, opts->n_own_ifaces);
    m->n_external = rk_min_size(opts->n_external, EXTERNAL_IPS_MAX);
    for (size_t i = 0; i < m->n_external; i++)
        m->external[i] = opts->external[i];
    m->scratch = udp_scratch_new(RX_SLOTS, UDP_SCRATCH_GRO);
    m->next_tag = rk_secret_random_below(UINT32_MAX);
    rk_map_init(&m->by_ufrag, true);
    rk_map_init(&m->by_tag, true);
    rk_map_init(&m->by_addr, true);
    rk_list_init(&m->fresh);
    rk_list_init(&m->gathers);
    m->port_user.ops = &PORT_OPS;
    rc = ice_mux_socket_open(m, opts, err);
    if (rc) {
        ice_mux_close(m);
        return rc;
    }
    *out = m;
    return RK_OK;
}

void ice_mux_close(struct ice_mux *m)
{
    if (!m)
        return;
    ice_mux_socket_close(m);
    ice_mux_servers_clear(m);
    ice_mux_turn_clear(m);
    ice_mux_gather_clear(m);
    for (size_t i = 0; i < m->n_blacklist; i++)
        free(m->blacklist[i]);
    for (size_t i = 0; i < m->n_own_ifaces; i++)
        free(m->own_ifaces[i]);
    rk_map_done(&m->by_ufrag);
    rk_map_done(&m->by_tag);
    rk_map_done(&m->by_addr);
    udp_scratch_free(m->scratch);
    free(m);
}

/* ---- sessions and wires */

static struct rk_str tag_key(const struct ice_mux_session *s)
{
    return rk_str_of(s->tag_bytes, sizeof s->tag_bytes);
}

void ice_mux_session_add(struct ice_mux *m, struct ice_mux_session *s)
{
    do {
        s->tag = ++m->next_tag;
        s->tag_bytes[0] = (uint8_t)(s->tag >> 24);
        s->tag_bytes[1] = (uint8_t)(s->tag >> 16);
        s->tag_bytes[2] = (uint8_t)(s->tag >> 8);
        s->tag_bytes[3] = (uint8_t)s->tag;
    } while (rk_map_get(&m->by_tag, tag_key(s)));
    (void)rk_map_put(&m->by_tag, tag_key(s), s);
    (void)rk_map_put(&m->by_ufrag, s->ufrag, s);
}

void ice_mux_session_remove(struct ice_mux *m, struct ice_mux_session *s)
{
    if (rk_map_get(&m->by_tag, tag_key(s)) == s)
        (void)rk_map_del(&m->by_tag, tag_key(s));
    if (rk_map_get(&m->by_ufrag, s->ufrag) == s)
        (void)rk_map_del(&m->by_ufrag, s->ufrag);
}

static void drop_claim(struct ice_mux *m, struct ice_mux_claim *c)
{
    if (m->last == c)
        m->last = NULL;
    (void)rk_map_del(&m->by_addr, rk_str_of(c->key, sizeof c->key));
    rk_list_remove(&c->link);
    c->wire->n_claims--;
    free(c);
}

void ice_mux_claim(struct ice_mux *m, struct ice_mux_wire *w, const struct rk_addr *from)
{
    struct ice_mux_claim *c;
    uint8_t key[ADDR_KEY];

    if (!w->claims.next)
        rk_list_init(&w->claims);
    addr_key(from, key);
    c = rk_map_get(&m->by_addr, rk_str_of(key, sizeof key));
    if (c && c->wire == w)
        return;
    if (c)
        drop_claim(m, c);
    if (w->n_claims == ICE_MUX_MAX_CLAIMS)
        drop_claim(m, rk_container_of(w->claims.next, struct ice_mux_claim, link));
    c = rk_calloc(1, sizeof *c);
    c->wire = w;
    c->from = *from;
    memcpy(c->key, key, sizeof key);
    rk_list_push_back(&w->claims, &c->link);
    w->n_claims++;
    (void)rk_map_put(&m->by_addr, rk_str_of(c->key, sizeof c->key), c);
}

void ice_mux_unclaim_all(struct ice_mux *m, struct ice_mux_wire *w)
{
    while (w->n_claims)
        drop_claim(m, rk_container_of(w->claims.next, struct ice_mux_claim, link));
}
