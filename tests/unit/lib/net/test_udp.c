/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/net/udp.c over the loopback interface. */
#include "config.h"

#include <stdio.h>

#include "lib/net/udp.h"
#include "tests/unit/vec.h"

#define MAX_GOT 4096

struct end {
    struct udp_user user;
    struct udp_sock *sock;
    size_t want; /* stop the loop after so many datagrams */
    size_t n, bytes, callbacks, sizes[MAX_GOT];
    struct rk_addr from;
    struct rk_ip to;
    uint8_t first; /* byte of the last datagram */
    bool in_order;
    struct rk_loop *loop;
    struct rk_timer *limit;
    struct end *close_too;
};

static struct rk_loop *loop;
static struct udp_scratch *scratch;

static void setup(void)
{
    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    scratch = udp_scratch_new(8, UDP_SCRATCH_GRO);
}

static void teardown(void)
{
    rk_loop_stop(loop);
    rk_loop_run(loop);
    rk_loop_free(loop);
    udp_scratch_free(scratch);
}

static void finish(struct end *e)
{
    rk_timer_cancel(&e->limit);
    udp_close(e->sock);
    e->sock = NULL;
    if (e->close_too) {
        udp_close(e->close_too->sock);
        e->close_too->sock = NULL;
    }
    rk_loop_stop(e->loop);
}

static void on_limit(void *arg)
{
    finish(arg);
}

static void on_received(struct udp_user *u, const struct udp_in *v, size_t n)
{
    struct end *e = rk_container_of(u, struct end, user);

    e->callbacks++;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < udp_in_count(&v[i]); k++) {
            struct rk_str d = udp_in_at(&v[i], k);

            ck_assert_uint_lt(e->n, MAX_GOT);
            e->sizes[e->n++] = d.n;
            e->bytes += d.n;
            e->from = v[i].from;
            e->to = v[i].to;
            if (d.n) {
                e->in_order = e->n == 1 || (e->in_order && (uint8_t)d.p[0] == e->first + 1);
                e->first = (uint8_t)d.p[0];
            }
        }
    if (e->n >= e->want)
        finish(e);
}

static const struct udp_ops OPS = {.received = on_received};

static void open_end(struct end *e, const char *bind_to, bool offload)
{
    struct udp_opts o = {
        .scratch = scratch, .want_dst = true, .offload = offload, .buffer_bytes = 1 << 20};

    *e = (struct end){.user = {&OPS}, .loop = loop};
    if (bind_to)
        ck_assert_int_eq(rk_addr_parse(rk_str_z(bind_to), &o.bind, NULL), RK_OK);
    ck_assert_int_eq(udp_open(loop, &o, &e->user, &e->sock, NULL), RK_OK);
    ck_assert_uint_ne(udp_local(e->sock)->port, 0);
}

/* Run until `e` has its datagrams, at most 2 s; closes both ends. */
static void run(struct end *e, struct end *other, size_t want)
{
    e->want = want;
    e->close_too = other;
    rk_timer_start(loop, &e->limit, 2000, on_limit, e);
    rk_loop_run(loop);
    ck_assert_uint_eq(e->n, want);
}

START_TEST(one_datagram_arrives_with_both_addresses)
{
    struct end a, b;
    struct rk_addr from;
    char text[RK_ADDR_TEXT];

    open_end(&a, "127.0.0.1:0", false);
    open_end(&b, NULL, false); /* dual stack: its IPv4 peers look like IPv4 */
    from = *udp_local(a.sock);
    ck_assert(udp_send(a.sock, NULL,
                       &(struct rk_addr){rk_ip4(127, 0, 0, 1), udp_local(b.sock)->port},
                       RK_STR("x")));
    run(&b, &a, 1);
    ck_assert(rk_addr_eq(&b.from, &from));
    ck_assert_str_eq(rk_ip_format(&b.to, text).p, "127.0.0.1");
}
END_TEST

START_TEST(the_source_address_can_be_chosen)
{
    struct end a, b;
    struct rk_ip src = rk_ip4(127, 0, 0, 9);
    char text[RK_ADDR_TEXT];

    open_end(&a, NULL, false);
    open_end(&b, "127.0.0.1:0", false);
    ck_assert(udp_send(a.sock, &src, udp_local(b.sock), RK_STR("x")));
    run(&b, &a, 1);
    ck_assert_str_eq(rk_ip_format(&b.from.ip, text).p, "127.0.0.9");
}
END_TEST

/* Equal sizes with shorter ones between, an empty one, and one that is given as a run. */
START_TEST(batches_keep_sizes_and_order)
{
    static const size_t SIZES[] = {1000, 1000, 1000, 400, 1000, 1400, 1400, 20, 0, 1, 1200};
    uint8_t payload[RK_ARRAY_LEN(SIZES)][1400], joined[3 * 500];
    struct udp_out out[RK_ARRAY_LEN(SIZES) + 1];
    size_t n = RK_ARRAY_LEN(SIZES);

    for (int offload = 0; offload < 2; offload++) {
        struct end a, b;

        if (offload) {
            teardown();
            setup();
        }
        open_end(&a, "127.0.0.1:0", false);
        open_end(&b, "127.0.0.1:0", offload);
        for (size_t i = 0; i < n; i++) {
            memset(payload[i], (int)(i < 8 ? i : i - 1), sizeof payload[i]);
            out[i] = (struct udp_out){.to = *udp_local(b.sock),
                                      .bytes = rk_str_of(payload[i], SIZES[i])};
        }
        for (size_t i = 0; i < 3; i++)
            memset(joined + i * 500, (int)(n - 1 + i), 500);
        out[n] = (struct udp_out){
            .to = *udp_local(b.sock), .bytes = rk_str_of(joined, 1300), .seg = 500};
        ck_assert_uint_eq(udp_sendv(a.sock, out, n + 1), n + 3);
        run(&b, &a, n + 3);
        for (size_t i = 0; i < n; i++)
            ck_assert_uint_eq(b.sizes[i], SIZES[i]);
        ck_assert_uint_eq(b.sizes[n], 500);
        ck_assert_uint_eq(b.sizes[n + 1], 500);
        ck_assert_uint_eq(b.sizes[n + 2], 300);
        ck_assert(b.in_order);
    }
}
END_TEST

START_TEST(more_than_one_message_can_hold)
{
    enum { N = 300 };
    static uint8_t bytes[N * 1200];
    struct udp_out out = {.bytes = rk_str_of(bytes, sizeof bytes), .seg = 1200};
    struct end a, b;

    for (size_t i = 0; i < N; i++)
        bytes[i * 1200] = (uint8_t)i;
    open_end(&a, "127.0.0.1:0", false);
    open_end(&b, "127.0.0.1:0", true);
    out.to = *udp_local(b.sock);
    ck_assert_uint_eq(udp_sendv(a.sock, &out, 1), N);
    run(&b, &a, N);
    ck_assert_uint_eq(b.bytes, sizeof bytes);
}
END_TEST

START_TEST(nobody_listening_does_not_hurt)
{
    struct end a, b;
    struct udp_opts o = {.scratch = scratch};
    struct end c = {.user = {&OPS}, .loop = loop};

    open_end(&b, "127.0.0.1:0", false);
    o.bind = (struct rk_addr){rk_ip4(127, 0, 0, 1), 0};
    o.peer = *udp_local(b.sock);
    ck_assert_int_eq(udp_open(loop, &o, &c.user, &c.sock, NULL), RK_OK);
    udp_close(b.sock);
    for (int i = 0; i < 5; i++) /* each may bring back the refusal of the one before */
        (void)udp_send(c.sock, NULL, NULL, RK_STR("x"));
    o = (struct udp_opts){.scratch = scratch, .bind = o.peer};
    a = (struct end){.user = {&OPS}, .loop = loop};
    ck_assert_int_eq(udp_open(loop, &o, &a.user, &a.sock, NULL), RK_OK);
    ck_assert(udp_send(c.sock, NULL, NULL, RK_STR("x")));
    run(&a, &c, 1);
}
END_TEST

static struct {
    struct end a, b;
    struct rk_addr place; /* where nobody is at first */
    struct rk_timer *timer;
} late;

static void on_late(void *arg)
{
    struct udp_opts o = {.scratch = scratch, .bind = late.place};

    (void)arg;
    late.b = (struct end){.user = {&OPS}, .loop = loop};
    ck_assert_int_eq(udp_open(loop, &o, &late.b.user, &late.b.sock, NULL), RK_OK);
    ck_assert(udp_send(late.b.sock, NULL, udp_local(late.a.sock), RK_STR("x")));
}

START_TEST(a_refusal_does_not_deafen)
{
    struct udp_opts o = {.scratch = scratch};

    open_end(&late.b, "127.0.0.1:0", false);
    late.place = *udp_local(late.b.sock);
    udp_close(late.b.sock);
    o.peer = late.place;
    o.bind.ip.family = 4;
    late.a = (struct end){.user = {&OPS}, .loop = loop};
    ck_assert_int_eq(udp_open(loop, &o, &late.a.user, &late.a.sock, NULL), RK_OK);
    (void)udp_send(late.a.sock, NULL, NULL, RK_STR("anybody?"));
    rk_timer_start(loop, &late.timer, 100, on_late, NULL);
    run(&late.a, &late.b, 1);
}
END_TEST

START_TEST(a_taken_port_is_an_error)
{
    struct end a;
    struct udp_opts o = {.scratch = scratch};
    struct udp_sock *sock;
    struct rk_err err = {0};

    open_end(&a, "127.0.0.1:0", false);
    o.bind = *udp_local(a.sock);
    ck_assert_int_eq(udp_open(loop, &o, &a.user, &sock, &err), RK_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.msg, "bind UDP 127.0.0.1:"));
    ck_assert_ptr_nonnull(strstr(err.msg, "ss -lntup"));
    ck_assert_ptr_nonnull(strstr(err.msg, "already in use"));
    udp_close(a.sock);
}
END_TEST

START_TEST(an_address_of_another_machine_is_an_error)
{
    struct end a = {0};
    struct udp_opts o = {.scratch = scratch, .bind = {.ip = rk_ip4(192, 0, 2, 1), .port = 9}};
    struct udp_sock *sock;
    struct rk_err err = {0};

    ck_assert_int_eq(udp_open(loop, &o, &a.user, &sock, &err), RK_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.msg, "192.0.2.1:9 (not an address of this machine"));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("udp");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, one_datagram_arrives_with_both_addresses);
    tcase_add_test(t, the_source_address_can_be_chosen);
    tcase_add_test(t, batches_keep_sizes_and_order);
    tcase_add_test(t, more_than_one_message_can_hold);
    tcase_add_test(t, nobody_listening_does_not_hurt);
    tcase_add_test(t, a_refusal_does_not_deafen);
    tcase_add_test(t, a_taken_port_is_an_error);
    tcase_add_test(t, an_address_of_another_machine_is_an_error);
    return vec_run(t, "lib/net/udp");
}
