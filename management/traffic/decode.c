/* SPDX-License-Identifier: BSD-3-Clause */
/* See decode.h and spec/products.md 3. */
#include "config.h"

#include "management/traffic/decode.h"

#include "lib/base/num.h"
#include "lib/crypto/secret.h"
#include "lib/net/addr.h"
#include "schema/pb_arena.h"

#define ID_SIZE      16 /* bytes of event and flow ids */
#define ID_TEXT_MAX  64 /* of policies and resources */
#define PORT_MAX     65535
#define US_PER_S     1000000
#define CLOCK_OFF_US (INT64_C(86400) * US_PER_S) /* an agent's clock is wrong beyond */

static int64_t count(uint64_t v)
{
    return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

/* Agents without a clock would put their flows into 1970, or into next year. */
static int64_t time_of(const Google__Protobuf__Timestamp *t, int64_t otherwise, int64_t now_us)
{
    int64_t us;

    if (!t || t->seconds <= 0 || t->seconds > INT64_MAX / US_PER_S - 3)
        return otherwise;
    us = t->seconds * US_PER_S + t->nanos / 1000;
    return us > now_us + CLOCK_OFF_US ? now_us : us;
}

static struct rk_str id_text(struct rk_arena *mem, ProtobufCBinaryData id)
{
    struct rk_str s = pb_bytes(id);

    return s.n <= ID_TEXT_MAX && rk_str_utf8_ok(s) && rk_str_find_c(s, '\0') == s.n
               ? rk_arena_dup(mem, s)
               : RK_STR("");
}

static enum traffic_end_type type_of(const struct snapshot *s, struct rk_str id)
{
    const struct resource *r = snap_find(s, ENT_RESOURCE, id);

    if (!r)
        return snap_find(s, ENT_ROUTE, id) ? TRAFFIC_ROUTE : TRAFFIC_UNKNOWN;
    return r->type == RESOURCE_HOST     ? TRAFFIC_HOST
           : r->type == RESOURCE_SUBNET ? TRAFFIC_SUBNET
                                        : TRAFFIC_DOMAIN;
}

static bool end_of(const struct traffic_from *from, ProtobufCBinaryData ip,
                   ProtobufCBinaryData resource, struct rk_arena *mem, struct traffic_end *out)
{
    char text[RK_ADDR_TEXT];
    const struct peer *p;
    struct rk_ip addr;

    if (rk_ip_from_bytes(pb_bytes(ip), &addr, NULL))
        return false;
    *out = (struct traffic_end){.ip = rk_arena_dup(mem, rk_ip_format(&addr, text)),
                                .id = id_text(mem, resource)};
    if (out->id.n) {
        out->type = type_of(from->snap, out->id);
        return true;
    }
    p = snap_peer_at(from->snap, snap_index_by_ip(from->snap, &addr));
    if (p) {
        out->type = TRAFFIC_PEER;
        out->id = rk_arena_dup(mem, p->id);
    }
    return true;
}

static void ports_of(const Flow__FlowFields *f, struct traffic_row *r)
{
    if (f->connection_info_case == FLOW__FLOW_FIELDS__CONNECTION_INFO_PORT_INFO) {
        r->source.port = rk_min_i64(f->port_info->source_port, PORT_MAX);
        r->dest.port = rk_min_i64(f->port_info->dest_port, PORT_MAX);
    } else if (f->connection_info_case == FLOW__FLOW_FIELDS__CONNECTION_INFO_ICMP_INFO) {
        r->source.port = rk_min_i64(f->icmp_info->icmp_type, UINT8_MAX);
        r->dest.port = rk_min_i64(f->icmp_info->icmp_code, UINT8_MAX);
    }
}

/* Agents before 0.75 send one message for each start, end and drop, and no counters of them. */
static struct traffic_counts counts_of(const Flow__FlowFields *f)
{
    struct traffic_counts n = {
        count(f->rx_packets),    count(f->tx_packets),  count(f->rx_bytes),    count(f->tx_bytes),
        count(f->num_of_starts), count(f->num_of_ends), count(f->num_of_drops)};

    if (!n.starts && !n.ends && !n.drops) {
        n.starts = f->type == FLOW__TYPE__TYPE_START;
        n.ends = f->type == FLOW__TYPE__TYPE_END;
        n.drops = f->type == FLOW__TYPE__TYPE_DROP;
    }
    return n;
}

static bool is_reporters(const struct peer *p, ProtobufCBinaryData key)
{
    struct rk_key k;
    char text[RK_KEY_TEXT + 1];

    if (key.len != sizeof k.b)
        return false;
    memcpy(k.b, key.data, sizeof k.b);
    rk_key_format(&k, text);
    return rk_str_eqz(p->key, text);
}

bool traffic_decode(const struct traffic_from *from, const Flow__FlowEvent *e, struct rk_arena *mem,
                    struct traffic_row *r)
{
    const struct peer *p = snap_peer_at(from->snap, from->reporter);
    const Flow__FlowFields *f = e->flow_fields;

    if (!f || e->event_id.len != ID_SIZE || f->flow_id.len != ID_SIZE ||
        !is_reporters(p, e->public_key) || f->protocol > UINT8_MAX)
        return false;
    *r = (struct traffic_row){.event_id = rk_arena_dup(mem, pb_bytes(e->event_id)),
                              .flow_id = rk_arena_dup(mem, pb_bytes(f->flow_id)),
                              .reporter = rk_arena_dup(mem, p->id),
                              .policy_id = id_text(mem, f->rule_id),
                              .received_us = from->now_us,
                              .at_us = time_of(e->timestamp, from->now_us, from->now_us),
                              .protocol = f->protocol,
                              .n = counts_of(f)};
    r->window_start_us = time_of(e->window_start, r->at_us, from->now_us);
    r->window_end_us = time_of(e->window_end, r->at_us, from->now_us);
    if (f->direction == FLOW__DIRECTION__INGRESS)
        r->direction = TRAFFIC_INGRESS;
    else if (f->direction == FLOW__DIRECTION__EGRESS)
        r->direction = TRAFFIC_EGRESS;
    if (!end_of(from, f->source_ip, f->source_resource_id, mem, &r->source) ||
        !end_of(from, f->dest_ip, f->dest_resource_id, mem, &r->dest))
        return false;
    r->routed = r->source.type != TRAFFIC_PEER || r->dest.type != TRAFFIC_PEER;
    if (!from->addresses_only) {
        ports_of(f, r);
        r->user_id = rk_arena_dup(mem, p->user_id);
    }
    return true;
}
