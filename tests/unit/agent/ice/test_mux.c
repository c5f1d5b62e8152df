/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests agent/ice/{mux,gather,stun_servers}.c over real loopback sockets: gathering with a STUN
 * server of the test, two ICE agents that meet, and data that finds its wire.
 */
#include "config.h"

#include "agent/ice/mux.h"
#include "agent/ice/mux_priv.h"
#include "agent/ice/session.h"
#include "lib/base/num.h"
#include "tests/unit/vec.h"

struct peer { /* one side: mux, agent, wire */
    struct ice_mux *mux;
    struct ice_mux_session session;
    struct ice_mux_wire wire;
    struct ice_mux_gather gather;
    struct ice_user ice;
    struct ice_session *agent;
    struct rk_timer *timer;
    struct peer *other;
    char ufrag[17];
    struct ice_cand cands[16];
    size_t n_cands, data, data_bytes;
};

static struct rk_loop *loop;
static struct rk_timer *limit;
static struct peer side[2];
static bool timed_out;
static size_t want_srflx, want_data;
static void (*look)(void); /* judges the muxes before they are closed */

static const char *const UFRAG[2] = {"aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"};
static const char *const PWD[2] = {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                   "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"};

/* ---- a STUN server that sees everybody as 203.0.113.7:1234, and is deaf at first */

struct stun_server {
    struct udp_user user;
    struct udp_sock *sock;
    struct udp_scratch *scratch;
    unsigned deaf, asked;
};

static void server_received(struct udp_user *u, const struct udp_in *v, size_t n)
{
    struct stun_server *s = rk_container_of(u, struct stun_server, user);
    struct rk_addr mapped = {rk_ip4(203, 0, 113, 7), 1234};
    struct stun_writer w;
    struct stun_msg m;
    uint8_t buf[STUN_MAX_SIZE];

    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(stun_decode(v[i].bytes, &m, NULL), RK_OK);
        ck_assert_uint_eq(v[i].bytes.n, STUN_HEADER_SIZE); /* header-only, as official clients */
        s->asked++;
        if (s->deaf) {
            s->deaf--;
            continue;
        }
        stun_begin(&w, buf, sizeof buf, STUN_SUCCESS, STUN_METHOD_BINDING, &m.txid);
        stun_put_xor_mapped(&w, &mapped);
        stun_put_fingerprint(&w);
        (void)udp_send(s->sock, NULL, &v[i].from, stun_end(&w));
    }
}

static const struct udp_ops SERVER_OPS = {.received = server_received};
static struct stun_server server;

static void server_open(unsigned deaf, char uri[64])
{
    struct udp_opts o = {.bind = {rk_ip4(127, 0, 0, 1), 0}};

    server = (struct stun_server){.user = {&SERVER_OPS}, .deaf = deaf};
    server.scratch = o.scratch = udp_scratch_new(4, 2048);
    ck_assert_int_eq(udp_open(loop, &o, &server.user, &server.sock, NULL), RK_OK);
    (void)snprintf(uri, 64, "stun:127.0.0.1:%u", udp_local(server.sock)->port);
}

/* ---- the two sides */

static void finish(void)
{
    rk_timer_cancel(&limit);
    for (size_t i = 0; i < 2; i++) {
        rk_timer_cancel(&side[i].timer);
        ice_mux_gather_stop(side[0].mux, &side[i].gather);
        if (side[i].agent)
            ice_mux_session_remove(side[i].mux, &side[i].session);
        if (side[i].mux)
            ice_mux_unclaim_all(side[i].mux, &side[i].wire);
        ice_session_free(side[i].agent);
        side[i].agent = NULL;
    }
    if (look)
        look();
    for (size_t i = 0; i < 2; i++) {
        ice_mux_close(side[i].mux);
        side[i].mux = NULL;
    }
    udp_close(server.sock);
    udp_scratch_free(server.scratch);
    server.sock = NULL;
    rk_loop_stop(loop);
}

static void on_limit(void *arg)
{
    (void)arg;
    timed_out = true;
    finish();
}

static void on_finish(void *arg)
{
    (void)arg;
    finish();
}

static void finish_soon(void)
{
    rk_timer_start(loop, &limit, 0, on_finish, NULL);
}

static void arm(struct peer *p);

static void on_timer(void *arg)
{
    struct peer *p = arg;

    ice_session_tick(p->agent, rk_mono_us());
    arm(p);
}

static void arm(struct peer *p)
{
    int64_t in = (ice_session_deadline(p->agent) - rk_mono_us() + 999) / 1000;

    rk_timer_start(loop, &p->timer, in < 0 ? 0 : in, on_timer, p);
}

static void on_candidate(struct ice_mux_gather *g, const struct ice_cand *c)
{
    struct peer *p = rk_container_of(g, struct peer, gather);
    struct ice_cand mine = *c;

    ck_assert_uint_lt(p->n_cands, RK_ARRAY_LEN(p->cands));
    p->cands[p->n_cands++] = *c;
    if (c->type == ICE_SRFLX && --want_srflx == 0)
        finish_soon();
    else if (c->type == ICE_SRFLX) /* a second gathering, which the cache can serve */
        ice_mux_gather_start(side[0].mux, &side[1].gather);
    if (!p->agent)
        return;
    if (ice_session_add_local(p->agent, &mine, rk_mono_us(), NULL) == RK_OK)
        (void)ice_session_add_remote(p->other->agent, &mine, rk_mono_us(), NULL);
    arm(p);
    arm(p->other);
}

static bool on_stun(struct ice_mux_session *s, const struct rk_addr *from, const struct rk_ip *to,
                    const struct stun_msg *msg)
{
    struct peer *p = rk_container_of(s, struct peer, session);
    bool ours = ice_session_input(p->agent, from, to, msg, rk_mono_us());

    if (ours)
        ice_mux_claim(p->mux, &p->wire, from);
    arm(p);
    return ours;
}

static void on_ice_send(struct ice_user *u, const struct rk_ip *src, const struct rk_addr *to,
                        struct rk_str datagram)
{
    ice_mux_send(rk_container_of(u, struct peer, ice)->mux, src, to, datagram);
}

/* Connected: send a train of equal datagrams with a shorter one in the middle. */
static void on_ice_changed(struct ice_user *u)
{
    struct peer *p = rk_container_of(u, struct peer, ice);
    struct ice_pair_info info;
    static char bytes[1300] = "\4";
    struct udp_out out[20];

    if (!ice_session_selected(p->agent, &info))
        return;
    for (size_t i = 0; i < RK_ARRAY_LEN(out); i++)
        out[i] = (struct udp_out){.to = info.remote->addr,
                                  .bytes = rk_str_of(bytes, i == 10 ? 100 : 1300)};
    ice_mux_sendv(p->mux, out, RK_ARRAY_LEN(out));
}

static void on_data(struct ice_mux_wire *w, const struct udp_in *v, size_t n)
{
    struct peer *p = rk_container_of(w, struct peer, wire);

    for (size_t i = 0; i < n; i++) {
        p->data += udp_in_count(&v[i]);
        p->data_bytes += v[i].bytes.n;
    }
    if (side[0].data >= want_data && side[1].data >= want_data)
        finish_soon();
}

static const struct ice_mux_session_ops SESSION_OPS = {.stun = on_stun};
static const struct ice_mux_wire_ops WIRE_OPS = {.data = on_data};
static const struct ice_mux_gather_ops GATHER_OPS = {.candidate = on_candidate};
static const struct ice_user_ops ICE_OPS = {.send = on_ice_send, .changed = on_ice_changed};

static void setup(void)
{
    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    timed_out = false;
    look = NULL;
    want_srflx = want_data = SIZE_MAX;
    memset(side, 0, sizeof side);
    memset(&server, 0, sizeof server);
}

static void open_side(size_t i, bool loopback)
{
    struct ice_mux_opts o = {.loop = loop, .with_loopback = loopback};
    struct peer *p = &side[i];

    p->session.ops = &SESSION_OPS;
    p->wire.ops = &WIRE_OPS;
    p->gather.ops = &GATHER_OPS;
    p->ice.ops = &ICE_OPS;
    p->other = &side[!i];
    ck_assert_int_eq(ice_mux_open(&o, &p->mux, NULL), RK_OK);
    ck_assert_uint_ne(ice_mux_port(p->mux), 0);
}

static void start_agent(size_t i)
{
    struct peer *p = &side[i];
    struct ice_opts o = {.controlling = i == 0,
                         .local_ufrag = rk_str_z(UFRAG[i]),
                         .local_pwd = rk_str_z(PWD[i]),
                         .remote_ufrag = rk_str_z(UFRAG[!i]),
                         .remote_pwd = rk_str_z(PWD[!i])};

    p->session.ufrag = rk_str_z(UFRAG[i]);
    ice_mux_session_add(p->mux, &p->session);
    o.txid_tag = p->session.tag;
    ck_assert_int_eq(ice_session_new(&o, &p->ice, rk_mono_us(), &p->agent, NULL), RK_OK);
}

/* Until somebody calls finish; the muxes are closed then. */
static void run(int64_t limit_ms)
{
    rk_timer_start(loop, &limit, limit_ms, on_limit, NULL);
    rk_loop_run(loop);
}

START_TEST(two_agents_meet_over_real_sockets)
{
    setup();
    for (size_t i = 0; i < 2; i++)
        open_side(i, true);
    for (size_t i = 0; i < 2; i++)
        start_agent(i);
    for (size_t i = 0; i < 2; i++)
        ice_mux_gather_start(side[i].mux, &side[i].gather);
    want_data = 20;
    run(60000);
    ck_assert(!timed_out);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(side[i].data, 20);
        ck_assert_uint_eq(side[i].data_bytes, 19 * 1300 + 100);
    }
    rk_loop_free(loop);
}
END_TEST

static void look_at_status(void)
{
    struct rk_str name;
    struct rk_addr mapped;
    char text[RK_ADDR_TEXT];

    ck_assert(ice_mux_stun_status(side[0].mux, 0, &name, &mapped, NULL));
    ck_assert(rk_str_starts(name, RK_STR("stun:127.0.0.1:")));
    ck_assert_str_eq(rk_addr_format(&mapped, text).p, "203.0.113.7:1234");
    ck_assert(!ice_mux_stun_status(side[0].mux, 1, &name, &mapped, NULL));
}

START_TEST(the_mapped_address_is_asked_again_and_then_cached)
{
    char uri[64];
    struct rk_str uris[2] = {RK_STR("turn:203.0.113.9:3478"), {0}};
    size_t hosts = 0;

    setup();
    server_open(2, uri);
    uris[1] = rk_str_z(uri);
    open_side(0, true);
    ice_mux_set_stun(side[0].mux, uris, 2);
    want_srflx = 2; /* the server's answer, then from the cache for the second gathering */
    ice_mux_gather_start(side[0].mux, &side[0].gather);
    side[1].gather.ops = &GATHER_OPS;
    look = look_at_status;
    run(60000);
    ck_assert(!timed_out);
    ck_assert_uint_eq(server.asked, 3);
    for (size_t i = 0; i < side[0].n_cands; i++)
        hosts += side[0].cands[i].type == ICE_HOST;
    ck_assert_uint_ge(hosts, 1);
    rk_loop_free(loop);
}
END_TEST

static struct ice_cand router_cand;
static unsigned router_cands;

static void on_router_cand(struct ice_mux_gather *g, const struct ice_cand *c)
{
    (void)g;
    router_cand = *c;
    router_cands++;
}

START_TEST(a_port_of_the_router_is_one_more_address)
{
    static const struct ice_mux_gather_ops OPS = {.candidate = on_router_cand};
    struct ice_mux_gather g = {.ops = &OPS};
    struct rk_addr outside = {rk_ip4(203, 0, 113, 9), 51820}, seen = {rk_ip4(198, 51, 100, 4), 777},
                   seen6 = {{.family = 6}, 777};
    struct ice_cand usual = {.type = ICE_SRFLX, .addr = outside};

    setup();
    open_side(0, false);
    ice_mux_tell_router_port(side[0].mux, &g, NULL); /* there is none yet */
    ck_assert_uint_eq(router_cands, 0);
    ice_mux_set_router_port(side[0].mux, &outside);
    ice_mux_tell_router_port(side[0].mux, &g, NULL);
    ck_assert_uint_eq(router_cands, 1);
    ck_assert(rk_addr_eq(&router_cand.addr, &outside) && router_cand.type == ICE_SRFLX);
    ck_assert_uint_eq(router_cand.related.port, ice_mux_port(side[0].mux));
    ice_cand_complete(&usual);
    ck_assert_uint_eq(router_cand.priority, usual.priority + 1000);
    /* a router that does not know its own address: the one that STUN sees */
    outside.ip = (struct rk_ip){0};
    ice_mux_set_router_port(side[0].mux, &outside);
    ice_mux_tell_router_port(side[0].mux, &g, NULL);
    ice_mux_tell_router_port(side[0].mux, &g, &seen6);
    ck_assert_uint_eq(router_cands, 1);
    ice_mux_tell_router_port(side[0].mux, &g, &seen);
    ck_assert_uint_eq(router_cands, 2);
    ck_assert(rk_ip_eq(&router_cand.addr.ip, &seen.ip));
    ck_assert_uint_eq(router_cand.addr.port, 51820);
    finish_soon();
    run(0);
    rk_loop_free(loop);
}
END_TEST

START_TEST(overlay_and_loopback_addresses_are_no_candidates)
{
    struct rk_prefix overlay = {rk_ip4(100, 64, 0, 0), 10};
    struct rk_ip ip, hosts[ICE_MUX_MAX_HOSTS];

    setup();
    open_side(0, false);
    ice_mux_set_overlay(side[0].mux, &overlay, 1);
    ip = rk_ip4(100, 100, 1, 1);
    ck_assert(!ice_mux_may_send(side[0].mux, &ip));
    ip = rk_ip4(127, 0, 0, 1);
    ck_assert(!ice_mux_may_send(side[0].mux, &ip));
    ip = rk_ip4(224, 0, 0, 1);
    ck_assert(!ice_mux_may_send(side[0].mux, &ip));
    ck_assert_int_eq(rk_ip_parse(RK_STR("fe80::1"), &ip, NULL), RK_OK);
    ck_assert(!ice_mux_may_send(side[0].mux, &ip));
    ip = rk_ip4(192, 0, 2, 1);
    ck_assert(ice_mux_may_send(side[0].mux, &ip));
    for (size_t n = ice_mux_host_addrs(side[0].mux, hosts, ICE_MUX_MAX_HOSTS), i = 0; i < n; i++)
        ck_assert(!rk_ip_is_loopback(&hosts[i]));
    finish_soon();
    run(0);
    rk_loop_free(loop);
}
END_TEST

START_TEST(a_claim_moves_to_the_newest_wire_and_is_bounded)
{
    struct rk_addr from = {rk_ip4(192, 0, 2, 1), 0};
    struct ice_mux_wire other = {.ops = &WIRE_OPS};

    setup();
    open_side(0, false);
    for (unsigned i = 0; i < 2 * ICE_MUX_MAX_CLAIMS; i++) {
        from.port = (uint16_t)(1000 + i);
        ice_mux_claim(side[0].mux, &side[0].wire, &from);
        ice_mux_claim(side[0].mux, &side[0].wire, &from);
    }
    ck_assert_uint_eq(side[0].wire.n_claims, ICE_MUX_MAX_CLAIMS);
    ice_mux_claim(side[0].mux, &other, &from);
    ck_assert_uint_eq(side[0].wire.n_claims, ICE_MUX_MAX_CLAIMS - 1);
    ck_assert_uint_eq(other.n_claims, 1);
    ice_mux_unclaim_all(side[0].mux, &other);
    ck_assert_uint_eq(side[0].mux->by_addr.n, ICE_MUX_MAX_CLAIMS - 1);
    finish_soon();
    run(0);
    rk_loop_free(loop);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("mux");

    tcase_set_timeout(t, 20);
    tcase_add_test(t, two_agents_meet_over_real_sockets);
    tcase_add_test(t, the_mapped_address_is_asked_again_and_then_cached);
    tcase_add_test(t, a_port_of_the_router_is_one_more_address);
    tcase_add_test(t, overlay_and_loopback_addresses_are_no_candidates);
    tcase_add_test(t, a_claim_moves_to_the_newest_wire_and_is_bounded);
    return vec_run(t, "agent/ice/mux");
}
