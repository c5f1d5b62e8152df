/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams to peers over a relay connection: subscription, data, early data; see relay_client.h. */
#include "config.h"

#include <stdlib.h>

#include "agent/client/relay_link_priv.h"
#include "lib/base/num.h"

#define ONLINE_MS     30000 /* wait for the peer on that relay */
#define AGAIN_MS      1000  /* lossy transports: the subscription once more, then after 2, 4, 8 s */
#define EARLY_MS      5000
#define EARLY_PER_MAX 2048 /* bytes: one WireGuard datagram of any sensible MTU */
#define STREAMS_MAX   100000

struct relay_client_stream {
    struct relay_link *link;
    struct relay_client_stream_user *user;
    struct rly_peer_id peer;
    bool ready;
    struct rk_timer *timer;
    int64_t waited_ms, wait_ms;
};

static void send_ids(struct relay_link *l, enum rly_type type, const struct rly_peer_id *peer)
{
    uint8_t buf[RLY_HEADER_SIZE + RLY_PEER_ID_SIZE];
    struct rk_wr w = rk_wr_of(buf, sizeof buf);

    rly_put_ids(&w, type, rk_str_of(peer->b, sizeof peer->b));
    (void)relay_link_send_message(l, rk_wr_done(&w));
}

static struct rk_str stream_key(const struct relay_client_stream *s)
{
    return rk_str_of(s->peer.b, sizeof s->peer.b);
}

/* Forget a stream without telling its user. */
static void stream_drop(struct relay_client_stream *s)
{
    (void)rk_map_del(&s->link->streams, stream_key(s));
    rk_timer_cancel(&s->timer);
    free(s);
}

static void stream_end(struct relay_client_stream *s, const struct rk_err *why)
{
    struct relay_client_stream_user *user = s->user;

    stream_drop(s);
    user->ops->closed(user, why);
}

static void wait_online(struct relay_client_stream *s, int64_t ms);

/* Subscriptions and their answers may get lost; a second one does no harm. */
static bool ask_again(struct relay_client_stream *s)
{
    s->waited_ms += s->wait_ms;
    if (!s->link->way->ops->lossy || s->waited_ms >= ONLINE_MS)
        return false;
    send_ids(s->link, RLY_SUBSCRIBE, &s->peer);
    wait_online(s, rk_min_i64(2 * s->wait_ms, ONLINE_MS - s->waited_ms));
    return true;
}

static void on_not_online(void *arg)
{
    struct relay_client_stream *s = arg;
    struct rk_err err = {0};

    if (ask_again(s))
        return;

    (void)rk_fail(&err, RK_TIMEOUT, "the peer is not at relay %s", s->link->url);
    send_ids(s->link, RLY_UNSUBSCRIBE, &s->peer);
    stream_end(s, &err);
}

static void wait_online(struct relay_client_stream *s, int64_t ms)
{
    s->wait_ms = ms;
    rk_timer_start(s->link->loop, &s->timer, ms, on_not_online, s);
}

static void subscribe(struct relay_client_stream *s)
{
    send_ids(s->link, RLY_SUBSCRIBE, &s->peer);
    s->waited_ms = 0;
    wait_online(s, s->link->way->ops->lossy ? AGAIN_MS : ONLINE_MS);
}

enum rk_code relay_link_stream_open(struct relay_link *l, struct rk_str peer_key_text,
                                    struct relay_client_stream_user *user,
                                    struct relay_client_stream **out, struct rk_err *err)
{
    struct relay_client_stream *s;
    struct rly_peer_id peer;

    rly_peer_id_of(peer_key_text, &peer);
    if (rk_map_get(&l->streams, rk_str_of(peer.b, sizeof peer.b)))
        return rk_fail(err, RK_EXISTS, "a stream to that peer is open");
    if (l->closing || l->failed)
        return rk_fail(err, RK_UNAVAILABLE, "relay %s is being left", l->url);
    if (l->streams.n >= STREAMS_MAX)
        return rk_fail(err, RK_LIMIT, "too many streams over relay %s", l->url);
    s = rk_calloc(1, sizeof *s);
    s->link = l;
    s->user = user;
    s->peer = peer;
    (void)rk_map_put(&l->streams, stream_key(s), s);
    if (relay_link_is_up(l))
        subscribe(s);
    *out = s;
    return RK_OK;
}

void relay_client_stream_close(struct relay_client_stream *s)
{
    if (!s)
        return;
    if (relay_link_is_up(s->link))
        send_ids(s->link, RLY_UNSUBSCRIBE, &s->peer);
    stream_drop(s);
}

void relay_client_stream_send(struct relay_client_stream *s, const struct udp_in *v, size_t n)
{
    if (s->ready)
        relay_link_send_batch(s->link, &s->peer, v, n);
}

struct rk_str relay_client_stream_url(const struct relay_client_stream *s)
{
    return rk_str_z(s->link->instance ? s->link->instance : s->link->url);
}

/* ---- early data: the peer may be faster than the answer to our subscription */

static void early_forget(struct relay_link_early *e)
{
    free(e->bytes);
    *e = (struct relay_link_early){0};
}

static void early_keep(struct relay_link *l, struct rk_str peer, struct rk_str payload)
{
    int64_t now = rk_mono_ms();
    struct relay_link_early *slot = NULL;

    if (payload.n > EARLY_PER_MAX)
        return;
    if (!l->early)
        l->early = rk_calloc(RELAY_LINK_MAX_EARLY, sizeof *l->early);
    for (size_t i = 0; i < RELAY_LINK_MAX_EARLY; i++) {
        struct relay_link_early *e = &l->early[i];

        if (e->used && now - e->at_ms > EARLY_MS)
            early_forget(e);
        if (e->used && memcmp(e->peer.b, peer.p, sizeof e->peer.b) == 0) {
            slot = e;
            break;
        }
        if (!e->used && !slot)
            slot = e;
    }
    if (!slot)
        return;
    free(slot->bytes);
    slot->used = true;
    memcpy(slot->peer.b, peer.p, sizeof slot->peer.b);
    slot->at_ms = now;
    slot->bytes = rk_memdup(payload.p, payload.n);
    slot->n = payload.n;
}

static void early_deliver(struct relay_link *l, struct relay_client_stream *s)
{
    for (size_t i = 0; l->early && i < RELAY_LINK_MAX_EARLY; i++) {
        struct relay_link_early e = l->early[i];

        if (!e.used || memcmp(e.peer.b, s->peer.b, sizeof e.peer.b) != 0)
            continue;
        l->early[i] = (struct relay_link_early){0};
        if (rk_mono_ms() - e.at_ms <= EARLY_MS)
            s->user->ops->data(s->user, rk_str_of(e.bytes, e.n));
        free(e.bytes);
        return;
    }
}

/* ---- what comes from the relay */

void relay_link_streams_up(struct relay_link *l)
{
    size_t pos = 0;
    void *value;

    while (rk_map_next(&l->streams, &pos, NULL, &value))
        subscribe(value);
}

void relay_link_streams_data(struct relay_link *l, struct rk_str peer, struct rk_str payload)
{
    struct relay_client_stream *s = rk_map_get(&l->streams, peer);

    if (s && s->ready)
        s->user->ops->data(s->user, payload);
    else
        early_keep(l, peer, payload);
}

void relay_link_streams_online(struct relay_link *l, const struct rly_frame *f)
{
    for (size_t i = 0; i < f->n_ids && !l->closing; i++) {
        struct relay_client_stream *s = rk_map_get(&l->streams, rly_frame_id(f, i));

        if (!s || s->ready)
            continue;
        s->ready = true;
        rk_timer_cancel(&s->timer);
        s->user->ops->ready(s->user);
        s = rk_map_get(&l->streams, rly_frame_id(f, i)); /* its user may have closed it */
        if (s && !l->closing)
            early_deliver(l, s);
    }
}

void relay_link_streams_offline(struct relay_link *l, const struct rly_frame *f)
{
    struct rk_err err = {0};

    (void)rk_fail(&err, RK_UNAVAILABLE, "the peer left relay %s", l->url);
    for (size_t i = 0; i < f->n_ids && !l->closing; i++) {
        struct relay_client_stream *s = rk_map_get(&l->streams, rly_frame_id(f, i));

        if (!s)
            continue;
        send_ids(l, RLY_UNSUBSCRIBE, &s->peer);
        stream_end(s, &err);
    }
}

void relay_link_streams_clear(struct relay_link *l, const struct rk_err *why)
{
    while (l->streams.n) {
        size_t pos = 0;
        void *value;

        if (!rk_map_next(&l->streams, &pos, NULL, &value))
            break;
        stream_end(value, why);
    }
    for (size_t i = 0; l->early && i < RELAY_LINK_MAX_EARLY; i++)
        free(l->early[i].bytes);
    free(l->early);
    l->early = NULL;
}
