/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `rookery admin node-token` and `node-join`: the second node from the first.
 *
 * What a node keeps in files and all of them must have alike (the store's key, the relay's secret,
 * the setup token) travels through the database, sealed under a key that only the token has:
 *
 *      kv:     "node_token/<end, Unix seconds>/<id>" -> sealed JSON of the secrets
 *      token:  rkn1.<end>.<id>.<base64url of the key>
 *
 * node-join deletes the row in the transaction that reads it: a token works once, and not after its
 * end. Neither the token nor the database alone opens anything.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/enc.h"
#include "lib/base/id.h"
#include "lib/base/num.h"
#include "lib/crypto/keyfile.h"
#include "lib/crypto/vault.h"
#include "management/store/db.h"
#include "server/admin.h"
#include "server/wiring.h"

#define TOKEN_LIFE_S 3600
#define TOKEN_HEAD   "rkn1"
#define SECRETS_MAX  3

static const char *const FILES[SECRETS_MAX] = {"store.key", "relay.secret", "setup-token"};

static const char SQL_PUT[] = "INSERT INTO kv (name, value) VALUES ($1, $2)";
static const char SQL_TAKE[] = "DELETE FROM kv WHERE name = $1 RETURNING value";
/* All ends have ten digits, so texts sort as numbers do. */
static const char SQL_SWEEP[] = "DELETE FROM kv WHERE name >= 'node_token/' AND name < $1";

static enum rk_code need_pg(const struct admin *a, struct rk_err *err)
{
    if (db_url_is_pg(a->store_url))
        return RK_OK;
    return rk_fail(err, RK_PRECONDITION,
                   "several servers share PostgreSQL only, and this one keeps its data in SQLite; "
                   "rookery admin db migrate --to postgres moves it");
}

/* Which files decide here: a value in the configuration stands for its file. */
static bool from_file(const struct admin *a, size_t i)
{
    return i == 0   ? a->c.store_key.n == 0
           : i == 1 ? a->c.auth_secret.n == 0
                    : a->c.setup_token.n == 0;
}

static struct rk_str name_of(struct rk_arena *mem, struct rk_str end, struct rk_str id)
{
    return RK_CAT(mem, RK_STR("node_token/"), end, RK_STR("/"), id);
}

/* ---- node-token */

static enum rk_code secrets_read(struct admin *a, struct rk_str *out, struct rk_err *err)
{
    json_t *o = json_object();
    char *text;
    enum rk_code rc = RK_OK;

    for (size_t i = 0; rc == RK_OK && i < SECRETS_MAX; i++) {
        struct rk_str s = {0};

        if (!from_file(a, i))
            continue;
        rc = keyfile_read(a->mem, a->c.data_dir, FILES[i], &s, err);
        if (rc == RK_NOT_FOUND && i > 0) { /* relays elsewhere; set up long ago */
            rc = RK_OK;
            continue;
        }
        if (rc == RK_OK)
            (void)json_object_set_new(o, FILES[i], json_stringn(s.p, s.n));
    }
    text = json_dumps(o, JSON_COMPACT);
    *out = rk_arena_dup(a->mem, rk_str_z(text));
    rk_secret_wipe(text, strlen(text));
    free(text);
    json_decref(o);
    return rc;
}

struct parcel {
    struct rk_str name, sealed, sweep;
};

static enum rk_code put_tx(struct db *db, void *arg, struct rk_err *err)
{
    const struct parcel *p = arg;
    enum rk_code rc = db_exec(db, err, NULL, SQL_SWEEP, DB_ARGS(db_text(p->sweep)));

    return rc ? rc : db_exec(db, err, NULL, SQL_PUT, DB_ARGS(db_text(p->name), db_text(p->sealed)));
}

enum rk_code admin_node_token(struct admin *a, bool *failed, struct rk_err *err)
{
    RK_CLEANUP(vault_freep) struct vault *v = vault_new();
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct db_opts o = {.url = a->store_url, .existing = true};
    int64_t now = rk_unix_us() / 1000000;
    struct rk_str end = rk_arena_printf(a->mem, "%lld", (long long)now + TOKEN_LIFE_S);
    struct rk_str id = rk_xid_new(a->mem), plain;
    struct parcel p = {.name = name_of(a->mem, end, id),
                       .sweep = rk_arena_printf(a->mem, "node_token/%lld", (long long)now)};
    struct rk_key key;
    enum rk_code rc = need_pg(a, err);

    (void)failed;
    rk_key_generate(&key);
    if (rc == RK_OK)
        rc = secrets_read(a, &plain, err);
    if (rc == RK_OK)
        rc = vault_add_key(v, &key, err);
    if (rc == RK_OK)
        rc = vault_seal(v, a->mem, p.name, plain, &p.sealed, err);
    if (rc == RK_OK)
        rc = db_open(&db, &o, err);
    if (rc == RK_OK)
        rc = db_tx(db, put_tx, &p, err);
    if (rc == RK_OK) {
        struct rk_str k = rk_base64url_encode(a->mem, rk_str_of(key.b, sizeof key.b));

        printf("%s.%.*s.%.*s.%.*s\n", TOKEN_HEAD, RK_STR_ARG(end), RK_STR_ARG(id), RK_STR_ARG(k));
        (void)fprintf(stderr, "Works once, within an hour, on a machine whose configuration names "
                              "the same database:\n  rookery admin node-join --token-file FILE\n");
    }
    rk_key_wipe(&key);
    return rc;
}

/* ---- node-join */

struct join {
    struct admin *a;
    const struct vault *v;
    struct rk_str name;
    size_t written; /* files, for the way back */
    bool made[SECRETS_MAX];
};

static enum rk_code token_parse(struct admin *a, struct rk_key *key, struct rk_str *name,
                                struct rk_err *err)
{
    struct rk_str rest = rk_str_trim(a->o.token), head, end, id;
    size_t n = 0;

    if (!rest.n)
        return rk_fail(err, RK_INVALID, "--token-file is needed: what node-token printed");
    (void)rk_str_cut(rest, '.', &head, &rest);
    (void)rk_str_cut(rest, '.', &end, &rest);
    (void)rk_str_cut(rest, '.', &id, &rest);
    if (!rk_str_eqz(head, TOKEN_HEAD) || end.n != 10 || id.n != RK_XID_LEN ||
        rk_base64url_decode(rest, key->b, sizeof key->b, &n, NULL) || n != sizeof key->b)
        return rk_fail(err, RK_INVALID, "this is no token of rookery admin node-token");
    *name = name_of(a->mem, end, id);
    return RK_OK;
}

static enum rk_code parcel_take(struct join *j, struct db *db, struct rk_str *plain,
                                struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct rk_str sealed = {0}, end = rk_str_sub(j->name, strlen("node_token/"), 10);
    int64_t until = 0;
    enum rk_code rc = db_query(db, &rows, err, SQL_TAKE, DB_ARGS(db_text(j->name)));

    while (rc == RK_OK && db_next(rows))
        sealed = db_col_text(rows, 0, j->a->mem);
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc == RK_OK)
        rc = rk_parse_i64(end, 0, INT64_MAX, &until, err);
    if (rc)
        return rc;
    if (!sealed.n || until < rk_unix_us() / 1000000)
        return rk_fail(err, RK_NOT_FOUND,
                       "the token was used, is older than an hour, or is of another database: make "
                       "a new one (rookery admin node-token)");
    return vault_open(j->v, j->a->mem, j->name, sealed, plain, err);
}

/* All is looked at before the first file is written. */
static enum rk_code files_check(struct join *j, const json_t *o, struct rk_err *err)
{
    for (size_t i = 0; i < SECRETS_MAX; i++) {
        const char *want = json_string_value(json_object_get(o, FILES[i]));
        struct rk_str have = {0};
        enum rk_code rc;

        if (!want || !from_file(j->a, i))
            continue;
        rc = keyfile_read(j->a->mem, j->a->c.data_dir, FILES[i], &have, err);
        if (rc == RK_OK && !rk_secret_str_eq(have, rk_str_z(want)))
            return rk_fail(err, RK_PRECONDITION,
                           "%.*s/%s is another one: this folder belongs to another server; nothing "
                           "was changed",
                           RK_STR_ARG(j->a->c.data_dir), FILES[i]);
        if (rc && rc != RK_NOT_FOUND)
            return rc;
        j->made[i] = rc == RK_NOT_FOUND;
    }
    return RK_OK;
}

static enum rk_code files_write(struct join *j, const json_t *o, struct rk_err *err)
{
    struct admin *a = j->a;

    for (size_t i = 0; i < SECRETS_MAX; i++) {
        enum rk_code rc;

        if (!j->made[i])
            continue;
        rc = keyfile_write(a->c.data_dir, FILES[i],
                           rk_str_z(json_string_value(json_object_get(o, FILES[i]))), err);
        if (rc)
            return rc;
        j->written = i + 1;
        admin_give_to_owner(
            a, rk_arena_printf(a->mem, "%.*s/%s", RK_STR_ARG(a->c.data_dir), FILES[i]).p);
    }
    return RK_OK;
}

static enum rk_code join_tx(struct db *db, void *arg, struct rk_err *err)
{
    struct join *j = arg;
    struct rk_str plain = {0};
    json_t *o = NULL;
    enum rk_code rc = parcel_take(j, db, &plain, err);

    if (rc)
        return rc;
    o = json_loadb(plain.p, plain.n, 0, NULL);
    rc = o ? files_check(j, o, err) : rk_fail(err, RK_INTERNAL, "the secrets are not JSON");
    if (rc == RK_OK)
        rc = files_write(j, o, err);
    json_decref(o);
    return rc;
}

static void files_take_back(struct join *j)
{
    for (size_t i = 0; i < j->written; i++)
        if (j->made[i])
            keyfile_remove(j->a->c.data_dir, FILES[i]);
}

enum rk_code admin_node_join(struct admin *a, bool *failed, struct rk_err *err)
{
    RK_CLEANUP(vault_freep) struct vault *v = vault_new();
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct db_opts o = {.url = a->store_url, .existing = true};
    struct join j = {.a = a, .v = v};
    struct rk_key key;
    enum rk_code rc = need_pg(a, err);

    (void)failed;
    if (rc == RK_OK)
        rc = token_parse(a, &key, &j.name, err);
    if (rc == RK_OK)
        rc = vault_add_key(v, &key, err);
    rk_key_wipe(&key);
    if (rc == RK_OK)
        rc = keyfile_dir(a->c.data_dir, err);
    if (rc == RK_OK)
        rc = db_open(&db, &o, err);
    if (rc == RK_OK)
        rc = db_tx(db, join_tx, &j, err);
    if (rc) {
        files_take_back(&j);
        return rc;
    }
    printf("%.*s has the secrets of the other node; start it with rookery run\n",
           RK_STR_ARG(a->c.data_dir));
    return RK_OK;
}
