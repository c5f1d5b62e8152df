/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server's own keys. The store key is a file beside the data (mode 0600) and seals everything
 * else; the box key, which agents encrypt to, is sealed in the database, so that it survives
 * restarts and all processes on one database share it.
 */
#ifndef MGMT_KEYS_H
#define MGMT_KEYS_H

#include "lib/crypto/secret.h"
#include "lib/crypto/vault.h"
#include "management/engine/engine.h"

/**
 * Open the key file: one base64 key per line, the first one seals, the others open what is older
 * (key rotation); blank lines and lines that begin with '#' are skipped. When the file is absent
 * and `create` is set it is made with a fresh key, and reaches the disk before this returns.
 * Owned: vault_free. Errors: RK_NOT_FOUND (absent), RK_PRECONDITION (others may read the file),
 * RK_INVALID (not keys), RK_UNAVAILABLE.
 */
enum rk_code keys_vault_open(const char *path, bool create, struct vault **out,
                             struct rk_err *err) RK_MUST;

/** Vault of one key in base64 (configuration of the official server: DataStoreEncryptionKey).
 *  Owned: vault_free. RK_INVALID. */
enum rk_code keys_vault_of_text(struct rk_str text, struct vault **out, struct rk_err *err) RK_MUST;

/**
 * The key of dir/store.key in base64 text, made at the first start. It is NOT made when the store
 * already holds values that were sealed with another one: then the file was lost, and a new key
 * beside the old database would open nothing. arena
 * Errors: RK_PRECONDITION (lost; names key file and database), those of keyfile_get and db_open.
 * Blocks. Before mgmt_open.
 */
enum rk_code keys_store_key(struct rk_arena *mem, struct rk_str dir, const char *store_url,
                            struct rk_str *out, struct rk_err *err) RK_MUST;

/** The box key: made at the first call ever, then always the same. Wipe with rk_key_wipe. Store
 *  thread. Errors: RK_INTERNAL (sealed under a key that the vault does not have), RK_UNAVAILABLE.
 */
enum rk_code keys_box(struct mgmt *m, struct rk_key *private_key, struct rk_err *err) RK_MUST;

/** A sealed value under a name, made by `make` at the first call ever (once, whoever is first). For
 *  signing keys and the like. *out in mem (use a wiping arena). Store thread. */
typedef enum rk_code keys_make(struct rk_arena *mem, struct rk_str *out, struct rk_err *err);
enum rk_code keys_value(struct mgmt *m, struct rk_arena *mem, const char *name, keys_make *make,
                        struct rk_str *out, struct rk_err *err) RK_MUST;

#endif
