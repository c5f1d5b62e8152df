/* SPDX-License-Identifier: BSD-3-Clause */
/* See message.h. */
#include "config.h"

#include "management/push/message.h"

#include <string.h>

#include "lib/base/rd.h"
#include "management/domain/version.h"
#include "management/snapshot/pb.h"

/* Fields of SyncResponse. */
enum {
    F_CONFIG = 1,
    F_PEER_CONFIG = 2,
    F_REMOTE_PEERS = 3,
    F_REMOTE_PEERS_EMPTY = 4,
    F_MAP = 5,
    F_CHECKS = 6,
    F_SESSION = 7,
    F_ENVELOPE = 8,
    F_VERSION = 9,
};

/* Room in front of the map for its tag and length, which are known only afterwards. */
#define MAP_HEAD 16

/* ---- small parts */

void message_put_checks(struct rk_buf *b, unsigned field, const struct snapshot *s, uint32_t index,
                        struct rk_arena *mem)
{
    size_t n;
    const struct str_list *checks = netmap_checks(s, index, mem, &n);

    for (size_t i = 0; i < n; i++) {
        size_t at = pb_begin(b, field);

        for (size_t k = 0; k < checks[i].n; k++)
            pb_str_always(b, 1, checks[i].v[k]);
        pb_end(b, at);
    }
}

int64_t session_expires_at_us(const struct peer *p, const struct settings *s)
{
    if (!s->peer_login_expiration_enabled || !peer_is_sso(p) || !p->login_expiration_enabled ||
        !p->last_login_us)
        return 0;
    return p->last_login_us + s->peer_login_expiration_s * 1000000;
}

void message_put_session(struct rk_buf *b, unsigned field, const struct peer *p,
                         const struct settings *s)
{
    int64_t us = session_expires_at_us(p, s);
    size_t at = pb_begin(b, field);

    pb_int(b, 1, us / 1000000);
    pb_int(b, 2, us % 1000000 * 1000);
    pb_end(b, at);
}

static bool version_between(struct rk_str version, struct rk_str from, struct rk_str below)
{
    return version_at_least(version, from) && !version_at_least(version, below);
}

/* Agents that take a message without Checks for "you have none". */
static bool checks_in_config(const struct peer *p)
{
    return version_between(p->meta.version, RK_STR("0.28.0"), RK_STR("0.72.3"));
}

/* ---- the map and its copies */

/* Next field of a message that we encoded ourselves. */
static bool next_field(struct rk_rd *rd, uint64_t *tag, struct rk_str *whole, struct rk_str *value)
{
    const uint8_t *start = rd->p;
    uint64_t v[2] = {0};

    if (!rd->left)
        return false;
    for (int i = 0; i < 2; i++) {
        unsigned byte, shift = 0;

        do {
            byte = rk_rd_u8(rd);
            v[i] |= (uint64_t)(byte & 0x7f) << shift;
            shift += 7;
        } while (byte & 0x80 && shift < 64);
    }
    *tag = v[0];
    *value = (v[0] & 7) == PB_LEN ? rk_rd_str(rd, (size_t)v[1]) : (struct rk_str){0};
    *whole = rk_str_of(start, (size_t)(rd->p - start));
    return !rd->bad;
}

/* Append a copy of n bytes of the buffer itself, which may move while it grows. */
static void copy_within(struct rk_buf *buf, size_t at, size_t n)
{
    char *room = rk_buf_room(buf, n);

    if (room) {
        memcpy(room, buf->p + at, n);
        rk_buf_added(buf, n);
    }
}

/* The deprecated copies outside the map. The field numbers 2, 3 and 4 are the same in NetworkMap
 * and SyncResponse, so whole fields are copied. The map's fields are in ascending order. */
static void copy_deprecated(struct rk_buf *buf, size_t map_at, size_t map_n, bool remote_peers)
{
    for (size_t at = 0; at < map_n;) {
        struct rk_rd rd = rk_rd_of(rk_str_of(buf->p + map_at + at, map_n - at));
        struct rk_str whole, value;
        uint64_t tag;

        if (!next_field(&rd, &tag, &whole, &value) || tag >> 3 > F_REMOTE_PEERS_EMPTY)
            return;
        if (tag >> 3 == F_REMOTE_PEERS && !remote_peers)
            return; /* a list is not empty */
        if (tag >> 3 >= F_PEER_CONFIG)
            copy_within(buf, map_at + at, whole.n);
        at += whole.n;
    }
}

/* Four independent lanes keep the multiplier busy. Not for adversaries: only our own maps. */
static uint64_t hash_bytes(const char *p, size_t n)
{
    static const uint64_t k = UINT64_C(0x9fb21c651e98df25);
    uint64_t lane[4] = {n, ~n, n * k, k}, h;
    size_t i = 0;

    for (; n - i >= 32; i += 32)
        for (unsigned j = 0; j < 4; j++) {
            uint64_t v;

            memcpy(&v, p + i + (size_t)j * 8, 8);
            lane[j] = (lane[j] ^ v) * k;
            lane[j] ^= lane[j] >> 29;
        }
    h = rk_str_hash(rk_str_of(p + i, n - i));
    for (unsigned j = 0; j < 4; j++) {
        h = (h ^ lane[j]) * k;
        h ^= h >> 32;
    }
    return h ? h : 1;
}

/* The serial is the first field of the map; it is no content. */
static size_t serial_size(const struct rk_buf *buf, size_t map_at)
{
    struct rk_rd rd = rk_rd_of(rk_str_of(buf->p + map_at, buf->n - map_at));
    struct rk_str whole, value;
    uint64_t tag;

    if (!next_field(&rd, &tag, &whole, &value) || tag != (1u << 3 | PB_VARINT))
        return 0;
    return whole.n;
}

/* Put tag and length right before the map; returns where the message starts. */
static size_t put_map_head(struct rk_buf *buf, unsigned field, size_t map_at, size_t map_n)
{
    uint8_t head[1 + PB_VARINT_MAX];
    size_t n = 1;

    head[0] = (uint8_t)(field << 3 | PB_LEN);
    n += pb_put_varint(head + n, map_n);
    memcpy(buf->p + map_at - n, head, n);
    return map_at - n;
}

static void put_component_map(const struct message_in *in, const struct peer *p, struct rk_buf *buf)
{
    size_t at;

    (void)p;
    at = pb_begin(buf, F_PEER_CONFIG);
    netmap_encode_peer_config(in->snap, in->index, in->netmap,
                              netmap_ssh_by_policy(in->snap, in->index, in->netmap), buf);
    pb_end(buf, at);
    pb_int(buf, F_VERSION, 1);
}

static void put_config(const struct message_in *in, enum servers_form form, struct rk_buf *buf)
{
    struct servers_agent agent = servers_agent_of(in->snap, in->index);
    size_t at = pb_begin(buf, F_CONFIG);

    servers_encode(in->servers, form, &agent, in->netmap->now_us / 1000000, buf);
    pb_end(buf, at);
}

static void build_map(enum message_kind kind, const struct message_in *in, struct rk_arena *mem,
                      struct rk_buf *buf, struct message *out)
{
    const struct peer *p = snap_peer_at(in->snap, in->index);
    bool components = in->components && p->meta.sync_message_version == 1;
    size_t map_at = buf->n, map_n, skip, start, hashed;

    if (components)
        netmap_encode_envelope(in->snap, in->index, in->netmap, buf);
    else
        netmap_encode(in->snap, in->index, in->netmap, buf);
    map_n = buf->n - map_at;
    if (components)
        put_component_map(in, p, buf);
    else
        copy_deprecated(buf, map_at, map_n,
                        !version_is_dev(p->meta.version) &&
                            !version_satisfies(p->meta.version, RK_STR("0.29.3")));
    message_put_checks(buf, F_CHECKS, in->snap, in->index, mem);
    message_put_session(buf, F_SESSION, p, snap_settings(in->snap));
    hashed = buf->n;
    if (kind == MESSAGE_FIRST)
        put_config(in, SERVERS_FIRST, buf);
    if (buf->full)
        return;
    skip = components ? 0 : serial_size(buf, map_at);
    out->hash = hash_bytes(buf->p + map_at + skip, hashed - map_at - skip);
    start = put_map_head(buf, components ? F_ENVELOPE : F_MAP, map_at, map_n);
    out->plain = rk_str_of(buf->p + start, buf->n - start);
}

static void build_config(const struct message_in *in, struct rk_arena *mem, struct rk_buf *buf,
                         struct message *out)
{
    const struct peer *p = snap_peer_at(in->snap, in->index);
    size_t start = buf->n;

    put_config(in, SERVERS_REFRESH, buf);
    if (checks_in_config(p))
        message_put_checks(buf, F_CHECKS, in->snap, in->index, mem);
    if (!buf->full)
        out->plain = rk_str_of(buf->p + start, buf->n - start);
}

static void build_deleted(const struct message_in *in, struct rk_buf *buf, struct message *out)
{
    size_t map_at = buf->n, map_n, start;

    netmap_encode_deleted(in->snap, buf);
    map_n = buf->n - map_at;
    pb_bool(buf, F_REMOTE_PEERS_EMPTY, true);
    if (buf->full)
        return;
    start = put_map_head(buf, F_MAP, map_at, map_n);
    out->plain = rk_str_of(buf->p + start, buf->n - start);
}

bool message_build(enum message_kind kind, const struct message_in *in, struct rk_arena *mem,
                   struct rk_buf *buf, struct message *out)
{
    struct message m = {0};

    rk_buf_clear(buf);
    buf->full = false;
    if (rk_buf_room(buf, MAP_HEAD))
        rk_buf_added(buf, MAP_HEAD);
    switch (kind) {
    case MESSAGE_FIRST:
    case MESSAGE_MAP:
        build_map(kind, in, mem, buf, &m);
        break;
    case MESSAGE_CONFIG:
        build_config(in, mem, buf, &m);
        break;
    case MESSAGE_DELETED:
        build_deleted(in, buf, &m);
        break;
    }
    if (buf->full)
        return false;
    *out = m;
    return true;
}
