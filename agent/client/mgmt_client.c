/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Management client; see mgmt_client.h. Calls and streams are both a struct req that goes through
 * WAIT (for the connection), KEY (GetServerKey under way) and TALK (the call itself).
 */
#include "config.h"

#include "agent/client/mgmt_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/client/backoff.h"
#include "agent/config/version.h"
#include "lib/base/bytes.h"
#include "lib/base/list.h"
#include "lib/crypto/box.h"
#include "lib/grpc/client.h"
#include "schema/gen/management.pb-c.h"
#include "schema/pb_arena.h"

#define SERVICE "/management.ManagementService/"

#define CONNECT_TIMEOUT_MS   30000
#define KEEPALIVE_MS         30000
#define KEEPALIVE_TIMEOUT_MS 10000
#define KEY_TIMEOUT_MS       5000
#define KEY_ANSWER_MAX       65536
/* One sealed message; what official agents accept. */
#define MESSAGE_MAX_BYTES ((size_t)16 << 20)

static const struct method {
    const char *path;
    int64_t timeout_ms;
    bool clear_answer; /* the answer is an empty message in the clear */
} METHODS[] = {
    [MGMT_CLIENT_LOGIN] = {SERVICE "Login", 10000, false},
    [MGMT_CLIENT_SYNC_META] = {SERVICE "SyncMeta", 10000, true},
    [MGMT_CLIENT_LOGOUT] = {SERVICE "Logout", 15000, true},
    [MGMT_CLIENT_DEVICE_FLOW] = {SERVICE "GetDeviceAuthorizationFlow", 2000, false},
    [MGMT_CLIENT_PKCE_FLOW] = {SERVICE "GetPKCEAuthorizationFlow", 2000, false},
    [MGMT_CLIENT_EXTEND] = {SERVICE "ExtendAuthSession", 10000, false},
};

static const struct method STREAMS[] = {
    [MGMT_CLIENT_SYNC] = {SERVICE "Sync", 0, false},
    [MGMT_CLIENT_JOB] = {SERVICE "Job", 0, false},
};

enum phase { WAIT, KEY, TALK };

struct req;
struct req_ops {
    void (*message)(struct req *r, struct rk_str plain);
    void (*done)(struct req *r, int status, const struct rk_err *err); /* r is freed afterwards */
};

struct req {
    struct rk_list link; /* in mgc.reqs */
    struct mgmt_client *m;
    const struct method *method;
    const struct req_ops *ops; /* NULL: nobody cares any more */
    struct grpc_client_user gu;
    struct grpc_client_call *call; /* in KEY and TALK */
    enum phase phase;
    bool keep_open; /* Job: our side goes on sending */
    bool have_key;
    struct box_shared box;
    struct rk_arena *mem; /* wiping: the request's plain text */
    struct rk_str plain;
    struct rk_err bad; /* an answer that could not be read: reported at the end */
};

struct mgmt_client {
    struct rk_loop *loop;
    struct rk_log *log;
    char *host;
    uint16_t port;
    struct tls_ctx *tls;
    uint32_t fwmark;
    struct rk_key private_key;
    char public_text[RK_KEY_TEXT + 1];
    struct grpc_channel_user cu;
    struct grpc_channel *ch; /* NULL: not connected */
    bool ready;
    struct rk_list reqs;    /* all that are not finished */
    struct rk_list streams; /* all mgmt_client_stream */
    bool closing;
    struct rk_timer *timer; /* opens the channel, or frees us */
};

struct mgmt_client_call {
    struct req req;
    struct mgmt_client_call_user *user;
    struct rk_str answer; /* in req.mem */
};

struct mgmt_client_stream {
    struct rk_list link;
    struct mgmt_client *m;
    struct mgmt_client_stream_user *user;
    enum mgmt_client_stream_kind kind;
    struct backoff wait;
    struct rk_timer *timer;
    struct stream_req *cur; /* the running attempt */
};

struct stream_req {
    struct req req;
    struct mgmt_client_stream *s;
    bool up;
};

/* ---- requests */

static void req_free(struct req *r)
{
    rk_list_remove(&r->link);
    box_shared_wipe(&r->box);
    rk_arena_free(r->mem);
    free(r);
}

static void req_finish(struct req *r, int status, const struct rk_err *err)
{
    const struct req_ops *ops = r->ops;

    r->ops = NULL;
    r->call = NULL;
    rk_list_remove(&r->link);
    if (ops)
        ops->done(r, status, err);
    req_free(r);
}

static void req_fail(struct req *r, int status, const char *text)
{
    struct rk_err err = {0};

    (void)rk_fail(&err, grpc_status_code(status), "%s", text);
    req_finish(r, status, &err);
}

/* Drop a request: nobody hears of it again. */
static void req_drop(struct req *r)
{
    r->ops = NULL;
    if (r->call)
        grpc_client_cancel(r->call); /* done() frees it */
    else
        req_free(r);
}

static void take_key(struct req *r, struct rk_str body)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(KEY_ANSWER_MAX);
    Management__ServerKeyResponse *msg;
    struct rk_key server;

    msg = pb_unpack(mem, &management__server_key_response__descriptor, body, &r->bad);
    if (!msg || rk_key_parse_wire(rk_str_z(msg->key), &server, &r->bad) ||
        box_shared_init(&r->m->private_key, &server, &r->box, &r->bad)) {
        (void)rk_wrap(&r->bad, "key of the management server");
        return;
    }
    r->have_key = true;
}

static void take_answer(struct req *r, struct rk_str body)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(4 * MESSAGE_MAX_BYTES);
    Management__EncryptedMessage *msg;
    struct rk_str plain = {0};

    if (!r->method->clear_answer) {
        msg = pb_unpack(mem, &management__encrypted_message__descriptor, body, &r->bad);
        if (!msg || box_open_new(&r->box, mem, pb_bytes(msg->body), &plain, &r->bad)) {
            (void)rk_wrap(&r->bad, "answer of the management server");
            if (r->call)
                grpc_client_cancel(r->call);
            return;
        }
    }
    if (r->ops)
        r->ops->message(r, plain);
}

static void on_message(struct grpc_client_user *u, struct rk_str body)
{
    struct req *r = rk_container_of(u, struct req, gu);

    if (r->bad.code || !r->ops)
        return;
    if (r->phase == KEY)
        take_key(r, body);
    else
        take_answer(r, body);
}

static void req_send(struct req *r, struct rk_str plain)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    Management__EncryptedMessage msg = MANAGEMENT__ENCRYPTED_MESSAGE__INIT;
    struct rk_str body;

    msg.wgpubkey = r->m->public_text;
    msg.body = pb_bytes_of(box_seal_new(&r->box, mem, plain));
    if (pb_pack(mem, &msg.base, &body, NULL) == RK_OK)
        grpc_client_send(r->call, body);
}

static const struct grpc_client_ops GRPC_OPS;

static void start_talk(struct req *r)
{
    struct rk_err err = {0};

    r->phase = TALK;
    r->gu.ops = &GRPC_OPS;
    if (grpc_client_call(r->m->ch, r->method->path, NULL, 0, r->method->timeout_ms, &r->gu,
                         &r->call, &err)) {
        r->call = NULL;
        req_finish(r, GRPC_UNAVAILABLE, &err);
        return;
    }
    req_send(r, r->plain);
    if (!r->keep_open)
        grpc_client_half_close(r->call);
}

static void start_key(struct req *r)
{
    struct rk_err err = {0};

    r->phase = KEY;
    r->gu.ops = &GRPC_OPS;
    if (grpc_client_unary(r->m->ch, SERVICE "GetServerKey", (struct rk_str){0}, KEY_TIMEOUT_MS,
                          &r->gu, &r->call, &err)) {
        r->call = NULL;
        req_finish(r, GRPC_UNAVAILABLE, &err);
    }
}

static void on_done(struct grpc_client_user *u, int status, struct rk_str text)
{
    struct req *r = rk_container_of(u, struct req, gu);
    struct rk_err err = r->bad;

    r->call = NULL;
    if (!r->ops) { /* dropped meanwhile */
        req_free(r);
        return;
    }
    if (err.code) {
        req_finish(r, GRPC_DATA_LOSS, &err);
        return;
    }
    if (status != GRPC_OK) {
        (void)rk_fail(&err, grpc_status_code(status), "%s: %.*s", grpc_status_name(status),
                      RK_STR_ARG(text));
        req_finish(r, status, &err);
        return;
    }
    if (r->phase == TALK)
        req_finish(r, GRPC_OK, NULL);
    else if (!r->have_key)
        req_fail(r, GRPC_DATA_LOSS, "the management server gave no key");
    else if (!r->m->ch)
        req_fail(r, GRPC_UNAVAILABLE, "connection lost");
    else
        start_talk(r);
}

static const struct grpc_client_ops GRPC_OPS = {.message = on_message, .done = on_done};

/* ---- the connection */

/* Start what waits for the connection. Starting may finish requests, and their callbacks may drop
 * others, so begin again after each one. */
static void start_waiting(struct mgmt_client *m)
{
    bool again = true;

    while (again && m->ready && m->ch) {
        again = false;
        RK_LIST_FOR_EACH (it, &m->reqs) {
            struct req *r = rk_container_of(it, struct req, link);

            if (r->phase == WAIT) {
                start_key(r);
                again = true;
                break;
            }
        }
    }
}

static void fail_waiting(struct mgmt_client *m, const struct rk_err *why)
{
    bool again = true;

    while (again) {
        again = false;
        RK_LIST_FOR_EACH (it, &m->reqs) {
            struct req *r = rk_container_of(it, struct req, link);

            if (r->phase == WAIT) {
                req_finish(r, GRPC_UNAVAILABLE, why);
                again = true;
                break;
            }
        }
    }
}

static void reap(void *arg)
{
    struct mgmt_client *m = arg;

    rk_key_wipe(&m->private_key);
    free(m->host);
    free(m);
}

static void on_ready(struct grpc_channel_user *u)
{
    struct mgmt_client *m = rk_container_of(u, struct mgmt_client, cu);

    if (m->closing)
        return;
    m->ready = true;
    rk_log(m->log, RK_DEBUG, "management connected", kv_z("host", m->host));
    start_waiting(m);
}

static void on_down(struct grpc_channel_user *u, const struct rk_err *why)
{
    struct mgmt_client *m = rk_container_of(u, struct mgmt_client, cu);
    struct rk_err err = {0};

    m->ch = NULL;
    m->ready = false;
    if (m->closing) {
        rk_timer_start(m->loop, &m->timer, 0, reap, m);
        return;
    }
    /* RK_UNAUTHENTICATED: the server's certificate was refused, which waiting does not mend */
    (void)rk_fail(&err, why->code == RK_UNAUTHENTICATED ? why->code : RK_UNAVAILABLE,
                  "management server %s:%u: %s", m->host, m->port,
                  why->code ? why->msg : "connection closed");
    rk_log(m->log, RK_DEBUG, "management connection ended", KV_ERR(&err));
    fail_waiting(m, &err);
}

static const struct grpc_channel_ops CHANNEL_OPS = {.ready = on_ready, .down = on_down};

static void connect_now(void *arg)
{
    struct mgmt_client *m = arg;
    struct grpc_channel_opts opts = {.host = m->host,
                                     .port = m->port,
                                     .tls = m->tls,
                                     .user_agent = "rook/" AGENT_WIRE_VERSION,
                                     .fwmark = m->fwmark,
                                     .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                     .keepalive_ms = KEEPALIVE_MS,
                                     .keepalive_timeout_ms = KEEPALIVE_TIMEOUT_MS,
                                     .max_message_bytes = MESSAGE_MAX_BYTES,
                                     .log = m->log};
    struct rk_err err = {0};

    if (m->ch || rk_list_empty(&m->reqs)) {
        start_waiting(m);
        return;
    }
    m->cu.ops = &CHANNEL_OPS;
    if (grpc_channel_open(m->loop, &opts, &m->cu, &m->ch, &err)) {
        m->ch = NULL;
        fail_waiting(m, &err);
    }
}

static void req_start(struct req *r, struct mgmt_client *m, const struct method *method,
                      const ProtobufCMessage *msg, const struct req_ops *ops)
{
    r->m = m;
    r->method = method;
    r->ops = ops;
    r->phase = WAIT;
    if (!r->mem)
        r->mem = rk_arena_new_wiping(0);
    if (pb_pack(r->mem, msg, &r->plain, NULL)) /* no ceiling: cannot fail */
        r->plain = (struct rk_str){0};
    rk_list_push_back(&m->reqs, &r->link);
    rk_timer_start(m->loop, &m->timer, 0, connect_now, m);
}

struct mgmt_client *mgmt_client_open(const struct mgmt_client_opts *opts)
{
    struct mgmt_client *m = rk_calloc(1, sizeof *m);
    struct rk_key pub;

    m->loop = opts->loop;
    m->log = opts->log;
    m->host = rk_str_dupz(rk_str_z(opts->host));
    m->port = opts->port;
    m->tls = opts->tls;
    m->fwmark = opts->fwmark;
    m->private_key = opts->private_key;
    rk_key_public(&m->private_key, &pub);
    rk_key_format(&pub, m->public_text);
    rk_list_init(&m->reqs);
    rk_list_init(&m->streams);
    return m;
}

void mgmt_client_close(struct mgmt_client *m)
{
    if (!m || m->closing)
        return;
    m->closing = true;
    rk_timer_cancel(&m->timer);
    while (!rk_list_empty(&m->streams))
        mgmt_client_stream_close(rk_container_of(m->streams.next, struct mgmt_client_stream, link));
    RK_LIST_FOR_EACH_SAFE (it, &m->reqs)
        req_drop(rk_container_of(it, struct req, link));
    if (m->ch)
        grpc_channel_close(m->ch);
    else
        rk_timer_start(m->loop, &m->timer, 0, reap, m);
}

bool mgmt_client_is_connected(const struct mgmt_client *m)
{
    return m->ch && m->ready;
}

/* ---- calls */

static void call_message(struct req *r, struct rk_str plain)
{
    struct mgmt_client_call *c = rk_container_of(r, struct mgmt_client_call, req);

    c->answer = rk_arena_dup(r->mem, plain);
}

static void call_done(struct req *r, int status, const struct rk_err *err)
{
    struct mgmt_client_call *c = rk_container_of(r, struct mgmt_client_call, req);

    c->user->ops->done(c->user, status, c->answer, err);
}

static const struct req_ops CALL_OPS = {.message = call_message, .done = call_done};

struct mgmt_client_call *mgmt_client_call(struct mgmt_client *m, enum mgmt_client_method method,
                                          const ProtobufCMessage *msg,
                                          struct mgmt_client_call_user *user)
{
    struct mgmt_client_call *c = rk_calloc(1, sizeof *c);

    c->user = user;
    req_start(&c->req, m, &METHODS[method], msg, &CALL_OPS);
    return c;
}

void mgmt_client_call_cancel(struct mgmt_client_call *c)
{
    if (c)
        req_drop(&c->req);
}

/* ---- streams */

static void stream_try(void *arg);

static void stream_up(struct stream_req *sr)
{
    if (sr->up)
        return;
    sr->up = true;
    backoff_reset(&sr->s->wait);
    if (sr->s->user->ops->up)
        sr->s->user->ops->up(sr->s->user);
}

static void stream_message(struct req *r, struct rk_str plain)
{
    struct stream_req *sr = rk_container_of(r, struct stream_req, req);

    stream_up(sr);
    if (r->ops) /* up() may have closed us */
        sr->s->user->ops->message(sr->s->user, plain);
}

static void stream_done(struct req *r, int status, const struct rk_err *err)
{
    struct mgmt_client_stream *s = rk_container_of(r, struct stream_req, req)->s;
    struct rk_err end = {0};

    s->cur = NULL;
    if (status == GRPC_PERMISSION_DENIED ||
        (s->kind == MGMT_CLIENT_JOB && status == GRPC_UNIMPLEMENTED)) {
        struct mgmt_client_stream_user *u = s->user;

        rk_list_remove(&s->link);
        rk_timer_cancel(&s->timer);
        free(s);
        u->ops->refused(u, status, err);
        return;
    }
    if (!err) {
        (void)rk_fail(&end, RK_UNAVAILABLE, "the management server ended the stream");
        err = &end;
    }
    rk_timer_start(s->m->loop, &s->timer, backoff_next_ms(&s->wait), stream_try, s);
    if (s->user->ops->down)
        s->user->ops->down(s->user, err);
}

static const struct req_ops STREAM_OPS = {.message = stream_message, .done = stream_done};

static void stream_try(void *arg)
{
    struct mgmt_client_stream *s = arg;
    struct stream_req *sr = rk_calloc(1, sizeof *sr);
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);

    sr->s = s;
    sr->req.keep_open = s->kind == MGMT_CLIENT_JOB;
    s->cur = sr;
    req_start(&sr->req, s->m, &STREAMS[s->kind], s->user->ops->hello(s->user, mem), &STREAM_OPS);
}

struct mgmt_client_stream *mgmt_client_stream(struct mgmt_client *m,
                                              enum mgmt_client_stream_kind kind,
                                              struct mgmt_client_stream_user *user)
{
    struct mgmt_client_stream *s = rk_calloc(1, sizeof *s);

    s->m = m;
    s->kind = kind;
    s->user = user;
    s->wait = (struct backoff){
        .first_ms = 800, .max_ms = 10000, .factor_permille = 1700, .spread_permille = 1000};
    rk_list_push_back(&m->streams, &s->link);
    rk_timer_start(m->loop, &s->timer, 0, stream_try, s);
    return s;
}

void mgmt_client_stream_close(struct mgmt_client_stream *s)
{
    if (!s)
        return;
    rk_timer_cancel(&s->timer);
    if (s->cur)
        req_drop(&s->cur->req);
    rk_list_remove(&s->link);
    free(s);
}

void mgmt_client_stream_send(struct mgmt_client_stream *s, const ProtobufCMessage *msg)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct req *r = s->cur ? &s->cur->req : NULL;
    struct rk_str plain;

    if (r && r->phase == TALK && r->call && pb_pack(mem, msg, &plain, NULL) == RK_OK)
        req_send(r, plain);
}

static void streams_hurry(struct mgmt_client *m, bool anew)
{
    RK_LIST_FOR_EACH (it, &m->streams) {
        struct mgmt_client_stream *s = rk_container_of(it, struct mgmt_client_stream, link);

        if (anew)
            backoff_reset(&s->wait);
        if (!s->cur)
            rk_timer_start(m->loop, &s->timer, 0, stream_try, s);
    }
}

void mgmt_client_hurry(struct mgmt_client *m)
{
    streams_hurry(m, false);
}

void mgmt_client_network(struct mgmt_client *m, const struct rk_ip *own, size_t n)
{
    struct rk_addr peer, local;

    if (m->ch && grpc_channel_addrs(m->ch, &peer, &local, NULL) == RK_OK &&
        !rk_ip_among(&local.ip, own, n))
        grpc_channel_close(m->ch);
    streams_hurry(m, true);
}
