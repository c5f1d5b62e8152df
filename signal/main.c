/* SPDX-License-Identifier: BSD-3-Clause */
/* rookery-signal: the signal service alone; see app.h for its parts. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "signal/app.h"
#include "signal/options.h"

enum { GRACE_MS = 1000 }; /* for calls in progress at shutdown */

static enum rk_code start(struct svc_user *u, struct rk_err *err)
{
    (void)u;
    (void)err;
    return RK_OK; /* everything is behind the edge */
}

static const struct svc_user_ops USER_OPS = {.start = start};

static enum rk_code serve(const struct sig_options *o, struct rk_err *err)
{
    struct svc_user user = {&USER_OPS};
    struct edge_listen listen[2];
    struct sig_app_opts opts = {.max_streams = (size_t)o->max_peers,
                                .send_timeout_ms = o->send_timeout_ms,
                                .greeting = o->greeting};
    struct sig_app *app = NULL;
    struct svc *svc;
    size_t n_listen;
    enum rk_code rc = sig_options_check(o, listen, &n_listen, err);

    if (rc == RK_OK)
        rc = svc_open(SIG_PROGRAM.name, &o->common, listen, n_listen, &svc, err);
    if (rc)
        return rc;
    opts.loops = svc->loops;
    opts.n_loops = svc->n_loops;
    opts.edge = svc->edge;
    opts.log = svc->log;
    opts.metrics = svc->metrics;
    rc = sig_app_new(&opts, &app, err);
    if (rc == RK_OK)
        rc = edge_add_ws_proxy(svc->edge, "/ws-proxy/signal", err);
    if (rc == RK_OK)
        rc = svc_run(svc, &user, GRACE_MS, err);
    sig_app_free(app);
    svc_close(svc);
    return rc;
}

int main(int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct sig_options o = {0};
    struct rk_err err = {0};
    int status;

    if (!svc_options(&SIG_PROGRAM, argc, argv, mem, &o, &status))
        return status;
    if (serve(&o, &err)) {
        (void)fprintf(stderr, "%s: %s\n", SIG_PROGRAM.name, err.msg);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
