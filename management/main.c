/* SPDX-License-Identifier: BSD-3-Clause */
/* rookery-management: the management service alone; see app.h for its parts. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "management/options.h"

enum { GRACE_MS = 2000 }; /* for calls in progress at shutdown */

struct program {
    struct svc_user user;
    struct mgmt_app *app;
    struct svc *svc;
};

static enum rk_code start(struct svc_user *u, struct rk_err *err)
{
    (void)err;
    mgmt_app_start(rk_container_of(u, struct program, user)->app);
    return RK_OK;
}

static void finish(struct svc_user *u, void (*done)(void *arg), void *arg)
{
    mgmt_app_stop(rk_container_of(u, struct program, user)->app, done, arg);
}

static bool ready(struct svc_user *u, const char **why)
{
    static _Thread_local char text[240];

    *why = text;
    return mgmt_app_ready(rk_container_of(u, struct program, user)->app, text);
}

static bool useful(struct svc_user *u)
{
    return mgmt_app_useful(rk_container_of(u, struct program, user)->app);
}

static void describe(struct svc_user *u, bool is_ready, const char *why, struct rk_buf *out)
{
    const struct program *p = rk_container_of(u, struct program, user);

    mgmt_app_describe(p->app, is_ready, why, "", edge_cert_not_after_ms(p->svc->edge), out);
}

static enum rk_code reload(struct svc_user *u, struct rk_err *err)
{
    return mgmt_app_reload(rk_container_of(u, struct program, user)->app, err);
}

static const struct svc_user_ops USER_OPS = {.start = start,
                                             .finish = finish,
                                             .ready = ready,
                                             .useful = useful,
                                             .describe = describe,
                                             .reload = reload};

static enum rk_code serve(struct rk_arena *mem, struct mgmt_options *o, struct rk_err *err)
{
    struct program p = {.user.ops = &USER_OPS};
    struct mgmt_app_opts app;
    struct edge_listen listen[2];
    struct svc *svc;
    size_t n_listen;
    enum rk_code rc = mgmt_options_make(mem, o, listen, &n_listen, &app, err);

    if (rc)
        return rc;
    svc_print_notes(MGMT_PROGRAM.name, &o->notes);
    rc = svc_open(MGMT_PROGRAM.name, &o->common, listen, n_listen, &svc, err);
    if (rc)
        return rc;
    p.svc = svc;
    app.loops = svc->loops;
    app.n_loops = svc->n_loops;
    app.edge = svc->edge;
    app.log = svc->log;
    app.metrics = svc->metrics;
    rc = mgmt_app_new(&app, &p.app, err);
    if (rc == RK_OK)
        rc = edge_add_ws_proxy(svc->edge, "/ws-proxy/management", err);
    if (rc == RK_OK && o->events.flow)
        rc = edge_add_ws_proxy(svc->edge, "/ws-proxy/flow", err);
    if (rc == RK_OK)
        rc = svc_run(svc, &p.user, GRACE_MS, err);
    mgmt_app_free(p.app);
    svc_close(svc);
    return rc;
}

int main(int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct mgmt_options o = {0};
    struct rk_err err = {0};
    int status;

    if (!svc_options(&MGMT_PROGRAM, argc, argv, mem, &o, &status))
        return status;
    if (serve(mem, &o, &err)) {
        (void)fprintf(stderr, "%s: %s\n", MGMT_PROGRAM.name, err.msg);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
