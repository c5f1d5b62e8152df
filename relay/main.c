/* SPDX-License-Identifier: BSD-3-Clause */
/* rookery-relay: the relay and STUN service alone; see app.h for its parts. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "relay/app.h"
#include "relay/options.h"

enum { LINGER_MS = 3000 }; /* for the Close messages at shutdown */

struct program {
    struct svc_user user;
    struct svc *svc;
    struct relay_app *app;
};

static enum rk_code start(struct svc_user *u, struct rk_err *err)
{
    return relay_app_start(rk_container_of(u, struct program, user)->app, err);
}

static void stop(struct svc_user *u, void (*done)(void *arg), void *arg)
{
    relay_app_stop(rk_container_of(u, struct program, user)->app, LINGER_MS, done, arg);
}

static bool ready(struct svc_user *u, const char **why)
{
    const struct program *p = rk_container_of(u, struct program, user);

    return relay_app_ready(p->app, edge_cert_not_after_ms(p->svc->edge), why);
}

static void describe(struct svc_user *u, bool is_ready, const char *why, struct rk_buf *out)
{
    const struct program *p = rk_container_of(u, struct program, user);

    relay_app_describe(p->app, is_ready, why, out);
}

static const struct svc_user_ops USER_OPS = {
    .start = start, .stop = stop, .ready = ready, .describe = describe};

static enum rk_code serve(const struct relay_options *o, struct rk_err *err)
{
    struct program p = {.user.ops = &USER_OPS};
    struct rk_addr stun[RELAY_STUN_MAX];
    struct relay_app_opts app = {.exposed_address = o->exposed_address,
                                 .own_tls = o->common.tls_cert.n > 0,
                                 .auth_secret = o->auth_secret,
                                 .quic = o->quic,
                                 .quic_max_per_addr = (size_t)o->common.max_per_address,
                                 .max_peers = (size_t)o->max_peers,
                                 .health_misses = (unsigned)o->health_misses,
                                 .stun = stun};
    struct edge_listen listen;
    enum rk_code rc = relay_options_check(o, &listen, &app.quic_addr, stun, &app.n_stun, err);

    if (rc == RK_OK)
        rc = rk_parse_bit_rate(o->max_bandwidth, &app.max_bits_per_s, err);
    if (rc == RK_OK)
        rc = rk_parse_bit_rate(o->max_peer_bandwidth, &app.max_peer_bits_per_s, err);
    if (rc == RK_OK)
        rc = svc_open(RELAY_PROGRAM.name, &o->common, &listen, 1, &p.svc, err);
    if (rc)
        return rc;
    app.loops = p.svc->loops;
    app.n_loops = p.svc->n_loops;
    app.edge = p.svc->edge;
    app.log = p.svc->log;
    app.metrics = p.svc->metrics;
    rc = relay_app_new(&app, &p.app, err);
    if (rc == RK_OK)
        rc = svc_run(p.svc, &p.user, 0, err);
    relay_app_free(p.app);
    svc_close(p.svc);
    return rc;
}

int main(int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct relay_options o = {0};
    struct rk_err err = {0};
    int status;

    if (!svc_options(&RELAY_PROGRAM, argc, argv, mem, &o, &status))
        return status;
    if (serve(&o, &err)) {
        (void)fprintf(stderr, "%s: %s\n", RELAY_PROGRAM.name, err.msg);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
