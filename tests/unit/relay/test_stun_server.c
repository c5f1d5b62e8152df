/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests relay/stun_server.c over real UDP sockets on loopback. */
#include "config.h"

#include "relay/stun_server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/net/stun.h"
#include "tests/unit/vec.h"

static struct rk_loop *loop;
static struct relay_stun *server;
static struct rk_arena *mem;
static bool have_six;

static void setup(void)
{
    struct rk_addr any = {.port = 0};
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    struct rk_addr one;
    struct sockaddr_storage sa;
    socklen_t n;

    ck_assert_int_eq(rk_addr_parse(RK_STR("[::1]:0"), &one, NULL), RK_OK);
    n = rk_addr_to_sa(&one, &sa);
    have_six = fd >= 0 && bind(fd, (struct sockaddr *)&sa, n) == 0;
    if (fd >= 0)
        (void)close(fd);
    mem = rk_arena_new(0);
    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    ck_assert_int_eq(rk_loop_start(loop, "stun", NULL), RK_OK);
    ck_assert_int_eq(relay_stun_open(loop, &any, NULL, &server, NULL), RK_OK);
}

static void close_on_loop(void *arg)
{
    relay_stun_close(arg);
}

static void teardown(void)
{
    rk_loop_call(loop, close_on_loop, server);
    rk_loop_stop(loop);
    rk_loop_join(loop);
    rk_loop_free(loop);
    rk_arena_free(mem);
}

/* Ask the server at an address from a fresh connected socket: only an answer from there counts. */
static struct rk_str ask(const char *ip, struct rk_str request, struct rk_addr *self)
{
    struct timeval wait = {.tv_usec = 300 * 1000};
    struct sockaddr_storage sa;
    struct rk_addr to = {.port = relay_stun_port(server)};
    char *buf = rk_arena_alloc(mem, 2000);
    socklen_t n;
    ssize_t got;
    int fd;

    ck_assert_int_eq(rk_ip_parse(rk_str_z(ip), &to.ip, NULL), RK_OK);
    n = rk_addr_to_sa(&to, &sa);
    fd = socket(sa.ss_family, SOCK_DGRAM, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, n), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    n = sizeof sa;
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    ck_assert_int_eq(rk_addr_from_sa((struct sockaddr *)&sa, self, NULL), RK_OK);
    ck_assert_int_eq(send(fd, request.p, request.n, 0), (ssize_t)request.n);
    got = recv(fd, buf, 2000, 0);
    ck_assert_int_eq(close(fd), 0);
    return rk_str_of(buf, got > 0 ? (size_t)got : 0);
}

static void expect_mapped(const char *ip)
{
    struct rk_addr self;
    struct rk_str out = ask(ip, vec_hex(mem, "000100002112a442000102030405060708090a0b"), &self);
    struct stun_msg m;

    ck_assert_uint_eq(out.n, self.ip.family == 4 ? 40 : 52);
    ck_assert_int_eq(stun_decode(out, &m, NULL), RK_OK);
    ck_assert(m.cls == STUN_SUCCESS && stun_fingerprint_ok(&m) && m.txid.b[11] == 11);
    ck_assert(rk_addr_eq(&m.mapped, &self));
}

START_TEST(both_families_are_answered_from_where_they_asked)
{
    expect_mapped("127.0.0.1");
    expect_mapped("127.0.0.77"); /* a second address of the same host */
    if (have_six)
        expect_mapped("::1");
}
END_TEST

START_TEST(official_requests_with_attributes_are_answered)
{
    struct rk_addr self;
    struct rk_str out =
        ask("127.0.0.1",
            /* SOFTWARE, then an unknown attribute that demands understanding, and a tail */
            vec_hex(mem,
                    "000100102112a442000102030405060708090a0b80220004616263647ff1000400000000ffff"),
            &self);

    ck_assert_uint_eq(out.n, 40);
}
END_TEST

START_TEST(everything_else_is_ignored)
{
    static const char *const quiet[] = {
        "",
        "00",
        "000100002112a442000102030405060708090a",   /* short */
        "000100042112a442000102030405060708090a0b", /* longer than it is */
        "000100002112a443000102030405060708090a0b", /* cookie */
        "001100002112a442000102030405060708090a0b", /* indication */
        "010100002112a442000102030405060708090a0b", /* answer */
        "011100002112a442000102030405060708090a0b", /* error */
        "000300002112a442000102030405060708090a0b", /* TURN allocate */
        "800100002112a442000102030405060708090a0b",
    };
    struct rk_addr self;
    char *big = rk_arena_alloc(mem, 1600);

    for (size_t i = 0; i < RK_ARRAY_LEN(quiet); i++)
        ck_assert_msg(ask("127.0.0.1", vec_hex(mem, quiet[i]), &self).n == 0, "%s", quiet[i]);
    memcpy(big, vec_hex(mem, "000100002112a442000102030405060708090a0b").p, 20);
    ck_assert_uint_eq(ask("127.0.0.1", rk_str_of(big, 1600), &self).n, 0);
    expect_mapped("127.0.0.1");
}
END_TEST

START_TEST(a_port_in_use_is_named)
{
    struct rk_addr taken = {.port = relay_stun_port(server)};
    struct relay_stun *second;
    struct rk_err err = {0};

    ck_assert_int_eq(relay_stun_open(loop, &taken, NULL, &second, &err), RK_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.msg, "STUN"));
}
END_TEST

static int64_t answered(struct rk_metrics *m)
{
    struct rk_buf text;
    const char *at;
    int64_t n;

    rk_buf_init(&text, 1 << 16);
    rk_metrics_write(m, &text);
    rk_buf_addc(&text, '\0');
    at = strstr(text.p, "\nrelay_stun_answers_total ");
    ck_assert_ptr_nonnull(at);
    n = strtol(strchr(at, ' ') + 1, NULL, 10);
    rk_buf_done(&text);
    return n;
}

/* Sockets of two loops on one port: both are asked, and when one goes the other goes on. */
START_TEST(two_loops_share_a_port)
{
    struct rk_metrics *metrics = rk_metrics_new();
    struct relay_stun *helper;
    struct rk_loop *other;
    int64_t by_helper;

    ck_assert_int_eq(rk_loop_new(&other, NULL), RK_OK);
    ck_assert_int_eq(rk_loop_start(other, "stun2", NULL), RK_OK);
    ck_assert_int_eq(relay_stun_join(other, server, metrics, &helper, NULL), RK_OK);
    ck_assert_uint_eq(relay_stun_port(helper), relay_stun_port(server));
    for (int i = 0; i < 64; i++) /* each from a port of its own */
        expect_mapped(i % 2 && have_six ? "::1" : "127.0.0.77");
    by_helper = answered(metrics);
    ck_assert_int_gt(by_helper, 0);
    ck_assert_int_lt(by_helper, 64);
    rk_loop_call(other, close_on_loop, helper);
    for (int i = 0; i < 64; i++)
        expect_mapped("127.0.0.1");
    ck_assert_int_eq(answered(metrics), by_helper);
    rk_loop_stop(other);
    rk_loop_join(other);
    rk_loop_free(other);
    rk_metrics_free(metrics);
}
END_TEST

/* What somebody makes us send to a victim is little more than what he sends himself. */
START_TEST(answers_stay_small_whatever_is_asked)
{
    struct rk_addr self;
    char *big = rk_arena_alloc(mem, 1400);

    memset(big, 0, 1400);
    memcpy(big, vec_hex(mem, "000105642112a442000102030405060708090a0b80220560").p, 24);
    ck_assert_uint_eq(ask("127.0.0.1", rk_str_of(big, 1400), &self).n, 40);
    if (have_six)
        ck_assert_uint_eq(ask("::1", rk_str_of(big, 1400), &self).n, 52);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("stun server");

    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, both_families_are_answered_from_where_they_asked);
    tcase_add_test(t, official_requests_with_attributes_are_answered);
    tcase_add_test(t, everything_else_is_ignored);
    tcase_add_test(t, a_port_in_use_is_named);
    tcase_add_test(t, two_loops_share_a_port);
    tcase_add_test(t, answers_stay_small_whatever_is_asked);
    return vec_run(t, "relay/stun_server");
}
