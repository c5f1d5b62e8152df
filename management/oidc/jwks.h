/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the keys come from that verify tokens: a struct jwks_source finds those that may have
 * signed one, by its key id and kind. The one here fetches the key set of an external issuer and
 * keeps it; the embedded provider is another (management/idp/keyring.h). Store thread: may block on
 * the network, with a bound on how often.
 */
#ifndef MGMT_AUTH_JWKS_H
#define MGMT_AUTH_JWKS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/crypto/jwk.h"

/* Keys that may have signed a token: usually one; several where the token or the set names none. */
#define JWKS_TRY_MAX 16 /* what a token without a key id makes us try */

struct jwks_found { /* open; jwks_found_done */
    struct jwk *v[JWKS_TRY_MAX];
    size_t n;
};

void jwks_found_done(struct jwks_found *f);

struct jwks_source {
    /** Fills out with at least one reference, the caller's. kid may be empty. Only keys that fit
     *  alg. Errors: RK_UNAUTHENTICATED (no such key), RK_UNAVAILABLE (keys cannot be had now). Any
     *  thread that may block. */
    enum rk_code (*find)(struct jwks_source *s, struct rk_str kid, enum jwk_alg alg,
                         struct jwks_found *out, struct rk_err *err);
};

/* ---- key sets as text */

#define JWKS_KEYS_MAX 64  /* issuers have a handful */
#define JWKS_KID_MAX  256 /* bytes */

struct jwks_key { /* owned by the set */
    char *kid;    /* "" when it has none */
    struct jwk *key;
    bool only_alg; /* the set says that it is for this algorithm: */
    enum jwk_alg alg;
};

struct jwks_set {
    struct jwks_key v[JWKS_KEYS_MAX];
    size_t n;
};

/** Read a JWK set (RFC 7517). Keys that are for something else or of a kind we do not know are left
 *  out. *out is filled only on RK_OK: jwks_set_done. Errors: RK_BAD_REQUEST (no JSON set). */
enum rk_code jwks_parse(struct rk_str json, struct jwks_set *out, struct rk_err *err) RK_MUST;
void jwks_set_done(struct jwks_set *s);

/** Keys of this id that fit alg. Where there are none, or the token has no id: those without an id,
 *  or all, that fit. References into out. False when there are none. */
bool jwks_set_find(const struct jwks_set *s, struct rk_str kid, enum jwk_alg alg,
                   struct jwks_found *out);

/* ---- the keys of an external issuer */

#define JWKS_REFRESH_MIN_MS 30000       /* an unknown key id makes us ask this often at most */
#define JWKS_WAIT_S         2           /* for the issuer's answer; it goes on without us */
#define JWKS_AGE_MIN_MS     (5 * 60000) /* whatever Cache-Control says */
#define JWKS_AGE_MAX_MS     (24 * 3600000)

struct jwks_remote;

struct jwks_remote_opts {    /* open; texts are copied */
    const char *issuer;      /* its discovery names the keys … */
    const char *keys_url;    /* … unless this does */
    const char *ca_file;     /* trusted besides the system's roots; NULL: none */
    struct rk_log *log;      /* may be NULL; lent */
    int64_t (*now_ms)(void); /* NULL: rk_mono_ms */
};

/** Fetches nothing yet. Owned: jwks_remote_free. */
struct jwks_remote *jwks_remote_new(const struct jwks_remote_opts *opts);
void jwks_remote_free(struct jwks_remote *r); /* accepts NULL */
struct jwks_source *jwks_remote_source(struct jwks_remote *r);

#endif
