/* SPDX-License-Identifier: BSD-3-Clause */
/* The agents, spread over a few loops; see swarm.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/base/rd.h"
#include "schema/pb_arena.h"
#include "tests/bench/swarm/swarm.h"

#define PEEK     2048 /* bytes of a message that are opened to find the serial */
#define RETRY_MS 1600 /* at most; agents wait a random time before they try again */
#define POLL_US  500

static void agent_start(struct agent *a);
static void lane_fill(struct lane *l);

/* ---- reading a SyncResponse */

static uint64_t take_varint(struct rk_rd *rd)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        unsigned byte = rk_rd_u8(rd);

        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return v;
}

/* Serial of the map, whatever its form: field 1 of NetworkMap (5), or of the full form (1) inside
 * NetworkMapEnvelope (8). The text may be cut anywhere behind it. False: no map in it. */
static bool find_serial(struct rk_str plain, uint64_t *serial)
{
    struct rk_rd rd = rk_rd_of(plain);

    while (rd.left && !rd.bad) {
        uint64_t tag = take_varint(&rd), n;

        if ((tag & 7) == 0) {
            (void)take_varint(&rd);
            continue;
        }
        n = take_varint(&rd);
        if (tag == (5 << 3 | 2) || tag == (8 << 3 | 2)) {
            if (tag == (8 << 3 | 2)) {
                (void)take_varint(&rd); /* tag and length of `full` */
                (void)take_varint(&rd);
            }
            if (take_varint(&rd) != 1 << 3)
                return false;
            *serial = take_varint(&rd);
            return !rd.bad;
        }
        rk_rd_skip(&rd, (size_t)n);
    }
    return false;
}

/* ---- one agent */

static struct agent *agent_of(struct wire_agent *w)
{
    return rk_container_of(w, struct agent, w);
}

static const char *name_of(const struct agent *a, char buf[32])
{
    (void)snprintf(buf, 32, "swarm-%06u", a->i);
    return buf;
}

static struct rk_str packed(struct rk_arena *mem, const ProtobufCMessage *m)
{
    struct rk_str out;

    return pb_pack(mem, m, &out, NULL) ? (struct rk_str){0} : out;
}

/* The same at Login and Sync, unless the agents are to have been upgraded in between. */
static Management__PeerSystemMeta *meta_of(const struct agent *a, struct rk_arena *mem, bool sync)
{
    char name[32];
    Management__PeerSystemMeta *m = wire_meta(mem, name_of(a, name));

    m->syncmessageversion = a->f->o->components ? 1 : 0;
    if (sync && a->f->o->upgrade)
        m->netbirdversion = pb_text(mem, RK_STR("0.77.2"));
    return m;
}

static struct rk_str login_of(const struct agent *a, struct rk_arena *mem)
{
    const struct plan *p = a->f->plan;
    bool newcomer = a->f->o->newcomer && a->i == a->f->n - 1;
    const char *key = p->key[newcomer ? plan_newcomer_group(p) : plan_group(p, a->i)];
    Management__LoginRequest r = MANAGEMENT__LOGIN_REQUEST__INIT;
    Management__PeerKeys keys = MANAGEMENT__PEER_KEYS__INIT;

    r.setupkey = pb_text(mem, rk_str_z(key));
    r.meta = meta_of(a, mem, false);
    keys.sshpubkey = pb_bytes_of(RK_STR("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDx0"));
    r.peerkeys = &keys;
    return packed(mem, &r.base);
}

static struct rk_str sync_of(const struct agent *a, struct rk_arena *mem)
{
    Management__SyncRequest r = MANAGEMENT__SYNC_REQUEST__INIT;

    r.meta = meta_of(a, mem, true);
    return packed(mem, &r.base);
}

static void reached(struct agent *a)
{
    struct fleet *f = a->f;

    if (atomic_load(&a->done_ns))
        return;
    atomic_store(&a->done_ns, now_ns());
    atomic_fetch_add(&f->done, 1);
    if (a->active) {
        a->active = false;
        a->lane->open--;
        lane_fill(a->lane);
    }
}

static void go_on(struct agent *a)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    enum rk_code rc;

    if (!a->registered)
        rc = wire_agent_call(&a->w, "Login", login_of(a, mem), false, NULL);
    else if (a->lane->goal == GOAL_LOGIN)
        rc = RK_OK;
    else
        rc = wire_agent_sync(&a->w, sync_of(a, mem), NULL);
    if (rc || (a->registered && a->lane->goal == GOAL_LOGIN))
        wire_agent_close(&a->w); /* enrolled: on_down() is the end */
}

static void on_again(void *arg)
{
    struct agent *a = arg;

    if (a->w.channel && a->w.have_server_key)
        go_on(a);
    else if (!a->w.channel)
        agent_start(a);
}

static void later(struct agent *a)
{
    struct lane *l = a->lane;

    l->dice = l->dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
    rk_timer_start(l->loop, &a->again, (int64_t)(l->dice >> 33) % RETRY_MS, on_again, a);
}

static void on_ready(struct wire_agent *w)
{
    go_on(agent_of(w));
}

static void on_reply(struct wire_agent *w, int status, struct rk_str plain, struct rk_str text)
{
    struct agent *a = agent_of(w);

    (void)plain;
    (void)text;
    if (status == GRPC_OK) {
        a->registered = true;
        go_on(a);
        return;
    }
    if (status != GRPC_UNAVAILABLE || a->w.channel)
        atomic_fetch_add(&a->f->rejects, 1);
    if (!atomic_load(&a->f->stopping))
        later(a);
}

static void on_update(struct wire_agent *w, struct rk_str plain, size_t wire_bytes)
{
    struct agent *a = agent_of(w);
    struct fleet *f = a->f;
    uint64_t serial;

    atomic_fetch_add(&a->bytes, wire_bytes);
    atomic_fetch_add(&f->bytes, wire_bytes);
    atomic_fetch_add(&f->messages, 1);
    atomic_store(&f->last_ns, now_ns());
    if (!find_serial(plain, &serial))
        return;
    if (serial < atomic_load(&a->serial))
        atomic_fetch_add(&f->bad, 1); /* must never go backwards */
    atomic_store(&a->serial, serial);
    if (!atomic_load(&a->has_map)) {
        atomic_store(&a->has_map, true);
        reached(a);
    } else if (atomic_load(&f->round) && atomic_load(&a->wanted) &&
               serial > atomic_load(&f->base_serial)) {
        reached(a);
    }
}

static void on_sync_ended(struct wire_agent *w, int status, struct rk_str text)
{
    struct agent *a = agent_of(w);

    (void)text;
    atomic_store(&a->has_map, false);
    if (atomic_load(&a->f->stopping))
        return;
    atomic_fetch_add(status == GRPC_UNAVAILABLE && !a->w.channel ? &a->f->lost : &a->f->rejects, 1);
    later(a);
}

static void on_down(struct wire_agent *w, const struct rk_err *why)
{
    struct agent *a = agent_of(w);

    (void)why;
    atomic_store(&a->has_map, false);
    a->lane->n_down++;
    if (a->lane->goal == GOAL_LOGIN && a->registered) {
        reached(a);
        return;
    }
    if (atomic_load(&a->f->stopping))
        return;
    atomic_fetch_add(&a->f->lost, 1);
    later(a);
}

static const struct wire_agent_ops OPS = {.ready = on_ready,
                                          .reply = on_reply,
                                          .update = on_update,
                                          .sync_ended = on_sync_ended,
                                          .down = on_down};

static void agent_start(struct agent *a)
{
    struct fleet *f = a->f;
    struct rk_err err = {0};

    a->w.ops = &OPS;
    a->w.loop = a->lane->loop;
    a->w.host = f->api->host;
    a->w.port = f->api->port;
    a->w.tls = f->api->tls_ctx;
    a->w.peek = f->o->verify ? 0 : PEEK;
    if (wire_agent_connect(&a->w, &err)) {
        (void)fprintf(stderr, "swarm: %s\n", err.msg);
        later(a);
    } else {
        a->lane->n_down--;
    }
}

/* ---- lanes */

static void lane_fill(struct lane *l)
{
    while (l->next < l->end && (!l->parallel || l->open < l->parallel)) {
        struct agent *a = &l->f->agents[l->next];

        l->next += l->f->n_lanes;
        l->open++;
        a->active = true;
        agent_start(a);
    }
}

struct order { /* what the main thread tells a lane */
    struct lane *l;
    enum agent_goal goal;
    size_t from, end, parallel;
};

static void lane_begin(void *arg)
{
    const struct order *o = arg;
    struct lane *l = o->l;

    l->goal = o->goal;
    l->next = o->from + (l->index + l->f->n_lanes - o->from % l->f->n_lanes) % l->f->n_lanes;
    l->end = o->end;
    l->parallel = o->parallel;
    l->open = 0;
    lane_fill(l);
}

bool fleet_wait(struct fleet *f, size_t n)
{
    int64_t end = now_ns() + f->o->timeout_s * 1000000000;

    while (atomic_load(&f->done) < n && now_ns() < end)
        (void)usleep(POLL_US);
    return atomic_load(&f->done) >= n;
}

static void begin_lanes(struct fleet *f, enum agent_goal goal, size_t from, size_t to,
                        size_t parallel)
{
    for (size_t i = 0; i < f->n_lanes; i++) {
        struct order o = {&f->lanes[i], goal, from, to,
                          parallel ? (parallel + f->n_lanes - 1) / f->n_lanes : 0};

        rk_loop_call(f->lanes[i].loop, lane_begin, &o);
    }
}

bool fleet_run(struct fleet *f, enum agent_goal goal, size_t from, size_t to, size_t parallel)
{
    atomic_store(&f->stopping, false);
    atomic_store(&f->done, 0);
    for (size_t i = from; i < to; i++)
        atomic_store(&f->agents[i].done_ns, 0);
    atomic_store(&f->start_ns, now_ns());
    begin_lanes(f, goal, from, to, parallel);
    return fleet_wait(f, to - from);
}

void fleet_run_more(struct fleet *f, enum agent_goal goal, size_t from, size_t to)
{
    begin_lanes(f, goal, from, to, 0);
}

size_t fleet_round_begin(struct fleet *f, bool (*wanted)(const struct plan *p, size_t i))
{
    uint64_t base = 0;
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++) {
        struct agent *a = &f->agents[i];
        bool yes = atomic_load(&a->has_map) && wanted(f->plan, i);

        base = atomic_load(&a->serial) > base ? atomic_load(&a->serial) : base;
        atomic_store(&a->wanted, yes);
        atomic_store(&a->bytes, 0);
        atomic_store(&a->done_ns, 0);
        n += yes;
    }
    atomic_store(&f->done, 0);
    atomic_store(&f->bytes, 0);
    atomic_store(&f->messages, 0);
    atomic_store(&f->base_serial, base);
    atomic_store(&f->round, true);
    atomic_store(&f->start_ns, now_ns());
    return n;
}

static void lane_close(void *arg)
{
    struct lane *l = arg;

    for (size_t i = l->index; i < l->f->n; i += l->f->n_lanes) {
        rk_timer_cancel(&l->f->agents[i].again);
        wire_agent_close(&l->f->agents[i].w);
    }
}

struct counting {
    struct lane *l;
    size_t n;
};

static void lane_count(void *arg)
{
    struct counting *c = arg;

    c->n = c->l->n_down;
}

void fleet_disconnect(struct fleet *f)
{
    atomic_store(&f->stopping, true);
    atomic_store(&f->round, false);
    for (size_t i = 0; i < f->n_lanes; i++)
        rk_loop_call(f->lanes[i].loop, lane_close, &f->lanes[i]);
    for (size_t i = 0; i < f->n_lanes; i++) {
        struct counting c = {.l = &f->lanes[i]};
        size_t own = (f->n + f->n_lanes - 1 - i) / f->n_lanes;

        do {
            (void)usleep(POLL_US);
            rk_loop_call(c.l->loop, lane_count, &c);
        } while (c.n < own);
    }
}

void fleet_quiet(struct fleet *f, int64_t ms)
{
    do
        (void)usleep(20000);
    while (now_ns() - atomic_load(&f->last_ns) < ms * 1000000);
}

/* ---- life */

void fleet_open(struct fleet *f, const struct options *o, struct api *a, struct plan *p, size_t n)
{
    struct rk_err err = {0};

    *f = (struct fleet){.o = o, .api = a, .plan = p, .n = n, .n_lanes = (size_t)o->loops};
    f->agents = rk_calloc(n, sizeof *f->agents);
    for (size_t i = 0; i < f->n_lanes; i++) {
        struct lane *l = &f->lanes[i];

        *l = (struct lane){.f = f, .index = i, .dice = i + 1};
        l->n_down = (n + f->n_lanes - 1 - i) / f->n_lanes;
        if (rk_loop_new(&l->loop, &err) || rk_loop_start(l->loop, "agents", &err)) {
            (void)fprintf(stderr, "swarm: %s\n", err.msg);
            exit(1);
        }
    }
    for (size_t i = 0; i < n; i++) {
        f->agents[i].f = f;
        f->agents[i].i = (uint32_t)i;
        f->agents[i].lane = &f->lanes[i % f->n_lanes];
        rk_key_generate(&f->agents[i].w.private_key);
    }
}

void fleet_close(struct fleet *f)
{
    fleet_disconnect(f);
    for (size_t i = 0; i < f->n_lanes; i++) {
        rk_loop_stop(f->lanes[i].loop);
        rk_loop_join(f->lanes[i].loop);
        rk_loop_free(f->lanes[i].loop);
    }
    free(f->agents);
}
