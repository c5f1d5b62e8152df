/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests agent/wg/core: two interfaces on a wire of memory with a clock of their own. Side 0 and
 * side 1 have the addresses 10.0.0.1 and 10.0.0.2 outside, 100.64.0.1 and 100.64.0.2 inside.
 */
#include "config.h"

#include "agent/wg/core/core.h"
#include "agent/wg/core/proto.h"
#include "tests/unit/vec.h"

#define WIRE_MAX 512

struct packet {
    int to; /* side */
    struct wgc_endpoint from;
    size_t n;
    uint8_t p[2048];
};

struct side {
    struct wgc_user user;
    struct wgc *w;
    struct rk_key private_key, public_key;
    struct rk_addr outside;
    size_t got;     /* packets delivered */
    size_t sent[5]; /* datagrams by type */
    bool cut;       /* what it sends is lost */
    bool loaded;
};

static struct side sides[2];
static struct packet wire[WIRE_MAX];
static size_t wire_n;
static int64_t now_ms;
static struct wgc_crypt *crypt_;

static int other(const struct side *s)
{
    return s == &sides[0];
}

static void transmit(struct side *s, struct rk_str d)
{
    struct packet *k = &wire[wire_n];

    s->sent[wgc_type_of(d)]++;
    if (s->cut)
        return;
    ck_assert_uint_lt(wire_n++, WIRE_MAX);
    k->to = other(s);
    k->from = (struct wgc_endpoint){.addr = s->outside};
    k->n = d.n;
    memcpy(k->p, d.p, d.n);
}

static void on_send(struct wgc_user *u, const struct wgc_endpoint *to, struct rk_str d)
{
    ck_assert(to->addr.ip.family);
    transmit(rk_container_of(u, struct side, user), d);
}

static uint32_t on_way_of(struct wgc_user *u RK_UNUSED, const struct rk_addr *a)
{
    return a->ip.b[0] == 127 ? a->ip.b[3] : 0;
}

static int64_t on_unix_us(struct wgc_user *u RK_UNUSED)
{
    return INT64_C(1700000000000000) + now_ms * 1000;
}

static const struct wgc_user_ops OPS = {
    .send = on_send, .way_of = on_way_of, .unix_us = on_unix_us};

/* Open one datagram as a device would. */
static void receive_data(struct side *s, struct packet *k, const struct wgc_endpoint *from)
{
    struct wgc_hold h = wgc_rx_begin(s->w, wgc_get32(k->p + 4), now_ms);
    struct wgc_rx rx = {.counter = wgc_get64(k->p + 8),
                        .wire_bytes = k->n,
                        .p = k->p + WGC_DATA_HEADER,
                        .n = k->n - WGC_DATA_OVERHEAD};

    if (!h.session)
        return;
    if (wgc_open(crypt_, h.key, rx.counter, rx.p, k->n - WGC_DATA_HEADER))
        s->got += wgc_rx_end(s->w, &h, &rx, 1, from, now_ms);
    else
        wgc_unref(s->w, &h);
}

static void deliver(struct packet *k)
{
    struct side *s = &sides[k->to];

    if (wgc_type_of(rk_str_of(k->p, k->n)) == WGC_DATA)
        receive_data(s, k, &k->from);
    else
        wgc_input(s->w, rk_str_of(k->p, k->n), &k->from, s->loaded, now_ms);
}

static void settle(void) /* until the wire is silent */
{
    static struct packet k;

    while (wire_n) {
        k = wire[0];
        memmove(wire, wire + 1, --wire_n * sizeof *wire);
        deliver(&k);
    }
}

static void pass(int64_t ms) /* let time go by, running timers as they fall due */
{
    int64_t end = now_ms + ms;

    for (;;) {
        int64_t a = wgc_deadline(sides[0].w), b = wgc_deadline(sides[1].w), at = a < b ? a : b;

        if (at > end)
            break;
        now_ms = at > now_ms ? at : now_ms;
        wgc_tick(sides[0].w, now_ms);
        wgc_tick(sides[1].w, now_ms);
        settle();
    }
    now_ms = end;
}

/* An IPv4 packet of n bytes from host src to host dst of 100.64.0.0/24. */
static struct rk_str packet(uint8_t src, uint8_t dst, size_t n)
{
    static uint8_t p[1500];

    memset(p, 0, sizeof p);
    p[0] = 0x45;
    p[2] = (uint8_t)(n >> 8);
    p[3] = (uint8_t)n;
    p[12] = p[16] = 100;
    p[13] = p[17] = 64;
    p[15] = src;
    p[19] = dst;
    return rk_str_of(p, n);
}

/* Send a packet as a device would. */
static void send_packet(struct side *s, struct rk_str d)
{
    struct wgc_peer *p = wgc_route(s->w, d);
    uint8_t out[2048] = {0};
    size_t size = wgc_wire_size(d.n);
    struct wgc_hold h;

    ck_assert_ptr_nonnull(p);
    h = wgc_tx_begin(s->w, p, 1, size, now_ms);
    if (!h.session) {
        wgc_stage(s->w, p, d, now_ms);
        return;
    }
    wgc_put_header(out, h.remote_index, h.counter);
    memcpy(out + WGC_DATA_HEADER, d.p, d.n);
    wgc_seal(crypt_, h.key, h.counter, out + WGC_DATA_HEADER, size - WGC_DATA_OVERHEAD);
    transmit(s, rk_str_of(out, size));
    wgc_unref(s->w, &h);
}

static void ping(int from)
{
    send_packet(&sides[from], packet((uint8_t)(1 + from), (uint8_t)(2 - from), 100));
    settle();
}

static void apply(struct side *s, struct wg_peer_change *c)
{
    struct rk_prefix all = {rk_ip4(100, 64, 0, (unsigned)(1 + other(s))), 32};
    struct wg_change ch = {.peers = c, .n_peers = 1};

    c->key = sides[other(s)].public_key;
    if (!c->remove && !c->update_only) {
        c->allowed = &all;
        c->n_allowed = 1;
    }
    ck_assert_int_eq(wgc_apply(s->w, &ch, now_ms, NULL), RK_OK);
}

static void add_peer(struct side *s, int keepalive_s)
{
    struct wg_peer_change c = {
        .has_endpoint = true, .endpoint = sides[other(s)].outside, .keepalive_s = keepalive_s};

    apply(s, &c);
}

static struct wg_peer_state peer_of(const struct side *s)
{
    static struct rk_arena *mem;
    struct wg_state st = {0};

    rk_arena_free(mem);
    mem = rk_arena_new(0);
    wgc_read(s->w, mem, &st);
    ck_assert_uint_eq(st.n_peers, 1);
    return st.peers[0];
}

static bool endpoint_is(const struct side *s, const struct rk_addr *a)
{
    struct wg_peer_state p = peer_of(s);

    return rk_addr_eq(&p.endpoint, a);
}

static void setup(void)
{
    ck_assert_int_eq(wgc_crypt_new(&crypt_, NULL), RK_OK);
    now_ms = 1000000;
    wire_n = 0;
    memset(sides, 0, sizeof sides);
    for (unsigned i = 0; i < 2; i++) {
        struct side *s = &sides[i];
        struct wg_change c = {.has_private_key = true};

        s->user.ops = &OPS;
        s->outside = (struct rk_addr){rk_ip4(10, 0, 0, 1 + i), 51820};
        rk_key_generate(&s->private_key);
        rk_key_public(&s->private_key, &s->public_key);
        c.private_key = s->private_key;
        ck_assert_int_eq(wgc_new(&s->user, &s->w, NULL), RK_OK);
        ck_assert_int_eq(wgc_apply(s->w, &c, now_ms, NULL), RK_OK);
    }
}

static void setup_pair(void)
{
    setup();
    add_peer(&sides[0], 0);
    add_peer(&sides[1], 0);
}

static void teardown(void)
{
    wgc_free(sides[0].w);
    wgc_free(sides[1].w);
    wgc_crypt_free(crypt_);
}

START_TEST(first_packet_arrives)
{
    ping(0);
    ck_assert_uint_eq(sides[1].got, 1);
    ck_assert_uint_eq(sides[0].sent[WGC_INITIATION], 1);
    ck_assert_uint_eq(sides[1].sent[WGC_RESPONSE], 1);
    ping(1);
    ck_assert_uint_eq(sides[0].got, 1);
    ck_assert_uint_eq(sides[1].sent[WGC_INITIATION], 0);
    ck_assert_int_ne(peer_of(&sides[0]).handshake_unix_ms, 0);
    ck_assert_int_ne(peer_of(&sides[1]).handshake_unix_ms, 0);
    ck_assert_uint_eq(peer_of(&sides[0]).tx_bytes, peer_of(&sides[1]).rx_bytes);
}
END_TEST

START_TEST(both_begin_at_once)
{
    send_packet(&sides[0], packet(1, 2, 60));
    send_packet(&sides[1], packet(2, 1, 60));
    settle();
    pass(15000);
    ping(0);
    ping(1);
    ck_assert_uint_ge(sides[0].got, 1);
    ck_assert_uint_ge(sides[1].got, 1);
}
END_TEST

/* Half an hour of traffic: new keys every two minutes, nothing is lost. */
START_TEST(rekeys_without_loss)
{
    size_t n = 0;

    for (; n < 1800; n++) {
        ping(n % 3 == 0);
        pass(1000);
    }
    ck_assert_uint_eq(sides[0].got + sides[1].got, n);
    ck_assert_uint_ge(sides[0].sent[WGC_INITIATION] + sides[1].sent[WGC_INITIATION], 14);
    ck_assert_uint_le(sides[0].sent[WGC_INITIATION] + sides[1].sent[WGC_INITIATION], 18);
}
END_TEST

/* 6.2: who only receives asks for new keys too, in time. */
START_TEST(receiver_rekeys)
{
    size_t before;

    ping(0); /* 0 is the initiator */
    before = sides[0].sent[WGC_INITIATION];
    for (int i = 0; i < 175; i++) {
        ping(1);
        pass(1000);
    }
    ck_assert_uint_eq(sides[0].got, 175);
    ck_assert_uint_eq(sides[0].sent[WGC_INITIATION], before + 1);
}
END_TEST

START_TEST(retries_and_gives_up)
{
    sides[0].cut = true;
    ping(0);
    ck_assert_uint_eq(sides[0].sent[WGC_INITIATION], 1);
    pass(4900);
    ck_assert_uint_eq(sides[0].sent[WGC_INITIATION], 1);
    pass(500);
    ck_assert_uint_eq(sides[0].sent[WGC_INITIATION], 2);
    pass(200000);
    ck_assert_uint_ge(sides[0].sent[WGC_INITIATION], 18);
    ck_assert_uint_le(sides[0].sent[WGC_INITIATION], 20);
    sides[0].cut = false;
    pass(60000);
    ck_assert_uint_eq(sides[1].got, 0); /* what was staged is gone */
    ping(0);
    ck_assert_uint_eq(sides[1].got, 1);
}
END_TEST

START_TEST(staged_packets_are_bounded)
{
    sides[0].cut = true;
    for (int i = 0; i < 3000; i++)
        send_packet(&sides[0], packet(1, 2, 1400));
    sides[0].cut = false;
    pass(6000);
    ck_assert_uint_eq(sides[1].got, 128);
}
END_TEST

/* 6.5: sent, nothing came back: a new handshake after 15 s. */
START_TEST(silence_means_new_handshake)
{
    ping(0);
    ping(1);
    pass(30000);
    sides[1].cut = true;
    ping(0);
    ck_assert_uint_eq(sides[0].sent[WGC_INITIATION], 1);
    pass(14900);
    ck_assert_uint_eq(sides[0].sent[WGC_INITIATION], 1);
    pass(500);
    ck_assert_uint_eq(sides[0].sent[WGC_INITIATION], 2);
}
END_TEST

/* 6.5: one-way traffic is answered by an empty packet after 10 s, not more often. */
START_TEST(passive_keepalive)
{
    ping(0);
    ping(1);
    pass(60000);
    sides[0].sent[WGC_DATA] = sides[1].sent[WGC_DATA] = 0;
    ping(0);
    pass(9900);
    ck_assert_uint_eq(sides[1].sent[WGC_DATA], 0);
    pass(200);
    ck_assert_uint_eq(sides[1].sent[WGC_DATA], 1);
    pass(30000);
    ck_assert_uint_eq(sides[1].sent[WGC_DATA], 1);
    ck_assert_uint_eq(sides[0].sent[WGC_INITIATION], 1);
}
END_TEST

START_TEST(persistent_keepalive)
{
    struct wg_peer_change c = {.update_only = true, .keepalive_s = 25};

    apply(&sides[0], &c);
    settle();
    ck_assert_uint_eq(sides[1].sent[WGC_RESPONSE], 1); /* turned on: at once */
    sides[0].sent[WGC_DATA] = 0;
    pass(100000);
    ck_assert_uint_eq(sides[0].sent[WGC_DATA], 4);
    c.keepalive_s = 0;
    apply(&sides[0], &c);
    pass(300000);
    sides[0].sent[WGC_DATA] = 0;
    pass(100000);
    ck_assert_uint_eq(sides[0].sent[WGC_DATA], 0);
    ck_assert_int_eq(wgc_deadline(sides[0].w) > now_ms, true);
}
END_TEST

/* 6.3: keys die after three minutes; after nine without traffic nothing is left to do. */
START_TEST(old_keys_die)
{
    ping(0);
    ping(1);
    pass(181000);
    sides[0].got = 0;
    ping(1);
    ck_assert_uint_eq(sides[0].got, 1); /* by a new handshake, from the other side */
    ck_assert_uint_eq(sides[1].sent[WGC_INITIATION], 1);
    pass(3 * WGC_REJECT_AFTER_MS + 1000);
    ck_assert_int_eq(wgc_deadline(sides[0].w), INT64_MAX);
    ck_assert_int_eq(wgc_deadline(sides[1].w), INT64_MAX);
}
END_TEST

START_TEST(replays_and_strangers)
{
    static struct packet copy;

    ping(0);
    send_packet(&sides[0], packet(1, 2, 100));
    copy = wire[0];
    settle();
    ck_assert_uint_eq(sides[1].got, 2);
    for (int i = 0; i < 5; i++) {
        struct packet again = copy;

        deliver(&again);
    }
    ck_assert_uint_eq(sides[1].got, 2);
    ck_assert_uint_eq(wgc_stats_of(sides[1].w).replays, 5);
    send_packet(&sides[0], packet(77, 2, 100)); /* a source that is not this peer's */
    settle();
    ck_assert_uint_eq(sides[1].got, 2);
    ck_assert_uint_eq(wgc_stats_of(sides[1].w).strangers, 1);
    ck_assert_ptr_null(wgc_route(sides[0].w, packet(1, 77, 100)));
    ck_assert_ptr_null(wgc_route(sides[0].w, rk_str_of("E", 1)));
}
END_TEST

/* A header that promises more than there is, or less than a header, is nothing to deliver. */
START_TEST(lengths_inside)
{
    struct rk_str d = packet(1, 2, 64);
    uint8_t *p = (uint8_t *)(uintptr_t)d.p;

    ping(0);
    p[3] = 65; /* padded to 64: one byte is missing */
    send_packet(&sides[0], d);
    p[3] = 19;
    send_packet(&sides[0], d);
    settle();
    ck_assert_uint_eq(sides[1].got, 1);
}
END_TEST

START_TEST(roaming)
{
    struct rk_addr moved = {rk_ip4(10, 9, 9, 9), 7};
    struct wg_peer_change c = {.update_only = true,
                               .has_endpoint = true,
                               .keepalive_s = WG_KEEPALIVE_KEEP,
                               .endpoint = {rk_ip4(127, 1, 0, 5), 51820}};
    static struct packet k;

    ping(0);
    sides[0].outside = moved;
    ping(0);
    ck_assert(endpoint_is(&sides[1], &moved));
    apply(&sides[1], &c); /* a relayed way: somebody chose it */
    ping(0);
    ck_assert(endpoint_is(&sides[1], &c.endpoint));
    c.endpoint = moved;
    apply(&sides[1], &c);
    send_packet(&sides[0], packet(1, 2, 100)); /* a late relayed packet */
    k = wire[0];
    wire_n = 0;
    k.from = (struct wgc_endpoint){.addr = {rk_ip4(127, 1, 0, 5), 51820}, .way = 5};
    sides[1].got = 0;
    deliver(&k);
    ck_assert_uint_eq(sides[1].got, 1);
    ck_assert(endpoint_is(&sides[1], &moved));
}
END_TEST

/* A way that was only heard, as by the side that answers, gives place to UDP, and UDP to no way. */
START_TEST(heard_ways_give_place)
{
    const struct wgc_endpoint way = {.addr = {rk_ip4(127, 1, 0, 5), 51820}, .way = 5};
    struct wg_peer_change c = {.remove = true};
    static struct packet k;

    apply(&sides[1], &c);
    c = (struct wg_peer_change){.keepalive_s = WG_KEEPALIVE_KEEP};
    apply(&sides[1], &c);
    send_packet(&sides[0], packet(1, 2, 100)); /* its handshake comes by a relay */
    wire[0].from = way;
    k = wire[0];
    wire_n = 0;
    deliver(&k);
    ck_assert(endpoint_is(&sides[1], &way.addr));
    settle();
    ck_assert(endpoint_is(&sides[1], &sides[0].outside));
    send_packet(&sides[0], packet(1, 2, 100)); /* relayed, and late */
    k = wire[0];
    wire_n = 0;
    k.from = way;
    sides[1].got = 0;
    deliver(&k);
    ck_assert_uint_eq(sides[1].got, 1);
    ck_assert(endpoint_is(&sides[1], &sides[0].outside));
}
END_TEST

/* Thousands of initiations with a right mac1, as anybody can make who knows our public key: each is
 * answered by a cookie at most, and whoever sends the cookie back gets through. */
START_TEST(floods_are_answered_by_cookies)
{
    struct wgc_stats st;
    static struct packet first;
    static uint8_t msg[WGC_INITIATION_SIZE];
    struct wgc_endpoint from = {.addr = {rk_ip4(203, 0, 113, 1), 1}};

    sides[1].loaded = true;
    send_packet(&sides[0], packet(1, 2, 100));
    first = wire[0];
    wire_n = 0;
    for (int i = 0; i < 2000; i++) {
        memcpy(msg, first.p, sizeof msg);
        from.addr.port = (uint16_t)(1 + i);
        sides[1].cut = true;
        wgc_input(sides[1].w, rk_str_of(msg, sizeof msg), &from, true, now_ms);
        msg[100] ^= 1; /* and some with a wrong one */
        wgc_input(sides[1].w, rk_str_of(msg, sizeof msg), &from, true, now_ms);
    }
    sides[1].cut = false;
    st = wgc_stats_of(sides[1].w);
    ck_assert_uint_eq(st.cookies_out, 2000);
    ck_assert_uint_eq(st.dropped_macs, 2000);
    ck_assert_uint_eq(st.handshakes_in, 0);
    deliver(&first); /* the real one: a cookie comes back, and the next try carries it */
    settle();
    ck_assert_uint_eq(sides[1].got, 0);
    pass(6000);
    ck_assert_uint_eq(sides[1].got, 1);
    ck_assert_uint_eq(wgc_stats_of(sides[1].w).handshakes_in, 1);
}
END_TEST

/* Even with a cookie, one address gets 20 handshakes in a second. */
START_TEST(proved_senders_are_limited)
{
    static struct packet second;
    struct wgc_stats st;

    sides[1].loaded = true;
    ping(0);
    pass(5400); /* the retry has mac2; take a copy of it on its way */
    ck_assert_uint_eq(sides[1].got, 1);
    ping(0);
    sides[0].cut = false;
    pass(16 * 60000);
    send_packet(&sides[0], packet(1, 2, 100));
    settle();
    now_ms = wgc_deadline(sides[0].w);
    wgc_tick(sides[0].w, now_ms);
    second = wire[0];
    ck_assert_uint_eq(second.n, WGC_INITIATION_SIZE);
    wire_n = 0;
    for (int i = 0; i < 500; i++)
        wgc_input(sides[1].w, rk_str_of(second.p, second.n), &second.from, true, now_ms);
    st = wgc_stats_of(sides[1].w);
    ck_assert_uint_ge(st.dropped_floods, 490);
    settle();
}
END_TEST

START_TEST(replayed_initiation_is_not_answered)
{
    static struct packet first;

    send_packet(&sides[0], packet(1, 2, 100));
    first = wire[0];
    settle();
    pass(10000);
    for (int i = 0; i < 10; i++) {
        struct packet again = first;

        deliver(&again);
        now_ms += 50;
    }
    settle();
    ck_assert_uint_eq(sides[1].sent[WGC_RESPONSE], 1);
    ping(0);
    ck_assert_uint_eq(sides[1].got, 2);
}
END_TEST

START_TEST(peer_goes_while_its_session_is_held)
{
    struct wg_peer_change c = {.remove = true};
    struct wgc_rx rx = {.counter = 99};
    struct wgc_hold h, rxh;

    ping(0);
    h = wgc_tx_begin(sides[0].w, wgc_route(sides[0].w, packet(1, 2, 60)), 1, 60, now_ms);
    ck_assert_ptr_nonnull(h.session);
    send_packet(&sides[1], packet(2, 1, 60));
    rxh = wgc_rx_begin(sides[0].w, wgc_get32(wire[0].p + 4), now_ms);
    ck_assert_ptr_nonnull(rxh.session);
    apply(&sides[0], &c);
    ck_assert(!rk_key_is_zero(h.key)); /* still readable */
    wgc_unref(sides[0].w, &h);
    ck_assert_uint_eq(wgc_rx_end(sides[0].w, &rxh, &rx, 1, NULL, now_ms), 0);
    deliver(&wire[0]);
    ck_assert_uint_eq(sides[0].got, 0);
    wire_n = 0;
    now_ms += 100; /* initiations of one peer that follow closely are a flood */
    add_peer(&sides[0], 0);
    ping(0);
    ck_assert_uint_eq(sides[1].got, 2);
}
END_TEST

START_TEST(configuration)
{
    struct rk_prefix bad = {rk_ip4(10, 0, 0, 0), 33}, good = {rk_ip4(100, 64, 0, 9), 32};
    struct rk_prefix moved = {rk_ip4(100, 64, 0, 2), 32};
    struct wg_peer_change v[2] = {
        {.key = {{9}}, .keepalive_s = 0, .allowed = &bad, .n_allowed = 1},
        {.key = {{8}}, .keepalive_s = 7, .allowed = &good, .n_allowed = 1}};
    struct wg_change c = {.peers = v, .n_peers = 2};
    struct rk_arena *mem = rk_arena_new(0);
    struct wg_state st = {0};

    ck_assert_int_eq(wgc_apply(sides[0].w, &c, now_ms, NULL), RK_INVALID);
    wgc_read(sides[0].w, mem, &st);
    ck_assert_uint_eq(st.n_peers, 1); /* nothing changed */
    v[0].allowed = &moved;            /* takes it from the other peer */
    ck_assert_int_eq(wgc_apply(sides[0].w, &c, now_ms, NULL), RK_OK);
    wgc_read(sides[0].w, mem, &st);
    ck_assert_uint_eq(st.n_peers, 3);
    for (size_t i = 0; i < st.n_peers; i++) {
        bool is_other = rk_key_eq(&st.peers[i].key, &sides[1].public_key);

        ck_assert_uint_eq(st.peers[i].n_allowed, is_other ? 0 : 1);
        ck_assert_int_eq(st.peers[i].keepalive_s, st.peers[i].key.b[0] == 8 ? 7 : 0);
    }
    v[0].key = sides[0].public_key; /* ourselves: skipped */
    c = (struct wg_change){.replace_peers = true, .peers = v, .n_peers = 1};
    ck_assert_int_eq(wgc_apply(sides[0].w, &c, now_ms, NULL), RK_OK);
    wgc_read(sides[0].w, mem, &st);
    ck_assert_uint_eq(st.n_peers, 0);
    rk_arena_free(mem);
}
END_TEST

START_TEST(new_identity_ends_sessions)
{
    struct wg_change c = {.has_private_key = true};

    ping(0);
    rk_key_generate(&c.private_key);
    ck_assert_int_eq(wgc_apply(sides[1].w, &c, now_ms, NULL), RK_OK);
    sides[1].got = 0;
    ping(0);
    ck_assert_uint_eq(sides[1].got, 0);
}
END_TEST

/* Cut, lengthened and random messages of every type change nothing and cost nothing. */
START_TEST(noise_is_harmless)
{
    static struct packet keep[3];
    size_t got;

    send_packet(&sides[0], packet(1, 2, 100));
    keep[0] = wire[0];
    settle();
    send_packet(&sides[0], packet(1, 2, 100));
    keep[1] = wire[0];
    settle();
    got = sides[1].got;
    for (int i = 0; i < 20000; i++) {
        static struct packet k;

        k = keep[i % 2];
        k.n = rk_secret_random_below((uint32_t)k.n + 40);
        if (i % 3 == 0)
            rk_secret_random(k.p + 4, k.n > 4 ? k.n - 4 : 0);
        k.p[0] = (uint8_t)rk_secret_random_below(6);
        if (i % 2 == 0 && k.n == WGC_INITIATION_SIZE)
            continue; /* the real one again */
        deliver(&k);
    }
    settle();
    ck_assert_uint_eq(sides[1].got, got);
    ping(0);
    ping(1);
    ck_assert_uint_eq(sides[1].got, got + 1);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, setup_pair, teardown);
    tcase_add_test(t, first_packet_arrives);
    tcase_add_test(t, both_begin_at_once);
    tcase_add_test(t, rekeys_without_loss);
    tcase_add_test(t, receiver_rekeys);
    tcase_add_test(t, retries_and_gives_up);
    tcase_add_test(t, staged_packets_are_bounded);
    tcase_add_test(t, silence_means_new_handshake);
    tcase_add_test(t, passive_keepalive);
    tcase_add_test(t, persistent_keepalive);
    tcase_add_test(t, old_keys_die);
    tcase_add_test(t, replays_and_strangers);
    tcase_add_test(t, lengths_inside);
    tcase_add_test(t, roaming);
    tcase_add_test(t, heard_ways_give_place);
    tcase_add_test(t, floods_are_answered_by_cookies);
    tcase_add_test(t, proved_senders_are_limited);
    tcase_add_test(t, replayed_initiation_is_not_answered);
    tcase_add_test(t, peer_goes_while_its_session_is_held);
    tcase_add_test(t, configuration);
    tcase_add_test(t, new_identity_ends_sessions);
    tcase_add_test(t, noise_is_harmless);
    return vec_run(t, "wgc_core");
}
