/* SPDX-License-Identifier: BSD-3-Clause */
/* See matrix.h. */
#include "config.h"

#include "management/reach/matrix.h"

#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/json/json.h"
#include "management/reach/ends.h"

struct side { /* rows or columns */
    const struct group **groups;
    uint32_t *peers;
    size_t n;
};

struct matrix {
    const struct snapshot *s;
    const struct reach_question *q;
    struct rk_arena *mem;
    struct rk_buf *out;
    enum rule_protocol protocol;
    int64_t page, page_size;
    struct side rows, columns;
    struct bits *sets[2]; /* by enum reach_way: of each peer that was swept, by index */
    struct bits swept[2];
    struct flows *f;
};

/* ---- rows and columns */

static enum rk_code side_of_peers(struct matrix *m, const char *which, struct rk_str text,
                                  struct side *out, struct rk_err *err)
{
    const struct bits *all = snap_peers(m->s);
    struct reach_end e;
    enum rk_code rc = reach_end_of(m->s, which, text, &e, err);

    if (rc)
        return rc;
    if (e.kind == REACH_END_GROUP)
        all = snap_group_members(m->s, e.group->id);
    else if (e.kind != REACH_END_NONE && e.kind != REACH_END_PEER)
        return rk_fail(err, RK_INVALID, "%s must be a peer or a group", which);
    out->peers = rk_new_n(m->mem, uint32_t, bits_count(all) + 1);
    if (e.kind == REACH_END_PEER) {
        out->peers[out->n++] = e.peer;
        return RK_OK;
    }
    for (BITS_EACH(i, all))
        out->peers[out->n++] = i;
    return RK_OK;
}

static enum rk_code side_of_groups(struct matrix *m, const char *which, struct rk_str text,
                                   struct side *out, struct rk_err *err)
{
    struct snap_iter it = snap_iter(m->s, ENT_GROUP);
    const struct group *g;
    struct reach_end e;
    enum rk_code rc = reach_end_of(m->s, which, text, &e, err);

    if (rc)
        return rc;
    out->groups = rk_new_n(m->mem, const struct group *, snap_count(m->s, ENT_GROUP) + 1);
    if (e.kind == REACH_END_GROUP)
        out->groups[out->n++] = e.group;
    else if (e.kind != REACH_END_NONE)
        return rk_fail(err, RK_INVALID, "%s must be a group", which);
    while (e.kind == REACH_END_NONE && (g = snap_next(&it)) != NULL)
        out->groups[out->n++] = g;
    return RK_OK;
}

/* ---- cells */

static void put_named(struct matrix *m, const char *key, struct rk_str id, struct rk_str name)
{
    json_put_key_n(m->out, key, strlen(key));
    json_put_obj(m->out);
    json_put_key_str(m->out, "id", id);
    json_put_key_str(m->out, "name", name);
    json_put_obj_end(m->out);
}

static void put_peer(struct matrix *m, const char *key, uint32_t peer)
{
    const struct peer *p = snap_peer_at(m->s, peer);

    put_named(m, key, p->id, p->name);
}

static void put_flows(struct matrix *m)
{
    struct rk_buf text;

    rk_buf_init(&text, 64 << 10);
    flows_text(m->f, &text);
    json_put_key_str(m->out, "flows", rk_buf_str(&text));
    rk_buf_done(&text);
}

static const struct bits *swept(struct matrix *m, uint32_t peer, enum reach_way way)
{
    if (!bits_has(&m->swept[way], peer)) {
        reach_peers(m->s, peer, way, m->q->now_us, &m->sets[way][peer]);
        bits_set(&m->swept[way], peer);
    }
    return &m->sets[way][peer];
}

/* How many numbers are in both; the first of them. */
static size_t common(const struct bits *a, const struct bits *b, uint32_t *first)
{
    size_t n = 0, words = rk_min_size(a->n, b->n);

    for (size_t i = 0; i < words; i++) {
        uint64_t w = a->w[i] & b->w[i];

        if (w && !n)
            *first = (uint32_t)(i * 64) + (uint32_t)__builtin_ctzll(w);
        n += (size_t)__builtin_popcountll(w);
    }
    return n;
}

static void put_group_cell(struct matrix *m, const struct group *from, const struct group *to)
{
    const struct bits *a = snap_group_members(m->s, from->id),
                      *b = snap_group_members(m->s, to->id);
    size_t n_from = bits_count(a), n_to = bits_count(b), yes = 0;
    uint32_t source = 0, target = 0, first = 0, both;
    size_t pairs = n_from * n_to - common(a, b, &both);
    bool back = n_to < n_from; /* from the smaller side */

    for (BITS_EACH(i, back ? b : a)) {
        size_t n = common(swept(m, i, back ? REACH_SOURCES : REACH_TARGETS), back ? a : b, &first);

        if (n && !yes) {
            source = back ? first : i;
            target = back ? i : first;
        }
        yes += n;
    }
    json_put_obj(m->out);
    put_named(m, "from", from->id, from->name);
    put_named(m, "to", to->id, to->name);
    json_put_key_int(m->out, "pairs", (int64_t)pairs);
    json_put_key_int(m->out, "reachable", (int64_t)yes);
    if (yes) {
        (void)reach_between(m->s, source, target, m->q->now_us, m->f);
        json_put_key_obj(m->out, "example");
        put_peer(m, "from", source);
        put_peer(m, "to", target);
        put_flows(m);
        json_put_obj_end(m->out);
    }
    json_put_obj_end(m->out);
}

static void put_peer_cell(struct matrix *m, uint32_t from, uint32_t to)
{
    bool yes = from != to && reach_between(m->s, from, to, m->q->now_us, m->f);

    if (!yes)
        *m->f = (struct flows){0};
    json_put_obj(m->out);
    put_peer(m, "from", from);
    put_peer(m, "to", to);
    json_put_key_bool(m->out, "reachable",
                      yes && flows_allow(m->f, m->protocol, (uint16_t)m->q->port));
    put_flows(m);
    json_put_obj_end(m->out);
}

static void put_cells(struct matrix *m)
{
    size_t total = m->rows.n * m->columns.n;
    size_t first = rk_min_size((size_t)((m->page - 1) * m->page_size), total);
    size_t last = rk_min_size(first + (size_t)m->page_size, total);

    json_put_obj(m->out);
    json_put_key_arr(m->out, "cells");
    for (size_t i = first; i < last; i++) {
        size_t row = i / m->columns.n, column = i % m->columns.n;

        if (m->rows.groups)
            put_group_cell(m, m->rows.groups[row], m->columns.groups[column]);
        else
            put_peer_cell(m, m->rows.peers[row], m->columns.peers[column]);
    }
    json_put_arr_end(m->out);
    json_put_key_int(m->out, "total", (int64_t)total);
    json_put_key_int(m->out, "page", m->page);
    json_put_key_int(m->out, "page_size", m->page_size);
    json_put_obj_end(m->out);
}

/* ---- the question */

static enum rk_code check(struct matrix *m, bool peers, struct rk_err *err)
{
    const struct reach_question *q = m->q;

    if (!peers && (q->protocol.n || q->port))
        return rk_fail(err, RK_INVALID, "protocol and port are for a table of peers");
    if (q->protocol.n && !rule_protocol_parse(q->protocol, &m->protocol))
        return rk_fail(err, RK_INVALID, "protocol must be all, tcp, udp, icmp or netbird-ssh");
    if (q->port < 0 || q->port >= FLOWS_PORTS)
        return rk_fail(err, RK_INVALID, "port must be a number from 0 (any) to 65535");
    if (m->page < 1 || m->page_size < 1 || m->page_size > REACH_PAGE_MAX)
        return rk_fail(err, RK_INVALID, "page is counted from 1, page_size is at most %d",
                       REACH_PAGE_MAX);
    return RK_OK;
}

static void done(struct matrix *m)
{
    for (unsigned way = 0; way < 2; way++) {
        for (BITS_EACH(i, &m->swept[way]))
            bits_done(&m->sets[way][i]);
        bits_done(&m->swept[way]);
    }
}

enum rk_code reach_matrix(const struct snapshot *s, const struct reach_matrix_question *mq,
                          struct rk_arena *mem, struct rk_buf *out, struct rk_err *err)
{
    const struct reach_question *q = &mq->q;
    struct matrix m = {.s = s,
                       .q = q,
                       .mem = mem,
                       .out = out,
                       .page = q->page ? q->page : 1,
                       .page_size = q->page_size ? q->page_size : REACH_PAGE,
                       .f = rk_new(mem, struct flows)};
    enum rk_code rc = check(&m, mq->peers, err);

    if (!rc)
        rc = mq->peers ? side_of_peers(&m, "from", q->from, &m.rows, err)
                       : side_of_groups(&m, "from", q->from, &m.rows, err);
    if (!rc)
        rc = mq->peers ? side_of_peers(&m, "to", q->to, &m.columns, err)
                       : side_of_groups(&m, "to", q->to, &m.columns, err);
    if (rc)
        return rc;
    for (unsigned way = 0; !mq->peers && way < 2; way++) {
        m.sets[way] = rk_new_n(mem, struct bits, snap_peer_limit(s) + 1);
        memset(m.sets[way], 0, (snap_peer_limit(s) + 1) * sizeof *m.sets[way]);
    }
    put_cells(&m);
    done(&m);
    return RK_OK;
}
