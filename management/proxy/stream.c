/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SyncMappings and GetMappingUpdate. A stream belongs to its call's loop; what it knows of accounts
 * is looked up by one work at a time (tell.c), which has the stream's `sent` for itself meanwhile.
 *
 *   loop:  init ─▶ look ─────────────────▶ messages, one per ack ─▶ … ─▶ ended ─▶ last work ─▶ free
 *                   ▲ │ store thread: tell_look
 *                   └─┘ a change, or the timer
 */
#include "config.h"

#include <stdlib.h>

#include "lib/base/id.h"
#include "management/proxy/stream.h"

#define HEARTBEAT_MS 60000
#define SHARED_MS    5000               /* accounts that only another process has loaded */
#define WAITING_MAX  ((size_t)16 << 20) /* bytes that a proxy does not take */

/* ---- sending */

/* NULL: empty. */
static struct tell_msg *pop(struct rk_list *l)
{
    struct rk_list *first = rk_list_pop_front(l);

    return first ? rk_container_of(first, struct tell_msg, link) : NULL;
}

static void pump(struct proxy_stream *s)
{
    while (s->call && (s->synced || !s->acks || !s->unacked)) {
        struct tell_msg *m = pop(&s->waiting);

        if (!m)
            return;
        s->unacked = true;
        if (m->last)
            s->synced = true;
        s->n_waiting -= m->bytes->n;
        grpc_call_send_owned(s->call, m->bytes);
        free(m);
    }
}

static void drop(struct rk_list *l)
{
    for (struct tell_msg *m; (m = pop(l)) != NULL; free(m))
        rk_bytes_unref(m->bytes);
}

/* ---- life */

/* Nobody holds it any more. Loop. */
static void maybe_free(struct proxy_stream *s)
{
    bool woken;

    if (s->call || s->out)
        return;
    (void)pthread_mutex_lock(&s->p->lock);
    woken = s->woken;
    (void)pthread_mutex_unlock(&s->p->lock);
    if (woken)
        return;
    drop(&s->waiting);
    drop(&s->made);
    tell_forget(s);
    rk_arena_free(s->mem);
    free(s);
}

static void fail(struct proxy_stream *s, const struct rk_err *err)
{
    struct grpc_call *call = s->call;

    s->failed = true;
    if (call)
        proxy_fail(call, err); /* ended() follows, perhaps at once */
}

static void look(struct proxy_stream *s);

static void look_done(struct rk_work *w, enum rk_code rc)
{
    struct proxy_stream *s = rk_container_of(w, struct proxy_stream, work);
    struct rk_err err = s->err;

    s->out = false;
    if (!s->call) {
        if (s->registered && !s->gone && rc == RK_OK)
            look(s); /* once more, to say that it is gone */
        maybe_free(s);
        return;
    }
    if (rc)
        (void)rk_fail(&err, RK_UNAVAILABLE, "the server is stopping");
    if (s->failed)
        return; /* the end of the call is near */
    if (err.code) {
        fail(s, &err);
        return;
    }
    for (struct tell_msg *m; (m = pop(&s->made)) != NULL;) {
        s->n_waiting += m->bytes->n;
        rk_list_push_back(&s->waiting, &m->link);
    }
    if (s->n_waiting > WAITING_MAX || grpc_call_queued(s->call) > WAITING_MAX) {
        (void)rk_fail(&err, RK_LIMIT, "the proxy does not take what it is told");
        fail(s, &err);
        return;
    }
    pump(s);
    if (s->again)
        look(s);
}

static void look_run(struct rk_work *w, struct db *db)
{
    struct proxy_stream *s = rk_container_of(w, struct proxy_stream, work);

    tell_look(s, db, &s->err);
}

static void look(struct proxy_stream *s)
{
    if (s->out) {
        s->again = true;
        return;
    }
    s->again = false;
    s->closing = !s->call;
    s->work = (struct rk_work){.run = look_run, .done = look_done, .loop = s->loop};
    s->err = (struct rk_err){0};
    s->out = rk_pool_submit(s->p->o.store, &s->work) == RK_OK;
    if (!s->out && s->call)
        s->again = true; /* the line is full: the timer asks again */
}

static void tick(void *arg)
{
    struct proxy_stream *s = arg;
    bool shared = mgmt_is_shared(s->p->o.mgmt);

    rk_timer_start(s->loop, &s->timer, shared ? SHARED_MS : HEARTBEAT_MS, tick, s);
    look(s);
}

/* ---- being told */

static void wake_on_loop(struct rk_task *t)
{
    struct proxy_stream *s = rk_container_of(t, struct proxy_stream, wake);
    struct rk_err err = {0};
    bool superseded;

    (void)pthread_mutex_lock(&s->p->lock);
    s->woken = false;
    superseded = s->superseded;
    (void)pthread_mutex_unlock(&s->p->lock);
    if (!s->call) {
        maybe_free(s);
    } else if (superseded && !s->failed) {
        (void)rk_fail(&err, RK_CANCELLED, "the proxy has connected anew");
        fail(s, &err);
    } else if (!s->failed) {
        look(s);
    }
}

/* p->lock is held. */
static void wake(struct proxy_stream *s)
{
    if (s->woken)
        return;
    s->woken = true;
    s->wake = (struct rk_task){.run = wake_on_loop};
    rk_loop_post(s->loop, &s->wake);
}

static bool moved(const struct change *c)
{
    const struct peer *a = c->before, *b = c->after;

    return !a || !b || !rk_ip_eq(&a->ip, &b->ip);
}

static bool concerns(const struct change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (changes[i].kind == ENT_SERVICE || changes[i].kind == ENT_RESOURCE ||
            (changes[i].kind == ENT_PEER && moved(&changes[i])))
            return true;
    return n == 0;
}

void proxy_streams_changed(struct proxies *p, const struct snapshot *old,
                           const struct snapshot *now, const struct change *changes, size_t n)
{
    const struct snapshot *any = now ? now : old;

    if (!any ||
        ((!old || !snap_count(old, ENT_SERVICE)) && (!now || !snap_count(now, ENT_SERVICE))))
        return;
    if (old && now && !concerns(changes, n))
        return;
    (void)pthread_mutex_lock(&p->lock);
    RK_LIST_FOR_EACH (l, &p->streams) {
        struct proxy_stream *s = rk_container_of(l, struct proxy_stream, link);

        /* who it is is not known before its first look: then it looks once too often */
        if (!s->known || !s->token.account_id.n ||
            rk_str_eq(s->token.account_id, snap_account(any)->id))
            wake(s);
    }
    (void)pthread_mutex_unlock(&p->lock);
}

/* ---- the calls */

struct hello { /* of both kinds of streams */
    const char *id, *version, *address;
    const Management__ProxyCapabilities *caps;
};

static void take_caps(struct proxy_stream *s, const Management__ProxyCapabilities *c)
{
    struct proxy_node *n = &s->node;

    n->custom_ports = n->require_subdomain = n->crowdsec = n->overlay = TRI_UNKNOWN;
    if (!c)
        return;
    if (c->custom_ports_case)
        n->custom_ports = c->supports_custom_ports ? TRI_YES : TRI_NO;
    if (c->subdomain_case)
        n->require_subdomain = c->require_subdomain ? TRI_YES : TRI_NO;
    if (c->crowdsec_case)
        n->crowdsec = c->supports_crowdsec ? TRI_YES : TRI_NO;
    if (c->overlay_case)
        n->overlay = c->private_ ? TRI_YES : TRI_NO;
    s->takes_private = c->private_service_case && c->supports_private_service;
}

static void enter(struct proxies *p, struct proxy_stream *s)
{
    (void)pthread_mutex_lock(&p->lock);
    RK_LIST_FOR_EACH (l, &p->streams) {
        struct proxy_stream *o = rk_container_of(l, struct proxy_stream, link);

        /* only of the same token: a stranger ends nobody's stream by a guessed id */
        if (rk_str_eq(o->node.id, s->node.id) && rk_str_eq(o->header, s->header)) {
            o->superseded = true;
            wake(o);
        }
    }
    rk_list_push_back(&p->streams, &s->link);
    (void)pthread_mutex_unlock(&p->lock);
}

static void refuse(struct grpc_call *c, enum grpc_status status, const char *why)
{
    grpc_call_fail_status(c, status, rk_str_z(why));
}

static void open_stream(struct grpc_call *c, const struct hello *h, bool acks)
{
    struct proxies *p = proxies_of(c);
    struct proxy_stream *s;
    char ip[RK_ADDR_TEXT];
    struct rk_str peer = rk_ip_format(&grpc_call_peer(c)->ip, ip);

    if (!proxy_may_try(p, peer)) {
        refuse(c, GRPC_RESOURCE_EXHAUSTED, "too many wrong tokens from this address");
        return;
    }
    if (!h->id[0] || strlen(h->id) > 255) {
        refuse(c, GRPC_INVALID_ARGUMENT, "proxy_id has 1 to 255 characters");
        return;
    }
    s = rk_calloc(1, sizeof *s);
    s->p = p;
    s->call = c;
    s->loop = grpc_call_loop(c);
    s->acks = acks;
    s->mem = rk_arena_new(0);
    rk_list_init(&s->waiting);
    rk_list_init(&s->made);
    rk_map_init(&s->sent, true);
    s->header = rk_arena_dup(s->mem, grpc_call_header(c, "authorization"));
    s->node = (struct proxy_node){
        .id = rk_arena_dup(s->mem, rk_str_z(h->id)),
        .session = rk_uuid_new(s->mem),
        .cluster = rk_arena_dup(s->mem, rk_str_z(h->address)),
        .ip = rk_arena_dup(s->mem, peer),
        .version = rk_arena_dup(s->mem, rk_str_sub(rk_str_z(h->version), 0, 64))};
    take_caps(s, h->caps);
    grpc_call_set_data(c, s);
    enter(p, s);
    tick(s);
}

void proxy_sync_message(struct grpc_call *c, struct rk_str body)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new((size_t)1 << 20);
    struct proxy_stream *s = grpc_call_data(c);
    const Management__SyncMappingsRequest *r =
        pb_unpack(mem, &management__sync_mappings_request__descriptor, body, NULL);
    bool init = r && r->msg_case == MANAGEMENT__SYNC_MAPPINGS_REQUEST__MSG_INIT;
    bool ack = r && r->msg_case == MANAGEMENT__SYNC_MAPPINGS_REQUEST__MSG_ACK;

    if (!s && init) {
        open_stream(c,
                    &(struct hello){r->init->proxy_id, r->init->version, r->init->address,
                                    r->init->capabilities},
                    true);
    } else if (s && ack) {
        s->unacked = false;
        pump(s);
    } else if (!s || !s->failed) {
        if (s)
            s->failed = true;
        refuse(c, GRPC_INVALID_ARGUMENT,
               s ? "every message after the first is an ack" : "the first message is not init");
    }
}

void proxy_sync_half_closed(struct grpc_call *c)
{
    grpc_call_finish(c);
}

void proxy_updates(struct grpc_call *c, struct rk_str body)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new((size_t)1 << 20);
    const Management__GetMappingUpdateRequest *r =
        pb_unpack(mem, &management__get_mapping_update_request__descriptor, body, NULL);

    if (r)
        open_stream(c, &(struct hello){r->proxy_id, r->version, r->address, r->capabilities},
                    false);
    else
        refuse(c, GRPC_INVALID_ARGUMENT, "invalid request message");
}

void proxy_stream_ended(struct grpc_call *c, enum rk_code why)
{
    struct proxy_stream *s = grpc_call_data(c);

    (void)why;
    if (!s)
        return;
    grpc_call_set_data(c, NULL);
    s->call = NULL;
    rk_timer_cancel(&s->timer);
    (void)pthread_mutex_lock(&s->p->lock);
    rk_list_remove(&s->link);
    (void)pthread_mutex_unlock(&s->p->lock);
    if (!s->out && s->registered)
        look(s);
    maybe_free(s);
}
