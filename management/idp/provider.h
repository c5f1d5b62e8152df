/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The embedded identity provider: OAuth 2 and OpenID Connect for the dashboard and for agents, with
 * local users. Spec: deploy.md section 3.
 *
 *   browser ──▶ /auth ──▶ login page ──▶ code ──▶ /token ──▶ RS256 tokens ──▶ REST, gRPC
 *   agent ──▶ /device/code …polls /token        ▲
 *   browser ──▶ /device ──▶ login ──▶ confirm ───┘
 *
 * State is in the store (hashes only), so several processes can serve one issuer. A form that waits
 * for an answer carries its request sealed, bound to a cookie of the browser. All handlers run on
 * store threads.
 *
 * Floors; each file knows those below it, never one above:
 *   provider                                          routes, documents, life
 *   login ─▶ second, external ─▶ login_done           ways to sign in, and where they end
 *   authorize, device, token, userinfo, logout        what browsers and programs come for
 *   page_forms ─▶ pages; external_refresh ─▶ external_token
 *   session ─▶ identity; limits                       who is there
 *   request ─▶ reply ─▶ base                          what is said and answered
 */
#ifndef MGMT_IDP_PROVIDER_H
#define MGMT_IDP_PROVIDER_H

#include "lib/base/log.h"
#include "lib/http/router.h"
#include "management/engine/engine.h"
#include "management/idp/keyring.h"
#include "management/oidc/jwt.h"

struct idp;

#define IDP_CLIENT_DASHBOARD "netbird-dashboard"
#define IDP_CLIENT_CLI       "netbird-cli"
#define IDP_CLIENT_CONSOLE   "rookery-console"

struct idp_list { /* open */
    const char *const *v;
    size_t n;
};

struct idp_opts {                        /* open; copied; zero: the default in [] */
    const char *issuer;                  /* "https://host/oauth2" */
    struct idp_list dashboard_redirects; /* exact [<base>/nb-auth, <base>/nb-silent-auth] */
    struct idp_list cli_redirects;       /* exact [http://localhost:53000/ and 54000] */
    struct idp_list logout_redirects;    /* exact, besides <base> */
    bool local_auth_disabled;
    int64_t token_life_s;      /* [24 h] */
    unsigned tries_per_minute; /* [10] that fail, per address and user name together */
    const char *server_name;   /* ["Rookery"] as pages name this server */
    const char *help_text;     /* on the pages for who cannot sign in: who to ask; NULL: none */
    struct keyring_opts keys;
    struct rk_log *log; /* may be NULL; lent */
};

/** Reads or makes the signing keys. m is borrowed. Owned: idp_free, after the HTTP server has
 *  stopped. Errors: RK_INVALID (issuer is no http or https URL with a path), RK_UNAVAILABLE. */
enum rk_code idp_new(struct mgmt *m, const struct idp_opts *opts, struct idp **out,
                     struct rk_err *err) RK_MUST;
void idp_free(struct idp *i); /* accepts NULL */

/** Everything below the issuer's path. */
void idp_attach(struct idp *i, struct http_router *router);

/** To verify our own tokens. Lent. */
struct jwt_issuer idp_issuer(struct idp *i);

/* What agents are told. Lent. */
const char *idp_auth_url(const struct idp *i);
const char *idp_token_url(const struct idp *i);
const char *idp_device_url(const struct idp *i);
const char *idp_keys_url(const struct idp *i);
struct idp_list idp_cli_redirects(const struct idp *i);

#endif
