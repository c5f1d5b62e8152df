/* SPDX-License-Identifier: BSD-3-Clause */
/* What every file of the identity provider knows: the provider itself, its clients, names and
 * lives. Private to management/idp; asks no other file there. */
#ifndef MGMT_IDP_BASE_H
#define MGMT_IDP_BASE_H

#include <pthread.h>

#include "lib/base/ratelimit.h"
#include "management/identity/discovery.h"
#include "management/idp/provider.h"

#define IDP_LOG_EVERY_MS   60000 /* of what anybody can make us tell */
#define IDP_SECRET_LEN     43    /* base64url characters of 32 random bytes */
#define IDP_CODE_LIFE_S    600
#define IDP_REQUEST_LIFE_S 3600
#define IDP_SESSION_LIFE_S (24 * 3600)
#define IDP_SESSION_IDLE_S 3600
#define IDP_REFRESH_LIFE_S (30 * 24 * 3600) /* without use */
#define IDP_REFRESH_MAX_S                                                                          \
    (90 * 24 * 3600) /* since the person signed in, however often it is used */
#define IDP_DEVICE_LIFE_S  600
#define IDP_DEVICE_WAIT_S  5
#define IDP_DEVICES_MAX    10000 /* device codes that wait at a time: strangers make them */
#define IDP_PARAM_MAX      2048  /* bytes of one parameter */
#define IDP_COOKIE_SESSION "netbird-session"
#define IDP_COOKIE_FORM    "netbird-form"
#define IDP_COOKIE_BROWSER "netbird-browser" /* who has signed in here before */
#define IDP_COOKIE_BACK    "netbird-back"    /* the page that a form was on */
#define IDP_SCOPE_OFFLINE  "offline_access"

struct idp_client {
    const char *id, *name;
    struct idp_list redirects, logout_redirects;
};

enum { IDP_DASHBOARD, IDP_CLI, IDP_CONSOLE, IDP_N_CLIENTS };
#define IDP_ROUTES_MAX     40
#define IDP_EXTERNAL_LOCKS 16

struct idp {
    struct mgmt *m;
    struct rk_arena *mem;
    struct rk_log *log;
    const char *issuer, *base; /* base: the issuer's origin */
    const char *path;          /* the issuer's path: "/oauth2" */
    const char *auth_url, *token_url, *device_url, *keys_url, *verify_url;
    bool https;
    bool lan; /* plain http on another host than this: browsers have no PKCE there */
    bool local_auth_disabled;
    const char *server_name; /* on pages */
    const char *help_text;   /* who to ask; "": the pages say what is true everywhere */
    int64_t token_life_s;
    struct idp_client clients[IDP_N_CLIENTS];
    const char *client_ids[IDP_N_CLIENTS];
    struct keyring *keys;
    struct http_route routes[IDP_ROUTES_MAX];
    size_t n_routes;
    struct mgmt_chore chore;
    struct disco_cache *discovery;
    pthread_mutex_t external[IDP_EXTERNAL_LOCKS]; /* see external_refresh.c */
    pthread_mutex_t lock;                         /* guards the limits */
    struct rk_ratelimit *by_pair, *by_address, *by_name, *by_browser, *by_code;
};

static inline struct idp *idp_of(const struct http_req *req)
{
    return (struct idp *)(uintptr_t)req->route->arg;
}

int64_t idp_now_us(const struct idp *i);
const struct idp_client *idp_client(const struct idp *i, struct rk_str id); /* NULL: none */
bool idp_list_has(const struct idp_list *l, struct rk_str s);

#endif
