/* SPDX-License-Identifier: BSD-3-Clause */
/* One relay connection; see relay_link.h. Streams over it: relay_stream.c. */
#include "config.h"

#include "agent/client/relay_link.h"

#include <stdlib.h>

#include "agent/client/relay_link_priv.h"
#include "lib/base/num.h"

#define AUTH_AGAIN_MS 1000 /* then after 2 and 4 s */

static void link_fail(struct relay_link *l, enum rk_code code, const char *what)
{
    struct rk_err err = {0};

    (void)rk_fail(&err, code, "relay %s: %s", l->url, what);
    l->failed = true;
    l->way->ops->fail(l->way, &err);
}

/* A lossy transport may lose the one check of a window, and notices by itself when it is dead. */
static int64_t health_window_ms(const struct relay_link *l)
{
    return l->way->ops->lossy ? 2 * RLY_CLIENT_WINDOW_MS : RLY_CLIENT_WINDOW_MS;
}

static void on_health_window(void *arg)
{
    struct relay_link *l = arg;

    if (!l->health_seen) {
        link_fail(l, RK_TIMEOUT, "no health check in time");
        return;
    }
    l->health_seen = false;
    rk_timer_start(l->loop, &l->timer, health_window_ms(l), on_health_window, l);
}

static void on_auth_timeout(void *arg)
{
    struct relay_link *l = arg;

    if (l->way->ops->lossy) /* it won the race, and does not carry messages */
        l->user->ops->quic_unfit(l->user);
    rk_timer_cancel(&l->again);
    link_fail(l, RK_TIMEOUT, "no answer to the authentication within 8 s");
}

/* ---- messages */

static void on_auth_response(struct relay_link *l, const struct rly_frame *f)
{
    l->state = RELAY_LINK_UP;
    l->instance = rk_str_dupz(f->url);
    l->health_seen = false;
    rk_timer_cancel(&l->again);
    if (l->way->ops->trusted)
        l->way->ops->trusted(l->way);
    rk_timer_start(l->loop, &l->timer, health_window_ms(l), on_health_window, l);
    relay_link_streams_up(l);
    l->user->ops->up(l->user);
}

static void answer_health_check(struct relay_link *l)
{
    uint8_t buf[RLY_HEADER_SIZE];
    struct rk_wr w = rk_wr_of(buf, sizeof buf);

    l->health_seen = true;
    rly_put_header(&w, RLY_HEALTH_CHECK);
    (void)relay_link_send_message(l, rk_wr_done(&w));
}

static void on_message(struct relay_link *l, struct rk_str message)
{
    struct rly_frame f;
    bool known = rly_frame_decode(message, &f, NULL) == RK_OK;

    if (l->state == RELAY_LINK_AUTH) {
        if (known && f.type == RLY_AUTH_RESPONSE)
            on_auth_response(l, &f);
        else if (!known || !l->way->ops->lossy) /* else another one overtook it */
            link_fail(l, RK_BAD_REQUEST, "the first message is no auth response");
        return;
    }
    if (!known || l->closing)
        return; /* official clients skip them too: newer relays may know more */
    switch (f.type) {
    case RLY_TRANSPORT:
        relay_link_streams_data(l, f.peer, f.payload);
        break;
    case RLY_PEERS_ONLINE:
        relay_link_streams_online(l, &f);
        break;
    case RLY_PEERS_OFFLINE:
        relay_link_streams_offline(l, &f);
        break;
    case RLY_HEALTH_CHECK:
        answer_health_check(l);
        break;
    case RLY_CLOSE:
        link_fail(l, RK_UNAVAILABLE, "closed by the relay");
        break;
    case RLY_HELLO:
    case RLY_HELLO_RESPONSE:
    case RLY_AUTH:
    case RLY_AUTH_RESPONSE:
    case RLY_SUBSCRIBE:
    case RLY_UNSUBSCRIBE:
        break; /* not for clients */
    }
}

/* ---- opening */

static void send_auth(struct relay_link *l)
{
    uint8_t buf[RLY_MAX_AUTH];
    struct rk_wr w = rk_wr_of(buf, sizeof buf);

    rly_put_auth(&w, &l->self, rk_buf_str(&l->token));
    (void)l->way->ops->send(l->way, rk_wr_done(&w));
}

/* The message or its answer got lost, perhaps; relays ignore a second one. */
static void on_auth_again(void *arg)
{
    struct relay_link *l = arg;

    send_auth(l);
    l->again_ms *= 2;
    rk_timer_start(l->loop, &l->again, l->again_ms, on_auth_again, l);
}

static void free_run(struct rk_task *t)
{
    struct relay_link *l = rk_container_of(t, struct relay_link, free_task);

    rk_map_done(&l->streams);
    rk_buf_done(&l->token);
    free(l->url);
    free(l->instance);
    free(l);
}

static void link_free(struct relay_link *l)
{
    l->closing = true;
    rk_timer_cancel(&l->timer);
    rk_timer_cancel(&l->again);
    rk_loop_defer(l->loop, &l->free_task);
}

/* Nothing is left of it below. */
static void link_over(struct relay_link *l, const struct rk_err *why)
{
    struct relay_link_user *user = l->user;
    struct rk_err err = *why;

    l->closing = true;
    if (!err.code)
        (void)rk_fail(&err, RK_UNAVAILABLE, "relay %s: connection closed", l->url);
    relay_link_streams_clear(l, &err);
    user->ops->down(user, &err);
    link_free(l);
}

static struct relay_racer *racer_of(struct relay_way_user *u)
{
    return rk_container_of(u, struct relay_racer, user);
}

static void way_opened(struct relay_way_user *u)
{
    struct relay_racer *r = racer_of(u);
    struct relay_link *l = r->link;

    for (size_t i = 0; i < RELAY_LINK_WAYS; i++) {
        struct relay_racer *other = &l->racers[i];

        other->wanted = false;
        if (other != r && other->way)
            other->way->ops->close(other->way);
        if (other != r)
            other->way = NULL;
    }
    l->way = r->way;
    l->ip = l->way->ops->peer(l->way);
    l->state = RELAY_LINK_AUTH;
    rk_timer_start(l->loop, &l->timer, RLY_CLIENT_TIMEOUT_MS, on_auth_timeout, l);
    if (l->way->ops->lossy) {
        l->again_ms = AUTH_AGAIN_MS;
        rk_timer_start(l->loop, &l->again, l->again_ms, on_auth_again, l);
    }
    send_auth(l);
}

static void way_message(struct relay_way_user *u, struct rk_str message)
{
    struct relay_link *l = racer_of(u)->link;

    if (!l->closing && !l->failed)
        on_message(l, message);
}

static bool has_choice(const struct relay_link *l)
{
    return l->mode != RELAY_TRANSPORT_QUIC && l->mode != RELAY_TRANSPORT_WS;
}

static void way_too_big(struct relay_way_user *u)
{
    struct relay_link *l = racer_of(u)->link;

    if (l->closing || l->failed || !has_choice(l))
        return;
    l->user->ops->quic_unfit(l->user);
    link_fail(l, RK_UNAVAILABLE, "a packet is too long for a QUIC datagram on this path");
}

static enum rk_code start_racer(struct relay_link *l, size_t kind, struct rk_err *err)
{
    struct relay_racer *r = &l->racers[kind];
    struct relay_way_opts o = {.loop = l->loop,
                               .fwmark = l->fwmark,
                               .url = l->url,
                               .need_bytes = l->need_bytes,
                               .ip = l->ip_first};
    enum rk_code rc = rly_url_parse(rk_str_z(l->url), &o.parsed, err);

    r->wanted = false;
    if (rc)
        return rc;
    o.tls = o.parsed.tls ? l->tls : NULL;
    return kind == RELAY_LINK_QUIC ? relay_way_quic_open(&o, &r->user, &r->way, err)
                                   : relay_way_ws_open(&o, &r->user, &r->way, err);
}

/* Dial what may be dialled now: everything in a race, else the one whose turn it is. */
static enum rk_code dial_wanted(struct relay_link *l, struct rk_err *err)
{
    size_t first = l->mode == RELAY_TRANSPORT_PREFER_WS ? RELAY_LINK_WS : RELAY_LINK_QUIC;
    enum rk_code rc = RK_UNAVAILABLE;

    for (size_t i = 0; i < RELAY_LINK_WAYS; i++) {
        size_t kind = i ? RELAY_LINK_WAYS - 1 - first : first;
        struct rk_err why = {0};

        if (!l->racers[kind].wanted)
            continue;
        if (start_racer(l, kind, &why) == RK_OK) {
            rc = RK_OK;
            if (l->mode != RELAY_TRANSPORT_AUTO)
                return rc;
        } else if (rc && err) {
            *err = why;
        }
    }
    return rc;
}

static void want_all(struct relay_link *l)
{
    l->racers[RELAY_LINK_WS].wanted = l->mode != RELAY_TRANSPORT_QUIC;
    l->racers[RELAY_LINK_QUIC].wanted = l->may_quic;
}

static bool still_dialling(const struct relay_link *l)
{
    for (size_t i = 0; i < RELAY_LINK_WAYS; i++)
        if (l->racers[i].way)
            return true;
    return false;
}

/* The announced address did not work: try the name. */
static bool dial_by_name(struct relay_link *l)
{
    if (!l->ip_first.family)
        return false;
    l->ip_first = (struct rk_ip){0};
    want_all(l);
    return dial_wanted(l, NULL) == RK_OK;
}

static void way_closed(struct relay_way_user *u, const struct rk_err *why)
{
    struct relay_racer *r = racer_of(u);
    struct relay_link *l = r->link;
    bool had_won = r->way == l->way;

    r->way = NULL;
    if (had_won) {
        link_over(l, why);
        return;
    }
    if (!l->dial_err.code || r == &l->racers[RELAY_LINK_WS])
        l->dial_err = *why;
    if (still_dialling(l) || dial_wanted(l, NULL) == RK_OK || dial_by_name(l))
        return;
    link_over(l, &l->dial_err);
}

static const struct relay_way_user_ops WAY_OPS = {
    .opened = way_opened,
    .message = way_message,
    .too_big = way_too_big,
    .closed = way_closed,
};

static enum rk_code check(const struct relay_link_opts *o, struct rk_err *err)
{
    struct rly_url url;
    enum rk_code rc = rly_url_parse(o->url, &url, err);

    if (rc)
        return rc;
    if (url.tls && !o->tls)
        return rk_fail(err, RK_PRECONDITION, "relay %.*s: no TLS here", RK_STR_ARG(o->url));
    if (!url.tls && o->mode == RELAY_TRANSPORT_QUIC)
        return rk_fail(err, RK_PRECONDITION, "relay %.*s: QUIC is always TLS, and this one is not",
                       RK_STR_ARG(o->url));
    return RK_OK;
}

enum rk_code relay_link_open(const struct relay_link_opts *opts, struct relay_link_user *user,
                             struct relay_link **out, struct rk_err *err)
{
    struct relay_link *l;
    enum rk_code rc = check(opts, err);

    if (rc)
        return rc;
    l = rk_calloc(1, sizeof *l);
    l->loop = opts->loop;
    l->log = opts->log;
    l->user = user;
    l->tls = opts->tls;
    l->fwmark = opts->fwmark;
    l->mode = opts->mode;
    l->may_quic =
        opts->mode == RELAY_TRANSPORT_QUIC || (opts->may_quic && opts->mode != RELAY_TRANSPORT_WS &&
                                               rk_str_starts(opts->url, RK_STR("rels://")));
    l->need_bytes = opts->need_bytes;
    l->self = opts->self;
    l->ip_first = opts->ip;
    l->url = rk_str_dupz(opts->url);
    l->opened_ms = rk_mono_ms();
    l->free_task.run = free_run;
    for (size_t i = 0; i < RELAY_LINK_WAYS; i++) {
        l->racers[i].user.ops = &WAY_OPS;
        l->racers[i].link = l;
    }
    rk_map_init(&l->streams, true);
    rk_buf_init(&l->token, RLY_MAX_AUTH);
    rk_buf_add(&l->token, opts->token);
    want_all(l);
    rc = dial_wanted(l, err);
    if (rc) {
        link_free(l);
        return rc;
    }
    *out = l;
    return RK_OK;
}

void relay_link_close(struct relay_link *l, const struct rk_err *why)
{
    uint8_t buf[RLY_HEADER_SIZE];
    struct rk_wr w = rk_wr_of(buf, sizeof buf);

    if (!l || l->closing)
        return;
    if (l->state == RELAY_LINK_UP) {
        rly_put_header(&w, RLY_CLOSE);
        (void)relay_link_send_message(l, rk_wr_done(&w));
    }
    l->closing = true;
    relay_link_streams_clear(l, why);
    for (size_t i = 0; i < RELAY_LINK_WAYS; i++)
        if (l->racers[i].way)
            l->racers[i].way->ops->close(l->racers[i].way);
    link_free(l);
}

bool relay_link_is_up(const struct relay_link *l)
{
    return l->state == RELAY_LINK_UP && !l->closing && !l->failed;
}

bool relay_link_send_message(struct relay_link *l, struct rk_str message)
{
    return !l->closing && !l->failed && l->way && l->way->ops->send(l->way, message);
}

void relay_link_send_batch(struct relay_link *l, const struct rly_peer_id *peer,
                           const struct udp_in *v, size_t n)
{
    uint8_t buf[RLY_TRANSPORT_HEADER];
    struct rk_wr w = rk_wr_of(buf, sizeof buf);

    if (l->closing || l->failed || !l->way)
        return;
    rly_put_transport(&w, peer, (struct rk_str){0});
    l->way->ops->send_batch(l->way, rk_wr_done(&w), v, n);
}

const char *relay_link_transport(const struct relay_link *l)
{
    return l->way ? l->way->ops->name : "";
}

struct rk_str relay_link_url(const struct relay_link *l)
{
    return rk_str_z(l->url);
}

struct rk_str relay_link_instance(const struct relay_link *l)
{
    return rk_str_z(l->instance);
}

struct rk_ip relay_link_ip(const struct relay_link *l)
{
    return l->ip;
}

size_t relay_link_streams(const struct relay_link *l)
{
    return l->streams.n;
}

int64_t relay_link_opened_ms(const struct relay_link *l)
{
    return l->opened_ms;
}

bool relay_link_network(struct relay_link *l, const struct rk_ip *own, size_t n)
{
    struct rk_ip local;

    if (!l->way || l->closing || l->failed)
        return false;
    local = l->way->ops->local(l->way);
    if (!local.family || rk_ip_among(&local, own, n) ||
        (l->way->ops->move && l->state == RELAY_LINK_UP && l->way->ops->move(l->way)))
        return false;
    link_fail(l, RK_UNAVAILABLE, "the address of this host is gone");
    return true;
}
