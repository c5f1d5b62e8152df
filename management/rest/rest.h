/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The REST API of management: authentication, and thin handlers (decode, operation, encode), one
 * file per resource. routes.c is the one table of what exists.
 *
 *   lib/http ──▶ guard: token → caller ──▶ handler ──▶ management/ops ──▶ engine
 *                                                └──▶ snapshot ──▶ JSON
 */
#ifndef MGMT_REST_REST_H
#define MGMT_REST_REST_H

#include "lib/http/dispatch.h"
#include "management/auth/auth.h"
#include "management/auth/pat.h"
#include "management/ops/op.h"
#include "management/ops/services.h"

struct rest;
struct traffic; /* management/traffic/traffic.h */

/** Whether an agent can be given a job now: whoever holds the job streams. Any thread. */
struct rest_jobs {
    bool (*can_reach)(struct rest_jobs *j, struct rk_str peer_id);
};

/** What is told of the process: members of the object that is open in out. Any thread. */
struct rest_health {
    void (*put)(struct rest_health *h, struct rk_buf *out);
};

struct rest_opts { /* open; copied, what it points to is borrowed until rest_free */
    struct mgmt *m;
    struct auth *auth;      /* of bearer tokens; NULL: only personal access tokens */
    struct rest_jobs *jobs; /* NULL: no agent can be reached */
    struct rk_log *log;
    const char *version;        /* of this server, as shown to clients */
    const char *account_domain; /* of the one account; NULL: "netbird.selfhosted" */
    const char *setup_token;    /* the first owner must know it; NULL or "": setup is open */
    bool setup_pat;             /* POST /api/setup may return a token */
    bool embedded_idp;          /* local users exist */
    bool local_auth_disabled;   /* … but may not log in */
    const char *geo_names_path; /* CSV of MaxMind city names, for pickers; NULL: the engine's
                                   location database, if it has one */
    struct pat_auth_opts pat_limits;
    struct rest_health *health; /* NULL: the account's part alone */
    struct traffic *traffic;    /* NULL: traffic events are not kept */
    const char *resolver;       /* who is asked about domains of services; NULL: as the machine */
};

/** Owned: rest_stop before the engine is closed, rest_free after the HTTP server has stopped and
 *  the engine is closed. Errors: RK_UNAVAILABLE (store). */
enum rk_code rest_new(const struct rest_opts *opts, struct rest **out, struct rk_err *err) RK_MUST;
/** Files that were read may have changed. Any thread. */
void rest_reload(struct rest *r);

/** End the answers that last. Blocks; idempotent; accepts NULL. */
void rest_stop(struct rest *r);

void rest_free(struct rest *r); /* accepts NULL */

/** Add all routes, and fill what the HTTP server needs to call us: app, guard, try_guard, finish
 * and api_prefix. */
void rest_attach(struct rest *r, struct http_router *router, struct http_dispatch_opts *to);

#endif
