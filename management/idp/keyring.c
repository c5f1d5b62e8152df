/* SPDX-License-Identifier: BSD-3-Clause */
/* Signing keys; see keyring.h. */
#include "config.h"

#include "management/idp/keyring.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/base/ratelimit.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/vault.h"

#define ROTATE_S (720 * 3600)
#define KEEP_S   (25 * 3600) /* a day of token life, and clocks that differ */
#define KEYS_MAX 16          /* one retires a month */
/* An unknown key makes us read the table, for another process may have made it; strangers can name
 * any key, so not more often than this. */
#define LOOKS_BURST       20
#define LOOKS_MILLI_PER_S 2000
#define CHORE_MS          30000
#define CACHE_MIN_S       120

static const char SQL_ALL[] =
    "SELECT kid, private_sealed, created_at FROM idp_key ORDER BY created_at DESC, kid";
static const char SQL_NEW[] =
    "INSERT INTO idp_key (kid, private_sealed, created_at) VALUES ($1, $2, $3)";
/* One process makes a key, the others see it then. */
static const char SQL_LOCK[] = "UPDATE cluster_count SET value = value + 1 WHERE name = 'keyring'";
static const char SQL_DROP[] = "DELETE FROM idp_key WHERE kid = $1";

struct one {
    char kid[KEYRING_ID_LEN + 1];
    struct jwk *key;
    int64_t created_s;
};

struct keyring {
    struct jwks_source source;
    struct mgmt *m;
    int64_t rotate_s, keep_s;
    struct mgmt_chore chore;
    pthread_mutex_t reading; /* one reader of the table at a time; taken before lock */
    struct rk_bucket looks;  /* under reading */
    pthread_mutex_t lock;    /* guards what follows */
    struct one v[KEYS_MAX];  /* newest first */
    size_t n;
};

static int64_t now_s(const struct keyring *k)
{
    return mgmt_now_us(k->m) / 1000000;
}

static struct rk_str context(struct rk_arena *mem, const char *kid)
{
    return rk_arena_printf(mem, "idp_key.private/%s", kid);
}

/* ---- the table */

static enum rk_code row_of(struct keyring *k, struct db_rows *rows, struct rk_arena *mem,
                           struct one *out, struct rk_err *err)
{
    struct rk_str kid = db_col_text(rows, 0, mem), sealed = db_col_text(rows, 1, mem), pem;
    enum rk_code rc;

    if (kid.n != KEYRING_ID_LEN)
        return rk_fail(err, RK_INTERNAL, "signing key: its id is malformed");
    memcpy(out->kid, kid.p, kid.n + 1);
    out->created_s = db_col_i64(rows, 2) / 1000000;
    rc = vault_open(mgmt_vault(k->m), mem, context(mem, out->kid), sealed, &pem, err);
    return rc ? rc : jwk_of_pem(pem, &out->key, err);
}

static void drop_all(struct one *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        jwk_unref(v[i].key);
}

static enum rk_code read_all(struct keyring *k, struct db *db, struct one *v, size_t *n,
                             struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, SQL_ALL, DB_NOARGS);

    *n = 0;
    while (rc == RK_OK && *n < KEYS_MAX && db_next(rows)) {
        rc = row_of(k, rows, mem, &v[*n], err);
        *n += rc == RK_OK;
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc)
        drop_all(v, *n);
    return rc;
}

static enum rk_code store_new(struct keyring *k, const struct jwk *key, struct db *db,
                              struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    uint8_t digest[HASH_SHA256_SIZE];
    char kid[KEYRING_ID_LEN + 1];
    struct rk_str pem, sealed, n, e;
    enum rk_code rc = jwk_rsa_public(key, mem, &n, &e, err);

    if (rc == RK_OK)
        rc = jwk_to_pem(key, mem, &pem, err);
    if (rc)
        return rc;
    hash_sha256(n, digest);
    rk_hex_encode_to(kid, rk_str_of(digest, KEYRING_ID_LEN / 2));
    rc = vault_seal(mgmt_vault(k->m), mem, context(mem, kid), pem, &sealed, err);
    if (rc == RK_OK)
        rc = db_exec(db, err, NULL, SQL_NEW,
                     DB_ARGS(db_textz(kid), db_text(sealed), db_i64(mgmt_now_us(k->m))));
    if (rc == RK_OK)
        rk_log(mgmt_log(k->m), RK_INFO, "new signing key", kv_z("key", kid));
    return rc;
}

static bool is_due(const struct keyring *k, const struct one *v, size_t n)
{
    return n == 0 || (n < KEYS_MAX && v[0].created_s + k->rotate_s <= now_s(k));
}

struct make {
    struct keyring *k;
    struct jwk *key;
};

static enum rk_code make_tx(struct db *db, void *arg, struct rk_err *err)
{
    const struct make *make = arg;
    struct keyring *k = make->k;
    struct one v[KEYS_MAX];
    size_t n;
    bool due;
    enum rk_code rc = db_exec(db, err, NULL, SQL_LOCK, DB_NOARGS);

    if (rc == RK_OK)
        rc = read_all(k, db, v, &n, err);
    if (rc)
        return rc;
    due = is_due(k, v, n);
    drop_all(v, n);
    return due ? store_new(k, make->key, db, err) : RK_OK;
}

/* The key is made before the transaction: that takes seconds on a slow machine, and all who write
 * would wait for it. */
static enum rk_code make(struct keyring *k, struct db *db, struct rk_err *err)
{
    struct make m = {.k = k};
    enum rk_code rc = jwk_rsa_new(&m.key, err);

    if (rc)
        return rc;
    rc = db_tx(db, make_tx, &m, err);
    jwk_unref(m.key);
    return rc;
}

/* A key that can no longer have signed a valid token goes. */
static enum rk_code expire(struct keyring *k, struct db *db, struct one *v, size_t *n,
                           struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    while (rc == RK_OK && *n > 1 && v[*n - 2].created_s + k->keep_s < now_s(k)) {
        rc = db_exec(db, err, NULL, SQL_DROP, DB_ARGS(db_textz(v[*n - 1].kid)));
        if (rc == RK_OK)
            jwk_unref(v[--*n].key);
    }
    return rc;
}

/* Our copy becomes v, which it takes. */
static void adopt(struct keyring *k, struct one *v, size_t n)
{
    struct one old[KEYS_MAX];
    size_t n_old;

    (void)pthread_mutex_lock(&k->lock);
    n_old = k->n;
    memcpy(old, k->v, n_old * sizeof *old);
    memcpy(k->v, v, n * sizeof *v);
    k->n = n;
    (void)pthread_mutex_unlock(&k->lock);
    drop_all(old, n_old);
}

/* Make the table and our copy of it as they should be. The caller has `reading`. */
static enum rk_code sync_keys(struct keyring *k, struct db *db, struct rk_err *err)
{
    struct one v[KEYS_MAX];
    size_t n;
    enum rk_code rc = read_all(k, db, v, &n, err);

    if (rc)
        return rc;
    if (is_due(k, v, n)) {
        drop_all(v, n);
        rc = make(k, db, err);
        if (rc == RK_OK)
            rc = read_all(k, db, v, &n, err);
        if (rc)
            return rc;
    }
    rc = expire(k, db, v, &n, err);
    if (rc) {
        drop_all(v, n);
        return rc;
    }
    adopt(k, v, n);
    return RK_OK;
}

enum rk_code keyring_tend(struct keyring *k, struct db *db, struct rk_err *err)
{
    enum rk_code rc;

    (void)pthread_mutex_lock(&k->reading);
    rc = sync_keys(k, db, err);
    (void)pthread_mutex_unlock(&k->reading);
    return rc;
}

static enum rk_code chore_run(struct mgmt_chore *c, struct mgmt *m, struct db *db,
                              struct rk_err *err)
{
    (void)m;
    return keyring_tend(rk_container_of(c, struct keyring, chore), db, err);
}

/* ---- use */

static struct jwk *look(struct keyring *k, struct rk_str kid)
{
    struct jwk *found = NULL;

    (void)pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->n && !found; i++)
        if (rk_str_eqz(kid, k->v[i].kid))
            found = jwk_ref(k->v[i].key);
    (void)pthread_mutex_unlock(&k->lock);
    return found;
}

/* Another process may have made it. "No" is said only when the table says so. */
static enum rk_code look_again(struct keyring *k, struct rk_str kid, struct jwk **out,
                               struct rk_err *err)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    enum rk_code rc = RK_OK;

    (void)pthread_mutex_lock(&k->reading);
    *out = look(k, kid);
    if (!*out && !rk_bucket_take(&k->looks, rk_mono_ms(), LOOKS_MILLI_PER_S, LOOKS_BURST))
        rc = RK_UNAVAILABLE;
    if (!*out && rc == RK_OK)
        rc = mgmt_db_open(k->m, &db, err);
    if (!*out && rc == RK_OK)
        rc = sync_keys(k, db, err);
    (void)pthread_mutex_unlock(&k->reading);
    if (rc)
        return rk_fail(err, RK_UNAVAILABLE, "the signing keys cannot be read now");
    if (!*out)
        *out = look(k, kid);
    return RK_OK;
}

static enum rk_code find(struct jwks_source *s, struct rk_str kid, enum jwk_alg alg,
                         struct jwks_found *out, struct rk_err *err)
{
    struct keyring *k = rk_container_of(s, struct keyring, source);
    struct jwk *key = look(k, kid);
    enum rk_code rc = RK_OK;

    if (!key && kid.n == KEYRING_ID_LEN)
        rc = look_again(k, kid, &key, err);
    if (rc)
        return rc;
    if (key && alg == JWK_RS256) {
        *out = (struct jwks_found){.v = {key}, .n = 1};
        return RK_OK;
    }
    jwk_unref(key);
    return rk_fail(err, RK_UNAUTHENTICATED, "the token's key is not known");
}

struct jwks_source *keyring_source(struct keyring *k)
{
    return &k->source;
}

static bool is_empty(struct keyring *k)
{
    bool empty;

    (void)pthread_mutex_lock(&k->lock);
    empty = k->n == 0;
    (void)pthread_mutex_unlock(&k->lock);
    return empty;
}

/* Who asks before the first key is made makes it, or waits for who does. */
static enum rk_code need_key(struct keyring *k, struct rk_err *err)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    enum rk_code rc = RK_OK;

    if (!is_empty(k))
        return RK_OK;
    (void)pthread_mutex_lock(&k->reading);
    if (is_empty(k)) {
        rc = mgmt_db_open(k->m, &db, err);
        if (rc == RK_OK)
            rc = sync_keys(k, db, err);
    }
    (void)pthread_mutex_unlock(&k->reading);
    return rc;
}

enum rk_code keyring_signer(struct keyring *k, struct jwk **out, char kid[KEYRING_ID_LEN + 1],
                            struct rk_err *err)
{
    enum rk_code rc = need_key(k, err);

    if (rc)
        return rc;
    (void)pthread_mutex_lock(&k->lock);
    *out = k->n ? jwk_ref(k->v[0].key) : NULL;
    if (*out)
        memcpy(kid, k->v[0].kid, KEYRING_ID_LEN + 1);
    (void)pthread_mutex_unlock(&k->lock);
    return *out ? RK_OK : rk_fail(err, RK_INTERNAL, "no signing key");
}

enum rk_code keyring_json(struct keyring *k, struct rk_arena *mem, struct rk_str *out,
                          int64_t *max_age_s, struct rk_err *err)
{
    json_t *keys;
    char *text;
    enum rk_code rc = need_key(k, err);

    if (rc)
        return rc;
    keys = json_array();
    (void)pthread_mutex_lock(&k->lock);
    *max_age_s = k->n ? k->v[0].created_s + k->rotate_s - now_s(k) : 0;
    for (size_t i = 0; i < k->n && rc == RK_OK; i++) {
        struct rk_str n, e;

        rc = jwk_rsa_public(k->v[i].key, mem, &n, &e, err);
        if (rc == RK_OK)
            (void)json_array_append_new(
                keys, json_pack("{s:s, s:s, s:s, s:s, s:s%, s:s%}", "use", "sig", "kty", "RSA",
                                "kid", k->v[i].kid, "alg", "RS256", "n", n.p, n.n, "e", e.p, e.n));
    }
    (void)pthread_mutex_unlock(&k->lock);
    *max_age_s = rk_max_i64(*max_age_s, CACHE_MIN_S);
    keys = json_pack("{s:o}", "keys", keys);
    text = json_dumps(keys, JSON_COMPACT);
    *out = rk_arena_dup(mem, rk_str_z(text));
    free(text);
    json_decref(keys);
    return rc;
}

enum rk_code keyring_open(struct mgmt *m, const struct keyring_opts *o, struct keyring **out,
                          struct rk_err *err)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct keyring *k = rk_calloc(1, sizeof *k);
    struct one v[KEYS_MAX];
    size_t n;
    enum rk_code rc = mgmt_db_open(m, &db, err);

    k->m = m;
    k->source.find = find;
    k->rotate_s = o && o->rotate_s ? o->rotate_s : ROTATE_S;
    k->keep_s = o && o->keep_s ? o->keep_s : KEEP_S;
    (void)pthread_mutex_init(&k->reading, NULL);
    (void)pthread_mutex_init(&k->lock, NULL);
    if (rc == RK_OK)
        rc = read_all(k, db, v, &n, err);
    if (rc) {
        keyring_free(k);
        return rk_wrap(err, "signing keys of the identity provider");
    }
    adopt(k, v, n);
    k->chore = (struct mgmt_chore){.what = "signing keys were not kept up",
                                   .run = chore_run,
                                   .first_ms = n ? CHORE_MS : 0, /* a key costs 0.1 s and more */
                                   .every_ms = CHORE_MS};
    mgmt_chore_add(m, &k->chore);
    *out = k;
    return RK_OK;
}

void keyring_free(struct keyring *k)
{
    if (!k)
        return;
    drop_all(k->v, k->n);
    (void)pthread_mutex_destroy(&k->reading);
    (void)pthread_mutex_destroy(&k->lock);
    free(k);
}
