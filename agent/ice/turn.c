/* SPDX-License-Identifier: BSD-3-Clause */
/* A TURN allocation: requests and their answers, channels, data; see turn.h. */
#include "config.h"

#include "agent/ice/turn.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/ice/turn_way.h"
#include "lib/base/num.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/secret.h"
#include "lib/net/stun.h"

enum {
    TICK_MS = 100,
    RETRY_MS = 300,          /* of a request, then doubled: 0.3, 0.6, 1.2, 2.4 s */
    TRIES = 4,               /* 4.5 s until a server that says nothing is given up */
    LIFETIME_S = 600,        /* what we ask for; servers may grant less or more */
    REFRESH_AHEAD_S = 60,    /* before the allocation runs out */
    BIND_AGAIN_MS = 240000,  /* permissions live 300 s, channels 600 s */
    BIND_REFUSED_MS = 60000, /* addresses that the server does not send to */
    UNUSED_MS = 120000,      /* nothing sent: not bound again */
    CHANNEL_FIRST = 0x4000,
    CHANNEL_LAST = 0x4fff,
    REALM_MAX = 763, /* bytes, RFC 8489 section 14.9 */
    NONCE_MAX = 763,
    TEXT_MAX = 513, /* user name and password */
    UDP_PROTOCOL = 17,
    ALLOCATION_MISMATCH = 437,
    WRONG_CREDENTIALS = 441,
};

enum asking { ASK_NOTHING, ASK_ALLOCATE, ASK_REFRESH, ASK_BIND };

struct request { /* one that waits for its answer */
    enum asking what;
    struct stun_txid txid;
    int64_t next_ms;
    unsigned tries;
    unsigned challenges; /* 401 and 438 that answered it: one each is usual */
};

struct channel {
    struct rk_addr peer;
    uint16_t number;
    bool bound;
    int64_t used_ms, bind_ms; /* when to bind (again) */
    struct request request;
};

struct ice_turn {
    struct ice_turn_user *user;
    struct rk_loop *loop;
    struct turn_way *way;
    struct turn_way_user way_user;
    bool over;
    char name[TEXT_MAX + 1], password[TEXT_MAX + 1];
    char realm[REALM_MAX + 1], nonce[NONCE_MAX + 1];
    uint8_t key[HASH_MD5_SIZE];
    bool have_key;
    struct rk_addr relayed;
    int64_t refresh_ms; /* when; 0: not allocated */
    struct request request;
    struct channel *channels[ICE_TURN_MAX_PEERS];
    size_t n_channels;
    struct channel *last; /* the one found last: packets come in trains */
    uint16_t next_channel;
    struct rk_timer *timer;
};

static void end(struct ice_turn *t, const struct rk_err *why)
{
    if (t->over)
        return;
    t->over = true;
    rk_timer_cancel(&t->timer);
    t->user->ops->gone(t->user, why);
}

/* ---- requests */

static void put_credentials(struct ice_turn *t, struct stun_writer *w)
{
    if (!t->have_key)
        return;
    stun_put_username(w, rk_str_z(t->name));
    stun_put_bytes(w, STUN_ATTR_REALM, rk_str_z(t->realm));
    stun_put_bytes(w, STUN_ATTR_NONCE, rk_str_z(t->nonce));
    stun_put_integrity(w, rk_str_of(t->key, sizeof t->key));
}

static unsigned method_of(enum asking what)
{
    switch (what) {
    case ASK_ALLOCATE:
        return STUN_METHOD_ALLOCATE;
    case ASK_BIND:
        return STUN_METHOD_CHANNEL_BIND;
    case ASK_REFRESH:
    case ASK_NOTHING:
        break;
    }
    return STUN_METHOD_REFRESH;
}

/* c: of a ChannelBind, else NULL. */
static void send_request(struct ice_turn *t, struct request *r, const struct channel *c,
                         uint32_t lifetime_s)
{
    uint8_t buf[STUN_MAX_SIZE];
    struct stun_writer w;

    stun_begin(&w, buf, sizeof buf, STUN_REQUEST, method_of(r->what), &r->txid);
    if (r->what == ASK_ALLOCATE)
        stun_put_u32(&w, STUN_ATTR_REQUESTED_TRANSPORT, (uint32_t)UDP_PROTOCOL << 24);
    if (c) {
        stun_put_u32(&w, STUN_ATTR_CHANNEL_NUMBER, (uint32_t)c->number << 16);
        stun_put_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &c->peer);
    } else {
        stun_put_u32(&w, STUN_ATTR_LIFETIME, lifetime_s);
    }
    put_credentials(t, &w);
    turn_way_send(t->way, stun_end(&w));
}

static void ask(struct ice_turn *t, struct request *r, enum asking what, const struct channel *c)
{
    int64_t now = rk_loop_now_ms(t->loop);
    unsigned challenges = r->what == what ? r->challenges : 0;

    *r = (struct request){
        .what = what, .next_ms = now + RETRY_MS, .tries = 1, .challenges = challenges};
    stun_txid_random(&r->txid);
    send_request(t, r, c, LIFETIME_S);
}

/* Send again what has no answer; false: it never will. */
static bool again(struct ice_turn *t, struct request *r, const struct channel *c, int64_t now)
{
    if (r->what == ASK_NOTHING || r->next_ms > now)
        return true;
    if (r->tries == TRIES)
        return false;
    r->next_ms = now + (RETRY_MS << r->tries);
    r->tries++;
    if (!turn_way_reliable(t->way))
        send_request(t, r, c, LIFETIME_S);
    return true;
}

static void forget_channel(struct ice_turn *t, size_t i)
{
    if (t->last == t->channels[i])
        t->last = NULL;
    free(t->channels[i]);
    t->channels[i] = t->channels[--t->n_channels];
}

static void tick_channels(struct ice_turn *t, int64_t now)
{
    for (size_t i = 0; i < t->n_channels;) {
        struct channel *c = t->channels[i];

        if (!again(t, &c->request, c, now)) {
            c->request = (struct request){0};
            c->bind_ms = now + BIND_REFUSED_MS;
            c->bound = false;
        }
        if (c->request.what == ASK_NOTHING && c->bind_ms <= now) {
            if (now - c->used_ms > UNUSED_MS) {
                forget_channel(t, i);
                continue;
            }
            ask(t, &c->request, ASK_BIND, c);
        }
        i++;
    }
}

static void tick(void *arg)
{
    struct ice_turn *t = arg;
    int64_t now = rk_loop_now_ms(t->loop);
    struct rk_err err = {0};

    rk_timer_start(t->loop, &t->timer, TICK_MS, tick, t);
    if (!again(t, &t->request, NULL, now)) {
        (void)rk_fail(&err, RK_TIMEOUT, "no answer from the TURN server");
        end(t, &err);
        return;
    }
    if (t->refresh_ms && t->refresh_ms <= now && t->request.what == ASK_NOTHING)
        ask(t, &t->request, ASK_REFRESH, NULL);
    tick_channels(t, now);
}

/* ---- answers */

static bool copy_attr(const struct stun_msg *m, unsigned type, char *out, size_t max)
{
    struct rk_str v;

    if (!stun_attr_find(m, type, &v) || !v.n || v.n > max || memchr(v.p, '\0', v.n))
        return false;
    memcpy(out, v.p, v.n);
    out[v.n] = '\0';
    return true;
}

/* 401 or 438: realm and nonce, and the key that they make with our password. */
static enum rk_code challenged(struct ice_turn *t, const struct stun_msg *m, struct rk_err *err)
{
    char text[2 * TEXT_MAX + REALM_MAX + 3];
    enum rk_code rc;
    int n;

    if (!copy_attr(m, STUN_ATTR_NONCE, t->nonce, NONCE_MAX) ||
        (m->error_code == STUN_ERR_UNAUTHENTICATED &&
         !copy_attr(m, STUN_ATTR_REALM, t->realm, REALM_MAX)))
        return rk_fail(err, RK_BAD_REQUEST, "the TURN server asks for credentials without a realm");
    n = snprintf(text, sizeof text, "%s:%s:%s", t->name, t->realm, t->password);
    rc = hash_md5(rk_str_of(text, (size_t)n), t->key, err);
    rk_secret_wipe(text, sizeof text);
    t->have_key = rc == RK_OK;
    return rc;
}

static void refused(struct ice_turn *t, const struct request *r, const struct stun_msg *m)
{
    struct rk_err err = {0};
    const char *what = r->what == ASK_ALLOCATE ? "an address" : "to keep the address";

    if (m->error_code == STUN_ERR_UNAUTHENTICATED)
        (void)rk_fail(&err, RK_UNAUTHENTICATED,
                      "the TURN server refuses user name or password (401)");
    else
        (void)rk_fail(&err, RK_UNAVAILABLE, "the TURN server refuses %s (%u)", what, m->error_code);
    end(t, &err);
}

static void allocated(struct ice_turn *t, const struct stun_msg *m, bool first)
{
    uint32_t lifetime_s = LIFETIME_S;
    struct rk_err err = {0};
    struct rk_addr relayed;

    if (first && !stun_attr_xor_address(m, STUN_ATTR_XOR_RELAYED_ADDRESS, &relayed)) {
        (void)rk_fail(&err, RK_BAD_REQUEST, "the TURN server gives no address");
        end(t, &err);
        return;
    }
    (void)stun_attr_u32(m, STUN_ATTR_LIFETIME, &lifetime_s);
    lifetime_s = lifetime_s > 2 * REFRESH_AHEAD_S ? lifetime_s - REFRESH_AHEAD_S : lifetime_s / 2;
    t->refresh_ms = rk_loop_now_ms(t->loop) + (int64_t)lifetime_s * 1000;
    if (!first)
        return;
    t->relayed = relayed;
    t->user->ops->allocated(t->user, &t->relayed);
}

/* Errors of a channel that say that there is no allocation, or none of ours. */
static bool forgotten(unsigned code)
{
    return code == ALLOCATION_MISMATCH || code == WRONG_CREDENTIALS ||
           code == STUN_ERR_UNAUTHENTICATED;
}

/* The answer to r; c: of a ChannelBind. */
static void answered(struct ice_turn *t, struct request *r, struct channel *c,
                     const struct stun_msg *m)
{
    struct request was = *r;
    struct rk_err err = {0};

    if (m->cls == STUN_ERROR &&
        (m->error_code == STUN_ERR_STALE_NONCE ||
         (m->error_code == STUN_ERR_UNAUTHENTICATED && !t->have_key)) &&
        r->challenges < 3) {
        r->challenges++;
        if (challenged(t, m, &err))
            end(t, &err);
        else
            ask(t, r, r->what, c);
        return;
    }
    if (m->cls == STUN_SUCCESS && !stun_integrity_ok(m, rk_str_of(t->key, sizeof t->key)))
        return; /* somebody else's */
    *r = (struct request){0};
    if (m->cls == STUN_ERROR && (!c || forgotten(m->error_code))) {
        refused(t, &was, m);
    } else if (m->cls == STUN_ERROR) {
        c->bound = false;
        c->bind_ms = rk_loop_now_ms(t->loop) + BIND_REFUSED_MS;
    } else if (c) {
        c->bound = true;
        c->bind_ms = rk_loop_now_ms(t->loop) + BIND_AGAIN_MS;
    } else {
        allocated(t, m, was.what == ASK_ALLOCATE);
    }
}

static void on_answer(struct ice_turn *t, const struct stun_msg *m)
{
    if (t->request.what != ASK_NOTHING && stun_txid_eq(&t->request.txid, &m->txid)) {
        if (m->method == method_of(t->request.what))
            answered(t, &t->request, NULL, m);
        return;
    }
    for (size_t i = 0; i < t->n_channels; i++) {
        struct channel *c = t->channels[i];

        if (c->request.what == ASK_NOTHING || !stun_txid_eq(&c->request.txid, &m->txid))
            continue;
        if (m->method == STUN_METHOD_CHANNEL_BIND)
            answered(t, &c->request, c, m);
        return;
    }
}

/* ---- data */

static void on_channel_data(struct ice_turn *t, struct rk_str in)
{
    const uint8_t *p = (const uint8_t *)in.p;
    unsigned number = (unsigned)p[0] << 8 | p[1];
    size_t n = (size_t)p[2] << 8 | p[3];

    if (n > in.n - TURN_CHANNEL_HEAD)
        return;
    for (size_t i = 0; i < t->n_channels; i++)
        if (t->channels[i]->number == number) {
            t->user->ops->data(t->user, &t->channels[i]->peer,
                               rk_str_sub(in, TURN_CHANNEL_HEAD, n));
            return;
        }
}

static void way_data(struct turn_way_user *u, struct rk_str in)
{
    struct ice_turn *t = rk_container_of(u, struct ice_turn, way_user);
    struct stun_msg m;
    struct rk_addr from;
    struct rk_str data;

    if (t->over || in.n < TURN_CHANNEL_HEAD)
        return;
    if (((uint8_t)in.p[0] & 0xc0) == 0x40) {
        on_channel_data(t, in);
        return;
    }
    if (stun_decode(in, &m, NULL))
        return;
    if (m.cls == STUN_SUCCESS || m.cls == STUN_ERROR)
        on_answer(t, &m);
    else if (m.cls == STUN_INDICATION && m.method == STUN_METHOD_DATA &&
             stun_attr_xor_address(&m, STUN_ATTR_XOR_PEER_ADDRESS, &from) &&
             stun_attr_find(&m, STUN_ATTR_DATA, &data))
        t->user->ops->data(t->user, &from, data);
}

static struct channel *channel_find(struct ice_turn *t, const struct rk_addr *to)
{
    if (t->last && rk_addr_eq(&t->last->peer, to))
        return t->last;
    for (size_t i = 0; i < t->n_channels; i++)
        if (rk_addr_eq(&t->channels[i]->peer, to))
            return t->last = t->channels[i];
    return NULL;
}

static void forget_oldest(struct ice_turn *t)
{
    size_t oldest = 0;

    for (size_t i = 1; i < t->n_channels; i++)
        if (t->channels[i]->used_ms < t->channels[oldest]->used_ms)
            oldest = i;
    forget_channel(t, oldest);
}

static struct channel *channel_new(struct ice_turn *t, const struct rk_addr *to)
{
    struct channel *c = rk_calloc(1, sizeof *c);

    if (t->n_channels == ICE_TURN_MAX_PEERS)
        forget_oldest(t);
    c->peer = *to;
    c->number = t->next_channel;
    /* numbers come round after 4096: long after the server has forgotten them */
    t->next_channel = t->next_channel == CHANNEL_LAST ? CHANNEL_FIRST : t->next_channel + 1;
    t->channels[t->n_channels++] = c;
    return c;
}

void ice_turn_send(struct ice_turn *t, const struct rk_addr *to, struct rk_str datagram)
{
    struct channel *c;
    char head[TURN_CHANNEL_HEAD];

    /* allocations are for IPv4; one for IPv6 would have to be asked for */
    if (t->over || !t->relayed.ip.family || to->ip.family != t->relayed.ip.family ||
        datagram.n > STUN_MAX_SIZE)
        return;
    c = channel_find(t, to);
    if (!c) {
        c = channel_new(t, to);
        ask(t, &c->request, ASK_BIND, c);
    }
    c->used_ms = rk_loop_now_ms(t->loop);
    if (!c->bound)
        return;
    head[0] = (char)(c->number >> 8);
    head[1] = (char)c->number;
    head[2] = (char)(datagram.n >> 8);
    head[3] = (char)datagram.n;
    turn_way_send_channel(t->way, head, datagram);
}

void ice_turn_check(struct ice_turn *t)
{
    if (!t->over && t->relayed.ip.family && t->request.what == ASK_NOTHING)
        ask(t, &t->request, ASK_REFRESH, NULL);
}

/* ---- life */

static void way_open(struct turn_way_user *u)
{
    struct ice_turn *t = rk_container_of(u, struct ice_turn, way_user);

    ask(t, &t->request, ASK_ALLOCATE, NULL);
    rk_timer_start(t->loop, &t->timer, TICK_MS, tick, t);
}

static void way_gone(struct turn_way_user *u, const struct rk_err *why)
{
    end(rk_container_of(u, struct ice_turn, way_user), why);
}

static const struct turn_way_ops WAY_OPS = {way_open, way_data, way_gone};

enum rk_code ice_turn_open(const struct ice_turn_opts *o, struct ice_turn_user *user,
                           struct ice_turn **out, struct rk_err *err)
{
    struct ice_turn *t;
    enum rk_code rc;

    if (o->user.n > TEXT_MAX || o->password.n > TEXT_MAX)
        return rk_fail(err, RK_INVALID, "TURN user name or password is too long");
    t = rk_calloc(1, sizeof *t);
    t->user = user;
    t->loop = o->loop;
    t->way_user.ops = &WAY_OPS;
    t->next_channel = CHANNEL_FIRST;
    (void)snprintf(t->name, sizeof t->name, "%.*s", RK_STR_ARG(o->user));
    (void)snprintf(t->password, sizeof t->password, "%.*s", RK_STR_ARG(o->password));
    rc = turn_way_open(o, &t->way_user, &t->way, err);
    if (rc) {
        free(t);
        return rc;
    }
    *out = t;
    return RK_OK;
}

void ice_turn_close(struct ice_turn *t)
{
    if (!t)
        return;
    rk_timer_cancel(&t->timer);
    if (!t->over && t->relayed.ip.family) { /* once, unheard or not */
        t->request = (struct request){.what = ASK_REFRESH};
        stun_txid_random(&t->request.txid);
        send_request(t, &t->request, NULL, 0);
    }
    turn_way_close(t->way);
    while (t->n_channels)
        forget_channel(t, 0);
    rk_secret_wipe(t, sizeof *t);
    free(t);
}

const struct rk_addr *ice_turn_relayed(const struct ice_turn *t)
{
    return &t->relayed;
}
