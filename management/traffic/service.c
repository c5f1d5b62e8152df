/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flow.FlowService/Events on the loop: a stream collects rows while its last batch is at the
 * writer, so many messages share one transaction and a stream holds two batches at most. Then flow
 * control holds the agent back.
 */
#include "config.h"

#include <stdlib.h>

#include "lib/grpc/server.h"
#include "management/push/flow_token.h"
#include "management/push/servers.h"
#include "management/traffic/decode.h"
#include "management/traffic/impl.h"
#include "schema/pb_arena.h"

#define MESSAGE_MAX  4096 /* bytes; an event has some 300 */
#define BATCH_ROWS   256
#define CROWDED      50000 /* rows that wait in all: from here on */
#define CROWDED_ROWS 16    /* ... a batch has so many */
#define BATCH_ARENA  ((size_t)4 << 20)
#define LOG_EVERY_MS 60000

struct batch {
    struct traffic_batch b;
    struct rk_arena *mem; /* this struct is in it */
    struct stream *stream;
    struct traffic_row rows[BATCH_ROWS];
};

struct stream { /* grpc_call_data() */
    struct traffic *t;
    struct grpc_call *call; /* NULL: over */
    struct rk_str account_id, peer_id;
    struct batch *open; /* being filled; may be NULL */
    bool out;           /* another one is at the writer */
    bool paused;
    char text[]; /* of the two ids */
};

static void stream_free_if_over(struct stream *s)
{
    if (s->call || s->out)
        return;
    if (s->open)
        rk_arena_free(s->open->mem);
    free(s);
}

/* ---- to the writer and back */

static void acknowledge(struct grpc_call *c, struct rk_arena *mem, const struct batch *b)
{
    for (size_t i = 0; i < b->b.n; i++) {
        Flow__FlowEventAck ack = FLOW__FLOW_EVENT_ACK__INIT;
        struct rk_str body;

        ack.event_id = pb_bytes_of(b->rows[i].event_id);
        if (pb_pack(mem, &ack.base, &body, NULL) == RK_OK)
            grpc_call_send(c, body);
    }
}

static void send_open(struct stream *s);

static void batch_done(struct traffic_batch *tb, bool stored)
{
    struct batch *b = rk_container_of(tb, struct batch, b);
    struct stream *s = b->stream;

    s->out = false;
    if (stored) {
        rk_metric_add(s->t->stored, (int64_t)tb->n);
        if (s->call)
            acknowledge(s->call, b->mem, b);
    }
    rk_arena_free(b->mem);
    if (s->call && s->open)
        send_open(s);
    if (s->call && s->paused) {
        s->paused = false;
        grpc_call_resume(s->call);
    }
    stream_free_if_over(s);
}

static void send_open(struct stream *s)
{
    struct batch *b = s->open;

    s->open = NULL;
    s->out = true;
    traffic_writer_put(s->t->writer, &b->b);
}

static struct batch *open_batch(struct stream *s)
{
    struct rk_arena *mem;

    if (s->open)
        return s->open;
    mem = rk_arena_new(BATCH_ARENA);
    s->open = rk_new(mem, struct batch);
    s->open->mem = mem;
    s->open->stream = s;
    s->open->b = (struct traffic_batch){.account_id = rk_arena_dup(mem, s->account_id),
                                        .rows = s->open->rows,
                                        .loop = grpc_call_loop(s->call),
                                        .done = batch_done};
    return s->open;
}

/* ---- the call */

static void fail(struct grpc_call *c, enum grpc_status status, const char *text)
{
    grpc_call_fail_status(c, status, rk_str_z(text));
}

static void begin(struct grpc_call *c)
{
    struct traffic *t = grpc_call_app(c);
    struct flow_token token;
    struct rk_err err = {0};
    struct stream *s;
    char *text;

    if (flow_token_read(&t->token_key, grpc_call_header(c, "authorization"),
                        mgmt_now_us(t->m) / 1000000, &token, &err)) {
        rk_log_every(&t->gate, LOG_EVERY_MS, mgmt_log(t->m), RK_INFO,
                     "somebody without a token hands in traffic events", KV_ERR(&err));
        fail(c, GRPC_UNAUTHENTICATED, err.msg);
        return;
    }
    s = rk_calloc(1, sizeof *s + token.account_id.n + token.peer_id.n);
    s->t = t;
    s->call = c;
    text = s->text;
    memcpy(text, token.account_id.p, token.account_id.n);
    s->account_id = rk_str_of(text, token.account_id.n);
    text += token.account_id.n;
    memcpy(text, token.peer_id.p, token.peer_id.n);
    s->peer_id = rk_str_of(text, token.peer_id.n);
    grpc_call_set_data(c, s);
    grpc_call_set_known(c);
    grpc_call_send_header(c, "server", "rookery"); /* agents wait for it */
    rk_log(mgmt_log(t->m), RK_DEBUG, "traffic events of a machine", kv_str("peer", s->peer_id));
}

/* Acknowledged, so that the agent does not send it for ever, but not kept: unreadable, or of a
 * machine that shall not record (a message that was on its way when that was decided). */
static void drop(struct stream *s, const Flow__FlowEvent *e)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(MESSAGE_MAX * 4);
    Flow__FlowEventAck ack = FLOW__FLOW_EVENT_ACK__INIT;
    struct rk_str body;

    rk_metric_add(s->t->refused, 1);
    ack.event_id = e->event_id;
    if (pb_pack(mem, &ack.base, &body, NULL) == RK_OK)
        grpc_call_send(s->call, body);
}

static void take(struct stream *s, const struct traffic_from *from, const Flow__FlowEvent *e)
{
    struct batch *b = open_batch(s);
    size_t most = traffic_writer_waiting(s->t->writer) < CROWDED ? BATCH_ROWS : CROWDED_ROWS;

    if (b->b.n == BATCH_ROWS) { /* it was held back and goes on */
        fail(s->call, GRPC_RESOURCE_EXHAUSTED, "too many traffic events at once");
        return;
    }
    if (!traffic_decode(from, e, b->mem, &b->rows[b->b.n])) {
        drop(s, e);
        return;
    }
    b->b.n++;
    if (!s->out) {
        send_open(s);
    } else if (b->b.n >= most) {
        s->paused = true;
        grpc_call_pause(s->call);
    }
}

static void message(struct grpc_call *c, struct rk_str body)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(MESSAGE_MAX * 8);
    struct stream *s = grpc_call_data(c);
    struct traffic_from from;
    const Flow__FlowEvent *e;

    if (!s)
        return;
    e = pb_unpack(mem, &flow__flow_event__descriptor, body, NULL);
    if (!e) {
        fail(c, GRPC_INVALID_ARGUMENT, "not a traffic event");
        return;
    }
    if (e->isinitiator)
        return;
    from = (struct traffic_from){.snap = mgmt_snapshot_try(s->t->m, s->account_id),
                                 .addresses_only = s->t->addresses_only,
                                 .now_us = mgmt_now_us(s->t->m)};
    from.reporter = from.snap ? snap_index_of(from.snap, s->peer_id) : SNAP_NO_PEER;
    if (!from.snap) /* it will be when its machines have come back */
        fail(c, GRPC_UNAVAILABLE, "the account is not loaded");
    else if (from.reporter == SNAP_NO_PEER)
        fail(c, GRPC_UNAUTHENTICATED, "the machine is not registered");
    else if (!servers_agent_of(from.snap, from.reporter).traffic)
        drop(s, e);
    else
        take(s, &from, e);
    snap_unref(from.snap);
}

static void half_closed(struct grpc_call *c)
{
    grpc_call_finish(c);
}

static void ended(struct grpc_call *c, enum rk_code why)
{
    struct stream *s = grpc_call_data(c);

    (void)why;
    if (!s)
        return;
    grpc_call_set_data(c, NULL);
    s->call = NULL;
    stream_free_if_over(s);
}

const struct grpc_method TRAFFIC_METHODS[] = {
    {.path = "/flow.FlowService/Events",
     .kind = GRPC_BIDI,
     .max_request_bytes = MESSAGE_MAX,
     .begin = begin,
     .message = message,
     .half_closed = half_closed,
     .ended = ended},
};
const size_t TRAFFIC_N_METHODS = RK_ARRAY_LEN(TRAFFIC_METHODS);
