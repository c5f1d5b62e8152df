/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * talk FROM:PORT TO:PORT PAIRS RATE SECONDS BYTES [ghosts]: streams register at one signal service,
 * messages for them are sent at another one (or the same), RATE a second in all. One line of JSON:
 * how many arrived, how long they took, in milliseconds from before Send to the stream. ghosts:
 * nobody registers, so nothing may arrive.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/num.h"
#include "lib/grpc/client.h"
#include "schema/gen/signalexchange.pb-c.h"
#include "schema/pb_arena.h"

#define PAIRS_MAX   20000
#define PER_CHANNEL 50   /* streams of one connection */
#define SENDERS     8    /* connections that send */
#define OPEN_MAX    4000 /* calls without an answer */
#define TICK_MS     1
#define DRAIN_MS    3000 /* wait for the last ones */
#define SERVICE     "/signalexchange.SignalExchange/"

struct place {
    char host[64];
    uint16_t port;
};

struct talk;

struct listener { /* one registered stream */
    struct grpc_client_user user;
    struct grpc_client_call *call;
    struct talk *t;
    char key[32];
};

struct sending { /* one Send */
    struct grpc_client_user user;
    struct grpc_client_call *call;
    struct talk *t;
};

struct conn {
    struct grpc_channel_user user;
    struct grpc_channel *channel;
    struct talk *t;
};

struct talk { /* loop thread */
    struct rk_loop *loop;
    struct place from, to;
    size_t pairs, bytes, n_listeners, n_conns;
    int64_t rate, seconds;
    struct listener *listeners;
    struct conn *conns; /* of listeners */
    struct conn senders[SENDERS];
    size_t ready, registered, next;
    int64_t began_us, end_us;
    int64_t sent, refused, got, open;
    double *ms;
    size_t cap;
    struct rk_timer *tick;
    bool ghosts;
};

static void finish(struct talk *t);

static void fatal(const char *what, const char *why)
{
    (void)fprintf(stderr, "talk: %s: %s\n", what, why);
    exit(1);
}

/* ---- receiving */

static void on_headers(struct grpc_client_user *u, const struct grpc_header *h, size_t n)
{
    struct listener *l = rk_container_of(u, struct listener, user);

    for (size_t i = 0; i < n; i++)
        l->t->registered += rk_str_eqz(h[i].name, "x-wiretrustee-peer-registered");
}

static void on_message(struct grpc_client_user *u, struct rk_str body)
{
    struct listener *l = rk_container_of(u, struct listener, user);
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    const Signalexchange__EncryptedMessage *m =
        pb_unpack(mem, &signalexchange__encrypted_message__descriptor, body, NULL);
    struct talk *t = l->t;
    int64_t at;

    if (!m || m->body.len < sizeof at || strcmp(m->remotekey, l->key) != 0)
        fatal("message", "not what was sent");
    memcpy(&at, m->body.data, sizeof at);
    if (t->got < (int64_t)t->cap)
        t->ms[t->got] = (double)(rk_mono_us() - at) / 1000;
    t->got++;
}

static void on_stream_done(struct grpc_client_user *u, int status, struct rk_str text)
{
    struct listener *l = rk_container_of(u, struct listener, user);

    l->call = NULL;
    if (!l->t->end_us || rk_mono_us() < l->t->end_us)
        (void)fprintf(stderr, "talk: stream ended: %d %.*s\n", status, RK_STR_ARG(text));
}

static const struct grpc_client_ops LISTEN_OPS = {
    .headers = on_headers, .message = on_message, .done = on_stream_done};

/* ---- sending */

static void on_sent(struct grpc_client_user *u, int status, struct rk_str text)
{
    struct sending *s = rk_container_of(u, struct sending, user);

    (void)text;
    s->t->open--;
    s->t->refused += status != GRPC_OK;
    free(s);
}

static void on_empty(struct grpc_client_user *u, struct rk_str body)
{
    (void)u;
    (void)body;
}

static const struct grpc_client_ops SEND_OPS = {.message = on_empty, .done = on_sent};

static void send_one(struct talk *t)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    Signalexchange__EncryptedMessage m = SIGNALEXCHANGE__ENCRYPTED_MESSAGE__INIT;
    struct sending *s = rk_calloc(1, sizeof *s);
    char *body = rk_arena_alloc(mem, t->bytes);
    int64_t now = rk_mono_us();
    struct rk_str wire;

    memset(body, 'x', t->bytes);
    memcpy(body, &now, sizeof now);
    m.key = (char *)(uintptr_t) "talk";
    m.remotekey = t->listeners[t->next++ % t->pairs].key;
    m.body = pb_bytes_of(rk_str_of(body, t->bytes));
    s->user.ops = &SEND_OPS;
    s->t = t;
    if (pb_pack(mem, &m.base, &wire, NULL) ||
        grpc_client_unary(t->senders[t->sent % SENDERS].channel, SERVICE "Send", wire, 20000,
                          &s->user, &s->call, NULL)) {
        free(s);
        fatal("send", "the connection is gone");
    }
    t->sent++;
    t->open++;
}

static void on_tick(void *arg)
{
    struct talk *t = arg;
    int64_t now = rk_mono_us();

    if (!t->began_us && t->registered == t->pairs) {
        t->began_us = now + 300000; /* others may have to hear of the streams */
        t->end_us = t->began_us + t->seconds * 1000000;
    }
    if (t->began_us && now >= t->began_us) {
        int64_t due = (rk_min_i64(now, t->end_us) - t->began_us) * t->rate / 1000000;

        while (t->sent < due && t->open < OPEN_MAX)
            send_one(t);
    }
    if (t->end_us &&
        (now > t->end_us + DRAIN_MS * 1000 || (now > t->end_us && t->got >= t->sent && !t->open))) {
        finish(t);
        return;
    }
    rk_timer_start(t->loop, &t->tick, TICK_MS, on_tick, t);
}

/* ---- connections */

static void listen_all(struct talk *t)
{
    for (size_t i = 0; i < t->pairs && !t->ghosts; i++) {
        struct listener *l = &t->listeners[i];
        struct grpc_header key = {RK_STR("x-wiretrustee-peer-id"), rk_str_z(l->key)};

        l->user.ops = &LISTEN_OPS;
        if (grpc_client_call(t->conns[i / PER_CHANNEL].channel, SERVICE "ConnectStream", &key, 1, 0,
                             &l->user, &l->call, NULL))
            fatal("register", "the connection is gone");
    }
    if (t->ghosts)
        t->registered = t->pairs;
    rk_timer_start(t->loop, &t->tick, TICK_MS, on_tick, t);
}

static void on_ready(struct grpc_channel_user *u)
{
    struct talk *t = rk_container_of(u, struct conn, user)->t;

    if (++t->ready == t->n_conns + SENDERS)
        listen_all(t);
}

static void on_down(struct grpc_channel_user *u, const struct rk_err *why)
{
    struct conn *c = rk_container_of(u, struct conn, user);

    c->channel = NULL;
    if (!c->t->end_us || rk_mono_us() < c->t->end_us)
        fatal("connection", why->msg);
}

static const struct grpc_channel_ops CONN_OPS = {on_ready, on_down};

static void conn_open(struct talk *t, struct conn *c, const struct place *p)
{
    struct grpc_channel_opts o = {.host = p->host, .port = p->port};
    struct rk_err err = {0};

    c->user.ops = &CONN_OPS;
    c->t = t;
    if (grpc_channel_open(t->loop, &o, &c->user, &c->channel, &err))
        fatal("connect", err.msg);
}

static void begin(void *arg)
{
    struct talk *t = arg;

    for (size_t i = 0; i < t->n_conns; i++)
        conn_open(t, &t->conns[i], &t->to);
    for (size_t i = 0; i < SENDERS; i++)
        conn_open(t, &t->senders[i], &t->from);
}

/* ---- the end */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double at(const struct talk *t, double p)
{
    size_t n = (size_t)rk_min_i64(t->got, (int64_t)t->cap);

    return n ? (double)(long long)(t->ms[(size_t)((double)(n - 1) * p)] * 1000) / 1000 : 0;
}

static void finish(struct talk *t)
{
    json_t *j;

    qsort(t->ms, (size_t)rk_min_i64(t->got, (int64_t)t->cap), sizeof *t->ms, by_value);
    j = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:f}", "pairs", (json_int_t)t->pairs, "rate",
                  (json_int_t)t->rate, "sent", (json_int_t)t->sent, "arrived", (json_int_t)t->got,
                  "lost", (json_int_t)(t->sent - t->got), "refused", (json_int_t)t->refused,
                  "p50_ms", at(t, 0.5), "p99_ms", at(t, 0.99), "max_ms", at(t, 1));
    (void)json_dumpf(j, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    (void)putchar('\n');
    (void)fflush(stdout);
    exit(t->got == t->sent && !t->refused ? 0 : 3);
}

static void place_of(const char *text, struct place *out)
{
    struct rk_str host, port;

    if (!rk_str_cut(rk_str_z(text), ':', &host, &port) || host.n >= sizeof out->host)
        fatal("address", text);
    (void)snprintf(out->host, sizeof out->host, "%.*s", RK_STR_ARG(host));
    out->port = (uint16_t)strtoul(port.p, NULL, 10);
}

int main(int argc, char **argv)
{
    struct talk t = {0};
    struct rk_err err = {0};

    t.ghosts = argc == 8 && strcmp(argv[7], "ghosts") == 0;
    if (argc != 7 && !t.ghosts) {
        (void)fprintf(stderr, "usage: talk FROM:PORT TO:PORT PAIRS RATE SECONDS BYTES [ghosts]\n");
        return 2;
    }
    place_of(argv[1], &t.from);
    place_of(argv[2], &t.to);
    t.pairs = strtoul(argv[3], NULL, 10);
    t.rate = strtol(argv[4], NULL, 10);
    t.seconds = strtol(argv[5], NULL, 10);
    t.bytes = strtoul(argv[6], NULL, 10);
    if (!t.pairs || t.pairs > PAIRS_MAX || t.rate < 1 || t.seconds < 1 || t.bytes < 8)
        fatal("numbers", "out of range");
    t.cap = (size_t)(t.rate * t.seconds);
    t.ms = rk_calloc(t.cap, sizeof *t.ms);
    t.n_conns = (t.pairs + PER_CHANNEL - 1) / PER_CHANNEL;
    t.conns = rk_calloc(t.n_conns, sizeof *t.conns);
    t.listeners = rk_calloc(t.pairs, sizeof *t.listeners);
    for (size_t i = 0; i < t.pairs; i++) {
        t.listeners[i].t = &t;
        (void)snprintf(t.listeners[i].key, sizeof t.listeners[i].key, "listener-%zu", i);
    }
    if (rk_loop_new(&t.loop, &err))
        fatal("loop", err.msg);
    rk_loop_call(t.loop, begin, &t);
    rk_loop_run(t.loop);
    return 1;
}
