/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocking calls of the command line tool to the server of the same machine, by its configuration:
 * connects to the listen address, but asks for the exposed host name, so that TLS can be checked
 * (the configured certificate file is trusted as well). Main thread.
 */
#ifndef RK_SERVER_REST_CALL_H
#define RK_SERVER_REST_CALL_H

#include <jansson.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "server/conf.h"

struct rest_target {          /* open; arena */
    struct rk_str base;       /* "https://vpn.example.com:443" */
    struct rk_str connect_to; /* "host:port" that is dialled instead; empty: nothing else */
    struct rk_str ca_file;    /* trusted besides the system's; may be empty */
    int64_t timeout_ms;       /* 0: 10 s */
};

/** The server that a configuration describes. */
void rest_target_of(struct rk_arena *mem, const struct server_config *c, struct rest_target *out);

/** One request. body may be NULL; header ("Name: value") may be empty. *status is the HTTP status,
 *  *answer the parsed JSON body (owned: json_decref) or NULL when there is none.
 *  Errors: RK_UNAVAILABLE (no answer), RK_LIMIT (body over 4 MiB). An HTTP error status is no
 *  error here. */
enum rk_code rest_call(const struct rest_target *t, const char *method, const char *path,
                       struct rk_str header, const json_t *body, long *status, json_t **answer,
                       struct rk_err *err) RK_MUST;

/** The same with any text as body (p NULL: none) and answer, which is appended to out. */
enum rk_code rest_call_text(const struct rest_target *t, const char *method, const char *path,
                            struct rk_str header, struct rk_str body, long *status,
                            struct rk_buf *out, struct rk_err *err) RK_MUST;

/** The message of an error answer, or a generic text. Borrowed from answer. */
const char *rest_error_text(const json_t *answer);

#endif
