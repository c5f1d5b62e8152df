/* SPDX-License-Identifier: BSD-3-Clause */
/* See table.h. */
#include "config.h"

#include "agent/traffic/table.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/map.h"

struct key { /* compared as bytes: no padding may hold anything */
    uint8_t src[16], dst[16];
    uint8_t family, direction, protocol, icmp_type;
    uint16_t dst_port;
};

struct sum {
    struct key key;
    struct traffic_event e;
};

struct traffic_table {
    struct rk_map sums; /* of what is merged */
    struct sum **all;
    size_t n, cap, most;
    uint64_t lost;
};

struct traffic_table *traffic_table_new(size_t most)
{
    struct traffic_table *t = rk_calloc(1, sizeof *t);

    t->most = most;
    rk_map_init(&t->sums, true);
    return t;
}

static void clear(struct traffic_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->all[i]);
    free(t->all);
    t->all = NULL;
    t->n = t->cap = 0;
    rk_map_done(&t->sums);
    rk_map_init(&t->sums, true);
}

void traffic_table_free(struct traffic_table *t)
{
    if (!t)
        return;
    clear(t);
    rk_map_done(&t->sums);
    free(t);
}

static bool is_merged(uint8_t protocol)
{
    return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP ||
           protocol == IPPROTO_ICMPV6;
}

static struct key key_of(const struct traffic_event *e)
{
    struct key k;

    memset(&k, 0, sizeof k);
    memcpy(k.src, e->src.b, rk_ip_size(&e->src));
    memcpy(k.dst, e->dst.b, rk_ip_size(&e->dst));
    k.family = e->src.family;
    k.direction = (uint8_t)e->direction;
    k.protocol = e->protocol;
    k.icmp_type = e->icmp_type;
    k.dst_port = e->dst_port;
    return k;
}

static void merge(struct traffic_event *s, const struct traffic_event *e)
{
    s->rx_packets += e->rx_packets;
    s->tx_packets += e->tx_packets;
    s->rx_bytes += e->rx_bytes;
    s->tx_bytes += e->tx_bytes;
    s->starts += e->starts;
    s->ends += e->ends;
    s->drops += e->drops;
    if (!s->policy[0])
        memcpy(s->policy, e->policy, sizeof s->policy);
}

struct traffic_event *traffic_table_add(struct traffic_table *t, const struct traffic_event *e)
{
    struct key k = key_of(e);
    bool merged = is_merged(e->protocol);
    struct sum *s = merged ? rk_map_get(&t->sums, rk_str_of(&k, sizeof k)) : NULL;

    if (s) {
        merge(&s->e, e);
        return NULL;
    }
    if (t->n == t->most) {
        t->lost++;
        return NULL;
    }
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->all = rk_realloc(t->all, t->cap, sizeof(struct sum *));
    }
    s = rk_calloc(1, sizeof *s);
    s->key = k;
    s->e = *e;
    t->all[t->n++] = s;
    if (merged)
        (void)rk_map_put(&t->sums, rk_str_of(&s->key, sizeof s->key), s);
    return &s->e;
}

void traffic_table_take(struct traffic_table *t,
                        void (*tell)(void *arg, const struct traffic_event *sum), void *arg)
{
    for (size_t i = 0; i < t->n; i++)
        tell(arg, &t->all[i]->e);
    clear(t);
}

bool traffic_table_full(const struct traffic_table *t)
{
    return t->n == t->most;
}

uint64_t traffic_table_lost(const struct traffic_table *t)
{
    return t->lost;
}
