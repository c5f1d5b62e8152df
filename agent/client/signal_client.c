/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signal client; see signal_client.h.
 *
 *   IDLE --retry timer--> channel + ConnectStream --registered header--> ready
 *     ^------------------- stream or channel ended -------------------------|
 *
 * Messages leave with unary Send calls; the stream is only for receiving.
 */
#include "config.h"

#include "agent/client/signal_client.h"

#include <stdlib.h>

#include "agent/client/backoff.h"
#include "lib/base/list.h"
#include "lib/base/map.h"
#include "lib/base/num.h"
#include "lib/crypto/box.h"
#include "lib/grpc/client.h"
#include "schema/gen/signalexchange.pb-c.h"
#include "schema/pb_arena.h"

#define PATH_STREAM "/signalexchange.SignalExchange/ConnectStream"
#define PATH_SEND   "/signalexchange.SignalExchange/Send"

#define RETRY_FIRST_MS 800
#define RETRY_EARLY_MS 1500 /* 0 to 3 s, in the first minute; what bounds the load: backoff.h */
#define RETRY_MAX_MS   10000
#define HEADER_MS      30000 /* for connection and registration */
#define WATCH_MS       10000
#define SILENCE_MS     30000 /* then ask for a sign of life */
#define PROBE_MS       10000
#define MAX_MESSAGE    ((size_t)4 << 20) /* an offer with Rosenpass has half a MiB */
#define MAX_SENDS      4096
#define MAX_ATTEMPTS   4
#define MAX_SHARED     4096 /* cached keys */

static const int64_t ATTEMPT_MS[MAX_ATTEMPTS] = {10000, 10000, 10000, 15000};

struct shared_key {
    struct rk_key peer;
    struct box_shared box;
};

struct send { /* one message on its way out */
    struct rk_list link;
    struct grpc_client_user user;
    struct signal_client *client;
    struct grpc_client_call *call;
    unsigned attempt;
    struct rk_str body; /* owned */
};

struct signal_client {
    struct rk_loop *loop;
    struct rk_log *log;
    struct signal_client_user *user;
    char *host; /* owned */
    uint16_t port;
    struct tls_ctx *tls;
    uint32_t fwmark;
    struct rk_key private_key, public_key;
    char key_text[RK_KEY_TEXT + 1];
    struct grpc_channel_user channel_user;
    struct grpc_channel *channel;
    struct grpc_client_user stream_user;
    struct grpc_client_call *stream;
    bool ready, closing;
    bool moved; /* the channel closes since its address is gone; the next one is due at once */
    struct rk_err err;
    struct backoff retry;
    struct rk_timer *retry_timer, *watch_timer, *header_timer;
    int64_t last_rx_ms;
    int64_t probe_ms; /* 0: none is out */
    struct rk_list sends;
    size_t n_sends;
    struct rk_map shared; /* peer key bytes → struct shared_key */
};

static void connect_now(void *arg);

/* ---- keys */

static void shared_clear(struct signal_client *c)
{
    size_t pos = 0;
    void *value;

    while (rk_map_next(&c->shared, &pos, NULL, &value)) {
        struct shared_key *k = value;

        box_shared_wipe(&k->box);
        free(k);
    }
    rk_map_done(&c->shared);
    rk_map_init(&c->shared, true);
}

static const struct box_shared *shared_for(struct signal_client *c, const struct rk_key *peer,
                                           struct rk_err *err)
{
    struct shared_key *k = rk_map_get(&c->shared, rk_str_of(peer->b, RK_KEY_SIZE));

    if (k)
        return &k->box;
    if (c->shared.n >= MAX_SHARED)
        shared_clear(c);
    k = rk_calloc(1, sizeof *k);
    k->peer = *peer;
    if (box_shared_init(&c->private_key, peer, &k->box, err)) {
        free(k);
        return NULL;
    }
    (void)rk_map_put(&c->shared, rk_str_of(k->peer.b, RK_KEY_SIZE), k);
    return &k->box;
}

/* ---- sending */

static void send_free(struct send *s)
{
    rk_list_remove(&s->link);
    s->client->n_sends--;
    free((void *)(uintptr_t)s->body.p);
    free(s);
}

static void send_try(struct send *s)
{
    struct signal_client *c = s->client;
    struct rk_err err = {0};

    if (c->channel && s->attempt < MAX_ATTEMPTS &&
        grpc_client_unary(c->channel, PATH_SEND, s->body, ATTEMPT_MS[s->attempt++], &s->user,
                          &s->call, &err) == RK_OK)
        return;
    rk_log(c->log, RK_WARN, "signal message is lost", KV_ERR(&err));
    send_free(s);
}

static void on_send_message(struct grpc_client_user *u, struct rk_str body)
{
    (void)u;
    (void)body; /* an empty message that says nothing */
}

static void on_send_done(struct grpc_client_user *u, int status, struct rk_str text)
{
    struct send *s = rk_container_of(u, struct send, user);

    s->call = NULL;
    if (status == GRPC_OK || status == GRPC_CANCELLED || s->client->closing) {
        send_free(s);
        return;
    }
    rk_log(s->client->log, RK_DEBUG, "signal send failed", kv_i64("status", status),
           kv_str("text", text), kv_i64("attempt", s->attempt));
    send_try(s);
}

static const struct grpc_client_ops SEND_OPS = {
    .message = on_send_message,
    .done = on_send_done,
};

static enum rk_code seal(struct signal_client *c, struct rk_arena *mem, const struct rk_key *to,
                         const struct signal_msg *msg, struct rk_str *out, struct rk_err *err)
{
    Signalexchange__EncryptedMessage e = SIGNALEXCHANGE__ENCRYPTED_MESSAGE__INIT;
    const struct box_shared *box = shared_for(c, to, err);
    struct rk_str plain;
    enum rk_code rc;

    if (!box)
        return RK_BAD_REQUEST;
    rc = signal_msg_encode(mem, msg, &plain, err);
    if (rc)
        return rc;
    e.key = c->key_text;
    e.remotekey = pb_text(mem, rk_key_text(mem, to));
    e.body = pb_bytes_of(box_seal_new(box, mem, plain));
    return pb_pack(mem, &e.base, out, err);
}

enum rk_code signal_client_send(struct signal_client *c, const struct rk_key *to,
                                const struct signal_msg *msg, struct rk_err *err)
{
    struct rk_arena *mem;
    struct rk_str body;
    struct send *s;
    enum rk_code rc;

    if (!c->ready || c->closing)
        return rk_fail(err, RK_UNAVAILABLE, "signal is not ready");
    if (c->n_sends >= MAX_SENDS)
        return rk_fail(err, RK_LIMIT, "%d signal messages are under way", MAX_SENDS);
    mem = rk_arena_new(0);
    rc = seal(c, mem, to, msg, &body, err);
    if (rc == RK_OK) {
        s = rk_calloc(1, sizeof *s);
        s->user.ops = &SEND_OPS;
        s->client = c;
        s->body = rk_str_of(rk_memdup(body.p, body.n), body.n);
        rk_list_push_back(&c->sends, &s->link);
        c->n_sends++;
        send_try(s);
    }
    rk_arena_free(mem);
    return rc;
}

/* ---- receiving */

static enum rk_code unseal(struct signal_client *c, struct rk_arena *mem, struct rk_str body,
                           struct rk_key *from, struct signal_msg *out, struct rk_err *err)
{
    const Signalexchange__EncryptedMessage *e =
        pb_unpack(mem, &signalexchange__encrypted_message__descriptor, body, err);
    const struct box_shared *box;
    struct rk_str plain;
    enum rk_code rc;

    if (!e)
        return RK_BAD_REQUEST;
    rc = rk_key_parse_wire(rk_str_z(e->key), from, err);
    if (rc)
        return rc;
    box = shared_for(c, from, err);
    if (!box)
        return RK_BAD_REQUEST;
    rc = box_open_new(box, mem, pb_bytes(e->body), &plain, err);
    return rc ? rc : signal_msg_decode(mem, plain, out, err);
}

static void on_stream_message(struct grpc_client_user *u, struct rk_str body)
{
    struct signal_client *c = rk_container_of(u, struct signal_client, stream_user);
    struct rk_arena *mem;
    struct rk_err err = {0};
    struct rk_key from;
    struct signal_msg msg;

    c->last_rx_ms = rk_mono_ms();
    c->probe_ms = 0;
    if (c->closing || !c->ready)
        return;
    mem = rk_arena_new(4 * MAX_MESSAGE);
    if (unseal(c, mem, body, &from, &msg, &err))
        rk_log(c->log, RK_WARN, "signal message is not understood", KV_ERR(&err));
    else if (msg.type != SIGNAL_MSG_HEARTBEAT)
        c->user->ops->message(c->user, &from, &msg);
    rk_arena_free(mem);
}

static void on_watch(void *arg)
{
    struct signal_client *c = arg;
    struct signal_msg probe = {.type = SIGNAL_MSG_HEARTBEAT};
    int64_t now = rk_mono_ms();

    rk_timer_start(c->loop, &c->watch_timer, WATCH_MS, on_watch, c);
    if (c->probe_ms && now - c->probe_ms >= PROBE_MS) {
        (void)rk_fail(&c->err, RK_TIMEOUT, "signal stream is silent");
        grpc_client_cancel(c->stream);
    } else if (!c->probe_ms && now - c->last_rx_ms >= SILENCE_MS) {
        c->probe_ms = now;
        (void)signal_client_send(c, &c->public_key, &probe, NULL);
    }
}

static void on_stream_headers(struct grpc_client_user *u, const struct grpc_header *h, size_t n)
{
    struct signal_client *c = rk_container_of(u, struct signal_client, stream_user);
    bool registered = false;

    for (size_t i = 0; i < n; i++)
        registered = registered || rk_str_eqz(h[i].name, "x-wiretrustee-peer-registered");
    rk_timer_cancel(&c->header_timer);
    if (c->closing)
        return;
    if (!registered) {
        (void)rk_fail(&c->err, RK_UNAVAILABLE, "signal server did not register us");
        grpc_client_cancel(c->stream);
        return;
    }
    c->ready = true;
    c->err = (struct rk_err){0};
    c->last_rx_ms = rk_mono_ms();
    c->probe_ms = 0;
    backoff_reset(&c->retry);
    rk_timer_start(c->loop, &c->watch_timer, WATCH_MS, on_watch, c);
    rk_log(c->log, RK_DEBUG, "signal connected", kv_z("host", c->host), kv_i64("port", c->port));
    c->user->ops->ready(c->user);
}

/* ---- connection */

static void retry_later(struct signal_client *c)
{
    bool was_ready = c->ready;

    c->ready = false;
    rk_timer_cancel(&c->watch_timer);
    rk_timer_cancel(&c->header_timer);
    if (c->closing)
        return;
    if (c->retry_timer && !was_ready)
        return; /* stream and channel both say so */
    if (!c->retry_timer)
        rk_timer_start(c->loop, &c->retry_timer, backoff_next_ms(&c->retry), connect_now, c);
    rk_log(c->log, was_ready ? RK_DEBUG : RK_INFO, "signal disconnected", KV_ERR(&c->err));
    if (was_ready)
        c->user->ops->down(c->user, &c->err);
}

static void on_stream_done(struct grpc_client_user *u, int status, struct rk_str text)
{
    struct signal_client *c = rk_container_of(u, struct signal_client, stream_user);

    c->stream = NULL;
    if (!c->err.code)
        (void)rk_fail(&c->err, status == GRPC_OK ? RK_UNAVAILABLE : grpc_status_code(status),
                      "signal stream ended: %s %.*s", grpc_status_name(status), RK_STR_ARG(text));
    retry_later(c);
}

static const struct grpc_client_ops STREAM_OPS = {
    .headers = on_stream_headers,
    .message = on_stream_message,
    .done = on_stream_done,
};

static void signal_client_release(struct signal_client *c)
{
    shared_clear(c);
    rk_map_done(&c->shared);
    rk_key_wipe(&c->private_key);
    free(c->host);
    free(c);
}

static void on_channel_down(struct grpc_channel_user *u, const struct rk_err *why)
{
    struct signal_client *c = rk_container_of(u, struct signal_client, channel_user);

    c->channel = NULL;
    if (c->closing) {
        signal_client_release(c);
        return;
    }
    if (why->code)
        c->err = *why;
    retry_later(c);
    if (c->moved)
        rk_timer_start(c->loop, &c->retry_timer, 0, connect_now, c);
    c->moved = false;
}

static const struct grpc_channel_ops CHANNEL_OPS = {.down = on_channel_down};

static void on_header_timeout(void *arg)
{
    struct signal_client *c = arg;

    (void)rk_fail(&c->err, RK_TIMEOUT, "signal server does not register us");
    grpc_channel_close(c->channel); /* whatever is wrong, a new connection may help */
}

static enum rk_code open_channel(struct signal_client *c)
{
    struct grpc_channel_opts o = {
        .host = c->host,
        .port = c->port,
        .tls = c->tls,
        .fwmark = c->fwmark,
        .max_message_bytes = MAX_MESSAGE,
        .log = c->log,
    };

    return grpc_channel_open(c->loop, &o, &c->channel_user, &c->channel, &c->err);
}

static enum rk_code open_stream(struct signal_client *c)
{
    struct grpc_header id = {RK_STR("x-wiretrustee-peer-id"), rk_str_of(c->key_text, RK_KEY_TEXT)};

    return grpc_client_call(c->channel, PATH_STREAM, &id, 1, 0, &c->stream_user, &c->stream,
                            &c->err);
}

static void connect_now(void *arg)
{
    struct signal_client *c = arg;

    if (c->stream)
        return;
    c->err = (struct rk_err){0};
    if ((!c->channel && open_channel(c)) || open_stream(c)) {
        retry_later(c); /* a channel that is closing says so later and is replaced then */
        return;
    }
    rk_timer_start(c->loop, &c->header_timer, HEADER_MS, on_header_timeout, c);
}

enum rk_code signal_client_open(const struct signal_client_opts *opts,
                                struct signal_client_user *user, struct signal_client **out,
                                struct rk_err *err)
{
    struct signal_client *c;

    if (!opts->host.n || !opts->port)
        return rk_fail(err, RK_INVALID, "signal address without host or port");
    c = rk_calloc(1, sizeof *c);
    c->loop = opts->loop;
    c->log = opts->log;
    c->user = user;
    c->host = rk_str_dupz(opts->host);
    c->port = opts->port;
    c->tls = opts->tls;
    c->fwmark = opts->fwmark;
    c->private_key = opts->private_key;
    rk_key_public(&c->private_key, &c->public_key);
    rk_key_format(&c->public_key, c->key_text);
    c->channel_user.ops = &CHANNEL_OPS;
    c->stream_user.ops = &STREAM_OPS;
    c->retry = (struct backoff){.first_ms = RETRY_FIRST_MS,
                                .max_ms = RETRY_MAX_MS,
                                .early_max_ms = RETRY_EARLY_MS,
                                .factor_permille = 1700,
                                .spread_permille = 1000};
    rk_list_init(&c->sends);
    rk_map_init(&c->shared, true);
    rk_timer_start(c->loop, &c->retry_timer, 0, connect_now, c);
    *out = c;
    return RK_OK;
}

void signal_client_close(struct signal_client *c)
{
    if (!c || c->closing)
        return;
    c->closing = true;
    c->ready = false;
    rk_timer_cancel(&c->retry_timer);
    rk_timer_cancel(&c->watch_timer);
    rk_timer_cancel(&c->header_timer);
    if (c->channel)
        grpc_channel_close(c->channel); /* released by on_channel_down */
    else
        signal_client_release(c);
}

bool signal_client_is_ready(const struct signal_client *c)
{
    return c->ready && !c->moved;
}

const struct rk_err *signal_client_last_err(const struct signal_client *c)
{
    return &c->err;
}

void signal_client_hurry(struct signal_client *c)
{
    if (!c->closing && c->retry_timer)
        rk_timer_start(c->loop, &c->retry_timer, 0, connect_now, c);
}

void signal_client_network(struct signal_client *c, const struct rk_ip *own, size_t n)
{
    struct rk_addr peer, local;

    if (c->closing)
        return;
    backoff_reset(&c->retry);
    if (c->channel && grpc_channel_addrs(c->channel, &peer, &local, NULL) == RK_OK &&
        !rk_ip_among(&local.ip, own, n)) {
        c->moved = true;
        grpc_channel_close(c->channel);
    } else if (c->retry_timer) {
        rk_timer_start(c->loop, &c->retry_timer, 0, connect_now, c);
    }
}
