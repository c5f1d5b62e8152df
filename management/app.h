/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The management service: accounts, peers and policies, and what every agent must know of them. One
 * service lives on the loops and the edge that it is given; nothing is global.
 *
 *        edge (gRPC)                              edge (HTTP/1.1)
 *          │ calls of agents                        │ sockets
 *   ┌──────▼───────────┐                     ┌──────▼───────┐
 *   │ rpc   envelope,  │                     │ http_h1,     │
 *   │ Login, Sync, Job │                     │ rest         │
 *   └─┬──────────┬─────┘                     └──────┬───────┘
 *     │ streams  │ operations (store threads: one connection each)
 *   ┌─▼───────┐  │                                  │
 *   │ push    │ ┌▼──────────────────────────────────▼──┐
 *   │ hub  ◀──┼─┤ engine: snapshots, lanes, presence,  │
 *   │ (build  │ │ keeper; store (SQLite, PostgreSQL)   │
 *   │ threads)│ └──────────────────────────────────────┘
 *   └─────────┘   observer(old, new, changes) after each commit
 *
 * Order: mgmt_app_new (before edge_start), mgmt_app_start, …, mgmt_app_stop and its done, edge_stop
 * and its done, the end of the loops, mgmt_app_free.
 */
#ifndef MGMT_APP_H
#define MGMT_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/metrics.h"
#include "lib/base/str.h"
#include "lib/http/edge.h"
#include "management/auth/bearer.h"
#include "management/auth/pat.h"
#include "management/export/export.h"
#include "management/idp/provider.h"
#include "management/push/servers.h"
#include "management/rest/rest.h"
#include "management/rpc/service.h"

struct mgmt_app;

/* An issuer of tokens besides the embedded provider. */
struct mgmt_app_issuer { /* open; copied */
    const char *issuer;
    const char *keys_url; /* NULL: what its discovery document says */
    const char *const *audiences;
    size_t n_audiences;
};

struct mgmt_app_opts {            /* open; borrowed during mgmt_app_new; zero: the default in [] */
    struct rk_loop *const *loops; /* those of the edge; lent until mgmt_app_free */
    size_t n_loops;
    struct edge *edge; /* lent until mgmt_app_free */

    const char *store_url;     /* "sqlite:PATH", or what libpq takes */
    struct rk_str vault_key;   /* base64 of 32 bytes; protects secrets in the store */
    const char *dns_domain;    /* of peers ["netbird.selfhosted"] */
    bool no_default_policy;    /* new accounts start without All <-> All */
    int64_t journal_keep_us;   /* as in struct mgmt_opts [for ever] */
    int64_t event_keep_us;     /* likewise */
    int64_t journal_keep_rows; /* likewise [however many] */
    int64_t event_keep_rows;   /* likewise */
    bool component_maps;       /* offer the component form of maps */
    /* Traffic events are taken and kept, when servers.flow_url says where agents bring them. */
    int64_t traffic_keep_days, traffic_keep_rows; /* as in struct traffic_opts [for ever, all] */
    bool traffic_addresses_only;                  /* likewise */
    /* Receivers of events outside; mgmt, traffic and metrics are filled in by us. */
    struct export_opts exports;
    struct servers_opts servers; /* signal, STUN, TURN, relay as agents are told */

    /* Identity. With an issuer in `idp` the embedded provider runs and agents are sent to it; then
     * the flows and ssh_jwt are filled in by us. */
    struct idp_opts idp;
    const struct mgmt_app_issuer *issuers; /* others whose tokens count */
    size_t n_issuers;
    const char *user_claim;       /* of theirs [sub] */
    struct rpc_flow device, pkce; /* where agents get tokens */
    struct netmap_jwt ssh_jwt;    /* for SSH between peers */

    bool embedded_idp;        /* local users exist */
    bool local_auth_disabled; /* ... but may not log in */
    const char *setup_token;  /* the first owner must know it; NULL or "": setup is open */
    /** The body of /health with what only the program knows; NULL: ours alone. Any thread. */
    void (*describe)(void *arg, bool ready, const char *why, struct rk_buf *out);
    void *describe_arg;
    bool console;                    /* serve the web console at / */
    bool setup_pat;                  /* POST /api/setup may return a token */
    const char *account_domain;      /* of the one account [dns_domain] */
    const char *geo_path;            /* MaxMind city database [none] */
    const char *geo_names_path;      /* its names as CSV, for /api/locations [none] */
    struct pat_auth_opts pat_limits; /* requests of one API token [no limit] */
    const struct rk_prefix *trusted; /* proxies, as of the edge */
    size_t n_trusted;

    size_t store_threads; /* [16] connections for operations */
    size_t build_threads; /* [one per core] for maps */
    struct rk_log *log;   /* may be NULL; lent */
    struct rk_metrics *metrics;
};

/** Open the store (and migrate it), read or make the keys, register everything on the edge.
 *  Owned: mgmt_app_free. Errors: those of mgmt_open and servers_new; RK_INVALID (vault key). */
enum rk_code mgmt_app_new(const struct mgmt_app_opts *opts, struct mgmt_app **out,
                          struct rk_err *err) RK_MUST;

/** Load accounts in the background. After edge_start. */
void mgmt_app_start(struct mgmt_app *a);

/** Finish the operations that are under way, refuse new ones, build no further maps; then done(arg)
 *  on a thread of its own. Streams stay until the edge closes them. The loops must turn. Once. */
void mgmt_app_stop(struct mgmt_app *a, void (*done)(void *arg), void *arg);

/** Write what waits and close the store. When the loops have ended, after mgmt_app_stop's done; or
 *  never started. Accepts NULL. */
void mgmt_app_free(struct mgmt_app *a);

/** SIGHUP: open the location database and the names of places again; bad files leave the old ones
 * in force. Main thread. Errors: those of places_reload. */
enum rk_code mgmt_app_reload(struct mgmt_app *a, struct rk_err *err) RK_MUST;

/** Whether changes can be stored now; why names what is missing. Any thread, does not block. */
bool mgmt_app_ready(struct mgmt_app *a, char why[240]);
/** Whether the process should stay in a balancer although mgmt_app_ready says no: other processes
 *  share its store, and streams that are connected here go on. Any thread. */
bool mgmt_app_useful(struct mgmt_app *a);
/** The body of /health and /readyz: state, reason, the store, what goes on although the store is
 *  gone (`others`: names of services in JSON, e.g. "\"signal\",\"relay\",", may be ""), when the
 *  certificate ends (0: none). Any thread. */
void mgmt_app_describe(struct mgmt_app *a, bool ready, const char *why, const char *others,
                       int64_t cert_not_after_ms, struct rk_buf *out);

/** For the embedded identity provider, health pages and tests. Lent. */
struct mgmt *mgmt_app_engine(struct mgmt_app *a);
struct rest *mgmt_app_rest(struct mgmt_app *a);
struct hub *mgmt_app_hub(struct mgmt_app *a);

/** Whether agents can be told these servers; nothing is kept. Errors: RK_INVALID naming one. */
enum rk_code mgmt_app_servers_check(const struct servers_opts *o, struct rk_err *err) RK_MUST;

#endif
