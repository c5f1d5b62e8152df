/* SPDX-License-Identifier: BSD-3-Clause */
/* See sender.h. */
#include "config.h"

#include "agent/traffic/sender.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "agent/client/backoff.h"
#include "lib/base/list.h"
#include "lib/base/map.h"
#include "lib/base/num.h"
#include "lib/grpc/client.h"
#include "schema/gen/flow.pb-c.h"
#include "schema/pb_arena.h"

#define PATH           "/flow.FlowService/Events"
#define RETRY_FIRST_MS 800
#define LIVED_MS       5000 /* a stream that lived so long resets the back-off */
#define QUEUE_BYTES    ((size_t)256 << 10)
#define MESSAGE_MAX    4096
#define LOG_EVERY_MS   60000

struct kept { /* one event that is not acknowledged */
    struct rk_list link;
    uint8_t id[TRAFFIC_ID];
    size_t n;
    char body[];
};

struct traffic_sender {
    struct rk_loop *loop;
    struct rk_log *log;
    struct rk_log_gate gate;
    uint32_t fwmark;
    struct rk_key public_key;
    char *host; /* NULL: no target yet */
    uint16_t port;
    struct tls_ctx *tls;
    char *authorization;
    struct rk_list kept; /* oldest first */
    struct rk_map by_id;
    struct rk_list *sent; /* the last one that the stream was given; &kept: none */
    uint64_t acknowledged, lost;
    struct grpc_channel_user channel_user;
    struct grpc_channel *channel;
    struct grpc_client_user call_user;
    struct grpc_client_call *call;
    bool ready, closing, at_once;
    int64_t ready_ms;
    struct backoff retry;
    struct rk_timer *timer;
};

static void connect_now(void *arg);

/* ---- what is kept */

static void forget(struct traffic_sender *s, struct kept *k)
{
    if (s->sent == &k->link)
        s->sent = k->link.prev;
    (void)rk_map_del(&s->by_id, rk_str_of(k->id, sizeof k->id));
    rk_list_remove(&k->link);
    free(k);
}

static ProtobufCBinaryData text_of(const char *z)
{
    return pb_bytes_of(rk_str_z(z));
}

static Google__Protobuf__Timestamp stamp(int64_t us)
{
    Google__Protobuf__Timestamp t = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

    t.seconds = us / 1000000;
    t.nanos = (int32_t)(us % 1000000 * 1000);
    return t;
}

static enum rk_code encode(const struct traffic_sender *s, const struct traffic_event *e,
                           int64_t window_us, int64_t now_us, struct rk_arena *mem,
                           struct rk_str *out)
{
    Flow__FlowEvent m = FLOW__FLOW_EVENT__INIT;
    Flow__FlowFields f = FLOW__FLOW_FIELDS__INIT;
    Flow__PortInfo ports = FLOW__PORT_INFO__INIT;
    Flow__ICMPInfo icmp = FLOW__ICMPINFO__INIT;
    Google__Protobuf__Timestamp at = stamp(e->at_us), from = stamp(window_us), to = stamp(now_us);

    m.event_id = pb_bytes_of(rk_str_of(e->id, sizeof e->id));
    m.timestamp = &at;
    m.window_start = &from;
    m.window_end = &to;
    m.public_key = pb_bytes_of(rk_str_of(s->public_key.b, sizeof s->public_key.b));
    m.flow_fields = &f;
    f.flow_id = pb_bytes_of(rk_str_of(e->flow, sizeof e->flow));
    f.rule_id = text_of(e->policy);
    f.direction = (Flow__Direction)e->direction;
    f.protocol = e->protocol;
    f.source_ip = pb_bytes_of(rk_str_of(e->src.b, rk_ip_size(&e->src)));
    f.dest_ip = pb_bytes_of(rk_str_of(e->dst.b, rk_ip_size(&e->dst)));
    if (e->protocol == IPPROTO_ICMP || e->protocol == IPPROTO_ICMPV6) {
        icmp.icmp_type = e->icmp_type;
        icmp.icmp_code = e->icmp_code;
        f.connection_info_case = FLOW__FLOW_FIELDS__CONNECTION_INFO_ICMP_INFO;
        f.icmp_info = &icmp;
    } else if (e->src_port || e->dst_port) {
        ports.source_port = e->src_port;
        ports.dest_port = e->dst_port;
        f.connection_info_case = FLOW__FLOW_FIELDS__CONNECTION_INFO_PORT_INFO;
        f.port_info = &ports;
    }
    f.rx_packets = e->rx_packets;
    f.tx_packets = e->tx_packets;
    f.rx_bytes = e->rx_bytes;
    f.tx_bytes = e->tx_bytes;
    f.source_resource_id = text_of(e->src_resource);
    f.dest_resource_id = text_of(e->dst_resource);
    f.num_of_starts = e->starts;
    f.num_of_ends = e->ends;
    f.num_of_drops = e->drops;
    return pb_pack(mem, &m.base, out, NULL);
}

static void pump(struct traffic_sender *s)
{
    while (s->ready && s->call && s->sent->next != &s->kept &&
           grpc_client_queued(s->call) < QUEUE_BYTES) {
        const struct kept *k = rk_container_of(s->sent->next, struct kept, link);

        grpc_client_send(s->call, rk_str_of(k->body, k->n));
        s->sent = s->sent->next;
    }
}

void traffic_sender_put(struct traffic_sender *s, const struct traffic_event *e, int64_t window_us,
                        int64_t now_us)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(MESSAGE_MAX);
    struct rk_str body;
    struct kept *k;

    if (encode(s, e, window_us, now_us, mem, &body))
        return;
    if (s->by_id.n >= TRAFFIC_KEPT_MAX) {
        forget(s, rk_container_of(s->kept.next, struct kept, link));
        s->lost++;
        rk_log_every(&s->gate, LOG_EVERY_MS, s->log, RK_WARN,
                     "traffic events are lost: too many wait for their server",
                     kv_i64("most", TRAFFIC_KEPT_MAX));
    }
    k = rk_calloc(1, sizeof *k + body.n);
    memcpy(k->id, e->id, sizeof k->id);
    memcpy(k->body, body.p, body.n);
    k->n = body.n;
    rk_list_push_back(&s->kept, &k->link);
    (void)rk_map_put(&s->by_id, rk_str_of(k->id, sizeof k->id), k);
    pump(s);
}

/* ---- the stream */

static void retry_later(struct traffic_sender *s, const struct rk_err *why)
{
    if (s->ready && rk_mono_ms() - s->ready_ms >= LIVED_MS)
        backoff_reset(&s->retry);
    if (s->ready || !s->timer)
        rk_log_every(&s->gate, LOG_EVERY_MS, s->log, RK_INFO,
                     "traffic events wait for their server", KV_ERR(why));
    s->ready = false;
    s->sent = &s->kept; /* a new stream begins with all that is left */
    if (!s->closing && (!s->timer || s->at_once))
        rk_timer_start(s->loop, &s->timer, s->at_once ? 0 : backoff_next_ms(&s->retry), connect_now,
                       s);
    s->at_once = false;
}

static void on_headers(struct grpc_client_user *u, const struct grpc_header *h, size_t n)
{
    struct traffic_sender *s = rk_container_of(u, struct traffic_sender, call_user);

    (void)h;
    (void)n;
    s->ready = true;
    s->ready_ms = rk_mono_ms();
    pump(s);
}

static void on_message(struct grpc_client_user *u, struct rk_str body)
{
    struct traffic_sender *s = rk_container_of(u, struct traffic_sender, call_user);
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(MESSAGE_MAX);
    const Flow__FlowEventAck *ack = pb_unpack(mem, &flow__flow_event_ack__descriptor, body, NULL);
    struct kept *k =
        ack && !ack->isinitiator ? rk_map_get(&s->by_id, pb_bytes(ack->event_id)) : NULL;

    if (!k)
        return;
    forget(s, k);
    s->acknowledged++;
}

static void on_drained(struct grpc_client_user *u)
{
    pump(rk_container_of(u, struct traffic_sender, call_user));
}

static void on_done(struct grpc_client_user *u, int status, struct rk_str text)
{
    struct traffic_sender *s = rk_container_of(u, struct traffic_sender, call_user);
    struct rk_err why = {0};

    s->call = NULL;
    (void)rk_fail(&why, status == GRPC_OK ? RK_UNAVAILABLE : grpc_status_code(status), "%s %.*s",
                  grpc_status_name(status), RK_STR_ARG(text));
    retry_later(s, &why);
}

static const struct grpc_client_ops CALL_OPS = {
    .headers = on_headers, .message = on_message, .drained = on_drained, .done = on_done};

static void forget_token(struct traffic_sender *s)
{
    if (s->authorization)
        rk_secret_wipe(s->authorization, strlen(s->authorization));
    free(s->authorization);
    s->authorization = NULL;
}

static void release(struct traffic_sender *s)
{
    while (!rk_list_empty(&s->kept))
        forget(s, rk_container_of(s->kept.next, struct kept, link));
    rk_map_done(&s->by_id);
    forget_token(s);
    free(s->host);
    free(s);
}

static void on_down(struct grpc_channel_user *u, const struct rk_err *why)
{
    struct traffic_sender *s = rk_container_of(u, struct traffic_sender, channel_user);

    s->channel = NULL;
    if (s->closing)
        release(s);
    else
        retry_later(s, why);
}

static const struct grpc_channel_ops CHANNEL_OPS = {.down = on_down};

static enum rk_code open_stream(struct traffic_sender *s, struct rk_err *err)
{
    Flow__FlowEvent first = FLOW__FLOW_EVENT__INIT;
    struct grpc_channel_opts o = {.host = s->host,
                                  .port = s->port,
                                  .tls = s->tls,
                                  .fwmark = s->fwmark,
                                  .max_message_bytes = MESSAGE_MAX,
                                  .log = s->log};
    struct grpc_header token = {RK_STR("authorization"), rk_str_z(s->authorization)};
    uint8_t hello[16];
    enum rk_code rc = RK_OK;

    if (!s->channel)
        rc = grpc_channel_open(s->loop, &o, &s->channel_user, &s->channel, err);
    if (rc == RK_OK)
        rc = grpc_client_call(s->channel, PATH, &token, 1, 0, &s->call_user, &s->call, err);
    if (rc)
        return rc;
    first.isinitiator = true;
    grpc_client_send(s->call, rk_str_of(hello, protobuf_c_message_pack(&first.base, hello)));
    return RK_OK;
}

static void connect_now(void *arg)
{
    struct traffic_sender *s = arg;
    struct rk_err err = {0};

    if (!s->call && open_stream(s, &err))
        retry_later(s, &err);
}

/* ---- life */

struct traffic_sender *traffic_sender_new(const struct traffic_sender_opts *o)
{
    struct traffic_sender *s = rk_calloc(1, sizeof *s);

    s->loop = o->loop;
    s->log = o->log;
    s->fwmark = o->fwmark;
    s->public_key = o->public_key;
    s->channel_user.ops = &CHANNEL_OPS;
    s->call_user.ops = &CALL_OPS;
    rk_list_init(&s->kept);
    rk_map_init(&s->by_id, true);
    s->sent = &s->kept;
    s->retry = (struct backoff){
        .first_ms = RETRY_FIRST_MS, .factor_permille = 1700, .spread_permille = 500};
    return s;
}

void traffic_sender_target(struct traffic_sender *s, const struct traffic_target *t)
{
    bool same = s->host && strcmp(s->host, t->host) == 0 && s->port == t->port && s->tls == t->tls;

    forget_token(s);
    s->authorization = rk_str_dupz(t->authorization);
    s->retry.max_ms = rk_max_i64(t->interval_ms / 2, RETRY_FIRST_MS);
    if (same)
        return;
    free(s->host);
    s->host = rk_str_dupz(rk_str_z(t->host));
    s->port = t->port;
    s->tls = t->tls;
    s->at_once = true;
    if (s->channel)
        grpc_channel_close(s->channel); /* on_down goes on with the new one */
    else
        rk_timer_start(s->loop, &s->timer, 0, connect_now, s);
}

void traffic_sender_stats(const struct traffic_sender *s, struct traffic_sender_stats *out)
{
    *out = (struct traffic_sender_stats){s->ready, s->by_id.n, s->acknowledged, s->lost};
}

void traffic_sender_close(struct traffic_sender *s)
{
    if (!s || s->closing)
        return;
    s->closing = true;
    rk_timer_cancel(&s->timer);
    if (s->channel)
        grpc_channel_close(s->channel);
    else
        release(s);
}
