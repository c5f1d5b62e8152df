/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests agent/ice/{agent,pair,check}.c: two agents in a simulated network with NATs, delay and
 * loss, and recorded official bytes. The clock is simulated; nothing waits.
 */
#include "config.h"

#include <stdio.h>

#include "agent/ice/session.h"
#include "lib/base/num.h"
#include "tests/unit/vec.h"

#define MS       1000
#define S        (1000 * MS)
#define MAX_PKTS 4096
#define MAX_MAPS 64

enum nat_kind {
    NAT_NONE,
    NAT_CONE,      /* one mapping per inner address, filters by remote address and port */
    NAT_SYMMETRIC, /* another mapping for every destination */
};

struct nat_map {
    struct rk_addr inner, outer, remote; /* remote: only for symmetric ones */
};

struct node {
    struct ice_user user;
    struct ice_session *agent;
    struct sim *sim;
    struct rk_addr host;
    struct rk_addr relayed; /* at a TURN server that lets everybody in; family 0: none */
    enum nat_kind nat;
    struct rk_ip outside; /* of the NAT */
    struct nat_map maps[MAX_MAPS];
    size_t n_maps;
    struct {
        struct rk_addr outer, remote;
    } pinholes[512];
    size_t n_pinholes;
    unsigned sent, changes;
    bool data, began; /* data goes by without us; it was noted in time */
    enum ice_traffic traffic;
    char ufrag[17], pwd[33];
};

struct packet {
    int64_t due;
    struct rk_addr from, to;
    size_t n;
    uint8_t bytes[STUN_MAX_SIZE];
};

struct sim {
    int64_t now;
    struct node node[2];
    struct packet *pkts; /* MAX_PKTS of them; due 0: free */
    int64_t delay;
    unsigned loss_percent;
    bool cut; /* nothing arrives any more */
    uint32_t dice;
};

static uint32_t roll(struct sim *s)
{
    s->dice = s->dice * 1664525u + 1013904223u;
    return s->dice >> 16;
}

static struct rk_addr addr(const char *text)
{
    struct rk_addr a;

    ck_assert_int_eq(rk_addr_parse(rk_str_z(text), &a, NULL), RK_OK);
    return a;
}

/* The address the world sees for what a node sends to `to`. */
static struct rk_addr translate_out(struct node *n, const struct rk_addr *to)
{
    struct rk_addr outer = n->host;
    size_t i;

    if (n->nat == NAT_NONE)
        return outer;
    for (i = 0; i < n->n_maps; i++)
        if (n->nat == NAT_CONE || rk_addr_eq(&n->maps[i].remote, to))
            break;
    if (i == n->n_maps) {
        ck_assert_uint_lt(i, MAX_MAPS);
        n->maps[n->n_maps++] = (struct nat_map){
            .inner = n->host,
            .outer = {.ip = n->outside, .port = (uint16_t)(40000 + 7 * i)},
            .remote = *to,
        };
    }
    outer = n->maps[i].outer;
    for (i = 0; i < n->n_pinholes; i++)
        if (rk_addr_eq(&n->pinholes[i].outer, &outer) && rk_addr_eq(&n->pinholes[i].remote, to))
            break;
    if (i == n->n_pinholes) {
        ck_assert_uint_lt(i, RK_ARRAY_LEN(n->pinholes));
        n->pinholes[n->n_pinholes].outer = outer;
        n->pinholes[n->n_pinholes++].remote = *to;
    }
    return outer;
}

/* Which node gets a packet, if any: behind a NAT only where a pinhole is. */
static struct node *translate_in(struct sim *s, const struct packet *p)
{
    for (size_t i = 0; i < 2; i++) {
        struct node *n = &s->node[i];

        if ((n->nat == NAT_NONE && rk_addr_eq(&p->to, &n->host)) || rk_addr_eq(&p->to, &n->relayed))
            return n;
        for (size_t k = 0; k < n->n_pinholes; k++)
            if (rk_addr_eq(&n->pinholes[k].outer, &p->to) &&
                rk_addr_eq(&n->pinholes[k].remote, &p->from))
                return n;
    }
    return NULL;
}

static void transmit(struct node *n, const struct rk_addr *from, const struct rk_addr *to,
                     struct rk_str datagram)
{
    struct sim *s = n->sim;

    n->sent++;
    if (s->cut || roll(s) % 100 < s->loss_percent)
        return;
    for (size_t i = 0; i < MAX_PKTS; i++) {
        struct packet *p = &s->pkts[i];

        if (p->due)
            continue;
        p->due = s->now + s->delay;
        p->from = from ? *from : translate_out(n, to);
        p->to = *to;
        p->n = datagram.n;
        memcpy(p->bytes, datagram.p, datagram.n);
        return;
    }
    ck_abort_msg("too many packets in flight");
}

static void on_send(struct ice_user *u, const struct rk_ip *src, const struct rk_addr *to,
                    struct rk_str datagram)
{
    (void)src;
    transmit(rk_container_of(u, struct node, user), NULL, to, datagram);
}

static void on_send_relayed(struct ice_user *u, const struct rk_addr *to, struct rk_str datagram)
{
    struct node *n = rk_container_of(u, struct node, user);

    ck_assert(n->relayed.ip.family);
    transmit(n, &n->relayed, to, datagram);
}

static void on_changed(struct ice_user *u)
{
    rk_container_of(u, struct node, user)->changes++;
}

static bool on_alive(struct ice_user *u, bool begin)
{
    struct node *n = rk_container_of(u, struct node, user);

    n->began = n->began || begin;
    return !begin && n->began && n->data;
}

static enum ice_traffic on_traffic(struct ice_user *u)
{
    return rk_container_of(u, struct node, user)->traffic;
}

static const struct ice_user_ops OPS = {.send_relayed = on_send_relayed,
                                        .send = on_send,
                                        .changed = on_changed,
                                        .alive = on_alive,
                                        .traffic = on_traffic};

static void deliver(struct sim *s, struct packet *p)
{
    struct node *n = translate_in(s, p);
    RK_CLEANUP(rk_freep) uint8_t *exact = rk_memdup(p->bytes, p->n);
    struct rk_addr from = p->from;
    struct stun_msg m;

    p->due = 0; /* the slot may be used again from inside */
    if (!n || !n->agent || s->cut)
        return;
    ck_assert_int_eq(stun_decode(rk_str_of(exact, p->n), &m, NULL), RK_OK);
    if (rk_addr_eq(&p->to, &n->relayed))
        (void)ice_session_input_relayed(n->agent, &from, &m, s->now);
    else
        (void)ice_session_input(n->agent, &from, &n->host.ip, &m, s->now);
}

static void sim_run(struct sim *s, int64_t until)
{
    while (s->now < until) {
        int64_t next = until;
        struct packet *first = NULL;

        for (size_t i = 0; i < MAX_PKTS; i++)
            if (s->pkts[i].due && (!first || s->pkts[i].due < first->due))
                first = &s->pkts[i];
        for (size_t i = 0; i < 2; i++)
            if (s->node[i].agent)
                next = rk_min_i64(next, ice_session_deadline(s->node[i].agent));
        if (first && first->due <= next) {
            s->now = rk_max_i64(s->now, first->due);
            deliver(s, first);
            continue;
        }
        s->now = rk_max_i64(s->now, next);
        for (size_t i = 0; i < 2; i++)
            if (s->node[i].agent && ice_session_deadline(s->node[i].agent) <= s->now) {
                ice_session_tick(s->node[i].agent, s->now);
                ck_assert_msg(ice_session_deadline(s->node[i].agent) > s->now,
                              "tick leaves a deadline in the past");
            }
    }
}

static struct sim *sim_new(enum nat_kind nat0, enum nat_kind nat1)
{
    struct sim *s = rk_calloc(1, sizeof *s);

    s->pkts = rk_calloc(MAX_PKTS, sizeof *s->pkts);
    s->now = 5 * S;
    s->delay = 20 * MS;
    s->dice = 1;
    for (size_t i = 0; i < 2; i++) {
        struct node *n = &s->node[i];

        n->user.ops = &OPS;
        n->sim = s;
        n->nat = i ? nat1 : nat0;
        n->host = addr(n->nat == NAT_NONE ? (i ? "192.0.2.2:51820" : "192.0.2.1:51820")
                                          : (i ? "10.0.2.2:51820" : "10.0.1.2:51820"));
        n->outside = addr(i ? "203.0.113.2:1" : "203.0.113.1:1").ip;
        (void)snprintf(n->ufrag, sizeof n->ufrag, "ufragufragufr%03zu", i);
        (void)snprintf(n->pwd, sizeof n->pwd, "pwdpwdpwdpwdpwdpwdpwdpwdpwdpw%03zu", i);
    }
    return s;
}

static void sim_free(struct sim *s)
{
    for (size_t i = 0; i < 2; i++)
        ice_session_free(s->node[i].agent);
    free(s->pkts);
    free(s);
}

static void start(struct sim *s, size_t i, bool controlling)
{
    struct node *n = &s->node[i], *peer = &s->node[!i];
    struct ice_opts o = {.controlling = controlling,
                         .local_ufrag = rk_str_z(n->ufrag),
                         .local_pwd = rk_str_z(n->pwd),
                         .remote_ufrag = rk_str_z(peer->ufrag),
                         .remote_pwd = rk_str_z(peer->pwd),
                         .txid_tag = (uint32_t)(0x1000 + i)};

    ck_assert_int_eq(ice_session_new(&o, &n->user, s->now, &n->agent, NULL), RK_OK);
}

/* Give node i its candidates and tell the other node, as signalling would: host, and srflx when it
 * is behind a NAT (asking a STUN server opens the mapping). */
static void trickle(struct sim *s, size_t i, bool host, bool srflx)
{
    struct node *n = &s->node[i], *peer = &s->node[!i];
    struct rk_addr stun_server = addr("198.51.100.1:3478");
    struct ice_cand c = {.type = ICE_HOST, .addr = n->host};

    if (n->agent)
        ck_assert_int_eq(ice_session_add_local(n->agent, &c, s->now, NULL), RK_OK);
    if (host && peer->agent)
        ck_assert_int_eq(ice_session_add_remote(peer->agent, &c, s->now, NULL), RK_OK);
    if (n->nat == NAT_NONE || !srflx)
        return;
    c = (struct ice_cand){.type = ICE_SRFLX, .addr = translate_out(n, &stun_server)};
    c.related = n->host;
    if (n->agent)
        ck_assert_int_eq(ice_session_add_local(n->agent, &c, s->now, NULL), RK_OK);
    if (peer->agent)
        ck_assert_int_eq(ice_session_add_remote(peer->agent, &c, s->now, NULL), RK_OK);
}

static void start_both(struct sim *s)
{
    start(s, 0, true);
    start(s, 1, false);
    trickle(s, 0, true, true);
    trickle(s, 1, true, true);
}

static struct ice_pair_info selected(struct sim *s, size_t i)
{
    struct ice_pair_info info;

    ck_assert_int_eq(ice_session_state(s->node[i].agent), ICE_CONNECTED);
    ck_assert(ice_session_selected(s->node[i].agent, &info));
    return info;
}

/* As trickle, the address at the TURN server. */
static void trickle_relayed(struct sim *s, size_t i)
{
    struct node *n = &s->node[i];
    struct ice_cand c = {.type = ICE_RELAY};

    n->relayed = c.addr = addr(i ? "198.51.100.9:4002" : "198.51.100.9:4001");
    ck_assert_int_eq(ice_session_add_local(n->agent, &c, s->now, NULL), RK_OK);
    ck_assert_int_eq(ice_session_add_remote(s->node[!i].agent, &c, s->now, NULL), RK_OK);
}

/* Who has the address (bits: nodes), and whether it comes after the remote's candidates. */
static void meet_by_turn(unsigned who, bool late)
{
    struct sim *s = sim_new(NAT_SYMMETRIC, NAT_SYMMETRIC);
    int64_t t0 = s->now;
    bool used = false;

    start(s, 0, true);
    start(s, 1, false);
    for (size_t i = 0; i < 2; i++)
        if (!late && (who & (1U << i)))
            trickle_relayed(s, i);
    trickle(s, 0, true, true);
    trickle(s, 1, true, true);
    sim_run(s, t0 + S);
    for (size_t i = 0; i < 2; i++)
        if (late && (who & (1U << i)))
            trickle_relayed(s, i);
    sim_run(s, t0 + 4 * S);
    for (size_t i = 0; i < 2; i++) {
        struct ice_pair_info info = selected(s, i);

        used = used || info.local->type == ICE_RELAY;
        if (info.local->type == ICE_RELAY)
            ck_assert(rk_addr_eq(&info.local->addr, &s->node[i].relayed));
        else
            ck_assert(rk_addr_eq(&info.remote->addr, &s->node[!i].relayed));
    }
    ck_assert(used);
    sim_run(s, t0 + 60 * S); /* and stays */
    (void)selected(s, 0);
    (void)selected(s, 1);
    sim_free(s);
}

START_TEST(two_symmetric_nats_meet_by_a_turn_server)
{
    for (unsigned who = 1; who <= 3; who++) {
        meet_by_turn(who, false);
        meet_by_turn(who, true);
    }
}
END_TEST

START_TEST(a_turn_server_is_the_last_choice)
{
    struct sim *s = sim_new(NAT_CONE, NAT_CONE);

    start(s, 0, true);
    start(s, 1, false);
    trickle_relayed(s, 0);
    trickle_relayed(s, 1);
    trickle(s, 0, true, true);
    trickle(s, 1, true, true);
    sim_run(s, s->now + 4 * S);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_ne(selected(s, i).local->type, ICE_RELAY);
        ck_assert_int_ne(selected(s, i).remote->type, ICE_RELAY);
    }
    sim_free(s);
}
END_TEST

START_TEST(two_open_hosts_connect_at_once)
{
    struct sim *s = sim_new(NAT_NONE, NAT_NONE);
    int64_t t0 = s->now;
    struct ice_pair_info info;

    start_both(s);
    while (s->now < t0 + S && !(ice_session_state(s->node[0].agent) == ICE_CONNECTED &&
                                ice_session_state(s->node[1].agent) == ICE_CONNECTED))
        sim_run(s, s->now + 10 * MS);
    ck_assert_int_le(s->now - t0, 200 * MS);
    for (size_t i = 0; i < 2; i++) {
        info = selected(s, i);
        ck_assert_int_eq(info.local->type, ICE_HOST);
        ck_assert_int_eq(info.remote->type, ICE_HOST);
        ck_assert(rk_addr_eq(&info.remote->addr, &s->node[!i].host));
        ck_assert_int_eq(info.rtt_us, 40 * MS);
    }
    sim_free(s);
}
END_TEST

START_TEST(both_behind_cone_nats_meet_at_their_outer_addresses)
{
    struct sim *s = sim_new(NAT_CONE, NAT_CONE);
    int64_t t0 = s->now;
    struct ice_pair_info info;

    start_both(s);
    sim_run(s, t0 + 450 * MS); /* srflx is not accepted before 500 ms */
    ck_assert_int_eq(ice_session_state(s->node[0].agent), ICE_CHECKING);
    sim_run(s, t0 + 2 * S);
    for (size_t i = 0; i < 2; i++) {
        info = selected(s, i);
        ck_assert_int_eq(info.local->type, ICE_SRFLX);
        ck_assert_int_eq(info.remote->type, ICE_SRFLX);
    }
    sim_free(s);
}
END_TEST

START_TEST(a_symmetric_nat_is_learned_as_peer_reflexive)
{
    struct sim *s = sim_new(NAT_SYMMETRIC, NAT_NONE);
    int64_t t0 = s->now;
    struct ice_pair_info info;

    start_both(s);
    sim_run(s, t0 + 3 * S);
    info = selected(s, 1);
    ck_assert_int_eq(info.remote->type, ICE_PRFLX);
    ck_assert_uint_eq(strlen(info.remote->id), ICE_CAND_ID_LEN); /* from attribute 0x8100 */
    info = selected(s, 0);
    ck_assert_int_eq(info.local->type, ICE_PRFLX);
    ck_assert_int_eq(info.remote->type, ICE_HOST);
    sim_free(s);
}
END_TEST

START_TEST(two_symmetric_nats_fail_after_12_seconds)
{
    struct sim *s = sim_new(NAT_SYMMETRIC, NAT_SYMMETRIC);
    int64_t t0 = s->now;

    start_both(s);
    sim_run(s, t0 + 11900 * MS);
    ck_assert_int_eq(ice_session_state(s->node[0].agent), ICE_CHECKING);
    sim_run(s, t0 + 12100 * MS);
    for (size_t i = 0; i < 2; i++) {
        struct ice_pair_info info;

        ck_assert_int_eq(ice_session_state(s->node[i].agent), ICE_FAILED);
        ck_assert(!ice_session_selected(s->node[i].agent, &info));
        ck_assert_uint_eq(s->node[i].changes, 1);
        ck_assert_int_eq(ice_session_deadline(s->node[i].agent), INT64_MAX);
    }
    sim_free(s);
}
END_TEST

START_TEST(loss_delays_but_does_not_prevent)
{
    for (unsigned seed = 1; seed <= 100; seed++) {
        struct sim *s = sim_new(seed % 2 ? NAT_CONE : NAT_NONE, seed % 3 ? NAT_CONE : NAT_NONE);
        int64_t t0 = s->now;

        s->dice = seed * 7919;
        s->loss_percent = 20;
        start_both(s);
        sim_run(s, t0 + 11 * S);
        for (size_t i = 0; i < 2; i++)
            ck_assert_msg(ice_session_state(s->node[i].agent) == ICE_CONNECTED, "seed %u node %zu",
                          seed, i);
        sim_free(s);
    }
}
END_TEST

/* The agent that starts late was checked in vain for longer than the fast checks last. */
START_TEST(a_peer_that_starts_five_seconds_later_is_still_met)
{
    for (size_t late = 0; late < 2; late++) {
        struct sim *s = sim_new(NAT_CONE, NAT_CONE);
        int64_t t0 = s->now;
        struct ice_cand c;

        start(s, !late, (!late) == 0);
        trickle(s, !late, false, true);
        trickle(s, late, true, true); /* its candidates were signalled */
        sim_run(s, t0 + 5 * S);
        start(s, late, late == 0);
        c = (struct ice_cand){.type = ICE_HOST, .addr = s->node[late].host};
        ck_assert_int_eq(ice_session_add_local(s->node[late].agent, &c, s->now, NULL), RK_OK);
        c = (struct ice_cand){.type = ICE_SRFLX, .addr = s->node[!late].maps[0].outer};
        ck_assert_int_eq(ice_session_add_remote(s->node[late].agent, &c, s->now, NULL), RK_OK);
        sim_run(s, t0 + 8 * S);
        (void)selected(s, 0);
        (void)selected(s, 1);
        sim_free(s);
    }
}
END_TEST

START_TEST(keepalives_hold_the_pair_and_silence_ends_it_after_three_seconds)
{
    struct sim *s = sim_new(NAT_CONE, NAT_CONE);
    int64_t cut;
    unsigned sent;

    start_both(s);
    sim_run(s, s->now + 3 * S);
    (void)selected(s, 0);
    sent = s->node[0].sent;
    sim_run(s, s->now + 60 * S);
    (void)selected(s, 0);
    (void)selected(s, 1);
    /* one request and one answer every 2 s; no storm */
    ck_assert_uint_ge(s->node[0].sent - sent, 55);
    ck_assert_uint_le(s->node[0].sent - sent, 65);
    s->cut = true;
    cut = s->now;
    sim_run(s, cut + 900 * MS);
    ck_assert_int_eq(ice_session_state(s->node[0].agent), ICE_CONNECTED);
    sim_run(s, cut + 3300 * MS);
    ck_assert_int_eq(ice_session_state(s->node[0].agent), ICE_FAILED);
    ck_assert_int_eq(ice_session_state(s->node[1].agent), ICE_FAILED);
    sim_free(s);
}
END_TEST

/* A full line drops checks; what else comes over it shows that it works. */
START_TEST(data_keeps_a_path_without_answers)
{
    struct sim *s = sim_new(NAT_CONE, NAT_CONE);

    start_both(s);
    sim_run(s, s->now + 3 * S);
    (void)selected(s, 0);
    s->cut = true;
    s->node[0].data = true;
    sim_run(s, s->now + 20 * S);
    ck_assert_int_eq(ice_session_state(s->node[0].agent), ICE_CONNECTED);
    ck_assert_int_eq(ice_session_state(s->node[1].agent), ICE_FAILED);
    s->node[0].data = false;
    sim_run(s, s->now + 4 * S);
    ck_assert_int_eq(ice_session_state(s->node[0].agent), ICE_FAILED);
    sim_free(s);
}
END_TEST

START_TEST(data_that_nobody_answers_ends_a_lost_pair_within_a_second)
{
    struct sim *s = sim_new(NAT_CONE, NAT_CONE);
    int64_t cut;
    unsigned sent;

    start_both(s);
    sim_run(s, s->now + 3 * S);
    (void)selected(s, 0);
    /* it goes one way only, and checks are answered: nothing is lost, and no storm */
    s->node[0].traffic = ICE_TRAFFIC_UNHEARD;
    s->node[1].traffic = ICE_TRAFFIC_HEARD;
    sent = s->node[0].sent;
    sim_run(s, s->now + 30 * S);
    (void)selected(s, 0);
    (void)selected(s, 1);
    ck_assert_uint_le(s->node[0].sent - sent, 6 * 30);
    s->cut = true;
    cut = s->now;
    sim_run(s, cut + 500 * MS);
    ck_assert_int_eq(ice_session_state(s->node[0].agent), ICE_CONNECTED);
    sim_run(s, cut + 1000 * MS);
    ck_assert_int_eq(ice_session_state(s->node[0].agent), ICE_FAILED);
    /* what still hears data has no reason to give up */
    sim_run(s, cut + 10 * S);
    ck_assert_int_eq(ice_session_state(s->node[1].agent), ICE_CONNECTED);
    sim_free(s);
}
END_TEST

/* A machine that slept asks before it believes that a path is lost. */
START_TEST(a_jump_of_the_clock_is_no_loss)
{
    struct sim *s = sim_new(NAT_CONE, NAT_CONE);

    start_both(s);
    sim_run(s, s->now + 3 * S);
    (void)selected(s, 0);
    s->now += 300 * S;
    sim_run(s, s->now + 5 * S);
    (void)selected(s, 0);
    (void)selected(s, 1);
    sim_free(s);
}
END_TEST

START_TEST(equal_roles_are_settled_by_the_tie_breaker)
{
    for (unsigned both = 0; both < 2; both++)
        for (unsigned round = 0; round < 8; round++) { /* either side wins in some round */
            struct sim *s = sim_new(NAT_NONE, NAT_CONE);

            start(s, 0, both);
            start(s, 1, both);
            trickle(s, 0, true, true);
            trickle(s, 1, true, true);
            sim_run(s, s->now + 4 * S);
            (void)selected(s, 0);
            (void)selected(s, 1);
            sim_free(s);
        }
}
END_TEST

START_TEST(candidates_may_come_late_and_in_any_order)
{
    struct sim *s = sim_new(NAT_CONE, NAT_CONE);
    int64_t t0 = s->now;

    start(s, 0, true);
    start(s, 1, false);
    sim_run(s, t0 + 3 * S);
    trickle(s, 1, true, true);
    sim_run(s, t0 + 4 * S);
    trickle(s, 0, true, true);
    sim_run(s, t0 + 6 * S);
    (void)selected(s, 0);
    (void)selected(s, 1);
    sim_free(s);
}
END_TEST

START_TEST(strangers_are_not_heard)
{
    struct sim *s = sim_new(NAT_NONE, NAT_NONE);
    struct rk_addr from = addr("192.0.2.77:1");
    struct stun_txid id = {{0}};
    struct stun_writer w;
    struct stun_msg m;
    uint8_t buf[STUN_MAX_SIZE];
    unsigned sent;

    start_both(s);
    sim_run(s, s->now + 2 * S);
    sent = s->node[0].sent;
    for (unsigned kind = 0; kind < 3; kind++) {
        stun_begin(&w, buf, sizeof buf, STUN_REQUEST, STUN_METHOD_BINDING, &id);
        stun_put_username(&w, kind == 0 ? RK_STR("ufragufragufr000:other")
                                        : RK_STR("ufragufragufr000:ufragufragufr001"));
        stun_put_controlled(&w, 1);
        stun_put_priority(&w, 1);
        if (kind == 1)
            stun_put_integrity(&w, RK_STR("not the password"));
        ck_assert_int_eq(stun_decode(stun_end(&w), &m, NULL), RK_OK);
        ck_assert(!ice_session_input(s->node[0].agent, &from, &s->node[0].host.ip, &m, s->now));
    }
    /* a response to nothing */
    stun_begin(&w, buf, sizeof buf, STUN_SUCCESS, STUN_METHOD_BINDING, &id);
    stun_put_xor_mapped(&w, &from);
    stun_put_integrity(&w, rk_str_z(s->node[1].pwd));
    ck_assert_int_eq(stun_decode(stun_end(&w), &m, NULL), RK_OK);
    ck_assert(!ice_session_input(s->node[0].agent, &from, &s->node[0].host.ip, &m, s->now));
    ck_assert_uint_eq(s->node[0].sent, sent);
    sim_free(s);
}
END_TEST

START_TEST(a_flood_of_addresses_meets_a_limit)
{
    struct sim *s = sim_new(NAT_NONE, NAT_NONE);
    struct ice_cand c;
    enum rk_code rc = RK_OK;

    start_both(s);
    for (unsigned i = 0; i < 100 && rc == RK_OK; i++) {
        c = (struct ice_cand){.type = ICE_HOST, .addr = {rk_ip4(10, 9, 8, i), 7}};
        rc = ice_session_add_remote(s->node[0].agent, &c, s->now, NULL);
        ck_assert_uint_lt(i, 70);
    }
    ck_assert_int_eq(rc, RK_LIMIT);
    sim_run(s, s->now + 2 * S);
    (void)selected(s, 0);
    sim_free(s);
}
END_TEST

START_TEST(useless_addresses_and_credentials_are_refused)
{
    struct sim *s = sim_new(NAT_NONE, NAT_NONE);
    struct ice_cand c = {.type = ICE_HOST, .addr = {rk_ip4(0, 0, 0, 0), 7}};
    struct ice_opts o = {.local_ufrag = RK_STR("abc"),
                         .local_pwd = RK_STR("0123456789012345678901"),
                         .remote_ufrag = RK_STR("abcd"),
                         .remote_pwd = RK_STR("0123456789012345678901")};

    start_both(s);
    ck_assert_int_eq(ice_session_add_remote(s->node[0].agent, &c, s->now, NULL), RK_INVALID);
    c.addr = (struct rk_addr){rk_ip4(224, 0, 0, 1), 7};
    ck_assert_int_eq(ice_session_add_remote(s->node[0].agent, &c, s->now, NULL), RK_INVALID);
    c.addr = s->node[1].host;
    ck_assert_int_eq(ice_session_add_remote(s->node[0].agent, &c, s->now, NULL), RK_EXISTS);
    c.addr = s->node[0].host;
    ck_assert_int_eq(ice_session_add_local(s->node[0].agent, &c, s->now, NULL), RK_EXISTS);
    ice_session_free(s->node[1].agent);
    s->node[1].agent = NULL;
    ck_assert_int_eq(ice_session_new(&o, &s->node[1].user, s->now, &s->node[1].agent, NULL),
                     RK_INVALID);
    sim_free(s);
}
END_TEST

/* A request that an official agent would send, byte for byte; the answer must satisfy one. */
START_TEST(an_official_request_is_answered)
{
    static const char REQUEST[] =
        "000100a42112a442000102030405060708090a0b00060021525252525252525252525252525252523a4c4c4c4c"
        "4c4c4c4c4c4c4c4c4c4c4c4c000000802a00080001020304050607002400047effffff000800144030ccf29c18"
        "6c12e00386140a1acdcdfed8e0c780280004e3a8b6468100004141414141414141414141414141414141414141"
        "414141414141414141414141413a42424242424242424242424242424242424242424242424242424242424242"
        "42"
        "000000";
    struct rk_arena *mem = rk_arena_new(0);
    struct rk_str in = vec_hex(mem, REQUEST), sender, receiver;
    struct sim *s = sim_new(NAT_NONE, NAT_NONE);
    struct node *n = &s->node[0];
    struct rk_addr from = addr("192.0.2.2:51820");
    struct ice_opts o = {.local_ufrag = RK_STR("RRRRRRRRRRRRRRRR"),
                         .local_pwd = RK_STR("pppppppppppppppppppppppppppppppp"),
                         .remote_ufrag = RK_STR("LLLLLLLLLLLLLLLL"),
                         .remote_pwd = RK_STR("qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq")};
    struct ice_cand c = {.type = ICE_HOST, .addr = n->host};
    struct stun_msg m;

    ck_assert_int_eq(ice_session_new(&o, &n->user, s->now, &n->agent, NULL), RK_OK);
    ck_assert_int_eq(ice_session_add_local(n->agent, &c, s->now, NULL), RK_OK);
    ck_assert_int_eq(stun_decode(in, &m, NULL), RK_OK);
    ck_assert(ice_session_input(n->agent, &from, &n->host.ip, &m, s->now));
    /* the answer, then the triggered check */
    ck_assert_int_eq(stun_decode(rk_str_of(s->pkts[0].bytes, s->pkts[0].n), &m, NULL), RK_OK);
    ck_assert_int_eq(m.cls, STUN_SUCCESS);
    ck_assert(stun_integrity_ok(&m, o.local_pwd));
    ck_assert(stun_fingerprint_ok(&m));
    ck_assert(rk_addr_eq(&m.mapped, &from));
    ck_assert(stun_nb_candidates_split(&m, &sender, &receiver));
    ck_assert(rk_str_eqz(sender, c.id));
    ck_assert(rk_str_eqz(receiver, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    ck_assert_int_eq(stun_decode(rk_str_of(s->pkts[1].bytes, s->pkts[1].n), &m, NULL), RK_OK);
    ck_assert_int_eq(m.cls, STUN_REQUEST);
    ck_assert(stun_integrity_ok(&m, o.remote_pwd));
    ck_assert(rk_str_eqz(m.username, "LLLLLLLLLLLLLLLL:RRRRRRRRRRRRRRRR"));
    ck_assert(m.has_controlled && m.has_priority && !m.use_candidate);
    ck_assert_uint_eq(m.priority, 2130706431);
    sim_free(s);
    rk_arena_free(mem);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("agent");

    tcase_add_test(t, two_open_hosts_connect_at_once);
    tcase_add_test(t, both_behind_cone_nats_meet_at_their_outer_addresses);
    tcase_add_test(t, a_symmetric_nat_is_learned_as_peer_reflexive);
    tcase_add_test(t, two_symmetric_nats_fail_after_12_seconds);
    tcase_add_test(t, two_symmetric_nats_meet_by_a_turn_server);
    tcase_add_test(t, a_turn_server_is_the_last_choice);
    tcase_add_test(t, loss_delays_but_does_not_prevent);
    tcase_add_test(t, a_peer_that_starts_five_seconds_later_is_still_met);
    tcase_add_test(t, keepalives_hold_the_pair_and_silence_ends_it_after_three_seconds);
    tcase_add_test(t, data_keeps_a_path_without_answers);
    tcase_add_test(t, data_that_nobody_answers_ends_a_lost_pair_within_a_second);
    tcase_add_test(t, a_jump_of_the_clock_is_no_loss);
    tcase_add_test(t, equal_roles_are_settled_by_the_tie_breaker);
    tcase_add_test(t, candidates_may_come_late_and_in_any_order);
    tcase_add_test(t, strangers_are_not_heard);
    tcase_add_test(t, a_flood_of_addresses_meets_a_limit);
    tcase_add_test(t, useless_addresses_and_credentials_are_refused);
    tcase_add_test(t, an_official_request_is_answered);
    return vec_run(t, "agent/ice/agent");
}
