/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests agent/wg/device.c, own/, device_uapi.c and peers.c with real devices, ours and wireguard-go
 * in every pairing: two processes in two network namespaces joined by a veth pair, a datagram and a
 * megabyte of TCP from one overlay address to the other. Skipped without root; what needs
 * wireguard-go is skipped without it.
 */
#include "config.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "agent/os/link.h"
#include "agent/wg/backend.h"
#include "agent/wg/core/cookie.h"
#include "agent/wg/peers.h"
#include "lib/base/loop_uv.h"
#include "tests/unit/agent/ns.h"
#include "tests/unit/run.h"

struct owner {
    struct wg_device_user user;
    struct rk_loop *loop;
    struct nl_sock *nl;
    struct wg_device *dev;
    struct rk_err err;
    int opened, lost, closed;
};

static enum wg_mode mode = WG_DAEMON; /* of the devices that are opened */

static void on_opened(struct wg_device_user *u, const struct rk_err *err)
{
    struct owner *o = rk_container_of(u, struct owner, user);

    o->opened++;
    if (err)
        o->err = *err;
    uv_stop(rk_loop_uv(o->loop));
}

static void on_lost(struct wg_device_user *u, const struct rk_err *err)
{
    struct owner *o = rk_container_of(u, struct owner, user);

    o->lost++;
    o->err = *err;
    uv_stop(rk_loop_uv(o->loop));
}

static void on_closed(struct wg_device_user *u)
{
    struct owner *o = rk_container_of(u, struct owner, user);

    o->closed++;
    o->dev = NULL;
    uv_stop(rk_loop_uv(o->loop));
}

static const struct wg_device_ops OPS = {.opened = on_opened, .lost = on_lost, .closed = on_closed};

static void owner_init(struct owner *o)
{
    *o = (struct owner){.user.ops = &OPS};
    ck_assert_int_eq(rk_loop_new(&o->loop, NULL), RK_OK);
    ck_assert_int_eq(nl_open(NETLINK_ROUTE, &o->nl, NULL), RK_OK);
}

static void owner_done(struct owner *o)
{
    nl_close(o->nl);
    rk_loop_free(o->loop); /* aborts on a left handle */
}

static void turn(struct owner *o, int *until)
{
    while (!*until)
        (void)uv_run(rk_loop_uv(o->loop), UV_RUN_DEFAULT);
}

static void open_device(struct owner *o, const char *name)
{
    struct wg_open opts = {.name = name, .mode = mode, .route = o->nl};

    o->dev = wg_device_open(o->loop, &opts, &o->user);
    turn(o, &o->opened);
}

static void close_device(struct owner *o)
{
    wg_device_close(o->dev);
    turn(o, &o->closed);
}

START_TEST(opens_closes_and_leaves_nothing)
{
    struct owner o;
    struct link l;

    owner_init(&o);
    open_device(&o, "wgt0");
    ck_assert_msg(o.err.code == RK_OK, "%s", o.err.msg);
    ck_assert_int_eq(link_find(o.nl, "wgt0", &l, NULL), RK_OK);
    ck_assert_uint_eq(l.index, wg_device_ifindex(o.dev));
    ck_assert_int_eq(access("/run/wireguard/wgt0.sock", F_OK), 0);
    close_device(&o);
    ck_assert_int_eq(link_find(o.nl, "wgt0", &l, NULL), RK_NOT_FOUND);
    ck_assert_int_ne(access("/run/wireguard/wgt0.sock", F_OK), 0);
    owner_done(&o);
}
END_TEST

START_TEST(the_socket_is_made_where_it_was_asked_for)
{
    struct wg_open opts = {.name = "wgt0", .mode = WG_DAEMON};
    char dir[] = "/tmp/rookery-wg-XXXXXX", path[64];
    struct owner o;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/wgt0.sock", dir);
    owner_init(&o);
    opts.route = o.nl;
    opts.socket_dir = dir;
    o.dev = wg_device_open(o.loop, &opts, &o.user);
    turn(&o, &o.opened);
    ck_assert_msg(o.err.code == RK_OK, "%s", o.err.msg);
    ck_assert_int_eq(access(path, F_OK), 0);
    ck_assert_int_ne(access("/run/wireguard/wgt0.sock", F_OK), 0);
    close_device(&o);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(rmdir(dir), 0);
    owner_done(&o);
}
END_TEST

START_TEST(closing_while_opening)
{
    struct owner o;
    struct link l;

    owner_init(&o);
    for (int i = 0; i < 5; i++) {
        struct wg_open opts = {.name = "wgt0", .mode = WG_DAEMON, .route = o.nl};
        struct timespec ms = {.tv_nsec = i * 2000000};

        o.opened = o.closed = 0;
        o.dev = wg_device_open(o.loop, &opts, &o.user);
        for (int n = 0; n < i * 3 && !o.opened; n++) {
            (void)uv_run(rk_loop_uv(o.loop), UV_RUN_NOWAIT);
            (void)nanosleep(&ms, NULL);
        }
        close_device(&o);
        ck_assert_int_eq(link_find(o.nl, "wgt0", &l, NULL), RK_NOT_FOUND);
    }
    owner_done(&o);
}
END_TEST

START_TEST(missing_program_is_an_error_with_its_name)
{
    struct owner o;
    struct wg_open opts = {.name = "wgt0", .mode = WG_DAEMON, .program = "no-such-wireguard"};

    owner_init(&o);
    opts.route = o.nl;
    o.dev = wg_device_open(o.loop, &opts, &o.user);
    turn(&o, &o.closed);
    ck_assert_int_eq(o.err.code, RK_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(o.err.msg, "no-such-wireguard"));
    owner_done(&o);
}
END_TEST

START_TEST(dying_daemon_is_reported)
{
    struct owner o;
    uint64_t start;
    struct wg_change c = {.has_port = true};

    owner_init(&o);
    open_device(&o, "wgt0");
    ck_assert_int_eq(kill(wg_device_pid(o.dev, &start), SIGKILL), 0);
    turn(&o, &o.lost);
    ck_assert_int_ne(wg_device_apply(o.dev, &c, NULL), RK_OK);
    close_device(&o);
    owner_done(&o);
}
END_TEST

START_TEST(a_living_stranger_is_left_alone)
{
    struct owner a, b;
    struct link l;

    owner_init(&a);
    owner_init(&b);
    open_device(&a, "wgt0");
    open_device(&b, "wgt0");
    ck_assert_int_eq(b.err.code, RK_EXISTS);
    turn(&b, &b.closed);
    ck_assert_int_eq(link_find(a.nl, "wgt0", &l, NULL), RK_OK);
    close_device(&a);
    owner_done(&a);
    owner_done(&b);
}
END_TEST

/* As after kill -9 of an agent whose daemon lived on. */
START_TEST(leftovers_are_removed)
{
    struct nl_sock *nl;
    struct wg_left left = {.name = "wgt0"};
    struct link l;
    int fd = -1;

    ck_assert_int_eq(nl_open(NETLINK_ROUTE, &nl, NULL), RK_OK);
    ck_assert_int_eq(wg_daemon_start("wireguard-go", "wgt0", NULL, &left.pid, &fd, NULL), RK_OK);
    for (int i = 0; i < 6000 && link_find(nl, "wgt0", &l, NULL); i++)
        (void)usleep(10000);
    (void)usleep(50000);
    left.ifindex = l.index;
    left.pid_start = wg_process_start(left.pid);
    ck_assert_uint_ne(left.pid_start, 0);
    left.pid_start++; /* another process by now: nothing may happen to it */
    ck_assert_int_eq(wg_device_clean(nl, &left, NULL), RK_OK);
    ck_assert_int_eq(link_find(nl, "wgt0", &l, NULL), RK_OK);
    left.pid_start--;
    ck_assert_int_eq(wg_device_clean(nl, &left, NULL), RK_OK);
    ck_assert_int_eq(link_find(nl, "wgt0", &l, NULL), RK_NOT_FOUND);
    ck_assert_int_ne(access("/run/wireguard/wgt0.sock", F_OK), 0);
    ck_assert_int_eq(wg_device_clean(nl, &left, NULL), RK_OK); /* twice is fine */
    (void)waitpid(left.pid, NULL, 0);
    (void)close(fd);
    nl_close(nl);
}
END_TEST

/* ---- peers */

static struct wg_state read_state(struct owner *o, struct rk_arena *mem)
{
    struct wg_state s;
    struct rk_err err = {0};

    ck_assert_msg(wg_device_read(o->dev, mem, &s, &err) == RK_OK, "%s", err.msg);
    return s;
}

static const struct wg_peer_state *peer_of(const struct wg_state *s, const struct rk_key *k)
{
    for (size_t i = 0; i < s->n_peers; i++)
        if (rk_key_eq(&s->peers[i].key, k))
            return &s->peers[i];
    return NULL;
}

static const struct wg_peer_state *known_peer(const struct wg_state *s, const struct rk_key *k)
{
    const struct wg_peer_state *p = peer_of(s, k);

    if (!p) {
        ck_abort_msg("no such peer");
        abort(); /* the compiler does not know that the line above ends the test */
    }
    return p;
}

static struct rk_key public_key(void)
{
    struct rk_key priv, pub;

    rk_key_generate(&priv);
    rk_key_public(&priv, &pub);
    return pub;
}

static const enum wg_mode BOTH[] = {WG_OWN, WG_DAEMON};

START_TEST(wishes_reach_the_device)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct rk_key a = public_key(), b = public_key(), stranger = public_key(), psk = public_key();
    struct rk_prefix p1 = {rk_ip4(100, 64, 0, 1), 32}, p2 = {rk_ip4(10, 1, 2, 3), 16};
    struct rk_addr to = {rk_ip4(127, 0, 0, 1), 1000}, other = {rk_ip4(127, 0, 0, 1), 2000};
    struct wg_peers *t = wg_peers_new();
    struct wg_peer_change extra = {.key = stranger, .keepalive_s = WG_KEEPALIVE_KEEP};
    struct wg_change c = {.peers = &extra, .n_peers = 1};
    struct wg_state s;
    struct owner o;
    size_t fixed = 0;

    mode = BOTH[_i];
    owner_init(&o);
    open_device(&o, "wgt0");
    wg_peers_put(t, &a, &psk, 25);
    wg_peers_put(t, &b, NULL, 0);
    wg_peers_allow(t, &a, &p1);
    wg_peers_allow(t, &a, &p2);
    wg_peers_endpoint(t, &a, &to);
    ck_assert_int_eq(wg_peers_flush(t, o.dev, NULL), RK_OK);
    s = read_state(&o, mem);
    ck_assert_uint_eq(s.n_peers, 2);
    ck_assert_uint_eq(known_peer(&s, &a)->n_allowed, 2);
    ck_assert_int_eq(known_peer(&s, &a)->keepalive_s, 25);
    ck_assert(rk_key_eq(&known_peer(&s, &a)->psk, &psk));
    ck_assert(rk_addr_eq(&known_peer(&s, &a)->endpoint, &to));

    wg_peers_allow(t, &b, &p2); /* moves */
    wg_peers_forget(t, &a);
    wg_peers_endpoint(t, &b, &other);
    ck_assert_int_eq(wg_peers_flush(t, o.dev, NULL), RK_OK);
    s = read_state(&o, mem);
    ck_assert_uint_eq(known_peer(&s, &a)->n_allowed, 1);
    ck_assert_uint_eq(known_peer(&s, &a)->endpoint.ip.family, 0);
    ck_assert(rk_key_eq(&known_peer(&s, &a)->psk, &psk));
    ck_assert_uint_eq(known_peer(&s, &b)->n_allowed, 1);
    ck_assert(rk_addr_eq(&known_peer(&s, &b)->endpoint, &other));

    wg_peers_disallow(t, &b, &p2);
    ck_assert_int_eq(wg_peers_flush(t, o.dev, NULL), RK_OK);
    s = read_state(&o, mem);
    ck_assert_uint_eq(known_peer(&s, &b)->n_allowed, 0);

    /* somebody else adds one peer and we lose one: reconcile heals both */
    ck_assert_int_eq(wg_device_apply(o.dev, &c, NULL), RK_OK);
    extra = (struct wg_peer_change){.key = a, .remove = true};
    ck_assert_int_eq(wg_device_apply(o.dev, &c, NULL), RK_OK);
    ck_assert_int_eq(wg_peers_reconcile(t, o.dev, &fixed, NULL), RK_OK);
    ck_assert_uint_eq(fixed, 2);
    s = read_state(&o, mem);
    ck_assert_ptr_null(peer_of(&s, &stranger));
    ck_assert_uint_eq(known_peer(&s, &a)->n_allowed, 1);
    ck_assert_int_eq(wg_peers_reconcile(t, o.dev, &fixed, NULL), RK_OK);
    ck_assert_uint_eq(fixed, 0);

    wg_peers_remove(t, &a);
    wg_peers_remove(t, &b);
    wg_peers_put(t, &b, NULL, 25); /* removed and wished again before the flush */
    ck_assert_int_eq(wg_peers_flush(t, o.dev, NULL), RK_OK);
    s = read_state(&o, mem);
    ck_assert_uint_eq(s.n_peers, 1);
    ck_assert_uint_eq(known_peer(&s, &b)->endpoint.ip.family, 0);
    ck_assert_int_eq(known_peer(&s, &b)->keepalive_s, 25);
    wg_peers_free(t);
    close_device(&o);
    owner_done(&o);
    rk_arena_free(mem);
}
END_TEST

/* ---- two machines */

static void side_up(struct owner *o, const struct rk_key *own, const struct rk_key *peer_public,
                    struct wg_peers *t, int me)
{
    struct rk_addr to = {rk_ip4(10, 99, 0, me == 1 ? 2 : 1), 5555};
    struct rk_prefix addr = {rk_ip4(100, 64, 0, (unsigned)me), 16};
    struct rk_prefix peer = {rk_ip4(100, 64, 0, me == 1 ? 2 : 1), 32};
    struct wg_change c = {
        .has_private_key = true, .private_key = *own, .has_port = true, .port = 5555};
    struct rk_err err = {0};

    owner_init(o);
    open_device(o, "wgt0");
    ck_assert_msg(o->err.code == RK_OK, "%s", o->err.msg);
    ck_assert_msg(wg_device_apply(o->dev, &c, &err) == RK_OK, "%s", err.msg);
    ck_assert_int_eq(link_addr_sync(o->nl, wg_device_ifindex(o->dev), &addr, 1, NULL), RK_OK);
    ck_assert_int_eq(link_set(o->nl, wg_device_ifindex(o->dev), true, 1280, NULL), RK_OK);
    wg_peers_put(t, peer_public, NULL, 25);
    wg_peers_allow(t, peer_public, &peer);
    wg_peers_endpoint(t, peer_public, &to);
    ck_assert_int_eq(wg_peers_flush(t, o->dev, NULL), RK_OK);
}

#define STREAM_BYTES ((size_t)1 << 20)

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

/* Read n bytes of the pattern and, if asked, send them back. */
static void check_stream(int fd, bool back)
{
    static uint8_t buf[65536];
    size_t at = 0, wrong = 0;

    while (at < STREAM_BYTES) {
        ssize_t n = read(fd, buf, sizeof buf);

        ck_assert_int_gt(n, 0);
        for (ssize_t i = 0; i < n; i++) /* not an assertion each: a million takes minutes */
            wrong += buf[i] != pattern(at + (size_t)i);
        ck_assert_uint_eq(wrong, 0);
        at += (size_t)n;
        for (ssize_t i = 0, k; back && i < n; i += k) {
            k = write(fd, buf + i, (size_t)(n - i));
            ck_assert_int_gt(k, 0);
        }
    }
}

static void stream_server(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    char rest;

    ck_assert_int_ge(fd, 0);
    check_stream(fd, true);
    /* the device must not go before the client has everything: it closes then */
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    while (read(fd, &rest, 1) > 0)
        ;
    (void)close(fd);
}

static void stream_client(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(8)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t writer;
    int how = 0;

    to.sin_addr.s_addr = htonl(0x64400002);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    writer = fork();
    if (writer == 0) { /* both directions at once */
        static uint8_t all[STREAM_BYTES];

        for (size_t i = 0; i < sizeof all; i++)
            all[i] = pattern(i);
        for (size_t i = 0; i < sizeof all;) {
            ssize_t n = write(fd, all + i, sizeof all - i);

            if (n <= 0)
                _exit(1);
            i += (size_t)n;
        }
        _exit(0);
    }
    check_stream(fd, false);
    (void)waitpid(writer, &how, 0);
    ck_assert_int_eq(how, 0);
    (void)close(fd);
}

/* The other machine: answers one datagram and one stream, then tidies up. */
static void echo_side(const struct rk_key *own, const struct rk_key *peer)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(7)}, from;
    socklen_t len = sizeof from;
    struct wg_peers *t = wg_peers_new();
    struct timeval tv = {.tv_sec = 120}; /* a lost handshake is tried again after five seconds */
    struct owner o;
    char buf[64];
    ssize_t n;
    int fd, listener;

    side_up(&o, own, peer, t, 2);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(0x64400002);
    at.sin_port = htons(8);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    at.sin_port = htons(7);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(0x64400002);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    n = recvfrom(fd, buf, sizeof buf, 0, (struct sockaddr *)&from, &len);
    ck_assert_int_eq(n, 5);
    (void)sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
    (void)close(fd);
    stream_server(listener);
    (void)close(listener);
    wg_peers_free(t);
    close_device(&o);
    owner_done(&o);
}

static bool have_daemon(void)
{
    return ns_run("sh", "-c", "command -v wireguard-go >/dev/null", NULL) == 0;
}

START_TEST(two_devices_exchange_data)
{
    struct rk_key priv[2], pub[2];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7)};
    struct timeval tv = {.tv_usec = 500000};
    struct rk_arena *mem = rk_arena_new(0);
    struct wg_peers *t = wg_peers_new();
    int ready[2], entered[2], fd, how = 0;
    struct owner o;
    struct wg_state s;
    char text[16], buf[64];
    ssize_t n = -1;
    pid_t child;

    if (_i > 0 && !have_daemon())
        return;
    for (int i = 0; i < 2; i++) {
        rk_key_generate(&priv[i]);
        rk_key_public(&priv[i], &pub[i]);
    }
    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(pipe(entered), 0);
    child = fork();
    if (child == 0) {
        (void)close(ready[1]);
        ck_assert(ns_enter());
        ck_assert_int_eq(write(entered[1], "x", 1), 1);
        n = read(ready[0], buf, 1); /* the veth end has been moved here */
        ck_assert_int_eq(n, 1);
        ck_assert_int_eq(ns_run("ip", "addr", "add", "10.99.0.2/24", "dev", "v2", NULL), 0);
        ck_assert_int_eq(ns_run("ip", "link", "set", "v2", "up", NULL), 0);
        mode = BOTH[_i / 2];
        echo_side(&priv[1], &pub[0]);
        _exit(0);
    }
    (void)close(ready[0]);
    (void)close(entered[1]);
    ck_assert_int_eq(read(entered[0], buf, 1), 1); /* the child has its namespace */
    (void)close(entered[0]);
    (void)snprintf(text, sizeof text, "%ld", (long)child);
    ck_assert_int_eq(ns_run("ip", "link", "add", "v1", "type", "veth", "peer", "name", "v2",
                            "netns", text, NULL),
                     0);
    ck_assert_int_eq(ns_run("ip", "addr", "add", "10.99.0.1/24", "dev", "v1", NULL), 0);
    ck_assert_int_eq(ns_run("ip", "link", "set", "v1", "up", NULL), 0);
    ck_assert_int_eq(write(ready[1], "x", 1), 1);

    mode = BOTH[_i % 2];
    side_up(&o, &priv[0], &pub[1], t, 1);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(0x64400002);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    for (int i = 0; i < 200 && n != 5; i++) {
        (void)sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, sizeof to);
        n = recv(fd, buf, sizeof buf, 0);
    }
    ck_assert_int_eq(n, 5);
    (void)close(fd);
    stream_client();
    s = read_state(&o, mem);
    ck_assert_uint_eq(s.n_peers, 1);
    ck_assert_int_gt(s.peers[0].handshake_unix_ms, 0);
    ck_assert_uint_gt(s.peers[0].rx_bytes, 0);
    ck_assert_uint_gt(s.peers[0].tx_bytes, 0);
    (void)waitpid(child, &how, 0);
    ck_assert_int_eq(how, 0);
    (void)ns_run("ip", "link", "del", "v1", NULL); /* else it goes some time after the other end */
    wg_peers_free(t);
    close_device(&o);
    owner_done(&o);
    rk_arena_free(mem);
}
END_TEST

/* A flood of initiations with a right mac1, as anybody can make who knows the public key: answered
 * by cookies, and the device stays what it was. */
START_TEST(floods_do_not_stall_the_device)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(5555)};
    struct rk_key priv, pub, peer = public_key();
    uint8_t msg[WGC_INITIATION_SIZE] = {WGC_INITIATION}, answer[256];
    struct wg_peers *t = wg_peers_new();
    struct rk_arena *mem = rk_arena_new(0);
    struct wgc_crypt *crypt;
    struct wgc_stamp stamp;
    size_t cookies = 0;
    struct owner o;
    struct wg_state s;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    mode = WG_OWN;
    rk_key_generate(&priv);
    rk_key_public(&priv, &pub);
    side_up(&o, &priv, &peer, t, 1);
    ck_assert_int_eq(ns_run("ip", "link", "set", "lo", "up", NULL), 0);
    ck_assert_int_eq(wgc_crypt_new(&crypt, NULL), RK_OK);
    wgc_stamp_init(&stamp, crypt, &pub);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 20000; i++) {
        rk_secret_random(msg + 4, sizeof msg - 4);
        if (i % 2)
            wgc_stamp_put(&stamp, crypt, msg, sizeof msg, 1);
        (void)sendto(fd, msg, i % 3 ? sizeof msg : 32 + (size_t)i % 90, 0, (struct sockaddr *)&to,
                     sizeof to);
        while (recv(fd, answer, sizeof answer, MSG_DONTWAIT) == WGC_COOKIE_SIZE)
            cookies++;
    }
    ck_assert_uint_gt(cookies, 0);
    s = read_state(&o, mem);
    ck_assert_uint_eq(s.n_peers, 1);
    ck_assert_int_eq(s.peers[0].handshake_unix_ms, 0);
    (void)close(fd);
    wgc_crypt_free(crypt);
    wg_peers_free(t);
    close_device(&o);
    owner_done(&o);
    rk_arena_free(mem);
}
END_TEST

START_TEST(own_device_comes_and_goes)
{
    struct owner o;
    struct link l;

    mode = WG_OWN;
    for (int i = 0; i < 3; i++) {
        struct wg_change c = {.has_port = true, .port = (uint16_t)(i * 4000)};

        owner_init(&o);
        open_device(&o, "wgt0");
        ck_assert_msg(o.err.code == RK_OK, "%s", o.err.msg);
        ck_assert_int_eq(link_find(o.nl, "wgt0", &l, NULL), RK_OK);
        ck_assert_int_eq(wg_device_apply(o.dev, &c, NULL), RK_OK);
        c.port = 4001;
        ck_assert_int_eq(wg_device_apply(o.dev, &c, NULL), RK_OK); /* another one, while running */
        c.port = 4001;
        ck_assert_int_eq(wg_device_apply(o.dev, &c, NULL), RK_OK);
        close_device(&o);
        ck_assert_int_eq(link_find(o.nl, "wgt0", &l, NULL), RK_NOT_FOUND);
        owner_done(&o);
    }
}
END_TEST

START_TEST(a_taken_port_is_not_shared)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(4002)};
    struct wg_change c = {.has_port = true, .port = 4002};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), yes = 1;
    struct owner o;

    mode = WG_OWN;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    owner_init(&o);
    open_device(&o, "wgt0");
    ck_assert_int_eq(wg_device_apply(o.dev, &c, NULL), RK_UNAVAILABLE);
    (void)close(fd);
    ck_assert_int_eq(wg_device_apply(o.dev, &c, NULL), RK_OK);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    ck_assert_int_ne(bind(fd, (struct sockaddr *)&at, sizeof at), 0); /* nor does anybody join */
    (void)close(fd);
    close_device(&o);
    owner_done(&o);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wg_device");
    TCase *t = tcase_create("userspace");

    if (ns_run("sh", "-c", "command -v ip >/dev/null && test -c /dev/net/tun", NULL) ||
        !ns_enter()) {
        (void)fprintf(stderr, "skipped: needs root and iproute2\n");
        return NS_SKIP;
    }
    tcase_set_timeout(t, 60);
    if (have_daemon()) {
        tcase_add_test(t, opens_closes_and_leaves_nothing);
        tcase_add_test(t, the_socket_is_made_where_it_was_asked_for);
        tcase_add_test(t, closing_while_opening);
        tcase_add_test(t, missing_program_is_an_error_with_its_name);
        tcase_add_test(t, dying_daemon_is_reported);
        tcase_add_test(t, a_living_stranger_is_left_alone);
        tcase_add_test(t, leftovers_are_removed);
    }
    tcase_add_test(t, own_device_comes_and_goes);
    tcase_add_test(t, a_taken_port_is_not_shared);
    tcase_add_test(t, floods_do_not_stall_the_device);
    tcase_add_loop_test(t, wishes_reach_the_device, 0, have_daemon() ? 2 : 1);
    tcase_add_loop_test(t, two_devices_exchange_data, 0, 4);
    suite_add_tcase(s, t);
    return run_suite(s);
}
