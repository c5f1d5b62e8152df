/* SPDX-License-Identifier: BSD-3-Clause */
/* See recorder.h. */
#include "config.h"

#include "agent/engine/recorder.h"

#include <stdlib.h>
#include <string.h>

#include "agent/config/profile.h"
#include "agent/os/conntrack.h"
#include "agent/os/sysctl.h"
#include "agent/traffic/places.h"
#include "agent/traffic/sender.h"
#include "agent/traffic/table.h"
#include "lib/base/num.h"
#include "lib/crypto/hash.h"

#define SUMS_MAX        10000 /* different flows in one window; then it ends early */
#define INTERVAL_MIN_MS 1000
#define INTERVAL_MAX_MS 3600000
#define LOG_EVERY_MS    60000
#define SYSCTL_COUNT    "net/netfilter/nf_conntrack_acct"

struct recorder {
    struct recorder_opts o;
    struct rk_log_gate gate;
    char own_key[RK_KEY_TEXT + 1];
    uint8_t space[TRAFFIC_ID]; /* random: flow ids of this life */
    struct conntrack_user conntrack_user;
    struct conntrack *conntrack; /* NULL: off */
    struct sysctls sysctls;
    struct places *places;
    struct traffic_table *table;
    struct traffic_sender *sender;
    struct rk_timer *timer;
    int64_t interval_ms, window_us; /* its begin */
    uint64_t lost_told;
};

/* ---- events */

/* Version and variant of a UUID (RFC 9562). */
static void as_uuid(uint8_t id[TRAFFIC_ID], unsigned version)
{
    id[6] = (uint8_t)((id[6] & 0x0f) | version << 4);
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
}

static void flow_id(const struct recorder *r, uint32_t id, uint8_t out[TRAFFIC_ID])
{
    uint8_t in[TRAFFIC_ID + sizeof id], digest[HASH_SHA256_SIZE];

    memcpy(in, r->space, TRAFFIC_ID);
    memcpy(in + TRAFFIC_ID, &id, sizeof id);
    hash_sha256(rk_str_of(in, sizeof in), digest);
    memcpy(out, digest, TRAFFIC_ID);
    as_uuid(out, 8);
}

static void send_one(void *arg, const struct traffic_event *sum)
{
    struct recorder *r = arg;

    traffic_sender_put(r->sender, sum, r->window_us, rk_unix_us());
}

/* Its time is over, or it is full. */
static void end_window(void *arg)
{
    struct recorder *r = arg;
    uint64_t lost = traffic_table_lost(r->table) + conntrack_lost(r->conntrack);

    traffic_table_take(r->table, send_one, r);
    r->window_us = rk_unix_us();
    rk_timer_start(r->o.loop, &r->timer, r->interval_ms, end_window, r);
    if (lost > r->lost_told)
        rk_log_every(&r->gate, LOG_EVERY_MS, r->o.log, RK_WARN,
                     "traffic events are lost: too many at once",
                     kv_i64("since_start", (int64_t)lost));
    r->lost_told = lost;
}

static void on_event(struct conntrack_user *u, const struct conntrack_event *c)
{
    struct recorder *r = rk_container_of(u, struct recorder, conntrack_user);
    struct traffic_event e = {.at_us = rk_unix_us(),
                              .protocol = c->protocol,
                              .src = c->src,
                              .dst = c->dst,
                              .src_port = c->src_port,
                              .dst_port = c->dst_port,
                              .icmp_type = c->icmp_type,
                              .icmp_code = c->icmp_code,
                              .starts = !c->ended,
                              .ends = c->ended};
    struct traffic_event *begun;
    bool in;

    if (!places_find(r->places, &e))
        return;
    in = e.direction == TRAFFIC_INGRESS;
    e.rx_packets = in ? c->packets : c->reply_packets;
    e.rx_bytes = in ? c->bytes : c->reply_bytes;
    e.tx_packets = in ? c->reply_packets : c->packets;
    e.tx_bytes = in ? c->reply_bytes : c->bytes;
    begun = traffic_table_add(r->table, &e);
    if (begun) { /* ids cost more than the sum */
        rk_secret_random(begun->id, sizeof begun->id);
        as_uuid(begun->id, 4);
        flow_id(r, c->id, begun->flow);
    }
    if (traffic_table_full(r->table))
        end_window(r);
}

/* ---- what management says */

static void stop(struct recorder *r)
{
    if (!r->conntrack)
        return;
    traffic_table_take(r->table, send_one, r); /* of the window that is cut off */
    rk_timer_cancel(&r->timer);
    conntrack_close(r->conntrack);
    r->conntrack = NULL;
    sysctls_undo(&r->sysctls);
    rk_log(r->o.log, RK_INFO, "traffic is no longer recorded");
}

static enum rk_code start(struct recorder *r, struct rk_err *err)
{
    enum rk_code rc;

    if (r->conntrack)
        return RK_OK;
    rc = conntrack_open(r->o.loop, &r->conntrack_user, &r->conntrack, err);
    if (rc)
        return rc;
    r->window_us = rk_unix_us();
    r->lost_told = traffic_table_lost(r->table); /* the kernel's count begins anew */
    rk_timer_start(r->o.loop, &r->timer, r->interval_ms, end_window, r);
    rk_log(r->o.log, RK_INFO, "traffic is recorded", kv_i64("interval_ms", r->interval_ms));
    return RK_OK;
}

/* Without packets and bytes it goes on where this is not possible. */
static void count_bytes(struct recorder *r, bool on)
{
    struct rk_err err = {0};

    if (!on)
        sysctls_undo(&r->sysctls);
    else if (sysctl_change(&r->sysctls, SYSCTL_COUNT, NULL, "1", &err))
        rk_log_every(&r->gate, LOG_EVERY_MS, r->o.log, RK_WARN,
                     "bytes of connections are not counted", KV_ERR(&err));
}

static enum rk_code aim(struct recorder *r, const Management__FlowConfig *fc, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct traffic_target t = {.interval_ms = r->interval_ms};
    bool tls;
    char *host;

    if (!fc->tokenpayload[0] || !fc->url[0])
        return RK_OK; /* as before */
    if (profile_url(mem, rk_str_z(fc->url), &tls, &host, &t.port, err))
        return rk_wrap(err, "server of traffic events");
    t.host = host;
    t.tls = tls ? r->o.tls : NULL;
    t.authorization = rk_arena_printf(mem, "Bearer %s.%s", fc->tokensignature, fc->tokenpayload);
    traffic_sender_target(r->sender, &t);
    return RK_OK;
}

static int64_t interval_of(const Google__Protobuf__Duration *d)
{
    int64_t s = rk_max_i64(rk_min_i64(d->seconds, INTERVAL_MAX_MS / 1000), 0);

    return rk_max_i64(s * 1000 + d->nanos / 1000000, INTERVAL_MIN_MS);
}

static enum rk_code record(struct recorder *r, const Management__FlowConfig *fc, struct rk_err *err)
{
    enum rk_code rc;

    if (!fc->interval)
        return rk_fail(err, RK_INVALID, "traffic events without an interval");
    r->interval_ms = interval_of(fc->interval);
    places_collect(r->places, fc->exitnodecollection, fc->dnscollection);
    rc = aim(r, fc, err);
    if (rc == RK_OK)
        rc = start(r, err);
    if (rc == RK_OK)
        count_bytes(r, fc->counters);
    return rc;
}

enum rk_code recorder_config(struct recorder *r, const Management__FlowConfig *fc,
                             struct rk_err *err)
{
    enum rk_code rc = fc && fc->enabled ? record(r, fc, err) : RK_OK;

    if (fc && (rc || !fc->enabled))
        stop(r);
    return rc;
}

void recorder_map(struct recorder *r, const Management__NetworkMap *map)
{
    places_map(r->places, map, rk_str_z(r->own_key));
}

json_t *recorder_json(const struct recorder *r)
{
    struct traffic_sender_stats s;

    if (!r->conntrack)
        return NULL;
    traffic_sender_stats(r->sender, &s);
    return json_pack("{s:b,s:I,s:I,s:I}", "connected", s.connected, "waiting", (json_int_t)s.kept,
                     "acknowledged", (json_int_t)s.acknowledged, "lost",
                     (json_int_t)(s.lost + r->lost_told));
}

/* ---- life */

struct recorder *recorder_open(const struct recorder_opts *o)
{
    struct recorder *r = rk_calloc(1, sizeof *r);
    struct traffic_sender_opts s = {
        .loop = o->loop, .log = o->log, .fwmark = o->fwmark, .public_key = o->public_key};

    r->o = *o;
    r->conntrack_user.event = on_event;
    rk_secret_random(r->space, sizeof r->space);
    rk_key_format(&o->public_key, r->own_key);
    r->places = places_new(&o->overlay4, &o->overlay6);
    r->table = traffic_table_new(SUMS_MAX);
    r->sender = traffic_sender_new(&s);
    return r;
}

void recorder_close(struct recorder *r)
{
    if (!r)
        return;
    stop(r);
    traffic_sender_close(r->sender);
    traffic_table_free(r->table);
    places_free(r->places);
    sysctls_done(&r->sysctls);
    free(r);
}
