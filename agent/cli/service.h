/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `rook service install|reconfigure|uninstall|start|stop|restart|status`: the daemon as a unit of
 * systemd. Blocks on systemctl; main thread of a command.
 */
#ifndef RK_AGENT_CLI_SERVICE_H
#define RK_AGENT_CLI_SERVICE_H

#include "lib/base/arena.h"
#include "lib/base/cfg.h"
#include "lib/base/err.h"

struct service_opts {        /* borrowed for the call */
    struct rk_str name;      /* of the unit, without ".service" */
    struct rk_str root;      /* install below this folder, as into an image; empty: this machine */
    struct rk_str env;       /* "NAME=VALUE,…" for the daemon */
    const char *const *args; /* of `rook service run` */
    size_t n_args;
};

/** One of the verbs above. Errors: RK_NOT_FOUND (no such verb), RK_PRECONDITION (no systemd here,
 *  not installed), RK_INVALID (a text that cannot stand in a unit), RK_INTERNAL, RK_UNAVAILABLE
 *  (systemctl says no; for status: it does not run). What was done is printed. */
enum rk_code service_do(const char *verb, const struct service_opts *o, struct rk_err *err) RK_MUST;

/** The text of the unit. program: absolute path. RK_INVALID. */
enum rk_code service_unit(struct rk_arena *mem, const char *program, const struct service_opts *o,
                          struct rk_str *out, struct rk_err *err) RK_MUST;

#endif
