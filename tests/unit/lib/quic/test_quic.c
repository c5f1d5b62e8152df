/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/quic: real handshakes over a network in memory, with a clock of its own. */
#include "config.h"

#include "tests/unit/lib/quic/net.h"
#include "tests/unit/run.h"

static struct side *connected(void)
{
    struct side *s = client_start();
    size_t before = net.n_peers;

    pass(2000); /* and the MTU is found */
    ck_assert_msg(s->ready, "%s", s->why.msg);
    ck_assert_uint_eq(net.n_peers, before + 1);
    return s;
}

START_TEST(messages_go_both_ways)
{
    struct side *s;

    server_start((struct quic_limits){0});
    s = connected();
    ck_assert_int_eq(say(s, s->ep, 'a', 100), QUIC_SENT);
    settle();
    ck_assert_uint_eq(net.peers[0].n_got, 1);
    ck_assert_uint_eq(net.peers[0].last_n, 100);
    ck_assert_int_eq(net.peers[0].last[99], 'a');
    ck_assert_int_eq(say(&net.peers[0], net.server, 'b', 1), QUIC_SENT);
    settle();
    ck_assert_uint_eq(s->n_got, 1);
    ck_assert_int_eq(s->last[0], 'b');
}
END_TEST

START_TEST(an_answer_from_inside_waits_for_its_turn)
{
    struct side *s;

    server_start((struct quic_limits){0});
    s = connected();
    net.peers[0].echo = true;
    ck_assert_int_eq(say(s, s->ep, 'e', 50), QUIC_SENT);
    pass(100);
    ck_assert_uint_ge(s->n_got, 1);
    ck_assert_int_eq(s->last[49], 'e');
}
END_TEST

START_TEST(the_mtu_is_found)
{
    struct side *s;

    server_start((struct quic_limits){0});
    s = client_start();
    ck_assert_uint_eq(quic_conn_max_datagram(s->conn), 0);
    pass(2000);
    /* a full WireGuard packet of a tunnel with MTU 1280, and the relay's header */
    ck_assert_uint_ge(quic_conn_max_datagram(s->conn), 1350);
    ck_assert_uint_ge(quic_conn_max_datagram(net.peers[0].conn), 1350);
    ck_assert_int_eq(say(s, s->ep, 'm', quic_conn_max_datagram(s->conn)), QUIC_SENT);
    settle();
    ck_assert_uint_eq(net.peers[0].last_n, quic_conn_max_datagram(s->conn));
}
END_TEST

START_TEST(what_does_not_fit_is_told)
{
    struct side *s;

    net.mtu = 1300;
    server_start((struct quic_limits){0});
    s = connected();
    ck_assert_uint_lt(quic_conn_max_datagram(s->conn), 1300);
    ck_assert_uint_ge(quic_conn_max_datagram(s->conn), 1150);
    ck_assert_int_eq(say(s, s->ep, 'x', 1350), QUIC_TOO_BIG);
    ck_assert_int_eq(say(&net.peers[0], net.server, 'x', 1350), QUIC_TOO_BIG);
    ck_assert_int_eq(say(s, s->ep, 'x', quic_conn_max_datagram(s->conn)), QUIC_SENT);
    settle();
    ck_assert_uint_eq(net.peers[0].n_got, 1);
}
END_TEST

/* Send until told that it is too much; how many messages that took. */
static int say_until_too_big(struct side *s, struct quic_endpoint *ep, size_t n)
{
    for (int i = 1; i < 2000; i++) {
        enum quic_sent r;

        ck_assert_msg(s->conn != NULL, "after %d: %s", i, s->why.msg);
        r = say(s, ep, 'w', n);

        if (r == QUIC_TOO_BIG)
            return i;
        pass(20);
    }
    return 0;
}

START_TEST(a_path_that_shrinks_is_noticed)
{
    struct side *s, *peer = &net.peers[0];
    size_t n;

    server_start((struct quic_limits){0});
    s = connected();
    n = quic_conn_max_datagram(s->conn);
    ck_assert_uint_ge(n, 1350);
    net.mtu = 1300;
    ck_assert_int_gt(say_until_too_big(s, s->ep, n), 7);
    ck_assert_int_gt(say_until_too_big(peer, net.server, n), 7);
    ck_assert(s->conn && peer->conn);
    ck_assert_uint_ge(quic_conn_max_datagram(s->conn), 1150);
    peer->n_got = 0;
    ck_assert_int_eq(say(s, s->ep, 'x', quic_conn_max_datagram(s->conn)), QUIC_SENT);
    ck_assert_int_eq(say(s, s->ep, 'x', n), QUIC_TOO_BIG);
    pass(1000);
    ck_assert_uint_eq(peer->n_got, 1);
}
END_TEST

static bool lose_most_big(const struct wire *w)
{
    static unsigned k;

    return w->n > 1300 && ++k % 3 != 0;
}

START_TEST(mere_loss_is_no_narrow_path)
{
    struct side *s;
    size_t n;

    server_start((struct quic_limits){0});
    s = connected();
    n = quic_conn_max_datagram(s->conn);
    net.lose = lose_most_big;
    for (int i = 0; i < 300; i++) {
        ck_assert_int_ne(say(s, s->ep, 'l', n), QUIC_TOO_BIG);
        pass(20);
    }
    net.lose = NULL;
    ck_assert_uint_eq(quic_conn_max_datagram(s->conn), n);
}
END_TEST

static bool lose_all(const struct wire *w)
{
    (void)w;
    return true;
}

/* All that was under way is lost: nothing is answered, and nothing that was sent later tells of it.
 */
START_TEST(a_moment_without_the_path_passes)
{
    struct side *s, *peer = &net.peers[0];

    server_start((struct quic_limits){0});
    s = connected();
    for (int way = 0; way < 2; way++) {
        struct side *from = way ? peer : s, *to = way ? s : peer;
        struct quic_endpoint *ep = way ? net.server : s->ep;

        net.lose = lose_all;
        for (int i = 0; i < 50; i++) {
            (void)say(from, ep, 'l', 1300);
            pass(10);
        }
        net.lose = NULL;
        pass(3000);
        to->n_got = 0;
        ck_assert_int_eq(say(from, ep, 'm', 1300), QUIC_SENT);
        pass(100);
        ck_assert_uint_eq(to->n_got, 1);
    }
}
END_TEST

/* A probe for the MTU that the interface refuses takes nothing else with it. */
START_TEST(probes_travel_alone)
{
    struct side *s;

    net.mtu = 1300;
    server_start((struct quic_limits){0});
    s = client_start();
    while (!s->ready)
        settle();
    for (int i = 0; i < 20; i++) { /* beside the probes of the first second */
        ck_assert_int_eq(say(s, s->ep, 'p', 50), QUIC_SENT);
        ck_assert_int_eq(say(&net.peers[0], net.server, 'p', 50), QUIC_SENT);
        pass(100);
    }
    ck_assert_uint_eq(net.peers[0].n_got, 20);
    ck_assert_uint_eq(s->n_got, 20);
}
END_TEST

START_TEST(congestion_holds_back_and_lets_go)
{
    enum quic_sent r = QUIC_SENT;
    struct side *s;
    size_t n = 0;

    server_start((struct quic_limits){0});
    s = connected();
    for (; n < 1000 && r == QUIC_SENT; n += r == QUIC_SENT)
        r = say(s, s->ep, 'c', 1300);
    ck_assert_int_eq(r, QUIC_BLOCKED);
    ck_assert_uint_gt(n, 5);
    pass(200);
    ck_assert_uint_eq(net.peers[0].n_got, n);
    ck_assert_uint_ge(s->n_writable, 1);
    ck_assert_int_eq(say(s, s->ep, 'c', 1300), QUIC_SENT);
}
END_TEST

START_TEST(a_goodbye_is_no_error)
{
    struct side *s;

    server_start((struct quic_limits){0});
    s = connected();
    quic_conn_close(s->conn);
    quic_endpoint_flush(s->ep, net.now_ns);
    ck_assert(s->closed);
    settle();
    ck_assert(net.peers[0].closed);
    ck_assert_int_eq(net.peers[0].why.code, RK_OK);
    ck_assert_uint_eq(quic_endpoint_conns(net.server), 0);
}
END_TEST

START_TEST(a_dead_server_is_noticed)
{
    struct side *s;

    server_start((struct quic_limits){0});
    s = connected();
    s->deaf = true;
    ck_assert_int_eq(say(s, s->ep, 'd', 100), QUIC_SENT);
    pass(7000);
    ck_assert(!s->closed);
    pass(1500); /* a message is out, and nothing came for 8 s */
    ck_assert(s->closed);
    ck_assert_int_eq(s->why.code, RK_TIMEOUT);
}
END_TEST

START_TEST(an_idle_connection_lives_by_its_keepalive)
{
    struct side *s;

    server_start((struct quic_limits){0});
    s = connected();
    pass(200000);
    ck_assert(!s->closed && !net.peers[0].closed);
    s->deaf = true;
    pass(60000); /* the server hears keepalives; the client nothing for its 30 s */
    ck_assert(s->closed);
    ck_assert_int_eq(s->why.code, RK_TIMEOUT);
    pass(60000);
    ck_assert(net.peers[0].closed);
}
END_TEST

START_TEST(a_client_behind_another_address_goes_on)
{
    struct side *s;

    server_start((struct quic_limits){0});
    s = connected();
    s->addr.port = 40000; /* the router forgot */
    ck_assert_int_eq(say(s, s->ep, 'm', 100), QUIC_SENT);
    pass(500);
    ck_assert_uint_eq(net.peers[0].n_got, 1);
    ck_assert_uint_eq(net.peers[0].n_moved, 1);
    ck_assert_int_eq(quic_conn_peer(net.peers[0].conn).port, 40000);
    ck_assert_int_eq(say(&net.peers[0], net.server, 'n', 100), QUIC_SENT);
    settle();
    ck_assert_uint_eq(s->n_got, 1);
    s->addr.ip = rk_ip4(203, 0, 113, 9); /* another way to the world */
    ck_assert_int_eq(say(s, s->ep, 'm', 100), QUIC_SENT);
    pass(500);
    ck_assert_uint_eq(net.peers[0].n_moved, 2);
    ck_assert_int_eq(say(&net.peers[0], net.server, 'n', 100), QUIC_SENT);
    settle();
    ck_assert_uint_eq(s->n_got, 2);
}
END_TEST

START_TEST(a_new_certificate_is_for_newcomers)
{
    struct tls_client_opts co = {.ca_file = net.cert.cert, .no_system_roots = true};
    struct side *old, *fresh;

    server_start((struct quic_limits){0});
    old = connected();
    test_cert_write(&net.cert, 30);
    ck_assert_int_eq(tls_ctx_reload(net.server_tls, NULL), RK_OK);
    fresh = client_start(); /* believes the old one alone */
    pass(2000);
    ck_assert(fresh->closed);
    ck_assert_int_eq(fresh->why.code, RK_UNAUTHENTICATED);
    tls_ctx_free(net.client_tls);
    ck_assert_int_eq(tls_client_new(&co, &net.client_tls, NULL), RK_OK);
    (void)connected();
    ck_assert_int_eq(say(old, old->ep, 'o', 10), QUIC_SENT);
    settle();
    ck_assert_uint_eq(net.peers[0].n_got, 1);
    quic_endpoint_free(fresh->ep); /* before the context that it names */
    fresh->ep = NULL;
}
END_TEST

START_TEST(another_name_is_refused)
{
    struct side *s;

    server_start((struct quic_limits){0});
    s = client_start_at(rk_ip4(198, 51, 100, 1), "relay.example.com");
    pass(2000);
    ck_assert(s->closed && !s->ready);
    ck_assert_int_eq(s->why.code, RK_UNAUTHENTICATED);
    ck_assert(strstr(s->why.msg, "relay.example.com"));
    ck_assert_uint_eq(quic_endpoint_conns(net.server), 0);
}
END_TEST

START_TEST(nobody_wants_it)
{
    struct side *s;

    net.refuse = true;
    server_start((struct quic_limits){0});
    s = client_start();
    pass(1000);
    ck_assert(s->closed);
    ck_assert_uint_eq(net.n_peers, 0);
    ck_assert_uint_eq(quic_endpoint_conns(net.server), 0);
}
END_TEST

static bool lose_handshakes(const struct wire *w)
{
    return !rk_addr_eq(&w->to, &net.server_addr); /* whatever the server says */
}

START_TEST(under_load_an_address_must_be_shown)
{
    struct side *s;

    server_start((struct quic_limits){.retry_from = 8, .max_half_open = 16});
    net.lose = lose_handshakes; /* strangers that never go on */
    for (int i = 0; i < 40; i++)
        (void)client_start();
    settle();
    ck_assert_uint_le(quic_endpoint_conns(net.server), 8);
    ck_assert_int_ge(metric("retries"), 30);
    net.lose = NULL;
    s = client_start(); /* an honest one gets through, with one round trip more */
    settle();
    ck_assert_msg(s->ready, "%s", s->why.msg);
    ck_assert_int_eq(say(s, s->ep, 'r', 10), QUIC_SENT);
    settle();
    ck_assert_uint_eq(net.peers[0].n_got, 1);
}
END_TEST

START_TEST(one_address_has_so_many)
{
    server_start((struct quic_limits){.max_per_addr = 3});
    for (int i = 0; i < 5; i++) {
        (void)client_start();
        settle();
    }
    pass(1000);
    ck_assert_uint_eq(net.n_peers, 3);
    ck_assert(net.clients[4].closed);
    quic_conn_close(net.peers[0].conn);
    quic_endpoint_flush(net.server, net.now_ns);
    (void)client_start();
    pass(1000);
    ck_assert_uint_eq(net.n_peers, 4);
    for (int i = 0; i < 10; i++) { /* behind a private address may be many */
        (void)client_start_at(rk_ip4(10, 1, 1, 1), "localhost");
        settle();
    }
    ck_assert_uint_eq(net.n_peers, 14);
}
END_TEST

START_TEST(a_full_server_says_so)
{
    struct side *s;

    server_start((struct quic_limits){.max_conns = 1});
    (void)connected();
    s = client_start();
    pass(200);
    ck_assert(s->closed);
}
END_TEST

START_TEST(a_restarted_server_is_noticed_at_once)
{
    struct side *s;

    server_start((struct quic_limits){0});
    s = connected();
    net.peers[0].user.ops = &SIDE_OPS;
    quic_endpoint_free(net.server); /* without a word */
    server_start((struct quic_limits){0});
    ck_assert_int_eq(say(s, s->ep, 'r', 100), QUIC_SENT);
    settle();
    ck_assert(s->closed);
    ck_assert_int_eq(s->why.code, RK_UNAVAILABLE);
    ck_assert_int_eq(metric("resets"), 1);
}
END_TEST

/* ---- strangers */

static struct rk_addr stranger(void)
{
    return (struct rk_addr){.ip = rk_ip4(203, 0, 113, 66), .port = 666};
}

static void throw_at_server(const uint8_t *p, size_t n)
{
    uint8_t *exact = rk_memdup(p, n ? n : 1); /* ASan sees one byte too far */
    struct udp_in in = {.from = stranger(), .bytes = rk_str_of(exact, n)};

    quic_endpoint_receive(net.server, &in, 1, net.now_ns);
    quic_endpoint_flush(net.server, net.now_ns);
    free(exact);
}

static struct wire recorded[64];
static size_t n_recorded;

static bool record(const struct wire *w)
{
    if (n_recorded < RK_ARRAY_LEN(recorded))
        recorded[n_recorded++] = *w;
    return false;
}

START_TEST(broken_packets_do_no_harm)
{
    struct side *s;
    unsigned seed = 1;

    server_start((struct quic_limits){0});
    net.lose = record;
    s = connected();
    net.lose = NULL;
    for (size_t i = 0; i < n_recorded; i++) {
        struct wire w = recorded[i];

        for (size_t n = 0; n < w.n; n += n < 64 ? 1 : 97) /* every truncation of the head */
            throw_at_server(w.b, n);
        for (int k = 0; k < 200; k++) {
            size_t at = (seed = seed * 1103515245 + 12345) >> 8;

            w.b[at % w.n] ^= (uint8_t)(1 + (at >> 16) % 255);
            throw_at_server(w.b, w.n);
        }
    }
    pass(100);
    ck_assert_int_eq(say(s, s->ep, 'h', 10), QUIC_SENT);
    settle();
    ck_assert_uint_eq(net.peers[0].n_got, 1);
    pass(60000); /* what strangers began is over */
    ck_assert_uint_eq(quic_endpoint_conns(net.server), 1);
}
END_TEST

static struct {
    unsigned index;
    size_t n, bytes;
} handed;

static void other_foreign(struct quic_endpoint_user *u, unsigned index, const struct udp_in *in)
{
    (void)u;
    handed.index = index;
    handed.bytes = in->bytes.n;
    handed.n++;
}

static const struct quic_endpoint_ops OTHER_OPS = {
    .send = server_send, .accept = server_accept, .foreign = other_foreign};

/* A client that moved reaches the socket of another loop. */
START_TEST(another_endpoints_packet_is_handed_over)
{
    struct quic_endpoint_user user = {&OTHER_OPS};
    struct quic_endpoint_opts o = {.tls = net.server_tls,
                                   .alpn = "test",
                                   .index = 1,
                                   .n_endpoints = 2,
                                   .local = net.server_addr,
                                   .idle_ms = 30000};
    struct quic_endpoint *other;
    struct udp_in in = {.from = stranger()};
    struct wire *w;
    struct side *s;

    server_start((struct quic_limits){0}); /* index 0 */
    ck_assert_int_eq(quic_server_new(&o, &user, &other, NULL), RK_OK);
    s = connected();
    net.lose = record;
    ck_assert_int_eq(say(s, s->ep, 'f', 100), QUIC_SENT);
    ck_assert_uint_ge(n_recorded, 1);
    w = &recorded[n_recorded - 1];
    in.bytes = rk_str_of(w->b, w->n);
    quic_endpoint_receive(other, &in, 1, net.now_ns);
    quic_endpoint_flush(other, net.now_ns);
    ck_assert_uint_eq(handed.n, 1);
    ck_assert_uint_eq(handed.index, 0);
    ck_assert_uint_eq(handed.bytes, w->n);
    w->b[1] = 7; /* no such endpoint */
    quic_endpoint_receive(other, &in, 1, net.now_ns);
    quic_endpoint_flush(other, net.now_ns);
    ck_assert_uint_eq(handed.n, 1);
    quic_endpoint_free(other);
}
END_TEST

START_TEST(no_amplification)
{
    size_t before, in = 0;

    server_start((struct quic_limits){0});
    net.lose = record;
    (void)connected();
    net.lose = NULL;
    before = net.bytes_sent;
    for (size_t i = 0; i < n_recorded; i++)
        if (rk_addr_eq(&recorded[i].to, &net.server_addr)) {
            throw_at_server(recorded[i].b, recorded[i].n);
            in += recorded[i].n;
        }
    pass(20000);
    net.head = net.tail;
    ck_assert_uint_le(net.bytes_sent - before, 3 * in + 2 * 40 * 20);
}
END_TEST

START_TEST(an_unknown_version_is_told_ours)
{
    uint8_t p[1200] = {0xc0, 0xba, 0xba, 0xba, 0xba, 8};

    server_start((struct quic_limits){0});
    throw_at_server(p, 100); /* too short to answer */
    ck_assert_uint_eq(net.n_sent, 0);
    throw_at_server(p, sizeof p);
    ck_assert_uint_eq(net.n_sent, 1);
    ck_assert_uint_lt(net.bytes_sent, 60);
}
END_TEST

START_TEST(handshakes_survive_loss)
{
    unsigned n = 0;

    server_start((struct quic_limits){0});
    for (int round = 0; round < 8; round++) {
        struct side *s = client_start();

        for (int i = 0; i < 200 && !s->ready && !s->closed; i++) {
            if (++n % 3 == 0 && net.head != net.tail)
                net.head++; /* lost */
            pass(25);
        }
        ck_assert_msg(s->ready, "round %d: %s", round, s->why.msg);
    }
}
END_TEST

START_TEST(a_client_can_move_by_itself)
{
    struct rk_addr other = {.ip = rk_ip4(10, 0, 0, 3), .port = 6000};
    struct side *s;

    server_start((struct quic_limits){0});
    s = connected();
    ck_assert_int_eq(quic_conn_move(s->conn, &other, net.now_ns, NULL), RK_OK);
    s->addr.port = 45000;
    quic_endpoint_flush(s->ep, net.now_ns);
    pass(500);
    ck_assert_int_eq(say(s, s->ep, 'm', 100), QUIC_SENT);
    settle();
    ck_assert_uint_eq(net.peers[0].n_got, 1);
    ck_assert_int_eq(quic_conn_peer(net.peers[0].conn).port, 45000);
    ck_assert_int_eq(say(&net.peers[0], net.server, 'n', 100), QUIC_SENT);
    settle();
    ck_assert_uint_eq(s->n_got, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("quic");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, network_start, network_stop);
    tcase_add_test(t, messages_go_both_ways);
    tcase_add_test(t, an_answer_from_inside_waits_for_its_turn);
    tcase_add_test(t, the_mtu_is_found);
    tcase_add_test(t, what_does_not_fit_is_told);
    tcase_add_test(t, a_path_that_shrinks_is_noticed);
    tcase_add_test(t, mere_loss_is_no_narrow_path);
    tcase_add_test(t, a_moment_without_the_path_passes);
    tcase_add_test(t, probes_travel_alone);
    tcase_add_test(t, congestion_holds_back_and_lets_go);
    tcase_add_test(t, a_goodbye_is_no_error);
    tcase_add_test(t, a_dead_server_is_noticed);
    tcase_add_test(t, an_idle_connection_lives_by_its_keepalive);
    tcase_add_test(t, a_client_behind_another_address_goes_on);
    tcase_add_test(t, a_new_certificate_is_for_newcomers);
    tcase_add_test(t, another_name_is_refused);
    tcase_add_test(t, nobody_wants_it);
    tcase_add_test(t, under_load_an_address_must_be_shown);
    tcase_add_test(t, one_address_has_so_many);
    tcase_add_test(t, a_full_server_says_so);
    tcase_add_test(t, a_restarted_server_is_noticed_at_once);
    tcase_add_test(t, broken_packets_do_no_harm);
    tcase_add_test(t, another_endpoints_packet_is_handed_over);
    tcase_add_test(t, no_amplification);
    tcase_add_test(t, an_unknown_version_is_told_ours);
    tcase_add_test(t, handshakes_survive_loss);
    tcase_add_test(t, a_client_can_move_by_itself);
    suite_add_tcase(s, t);
    return run_suite(s);
}
