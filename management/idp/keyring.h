/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The signing keys of the embedded provider: table idp_key, private parts sealed by the vault. The
 * newest key signs; older ones verify until the last token that they signed has expired. All
 * processes on one database share them. Threads that may block.
 */
#ifndef MGMT_IDP_KEYRING_H
#define MGMT_IDP_KEYRING_H

#include "management/engine/engine.h"
#include "management/oidc/jwks.h"

struct keyring;

struct keyring_opts { /* open; zero: the default in [] */
    int64_t rotate_s; /* [720 h] age at which a new key is made */
    int64_t keep_s;   /* [25 h] for verifying, after a new one was made */
};

#define KEYRING_ID_LEN 40 /* hex digits */

/** Reads the keys. The first one is made in the background, or by who needs it before. m is
 * borrowed. Owned: keyring_free. Errors: RK_INTERNAL (a key does not open), RK_UNAVAILABLE. */
enum rk_code keyring_open(struct mgmt *m, const struct keyring_opts *opts, struct keyring **out,
                          struct rk_err *err) RK_MUST;
void keyring_free(struct keyring *k); /* accepts NULL */

/** Make what is missing or due, drop what has expired; every half minute by itself. */
enum rk_code keyring_tend(struct keyring *k, struct db *db, struct rk_err *err) RK_MUST;

struct jwks_source *keyring_source(struct keyring *k);

/** The key to sign with: one reference, the caller's, and its id. */
enum rk_code keyring_signer(struct keyring *k, struct jwk **out, char kid[KEYRING_ID_LEN + 1],
                            struct rk_err *err) RK_MUST;

/** The key set as JSON, newest first. *max_age_s: how long it may be cached. arena */
enum rk_code keyring_json(struct keyring *k, struct rk_arena *mem, struct rk_str *out,
                          int64_t *max_age_s, struct rk_err *err) RK_MUST;

#endif
