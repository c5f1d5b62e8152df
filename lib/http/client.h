/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One blocking HTTP(S) request, on libcurl: for OIDC discovery, keys and tokens of identity
 * providers that the admin configured. Never on a loop. Follows no redirect, sends no cookies,
 * verifies certificates.
 */
#ifndef RK_HTTP_CLIENT_H
#define RK_HTTP_CLIENT_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct http_fetch {              /* open; borrowed for the call */
    const char *url;             /* http or https */
    struct rk_str form;          /* p not NULL: POST this as application/x-www-form-urlencoded */
    const char *bearer;          /* Authorization: Bearer; NULL: none */
    const char *user, *password; /* HTTP Basic; NULL: none */
    long timeout_ms;             /* of all of it; 0: 10 s */
    size_t max_bytes;            /* of the answer; 0: 1 MiB */
    const char *ca_file;         /* trusted besides the system's roots; NULL: none */
    struct rk_str put;           /* p not NULL: PUT these bytes (not with form) */
    struct rk_str json;          /* p not NULL: POST this (not with form or put) */
    const char *header;          /* one more, "Name: value"; NULL: none */
    bool insecure;               /* any certificate will do */
};

struct http_fetched { /* arena */
    unsigned status;
    struct rk_str body;
    int64_t max_age_s;   /* of Cache-Control; -1: not said */
    int64_t date_unix_s; /* of Date; 0: not said */
};

/** Any status is a success here. Errors: RK_INVALID (URL), RK_UNAVAILABLE (no connection, TLS),
 *  RK_TIMEOUT, RK_LIMIT (answer too long). */
enum rk_code http_fetch(const struct http_fetch *f, struct rk_arena *mem, struct http_fetched *out,
                        struct rk_err *err) RK_MUST;

#endif
