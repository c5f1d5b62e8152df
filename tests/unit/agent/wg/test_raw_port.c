/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests agent/wg/raw_port.c in a network namespace of its own: a UDP socket that stands for
 * WireGuard's, and STUN beside it. Skipped without root.
 */
#include "config.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/wg/raw_port.h"
#include "lib/base/loop_uv.h"
#include "tests/unit/agent/ns.h"
#include "tests/unit/vec.h"

#define PORT 4321

static const uint8_t STUN[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3};

static struct rk_loop *loop;
static struct wg_port *port;
static struct wg_port_user user;
static struct udp_in got;
static uint8_t got_bytes[64];
static int n_got;
static int wg, other; /* sockets: WireGuard's, and a stranger's */

static void on_other(struct wg_port_user *u RK_UNUSED, const struct udp_in *v, size_t n)
{
    ck_assert_uint_eq(n, 1);
    ck_assert_uint_le(v->bytes.n, sizeof got_bytes);
    got = *v;
    memcpy(got_bytes, v->bytes.p, v->bytes.n);
    n_got++;
}

static const struct wg_port_user_ops OPS = {.other = on_other};

static int udp_socket(bool v6, uint16_t number)
{
    struct rk_addr a = {v6 ? (struct rk_ip){.family = 6} : rk_ip4(127, 0, 0, 1), number};
    struct sockaddr_storage ss;
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (v6)
        a.ip.b[15] = 1;
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, rk_addr_to_sa(&a, &ss)), 0);
    return fd;
}

static struct rk_addr local_of(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    struct rk_addr a;

    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
    ck_assert_int_eq(rk_addr_from_sa((struct sockaddr *)&ss, &a, NULL), RK_OK);
    return a;
}

static void send_to(int from, int to, const void *p, size_t n)
{
    struct rk_addr a = local_of(to);
    struct sockaddr_storage ss;
    socklen_t len = rk_addr_to_sa(&a, &ss);

    ck_assert_int_eq(sendto(from, p, n, 0, (struct sockaddr *)&ss, len), (ssize_t)n);
}

/* What a socket has got; family 0: nothing. */
static struct rk_addr take(int fd, uint8_t *buf, ssize_t *n)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    struct rk_addr a = {0};

    *n = recvfrom(fd, buf, 64, MSG_DONTWAIT, (struct sockaddr *)&ss, &len);
    if (*n >= 0)
        ck_assert_int_eq(rk_addr_from_sa((struct sockaddr *)&ss, &a, NULL), RK_OK);
    return a;
}

static void open_all(bool v6)
{
    struct wg_raw_port_opts o = {.number = PORT, .kernel = true};
    struct rk_err err = {0};

    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    o.loop = loop;
    wg = udp_socket(v6, PORT);
    other = udp_socket(v6, 0);
    ck_assert_msg(wg_raw_port_open(&o, &port, &err) == RK_OK, "%s", err.msg);
    user.ops = &OPS;
    port->user = &user;
    n_got = 0;
}

static void close_all(void)
{
    wg_raw_port_close(port);
    (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
    (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
    rk_loop_free(loop); /* aborts on a left handle */
    (void)close(wg);
    (void)close(other);
}

START_TEST(only_stun_for_the_port_arrives)
{
    struct rk_addr from;
    uint8_t buf[64], data[40] = {4};
    int stray;
    ssize_t n;

    open_all(_i);
    from = local_of(other);
    stray = udp_socket(_i, 0);
    send_to(other, wg, data, sizeof data);    /* WireGuard's */
    send_to(other, stray, STUN, sizeof STUN); /* another port */
    send_to(other, wg, STUN, 5);              /* cut */
    (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
    ck_assert_int_eq(n_got, 0);
    send_to(other, wg, STUN, sizeof STUN);
    while (!n_got)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_ONCE);
    ck_assert_int_eq(n_got, 1);
    ck_assert(rk_addr_eq(&got.from, &from));
    ck_assert(rk_ip_is_loopback(&got.to));
    ck_assert_uint_eq(got.bytes.n, sizeof STUN);
    ck_assert_int_eq(memcmp(got_bytes, STUN, sizeof STUN), 0);
    for (int i = 0; i < 3; i++) /* WireGuard got a copy of everything for it */
        (void)take(wg, buf, &n);
    ck_assert_int_eq(n, sizeof STUN);
    (void)close(stray);
    close_all();
}
END_TEST

START_TEST(sends_from_the_port)
{
    struct udp_out o = {.bytes = rk_str_of(STUN, sizeof STUN)};
    struct rk_addr from;
    uint8_t buf[64];
    ssize_t n;

    open_all(_i);
    o.to = local_of(other);
    for (int with_source = 0; with_source < 2; with_source++) {
        if (with_source)
            o.src = o.to.ip;
        ck_assert_uint_eq(wg_port_sendv(port, &o, 1), 1);
        from = take(other, buf, &n); /* the kernel has checked the sum */
        ck_assert_int_eq(n, sizeof STUN);
        ck_assert_uint_eq(from.port, PORT);
        ck_assert(rk_ip_eq(&from.ip, &o.to.ip));
    }
    o.seg = 7; /* a train */
    ck_assert_uint_eq(wg_port_sendv(port, &o, 1), 3);
    for (int i = 0; i < 3; i++)
        (void)take(other, buf, &n);
    ck_assert_int_eq(n, 6);
    close_all();
}
END_TEST

START_TEST(injects_under_another_address)
{
    struct rk_addr from = {_i ? (struct rk_ip){6, {0x20, 1, 0xd, 0xb8, [15] = 9}}
                              : rk_ip4(203, 0, 113, 9),
                           777},
                   seen;
    uint8_t buf[64];
    ssize_t n;

    open_all(_i);
    ck_assert(port->ops->inject(port, &from, rk_str_of("relayed", 7)));
    seen = take(wg, buf, &n);
    ck_assert_int_eq(n, 7);
    ck_assert(rk_addr_eq(&seen, &from));
    close_all();
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("raw_port");

    if (!ns_enter() || ns_run("ip", "link", "set", "lo", "up", NULL)) {
        (void)fprintf(stderr, "skipped: needs root and iproute2\n");
        return NS_SKIP;
    }
    tcase_add_loop_test(t, only_stun_for_the_port_arrives, 0, 2);
    tcase_add_loop_test(t, sends_from_the_port, 0, 2);
    tcase_add_loop_test(t, injects_under_another_address, 0, 2);
    return vec_run(t, "raw_port");
}
