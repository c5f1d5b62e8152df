/* SPDX-License-Identifier: BSD-3-Clause */
/* What a request says: parameters and the client; secrets; and the request that a form carries,
 * sealed and bound to a browser. */
#ifndef MGMT_IDP_REQUEST_H
#define MGMT_IDP_REQUEST_H

#include "management/idp/base.h"

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
    /* While at an external provider: which, and whose people it signed in when it was asked; where
     * it answers, and what its answer must fit. */
    struct rk_str connector, ext_realm, ext_callback, ext_nonce, ext_verifier;
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

#endif
