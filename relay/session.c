/* SPDX-License-Identifier: BSD-3-Clause */
/* One peer of the relay; see session.h. */
#include "config.h"

#include "relay/session.h"

#include <stdlib.h>

#include "lib/base/num.h"
#include "relay/auth.h"
#include "relay/registry.h"

enum {
    OUT_MIN = 2048,          /* first size of an output chunk: one full datagram */
    OUT_HINT_MAX = 65536,    /* largest first size */
    IGNORED_LOG_MS = 60000,  /* how often one peer's malformed messages are logged */
    LOSSY_HEALTH_MS = 10000, /* a lost check or answer must not fill a window of a client's 35 s */
    AUTH_AGAIN_MS = 1000,    /* lossy transports: clients ignore a second answer, and wait 8 s */
};

/* ---- references */

struct relay_session *relay_session_ref(struct relay_session *s)
{
    (void)atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

static void free_events(struct relay_event *e)
{
    struct relay_event *next;

    for (; e; e = next) {
        next = e->next;
        free(e);
    }
}

void relay_session_unref(struct relay_session *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    free_events(atomic_load(&s->events));
    rk_bytes_unref(s->out);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- queue of bytes for the peer */

/* Room for n more bytes in s->out; under s->lock. */
static void out_reserve(struct relay_session *s, size_t n)
{
    size_t cap = s->out_hint < OUT_MIN ? OUT_MIN : s->out_hint;
    struct rk_bytes *bigger;

    if (s->out && s->out_n + n <= s->out->n)
        return;
    if (s->out)
        cap = 2 * s->out->n;
    if (cap < s->out_n + n)
        cap = s->out_n + n;
    bigger = rk_bytes_new(cap);
    if (s->out)
        memcpy(bigger->p, s->out->p, s->out_n);
    rk_bytes_unref(s->out);
    s->out = bigger;
}

static bool append(struct relay_session *s, const uint8_t *p, size_t n, size_t max)
{
    uint8_t head[RELAY_FRAME_HEAD];
    size_t head_n = s->link_ops->frame_head(head, n);
    bool fits;

    (void)pthread_mutex_lock(&s->lock);
    fits = s->out_n + head_n + n <= max;
    if (fits) {
        out_reserve(s, head_n + n);
        memcpy(s->out->p + s->out_n, head, head_n);
        memcpy(s->out->p + s->out_n + head_n, p, n);
        s->out_n += head_n + n;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return fits;
}

bool relay_session_deliver(struct relay_session *s, const uint8_t *p, size_t n)
{
    return append(s, p, n, RELAY_QUEUE_MAX);
}

/* A message that must not be lost. */
static void send_control(struct relay_session *s, struct rk_str msg)
{
    if (!append(s, (const uint8_t *)msg.p, msg.n, RELAY_QUEUE_MAX + RELAY_QUEUE_CONTROL))
        atomic_store(&s->overflown, true);
}

static void send_type(struct relay_session *s, enum rly_type type)
{
    uint8_t buf[RLY_HEADER_SIZE];
    struct rk_wr w = rk_wr_of(buf, sizeof buf);

    rly_put_header(&w, type);
    send_control(s, rk_wr_done(&w));
}

static void send_ids(struct relay_session *s, enum rly_type type, const uint8_t *ids, size_t n)
{
    size_t room = s->link_ops->max_message(s->link), part;
    uint8_t buf[RLY_MAX_MESSAGE];

    part =
        room < RLY_HEADER_SIZE + RLY_PEER_ID_SIZE ? 1 : (room - RLY_HEADER_SIZE) / RLY_PEER_ID_SIZE;
    for (size_t i = 0; i < n; i += part) {
        struct rk_wr w = rk_wr_of(buf, sizeof buf);

        rly_put_ids(
            &w, type,
            rk_str_of(ids + i * RLY_PEER_ID_SIZE, rk_min_size(part, n - i) * RLY_PEER_ID_SIZE));
        send_control(s, rk_wr_done(&w));
    }
}

static void transmit(struct relay_session *s)
{
    struct rk_bytes *out;
    size_t n;

    (void)pthread_mutex_lock(&s->lock);
    out = s->out;
    n = s->out_n;
    s->out = NULL;
    s->out_n = 0;
    s->out_hint = rk_min_size(n > s->out_hint / 2 ? n : s->out_hint / 2, OUT_HINT_MAX);
    (void)pthread_mutex_unlock(&s->lock);
    if (out)
        s->link_ops->transmit(s->link, out, n);
}

/* ---- events from other sessions */

void relay_session_kick(struct relay_session *s)
{
    atomic_store(&s->kicked, true);
}

void relay_session_tell(struct relay_session *s, const struct rly_peer_id *id, bool online)
{
    struct relay_event *e;

    if (atomic_fetch_add(&s->n_events, 1) >= RELAY_EVENTS_MAX) {
        (void)atomic_fetch_sub(&s->n_events, 1);
        atomic_store(&s->overflown, true);
        return;
    }
    e = rk_malloc(sizeof *e);
    e->id = *id;
    e->online = online;
    e->next = atomic_load(&s->events);
    while (!atomic_compare_exchange_weak(&s->events, &e->next, e))
        ;
}

/* Oldest first; neighbours of one kind share a message, so their order is kept. */
static void send_events(struct relay_session *s)
{
    struct relay_event *e = atomic_exchange(&s->events, NULL), *first = NULL, *next;
    uint8_t ids[RLY_MAX_IDS * RLY_PEER_ID_SIZE];
    uint32_t total = 0;
    size_t n = 0;

    for (; e; e = next) {
        next = e->next;
        e->next = first;
        first = e;
    }
    for (e = first; e; e = e->next) {
        memcpy(ids + n++ * RLY_PEER_ID_SIZE, e->id.b, RLY_PEER_ID_SIZE);
        total++;
        if (n < RLY_MAX_IDS && e->next && e->next->online == e->online)
            continue;
        send_ids(s, e->online ? RLY_PEERS_ONLINE : RLY_PEERS_OFFLINE, ids, n);
        n = 0;
    }
    (void)atomic_fetch_sub(&s->n_events, total);
    free_events(first);
}

void relay_session_flush(struct relay_session *s)
{
    if (s->state == RELAY_ENDED || !s->link)
        return;
    if (atomic_load(&s->events))
        send_events(s);
    if (atomic_load(&s->kicked))
        relay_session_end(s, "replaced by a newer connection");
    else if (atomic_load(&s->overflown))
        relay_session_end(s, "too slow");
    else if (!s->link_ops->congested(s->link))
        transmit(s);
}

/* ---- life */

static void log_session(struct relay_session *s, enum rk_log_level level, const char *event,
                        const char *why)
{
    char id[RLY_PEER_TEXT + 1] = "", addr[RK_ADDR_TEXT];

    if (!rk_log_enabled(s->hub->log, level))
        return;
    if (s->state != RELAY_WAIT_AUTH)
        rly_peer_id_text(s->id.b, id);
    rk_log(s->hub->log, level, event, kv_z("peer", id),
           kv_str("addr", rk_addr_format(&s->peer, addr)),
           kv_z("transport", s->link_ops->transport), kv_z("reason", why),
           kv_i64("for_ms", rk_loop_now_ms(s->lane->loop) - s->began_ms));
}

static void session_end(struct relay_session *s, enum rk_log_level level, const char *why)
{
    bool was_open = s->state == RELAY_OPEN;

    if (s->state == RELAY_ENDED)
        return;
    log_session(s, was_open ? level : RK_DEBUG, was_open ? "relay peer gone" : "relay peer refused",
                why);
    s->state = RELAY_ENDED;
    rk_list_remove(&s->in_waiting);
    rk_timer_cancel(&s->timer);
    rk_timer_cancel(&s->hold_timer);
    if (was_open) {
        (void)relay_registry_remove(s->hub->registry, s, s->lane);
        rk_metric_add(s->hub->metrics.peers[s->link_ops->kind], -1);
    }
    relay_registry_unwatch_all(s->hub->registry, s);
    if (s->link)
        s->link_ops->close(s->link, 0);
}

void relay_session_end(struct relay_session *s, const char *why)
{
    session_end(s, RK_INFO, why);
}

void relay_session_goodbye(struct relay_session *s, int64_t linger_ms)
{
    struct relay_transport *link = s->link;

    if (s->state == RELAY_ENDED || !link)
        return;
    if (s->state == RELAY_OPEN) {
        send_type(s, RLY_CLOSE);
        transmit(s);
        s->link_ops->close(link, linger_ms);
    }
    session_end(s, RK_DEBUG, "shutdown"); /* the program says so itself */
}

void relay_session_gone(struct relay_session *s)
{
    struct relay_lane *lane = s->lane;

    s->link = NULL;
    relay_session_end(s, "connection closed");
    rk_list_remove(&s->in_lane);
    lane->n_sessions--;
    (void)atomic_fetch_sub(&s->hub->n_sessions, 1);
    relay_session_unref(s);
    if (lane->stopping && !lane->n_sessions)
        lane->emptied(lane);
}

bool relay_session_evict(struct relay_lane *lane)
{
    struct rk_list *node = rk_list_pop_front(&lane->waiting);

    if (node)
        relay_session_end(rk_container_of(node, struct relay_session, in_waiting),
                          "its place is needed");
    return node != NULL;
}

static void on_auth_timeout(void *arg)
{
    struct relay_session *s = arg;

    relay_session_end(s, "no authentication in time");
    relay_lane_end(s->lane);
}

struct relay_session *relay_session_new(struct relay_lane *lane, struct relay_transport *link,
                                        const struct rk_addr *peer)
{
    struct relay_session *s = rk_calloc(1, sizeof *s);

    s->hub = lane->hub;
    s->lane = lane;
    s->link = link;
    s->link_ops = link->ops;
    s->peer = *peer;
    s->began_ms = rk_loop_now_ms(lane->loop);
    atomic_init(&s->refs, 1);
    (void)pthread_mutex_init(&s->lock, NULL);
    rk_map_init(&s->watches, true);
    rk_list_push_back(&lane->sessions, &s->in_lane);
    rk_list_push_back(&lane->waiting, &s->in_waiting);
    lane->n_sessions++;
    (void)atomic_fetch_add(&s->hub->n_sessions, 1);
    rk_timer_start(lane->loop, &s->timer, s->hub->auth_timeout_ms, on_auth_timeout, s);
    return s;
}

size_t relay_session_max_message(const struct relay_session *s)
{
    return s->state == RELAY_WAIT_AUTH ? RLY_MAX_AUTH : RLY_MAX_MESSAGE;
}

/* ---- health */

static void health_arm(struct relay_session *s);
static void send_auth_response(struct relay_session *s);

static int64_t health_every_ms(const struct relay_session *s)
{
    return s->link_ops->lossy ? rk_min_i64(s->hub->health_send_ms, LOSSY_HEALTH_MS)
                              : s->hub->health_send_ms;
}

static void on_health(void *arg)
{
    struct relay_session *s = arg;
    int64_t now = rk_loop_now_ms(s->lane->loop);

    if (now >= s->window_at_ms) {
        s->misses = s->answered ? 0 : s->misses + 1;
        s->answered = false;
        s->window_at_ms = now + s->hub->health_window_ms;
    }
    if (s->misses >= s->hub->health_misses) {
        relay_session_end(s, "health check not answered");
    } else {
        if (s->again_at_ms && now >= s->again_at_ms) {
            s->again_at_ms = 0;
            send_auth_response(s);
            relay_session_flush(s);
        }
        if (now >= s->send_at_ms) {
            send_type(s, RLY_HEALTH_CHECK);
            s->send_at_ms = now + health_every_ms(s);
            relay_session_flush(s);
        }
        if (s->state == RELAY_OPEN)
            health_arm(s);
    }
    relay_lane_end(s->lane);
}

static void health_arm(struct relay_session *s)
{
    int64_t at = rk_min_i64(s->send_at_ms, s->window_at_ms);

    if (s->again_at_ms)
        at = rk_min_i64(at, s->again_at_ms);
    rk_timer_start(s->lane->loop, &s->timer, at - rk_loop_now_ms(s->lane->loop), on_health, s);
}

/* ---- messages */

static void send_auth_response(struct relay_session *s)
{
    uint8_t buf[RLY_MAX_AUTH_RESPONSE];
    struct rk_wr w = rk_wr_of(buf, sizeof buf);

    rly_put_auth_response(&w, s->hub->url);
    send_control(s, rk_wr_done(&w));
}

static void refuse(struct relay_session *s, struct rk_str msg, const struct rk_err *err)
{
    char addr[RK_ADDR_TEXT];

    if (!relay_auth_is_probe(s->hub, msg)) {
        rk_metric_add(s->hub->metrics.auth_failures, 1);
        rk_log_every(&s->hub->auth_gate, RELAY_LOG_EVERY_MS, s->hub->log, RK_WARN,
                     "relay authentication failed", kv_str("addr", rk_addr_format(&s->peer, addr)),
                     KV_ERR(err));
    }
    relay_session_end(s, "authentication failed");
}

static void authenticate(struct relay_session *s, struct rk_str msg)
{
    int64_t now = rk_loop_now_ms(s->lane->loop), t0 = rk_unix_us(), t1;
    struct relay_session *old;
    struct rk_err err = {0};

    if (relay_auth_check(s->hub, msg, rk_unix_ms() / 1000, &s->id, &err)) {
        refuse(s, msg, &err);
        return;
    }
    s->state = RELAY_OPEN;
    rk_list_remove(&s->in_waiting);
    /* first of all: once others find the session they may put datagrams behind it */
    send_auth_response(s);
    t1 = rk_unix_us();
    old = relay_registry_add(s->hub->registry, s, s->lane);
    if (old) {
        rk_metric_add(s->hub->metrics.reconnections, 1);
        relay_session_kick(old);
        relay_lane_mark(s->lane, old);
        relay_session_unref(old);
    }
    rk_metric_observe(s->hub->metrics.auth_time,
                      (now - s->began_ms) * 1000 + rk_max_i64(t1 - t0, 0));
    rk_metric_observe(s->hub->metrics.store_time, rk_max_i64(rk_unix_us() - t1, 0));
    rk_metric_add(s->hub->metrics.peers[s->link_ops->kind], 1);
    log_session(s, RK_INFO, "relay peer connected", old ? "replaces an older connection" : "new");
    s->send_at_ms = now + health_every_ms(s);
    s->again_at_ms = s->link_ops->lossy ? now + AUTH_AGAIN_MS : 0;
    s->window_at_ms = now + s->hub->health_window_ms;
    health_arm(s);
    relay_session_flush(s);
}

/* ---- limits of bytes per second */

static void hold_over(void *arg)
{
    struct relay_session *s = arg;

    s->link_ops->hold(s->link, false);
}

/* n bytes of a datagram against the limits: the link is held for as long as they are exceeded.
 * False when it cannot be, and the datagram must go. */
static bool pace(struct relay_session *s, size_t n)
{
    struct relay_hub *hub = s->hub;
    int64_t now_ns = rk_mono_us() * 1000, wait_ms = 0, total_ms = 0;

    if (!s->link_ops->hold && now_ns < s->held_until_ns)
        return false;
    if (hub->max_peer_bytes_per_s)
        wait_ms = relay_pace_take(&s->pace, hub->max_peer_bytes_per_s, now_ns, (int64_t)n);
    if (hub->max_bytes_per_s)
        total_ms = relay_pace_take(&hub->pace, hub->max_bytes_per_s, now_ns, (int64_t)n);
    wait_ms = rk_max_i64(wait_ms, total_ms);
    if (!wait_ms)
        return true;
    s->held_until_ns = now_ns + wait_ms * 1000000;
    if (!s->link_ops->hold)
        return true;
    s->answered = true; /* it lives; its answer may wait where we do not read */
    if (!s->hold_timer) {
        s->link_ops->hold(s->link, true);
        s->lane->holds++;
    }
    rk_timer_start(s->lane->loop, &s->hold_timer, wait_ms, hold_over, s);
    return true;
}

/* p is a whole transport message; the destination in it becomes the source. */
static void forward(struct relay_session *s, uint8_t *p, size_t n)
{
    struct relay_lane *lane = s->lane;
    struct relay_session *to;

    lane->received_bytes += (int64_t)n;
    s->last_transport_ms = rk_loop_now_ms(lane->loop);
    if ((s->hub->max_bytes_per_s || s->hub->max_peer_bytes_per_s) && !pace(s, n)) {
        lane->dropped_paced++;
        return;
    }
    to = relay_registry_find(s->hub->registry, p + RLY_HEADER_SIZE);
    if (!to) {
        lane->dropped_unknown++;
        return;
    }
    memcpy(p + RLY_HEADER_SIZE, s->id.b, RLY_PEER_ID_SIZE);
    if (relay_session_deliver(to, p, n)) {
        lane->sent_bytes += (int64_t)n;
        relay_lane_mark(lane, to);
    } else {
        lane->dropped_full++;
    }
    relay_session_unref(to);
}

static void ignore(struct relay_session *s, const char *why)
{
    char addr[RK_ADDR_TEXT];

    rk_log_every(&s->ignored_gate, IGNORED_LOG_MS, s->hub->log, RK_WARN, "relay message ignored",
                 kv_str("addr", rk_addr_format(&s->peer, addr)), kv_z("reason", why));
}

static void subscribe(struct relay_session *s, const struct rly_frame *f)
{
    uint8_t online_ids[RLY_MAX_IDS * RLY_PEER_ID_SIZE];
    size_t n = 0;
    bool online;

    for (size_t i = 0; i < f->n_ids && i < RLY_MAX_IDS; i++) {
        struct rk_str id = rly_frame_id(f, i);

        if (!relay_registry_watch(s->hub->registry, s, id.p, &online)) {
            ignore(s, "too many subscriptions");
            break;
        }
        if (online)
            memcpy(online_ids + n++ * RLY_PEER_ID_SIZE, id.p, RLY_PEER_ID_SIZE);
    }
    if (n) {
        send_ids(s, RLY_PEERS_ONLINE, online_ids, n);
        relay_lane_mark(s->lane, s);
    }
}

static void unsubscribe(struct relay_session *s, const struct rly_frame *f)
{
    for (size_t i = 0; i < f->n_ids; i++)
        relay_registry_unwatch(s->hub->registry, s, rly_frame_id(f, i).p);
}

static void dispatch(struct relay_session *s, uint8_t *p, size_t n)
{
    struct rly_frame f = {0};

    if (n < RLY_HEADER_SIZE || p[0] != RLY_VERSION) {
        relay_session_end(s, "wrong protocol version");
        return;
    }
    switch (p[1]) {
    case RLY_TRANSPORT:
        if (n < RLY_TRANSPORT_HEADER)
            ignore(s, "short transport message");
        else
            forward(s, p, n);
        return;
    case RLY_CLOSE:
        relay_session_end(s, "closed by the peer");
        return;
    case RLY_HEALTH_CHECK:
        s->answered = true;
        return;
    case RLY_AUTH:
        ignore(s, "second authentication");
        return;
    case RLY_SUBSCRIBE:
    case RLY_UNSUBSCRIBE:
        if (rly_frame_decode(rk_str_of(p, n), &f, NULL))
            ignore(s, "malformed list of peers");
        else if (f.type == RLY_SUBSCRIBE)
            subscribe(s, &f);
        else
            unsubscribe(s, &f);
        return;
    default:
        relay_session_end(s, "unexpected message type");
    }
}

void relay_session_message(struct relay_session *s, uint8_t *p, size_t n)
{
    if (s->state == RELAY_WAIT_AUTH)
        authenticate(s, rk_str_of(p, n));
    else if (s->state == RELAY_OPEN)
        dispatch(s, p, n);
}
