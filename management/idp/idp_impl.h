/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the identity provider share. Private to management/idp. */
#ifndef MGMT_IDP_IMPL_H
#define MGMT_IDP_IMPL_H

#include <jansson.h>
#include <pthread.h>

#include "lib/base/ratelimit.h"
#include "lib/crypto/hash.h"
#include "management/identity/connectors.h"
#include "management/identity/discovery.h"
#include "management/identity/external_users.h"
#include "management/identity/local_users.h"
#include "management/idp/provider.h"

#define IDP_SECRET_LEN     43 /* base64url characters of 32 random bytes */
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

enum { IDP_DASHBOARD, IDP_CLI, IDP_N_CLIENTS };
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

/* ---- base.c (and what provider.h tells of a provider) */

int64_t idp_now_us(const struct idp *i);
const struct idp_client *idp_client(const struct idp *i, struct rk_str id); /* NULL: none */
bool idp_list_has(const struct idp_list *l, struct rk_str s);

/* ---- reply.c: answers that are no pages */

enum rk_code idp_redirect(struct http_req *req, struct http_resp *resp, struct rk_str to);
/** RFC 6749 5.2: error is its code, why a sentence for who reads logs, or NULL. */
enum rk_code idp_oauth_error(struct http_resp *resp, unsigned status, const char *error,
                             const char *why);
void idp_cookie_set(struct http_req *req, struct http_resp *resp, const char *name,
                    struct rk_str value, int64_t max_age_s);

/* ---- request.c: parameters, secrets, and forms bound to a browser */

/** Parameter of a query or form body. false when absent; *bad when it stands there twice, is too
 *  long or not UTF-8. Values without NUL bytes. arena */
bool idp_param(struct rk_arena *mem, struct rk_str form, const char *name, struct rk_str *out,
               bool *bad);
/** The URI with one more parameter in its query; value is encoded. arena */
struct rk_str idp_uri_with(struct rk_arena *mem, struct rk_str uri, const char *name,
                           struct rk_str value);
/** Is a word in a list separated by blanks? */
bool idp_has_word(struct rk_str list, const char *word);

/** 32 random bytes as text. arena */
struct rk_str idp_secret(struct rk_arena *mem);
/** base64(SHA-256). arena */
struct rk_str idp_hash(struct rk_arena *mem, struct rk_str secret);

/** Who asks: RFC 6749 2.3.1 or client_id in the body; NULL: no such client. */
const struct idp_client *idp_client_of(struct http_req *req);

/* What a page waits for: who asked what. */
struct idp_request { /* open; arena */
    enum { IDP_FOR_AUTH, IDP_FOR_CODE, IDP_FOR_DEVICE, IDP_FOR_CONFIRM, IDP_FOR_CONSENT } what;
    struct rk_str client_id, redirect_uri, state, scope, nonce, challenge, login_hint;
    struct rk_str user_code; /* device */
    /* Whose password was right and whose second factor is awaited, in which generation of logins;
     * the secret to be set up with its recovery codes, and the hash of the one that it replaces. */
    struct rk_str subject, gen, secret, recovery, replaces;
    /* While at an external provider: which, where it answers, and what its answer must fit. */
    struct rk_str connector, ext_callback, ext_nonce, ext_verifier;
};

/** The request sealed for a hidden field, bound to the browser's form cookie (which is set). arena
 */
enum rk_code idp_request_seal(struct http_req *req, struct http_resp *resp,
                              const struct idp_request *r, struct rk_str *out,
                              struct rk_err *err) RK_MUST;
/** From a field of the form (POST) or query (GET): RK_FORBIDDEN when it is not of this browser or
 * too old. */
enum rk_code idp_request_open(struct http_req *req, const char *name, struct idp_request *out,
                              struct rk_err *err) RK_MUST;

/** A sealed text that works once: true the first time, in all processes. For states and forms that
 *  must not be used again; forgotten when they are too old anyway. */
enum rk_code idp_first_use(struct http_req *req, struct db *db, struct rk_str sealed, bool *first,
                           struct rk_err *err) RK_MUST;

/* ---- pages.c */

/** Headers of every page: CSP and the like. form_to: another origin that the form may lead to, or
 *  empty. */
void idp_page_headers(struct http_req *req, struct http_resp *resp, struct rk_str form_to);
enum rk_code idp_page_login(struct http_req *req, struct http_resp *resp, struct db *db,
                            const struct idp_request *r, unsigned status, const char *problem,
                            struct rk_str login, struct rk_err *err) RK_MUST;
enum rk_code idp_page_code(struct http_req *req, struct http_resp *resp, unsigned status,
                           const char *problem, struct rk_str code, struct rk_str login_hint,
                           struct rk_err *err) RK_MUST;
/** May the device, or the program on this computer (r->what), sign in as this person? */
enum rk_code idp_page_confirm(struct http_req *req, struct http_resp *resp,
                              const struct idp_request *r, struct rk_str who,
                              struct rk_err *err) RK_MUST;
/** r->secret: show it, for the app to learn. */
enum rk_code idp_page_totp(struct http_req *req, struct http_resp *resp,
                           const struct idp_request *r, unsigned status, const char *problem,
                           struct rk_str email, struct rk_err *err) RK_MUST;
/** A last page with a headline and a sentence; icon: 'y' done, 'n' not done. */
enum rk_code idp_page_end(struct http_req *req, struct http_resp *resp, unsigned status, char icon,
                          const char *title, const char *text);
/** A page that says what went wrong, with the request's id as the log has it, and a way on: to
 *  start again with r (NULL: not known, then to the page in the cookie or the dashboard). */
enum rk_code idp_page_trouble(struct http_req *req, struct http_resp *resp, unsigned status,
                              const struct idp_request *r, const char *title, const char *text);
/** "This page is too old": the form is not of this browser, or was used before. */
enum rk_code idp_page_stale(struct http_req *req, struct http_resp *resp);
/** Where the request begins: the authorization or device address with all its parameters. arena */
struct rk_str idp_page_start(struct http_req *req, const struct idp_request *r);
/** GET on the address of a form: back to the page that it is on. */
http_handler idp_page_back;
http_handler idp_style, idp_script;

/* ---- identity.c: local users, and others as their provider described them last */

/** Only who may sign in: a local user, or one whose provider is still there as it was.
 *  groups: JSON array or empty; may be NULL. RK_NOT_FOUND. */
enum rk_code idp_identity(struct http_req *req, struct db *db, struct rk_str subject,
                          struct local_user *u, struct rk_str *groups, struct rk_err *err) RK_MUST;
/** The same for a user of an external provider. RK_NOT_FOUND: no such one. */
enum rk_code idp_external_get(struct http_req *req, struct db *db, struct rk_str subject,
                              struct external_user *out, struct rk_err *err) RK_MUST;
/** Keep subject, email, name, groups and refresh token. */
enum rk_code idp_external_put(struct http_req *req, struct db *db, const struct external_user *x,
                              struct rk_err *err) RK_MUST;

/* ---- external.c, external_token.c, external_refresh.c */

http_handler idp_external_start, idp_external_back;

/* A login at a provider. */
struct idp_provider { /* open; arena */
    struct idp_connector c;
    struct disco d;
    struct rk_str callback; /* where it answers */
};

/** What a token endpoint answered. */
struct idp_answer { /* open; arena */
    unsigned status;
    struct rk_str error; /* OAuth error code or empty */
    struct rk_str id_token, access_token, refresh_token;
};

/** POST to the token endpoint with the client's secret in the way that it announces, then in the
 *  other. form: what else, encoded. Any HTTP status is a success. */
enum rk_code idp_provider_post(struct http_req *req, const struct idp_provider *p,
                               struct rk_str form, struct idp_answer *out,
                               struct rk_err *err) RK_MUST;

/** From what the provider handed out to a person: verifies the ID token (nonce empty: may be
 *  absent), asks the userinfo endpoint for what it lacks. Errors: RK_UNAUTHENTICATED with what was
 *  found and expected, RK_UNAVAILABLE. */
enum rk_code idp_provider_person(struct http_req *req, const struct idp_provider *p,
                                 const struct idp_answer *a, struct rk_str nonce,
                                 struct external_user *out, struct rk_err *err) RK_MUST;

/** Ask the provider whether it still knows the person, with the refresh token that it gave.
 *  *gone: it does not, and all logins were ended. Errors: RK_UNAVAILABLE (ask again later). */
enum rk_code idp_external_still(struct http_req *req, struct db *db, struct rk_str subject,
                                bool *gone, struct rk_err *err) RK_MUST;

/* ---- session.c */

struct idp_session { /* open; arena */
    struct rk_str subject;
    int64_t auth_time_s;
    int64_t gen; /* of its logins: identity/logins.h */
    struct local_user user;
};

/** The browser's session and its user. RK_NOT_FOUND: none that is valid. */
enum rk_code idp_session_find(struct http_req *req, struct db *db, struct idp_session *out,
                              struct rk_err *err) RK_MUST;
enum rk_code idp_session_start(struct http_req *req, struct http_resp *resp, struct db *db,
                               const struct local_user *u, struct rk_err *err) RK_MUST;
/** Forget the browser's session, if it has one, and its cookie. */
enum rk_code idp_session_end(struct http_req *req, struct http_resp *resp, struct db *db,
                             struct rk_err *err) RK_MUST;

/* ---- userinfo.c, logout.c */

http_handler idp_userinfo, idp_logout, idp_logged_out;

/* ---- limits.c: tries that fail are counted */

struct idp_try { /* open; what a try has taken, to be given back when it succeeds */
    struct rk_ratelimit *limit[3];
    struct rk_str key[3];
    size_t n;
};

/** One try at something secret of `who` (a login name, in any case), by this browser and address;
 *  who may be empty: by this address only. RK_LIMIT. */
enum rk_code idp_try_begin(struct http_req *req, struct rk_str who, struct idp_try *t,
                           struct rk_err *err) RK_MUST;
/** It was right: it does not count. */
void idp_try_right(struct http_req *req, const struct idp_try *t);
/** Remember in the browser that `who` has signed in here, so that others' mistakes do not count. */
enum rk_code idp_browser_known(struct http_req *req, struct http_resp *resp, struct rk_str who,
                               struct rk_err *err) RK_MUST;
/** One more device code for this address. */
bool idp_may_make_code(struct http_req *req);

/* ---- login_done.c */

/** The user is who they say: start a session and go on with the request. */
enum rk_code idp_login_done(struct http_req *req, struct http_resp *resp, struct db *db,
                            const struct idp_request *r, const struct local_user *u,
                            struct rk_err *err) RK_MUST;

/* ---- login.c */

http_handler idp_login;

/* ---- second.c */

http_handler idp_second;
enum rk_code idp_second_needed(struct http_req *req, struct db *db, const struct local_user *u,
                               bool *out, struct rk_err *err) RK_MUST;
enum rk_code idp_second_ask(struct http_req *req, struct http_resp *resp,
                            const struct idp_request *r, const struct local_user *u,
                            struct rk_err *err) RK_MUST;

/* ---- authorize.c */

http_handler idp_authorize, idp_consent;
/** Send the browser back with a code for this session. */
enum rk_code idp_grant_code(struct http_req *req, struct http_resp *resp, struct db *db,
                            const struct idp_request *r, const struct idp_session *s,
                            struct rk_err *err) RK_MUST;

/* ---- device.c */

http_handler idp_device_code, idp_device_page, idp_device_entered, idp_device_answer;
/** The page that asks to let the device in. */
enum rk_code idp_device_ask(struct http_req *req, struct http_resp *resp, struct db *db,
                            const struct idp_request *r, const struct idp_session *s,
                            struct rk_err *err) RK_MUST;

/* A grant that /token turns into tokens. */
struct idp_grant { /* open; arena */
    struct rk_str client_id, subject, scope, nonce, family;
    struct rk_str groups; /* JSON array or empty */
    int64_t auth_time_s;
    int64_t gen;       /* of the subject's logins when it was given */
    const char *error; /* of RFC 6749 or 8628; NULL: granted */
    const char *why;
};

/** A poll of a device. */
enum rk_code idp_device_poll(struct idp *i, struct db *db, struct rk_arena *mem, struct rk_str code,
                             struct rk_str client_id, struct idp_grant *out,
                             struct rk_err *err) RK_MUST;

/* ---- token.c */

http_handler idp_token;

#endif
