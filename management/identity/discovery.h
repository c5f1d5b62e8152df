/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an OpenID provider says of itself (OpenID Connect Discovery 1.0, RFC 8414, RFC 9207), kept
 * for some minutes. Blocks on the network: store threads.
 */
#ifndef MGMT_IDENTITY_DISCOVERY_H
#define MGMT_IDENTITY_DISCOVERY_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct disco { /* open; arena; texts may be "" where they are not said */
    const char *issuer;
    const char *auth, *token, *keys, *userinfo;
    bool sends_iss;   /* every answer of the authorization endpoint names the issuer */
    bool basic, post; /* how the token endpoint takes the client's secret; one at least */
    bool groups_scope, offline_scope;
    /* One document for many tenants (Microsoft): the issuer of a token has the tenant in place of
     * the word "{tenantid}" that stands in `issuer`. */
    bool tenants;
};

struct disco_cache;

/** Owned: disco_cache_free, after all users. Any thread. */
struct disco_cache *disco_cache_new(void);
void disco_cache_free(struct disco_cache *c); /* accepts NULL */

/** cache may be NULL: ask now. Errors: RK_INVALID (no such URL; the document names another
 *  issuer), RK_UNAVAILABLE, RK_TIMEOUT; texts say which. */
enum rk_code disco_get(struct disco_cache *cache, struct rk_arena *mem, struct rk_str issuer,
                       struct disco *out, struct rk_err *err) RK_MUST;

/** The document as text. Errors: RK_INVALID. */
enum rk_code disco_parse(struct rk_arena *mem, struct rk_str text, struct rk_str issuer,
                         struct disco *out, struct rk_err *err) RK_MUST;

/** Does it say all that a login needs? RK_INVALID with what is missing. */
enum rk_code disco_check_login(const struct disco *d, struct rk_err *err) RK_MUST;

/** The issuer that tokens of this tenant must name. arena */
const char *disco_issuer_of(const struct disco *d, struct rk_arena *mem, struct rk_str tenant);

#endif
