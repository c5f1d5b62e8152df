/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two of the agent's relay clients meet at a relay that runs as a program of its own.
 *
 *   relay_pair                      starts ./rookery-relay of the build folder, restarts it midway
 *   relay_pair URL SECRET           uses a relay that runs already, ours or another one
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/client/relay_client.h"
#include "lib/base/arena.h"
#include "lib/base/loop_uv.h"
#include "lib/base/num.h"
#include "lib/crypto/hmac.h"
#include "lib/crypto/secret.h"

enum { WAIT_MS = 15000, DATAGRAMS = 2000, BURST = 20, SIZE = 1400 };

struct peer {
    struct relay_client_user user;
    struct relay_client *client;
    char key[RK_KEY_TEXT + 1];
    bool up;
    int ups, downs;
};

struct stream {
    struct relay_client_stream_user user;
    struct relay_client_stream *stream;
    bool ready, closed;
    int received, wrong;
};

static struct rk_loop *loop;
static char url[64];
static const char *secret = "relay-pair-secret";
static pid_t relay;

__attribute__((noreturn)) static void fail(const char *what)
{
    (void)fprintf(stderr, "FAIL %s\n", what);
    if (relay > 0)
        (void)kill(relay, SIGKILL);
    exit(EXIT_FAILURE);
}

static void check(bool ok, const char *what)
{
    if (!ok)
        fail(what);
    printf("ok   %s\n", what);
}

static bool turn_until(const bool *flag, bool want)
{
    int64_t until = rk_mono_ms() + WAIT_MS;

    while (*flag != want && rk_mono_ms() < until) {
        (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
        (void)usleep(200);
    }
    return *flag == want;
}

/* ---- the relay */

static uint16_t free_port(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 ||
        getsockname(fd, (struct sockaddr *)&sa, &n) != 0)
        fail("find a port");
    (void)close(fd);
    return ntohs(sa.sin_port);
}

static void relay_start(uint16_t port)
{
    char address[32];

    (void)snprintf(address, sizeof address, "127.0.0.1:%u", port);
    (void)snprintf(url, sizeof url, "rel://%s", address);
    relay = fork();
    if (relay < 0)
        fail("fork");
    if (relay == 0) {
        (void)setenv("ROOKERY_RELAY_AUTH_SECRET", secret, 1);
        (void)execl("./rookery-relay", "rookery-relay", "-l", address, "-e", address,
                    "--metrics-port", "0", "-H", "", "--log-level", "warn", (char *)NULL);
        _exit(127);
    }
}

static void relay_stop(void)
{
    int status = 0;

    (void)kill(relay, SIGTERM);
    while (waitpid(relay, &status, 0) < 0 && errno == EINTR)
        ;
    relay = 0;
    check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the relay ends in order");
}

/* ---- clients */

static void home_up(struct relay_client_user *u)
{
    struct peer *p = rk_container_of(u, struct peer, user);

    p->up = true;
    p->ups++;
}

static void home_down(struct relay_client_user *u, const struct rk_err *why)
{
    struct peer *p = rk_container_of(u, struct peer, user);

    (void)why;
    p->up = false;
    p->downs++;
}

static const struct relay_client_user_ops USER_OPS = {.home_up = home_up, .home_down = home_down};

static void peer_open(struct peer *p)
{
    struct rk_str urls[1] = {rk_str_z(url)};
    struct hmac_credential cred;
    struct relay_client_opts opts = {.loop = loop};
    struct rk_key key, relay_key;

    rk_key_generate(&key);
    rk_key_public(&key, &key);
    rk_key_format(&key, p->key);
    hmac_relay_key(rk_str_z(secret), &relay_key);
    hmac_relay_credential(&relay_key, rk_unix_ms() / 1000 + 3600, &cred);
    p->user.ops = &USER_OPS;
    opts.own_key_text = rk_str_z(p->key);
    if (relay_client_open(&opts, &p->user, &p->client, NULL) ||
        relay_client_set_config(p->client, urls, 1, rk_str_z(cred.payload),
                                rk_str_z(cred.signature), NULL))
        fail("open the client");
}

static void on_ready(struct relay_client_stream_user *u)
{
    rk_container_of(u, struct stream, user)->ready = true;
}

static void on_data(struct relay_client_stream_user *u, struct rk_str datagram)
{
    struct stream *s = rk_container_of(u, struct stream, user);

    s->received++;
    if (!datagram.n || datagram.p[0] != 4 || datagram.n > SIZE)
        s->wrong++;
}

static void on_closed(struct relay_client_stream_user *u, const struct rk_err *why)
{
    struct stream *s = rk_container_of(u, struct stream, user);

    (void)why;
    s->stream = NULL;
    s->ready = false;
    s->closed = true;
}

static const struct relay_client_stream_ops STREAM_OPS = {
    .ready = on_ready, .data = on_data, .closed = on_closed};

static void stream_open(struct stream *s, const struct peer *from, const struct peer *to)
{
    struct rk_str home;
    struct rk_ip ip;

    *s = (struct stream){.user.ops = &STREAM_OPS};
    if (!relay_client_home(from->client, &home, &ip))
        fail("home relay");
    if (relay_client_stream_open(from->client, home, (struct rk_ip){0}, rk_str_z(to->key), &s->user,
                                 &s->stream, NULL))
        fail("open a stream");
}

/* Both directions at once, in bursts that fit every queue: nothing may be lost. */
static void exchange(struct stream *a, struct stream *b)
{
    char data[SIZE];
    int64_t until = rk_mono_ms() + WAIT_MS;
    int sent = 0;

    memset(data, 'd', sizeof data);
    data[0] = 4; /* looks like WireGuard data */
    while ((a->received < DATAGRAMS || b->received < DATAGRAMS) && rk_mono_ms() < until) {
        for (int i = 0; i < BURST && sent < DATAGRAMS && a->received >= sent - BURST &&
                        b->received >= sent - BURST;
             i++, sent++) {
            struct rk_str d = rk_str_of(data, 1 + (size_t)(sent * 37) % SIZE);

            relay_client_stream_send(a->stream, &(struct udp_in){.bytes = d}, 1);
            relay_client_stream_send(b->stream, &(struct udp_in){.bytes = d}, 1);
        }
        (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
    }
    check(a->received == DATAGRAMS && b->received == DATAGRAMS, "all datagrams arrive");
    check(!a->wrong && !b->wrong, "and are whole");
}

static void meet(struct peer *a, struct peer *b)
{
    struct stream ab, ba;

    stream_open(&ab, a, b);
    stream_open(&ba, b, a);
    check(turn_until(&ab.ready, true) && turn_until(&ba.ready, true), "both streams are ready");
    exchange(&ab, &ba);
    relay_client_close(b->client);
    check(turn_until(&ab.closed, true), "a stream ends when its peer goes offline");
}

static void meet_late(struct peer *a, struct peer *b)
{
    struct stream ab;

    stream_open(&ab, a, b);
    for (int i = 0; i < 100; i++) {
        (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
        (void)usleep(2000);
    }
    check(!ab.ready, "a stream waits for its peer");
    peer_open(b); /* with a new key: still not the one that is waited for */
    check(turn_until(&b->up, true), "another peer connects");
    check(!ab.ready && !ab.closed, "which is nobody's business");
    relay_client_stream_close(ab.stream);
    relay_client_close(b->client);
}

static void restart(struct peer *a, uint16_t port)
{
    relay_stop();
    check(turn_until(&a->up, false), "the client notices that the relay is gone");
    relay_start(port);
    check(turn_until(&a->up, true), "and finds it again");
    check(a->ups == 2 && a->downs == 1, "once each");
}

int main(int argc, char **argv)
{
    struct peer a = {0}, b = {0};
    uint16_t port = 0;

    (void)signal(SIGPIPE, SIG_IGN);
    if (rk_loop_new(&loop, NULL))
        return EXIT_FAILURE;
    if (argc == 3) {
        (void)snprintf(url, sizeof url, "%s", argv[1]);
        secret = argv[2];
    } else {
        port = free_port();
        relay_start(port);
    }
    peer_open(&a);
    peer_open(&b);
    check(turn_until(&a.up, true) && turn_until(&b.up, true), "both peers connect");
    meet(&a, &b);
    meet_late(&a, &b);
    if (relay > 0)
        restart(&a, port);
    relay_client_close(a.client);
    for (int i = 0; i < 100; i++) {
        (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
        (void)usleep(1000);
    }
    if (relay > 0)
        relay_stop();
    rk_loop_free(loop);
    return EXIT_SUCCESS;
}
