/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signal and relay behind one edge on a loop thread of their own, for tests of the agent's clients,
 * and what these clients need in common. Servers may be stopped and started again on their port.
 */
#ifndef RK_TESTS_UNIT_AGENT_SERVERS_H
#define RK_TESTS_UNIT_AGENT_SERVERS_H

#include <stdio.h>
#include <unistd.h>

#include "lib/base/enc.h"
#include "lib/base/loop_uv.h"
#include "lib/base/num.h"
#include "lib/crypto/hmac.h"
#include "lib/http/edge.h"
#include "lib/net/tcp.h"
#include "relay/app.h"
#include "signal/app.h"
#include "tests/unit/vec.h"

#define SERVERS_SECRET "supersecret"
#define SERVERS_EXPIRY "1893456000"
#define SERVERS_MAC    "4ROAymKcrcDZSxJoh4eKLELGrKvXTvBEP8FO+hcqEhQ=" /* of both, base64 */

struct servers { /* zero at first */
    struct rk_loop *loop;
    struct edge *edge;
    struct sig_app *sig;
    struct relay_app *relay;
    uint16_t port;
    char url[64]; /* of the relay */
    uv_sem_t stopped;
    bool running;
};

/* A port that is free now. */
static RK_UNUSED uint16_t servers_free_port(void)
{
    struct rk_addr any = {rk_ip4(127, 0, 0, 1), 0};
    int fd;

    ck_assert_int_eq(tcp_listen(&any, true, &fd, NULL), RK_OK);
    ck_assert_int_eq(tcp_local(fd, &any, NULL), RK_OK);
    (void)close(fd);
    return any.port;
}

static RK_UNUSED void servers_start(struct servers *s)
{
    struct edge_listen listen = {0};
    struct edge_opts opts = {.loops = &s->loop, .n_loops = 1, .listen = &listen, .n_listen = 1};
    struct sig_app_opts sig = {.loops = &s->loop, .n_loops = 1};
    struct relay_app_opts rly = {.loops = &s->loop, .n_loops = 1};

    if (!s->port)
        s->port = servers_free_port();
    listen.addr = (struct rk_addr){rk_ip4(127, 0, 0, 1), s->port};
    (void)snprintf(s->url, sizeof s->url, "rel://127.0.0.1:%u", s->port);
    rly.exposed_address = rk_str_z(s->url);
    rly.auth_secret = RK_STR(SERVERS_SECRET);
    ck_assert_int_eq(rk_loop_new(&s->loop, NULL), RK_OK);
    ck_assert_int_eq(rk_loop_start(s->loop, "servers", NULL), RK_OK);
    ck_assert_int_eq(edge_new(&opts, &s->edge, NULL), RK_OK);
    sig.edge = rly.edge = s->edge;
    ck_assert_int_eq(sig_app_new(&sig, &s->sig, NULL), RK_OK);
    ck_assert_int_eq(relay_app_new(&rly, &s->relay, NULL), RK_OK);
    ck_assert_int_eq(edge_start(s->edge, NULL), RK_OK);
    ck_assert_int_eq(relay_app_start(s->relay, NULL), RK_OK);
    ck_assert_int_eq(uv_sem_init(&s->stopped, 0), 0);
    s->running = true;
}

static RK_UNUSED void servers_on_stopped(void *arg)
{
    struct servers *s = arg;

    uv_sem_post(&s->stopped);
}

static RK_UNUSED void servers_stop(struct servers *s)
{
    if (!s->running)
        return;
    s->running = false;
    relay_app_stop(s->relay, 100, servers_on_stopped, s);
    uv_sem_wait(&s->stopped);
    edge_stop(s->edge, 0, servers_on_stopped, s);
    uv_sem_wait(&s->stopped);
    rk_loop_stop(s->loop);
    rk_loop_join(s->loop);
    relay_app_free(s->relay);
    sig_app_free(s->sig);
    edge_free(s->edge);
    rk_loop_free(s->loop);
    uv_sem_destroy(&s->stopped);
}

/* Turn the test's own loop until *flag is set, at most ms. */
static RK_UNUSED bool servers_turn(struct rk_loop *mine, const bool *flag, int64_t ms)
{
    int64_t until = rk_mono_ms() + ms;

    while (!*flag && rk_mono_ms() < until) {
        (void)uv_run(rk_loop_uv(mine), UV_RUN_NOWAIT);
        (void)usleep(300);
    }
    return *flag;
}

/* Let the loop's handles close, then free it. */
static RK_UNUSED void servers_end_loop(struct rk_loop *mine)
{
    rk_loop_stop(mine);
    rk_loop_run(mine);
    rk_loop_free(mine);
}

#endif
