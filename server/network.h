/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of `rookery plan`, `apply` and `export` that ask.c has not: files, a server elsewhere,
 * and the answers as text. Main thread. */
#ifndef RK_SERVER_NETWORK_H
#define RK_SERVER_NETWORK_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct network_opts {         /* open */
    struct rk_str file;       /* of the network; empty: none was given */
    struct rk_str plan_file;  /* what `rookery plan --out` wrote; empty: none */
    struct rk_str out;        /* where a plan is written to */
    struct rk_str url, token; /* of a server elsewhere; token: a file that has it */
    int64_t serial;           /* -1: whatever */
};

/** Read the files into the arguments of the command. Errors: of files; RK_INVALID. */
enum rk_code network_args(struct rk_arena *mem, const struct network_opts *o, json_t *args,
                          struct rk_err *err) RK_MUST;

/** Ask the server at o->url: an answer like that of server/command, owned. Errors: RK_UNAVAILABLE,
 *  RK_INVALID (no token). */
enum rk_code network_ask(struct rk_arena *mem, const struct network_opts *o, const char *command,
                         const json_t *args, json_t **reply, struct rk_err *err) RK_MUST;

/** Keep a plan for `rookery apply --plan`. */
enum rk_code network_keep(struct rk_arena *mem, const struct network_opts *o, const json_t *args,
                          const json_t *result, struct rk_err *err) RK_MUST;

void network_print(const json_t *result);        /* of plan and apply */
void network_print_export(const json_t *result); /* the file */
bool network_holds(const json_t *result);        /* every test of a plan does */

#endif
