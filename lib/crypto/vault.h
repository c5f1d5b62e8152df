/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct vault: the keys under which secrets are stored at rest (database columns, the server's own
 * box key, signing keys). XChaCha20-Poly1305 with a random nonce; the text form carries the id of
 * its key, so keys can be changed while old values still open:
 *
 *      rk1:<key id, 8 hex digits>:<base64 of nonce 24, ciphertext, tag 16>
 *
 * The context ("idp.connector.secret/<id>") is authenticated but not stored: a value moved to
 * another row or column does not open. Filled once at start, then only read: any thread.
 */
#ifndef RK_CRYPTO_VAULT_H
#define RK_CRYPTO_VAULT_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/crypto/secret.h"

#define VAULT_KEYS_MAX  8 /* one in use and seven retired ones is more than anybody rotates */
#define VAULT_PLAIN_MAX ((size_t)1 << 20) /* bytes; a column, not a file */

struct vault;

struct vault *vault_new(void);
void vault_free(struct vault *v); /* accepts NULL; wipes the keys */
void vault_freep(struct vault **v);

/** Add a key (copied). The first one added seals; all open.
 *  Errors: RK_LIMIT (too many), RK_EXISTS (same key again), RK_INVALID (all zero). */
enum rk_code vault_add_key(struct vault *v, const struct rk_key *key, struct rk_err *err) RK_MUST;

/** Seal into a text in the arena.
 *  Errors: RK_LIMIT (longer than VAULT_PLAIN_MAX), RK_INTERNAL (no key was added). arena */
enum rk_code vault_seal(const struct vault *v, struct rk_arena *a, struct rk_str context,
                        struct rk_str plain, struct rk_str *out, struct rk_err *err) RK_MUST;

/** Open into the arena (use a wiping one), with a NUL behind.
 *  Errors: RK_INTERNAL (not a sealed text, key not configured, or altered; the text says which and
 *  names the context), RK_LIMIT (arena ceiling or VAULT_PLAIN_MAX). arena */
enum rk_code vault_open(const struct vault *v, struct rk_arena *a, struct rk_str context,
                        struct rk_str sealed, struct rk_str *out, struct rk_err *err) RK_MUST;

/** True when the text was sealed under the key that seals now; false asks for sealing it anew. */
bool vault_is_current(const struct vault *v, struct rk_str sealed);

#endif
