/* SPDX-License-Identifier: BSD-3-Clause */
/* `rookery admin export`: everything but secrets as JSON, for reading and for moving out. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/crypto/vault.h"
#include "management/store/store.h"
#include "server/admin.h"
#include "server/admin_out.h"
#include "server/wiring.h"

static const char SQL_ACCOUNTS[] = "SELECT id FROM account ORDER BY created_at, id";
static const char SQL_BEGIN_PG[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/* One entity without what proves anything: hashes of keys and tokens. Names are in clear text. */
static enum rk_code entity_json(struct store *s, enum entity_kind k, const void *e, json_t **out,
                                struct rk_err *err)
{
    struct store plain = {.db = s->db, .mem = s->mem}; /* no vault: sealed fields as they are */
    struct rk_str text;
    enum rk_code rc = store_json(&plain, k, e, &text, err);

    if (rc)
        return rc;
    *out = json_loadb(text.p, text.n, 0, NULL);
    if (!*out)
        return rk_fail(err, RK_INTERNAL, "export: %s", entity_kind_text(k));
    (void)json_object_del(*out, "hash");
    (void)json_object_del(*out, "token_hash");
    return RK_OK;
}

static enum rk_code kind_json(struct store *s, const struct account_data *d, enum entity_kind k,
                              json_t *account, struct rk_err *err)
{
    const void *items = NULL;
    size_t n = 0;
    json_t *list;
    enum rk_code rc = RK_OK;

    if (k == ENT_GROUP_PEER || !account_data_table(d, k, &items, &n) || n == 0)
        return RK_OK;
    list = json_array();
    for (size_t i = 0; rc == RK_OK && i < n; i++) {
        json_t *one = NULL;

        rc = entity_json(s, k, (const char *)items + i * entity_size(k), &one, err);
        if (rc == RK_OK)
            (void)json_array_append_new(list, one);
    }
    (void)json_object_set_new(account, entity_kind_text(k), list);
    return rc;
}

static json_t *members_json(const struct account_data *d)
{
    json_t *all = json_object();

    for (size_t i = 0; i < d->n_group_peers; i++) {
        const struct group_peer *gp = &d->group_peers[i];
        json_t *list = json_object_getn(all, gp->group_id.p, gp->group_id.n);

        if (!list) {
            list = json_array();
            (void)json_object_setn_new(all, gp->group_id.p, gp->group_id.n, list);
        }
        (void)json_array_append_new(list, json_stringn(gp->peer_id.p, gp->peer_id.n));
    }
    return all;
}

static enum rk_code account_json(struct store *s, struct rk_str id, json_t *accounts,
                                 struct rk_err *err)
{
    struct account_data d = {0};
    json_t *account = json_object(), *one = NULL;
    enum rk_code rc = store_load(s, id, &d, err);

    (void)json_array_append_new(accounts, account);
    if (rc == RK_OK)
        rc = entity_json(s, ENT_ACCOUNT, &d.account, &one, err);
    if (rc == RK_OK)
        (void)json_object_set_new(account, "account", one);
    if (rc == RK_OK)
        rc = entity_json(s, ENT_SETTINGS, &d.settings, &one, err);
    if (rc == RK_OK)
        (void)json_object_set_new(account, "settings", one);
    for (int k = 0; rc == RK_OK && k < ENT_COUNT; k++)
        rc = kind_json(s, &d, (enum entity_kind)k, account, err);
    if (rc == RK_OK)
        (void)json_object_set_new(account, "group_members", members_json(&d));
    return rc;
}

static enum rk_code accounts_json(struct admin *a, struct db *db, const struct vault *vault,
                                  json_t *accounts, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, SQL_ACCOUNTS, DB_NOARGS);

    while (rc == RK_OK && db_next(rows)) {
        struct store s = {.db = db, .vault = vault, .mem = a->mem};

        rc = account_json(&s, db_col_text(rows, 0, a->mem), accounts, err);
    }
    return rc ? rc : db_end(rows, err);
}

static enum rk_code dump_to(FILE *f, const json_t *j, const char *name, struct rk_err *err)
{
    if (json_dumpf(j, f, JSON_INDENT(1)) || fputc('\n', f) == EOF || fflush(f))
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "write %s", name);
    return RK_OK;
}

/* A file is put in place as a whole; pipes and devices are written to. */
static enum rk_code write_out(struct admin *a, const json_t *j, struct rk_err *err)
{
    const char *path = a->word;
    bool file;
    FILE *f;
    int fd;
    enum rk_code rc;

    if (!path)
        return dump_to(stdout, j, "the result", err);
    rc = admin_out_check(a, path, "{\n \"exported_at\"", &file, err);
    if (rc)
        return rc;
    if (file)
        path = rk_arena_printf(a->mem, "%s.%ld.new", a->word, (long)getpid()).p;
    fd = open(path, O_WRONLY | O_CLOEXEC | (file ? O_CREAT | O_EXCL : 0), 0600);
    f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!f)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "%s", path);
    rc = dump_to(f, j, path, err);
    if (rc == RK_OK && file && fsync(fd))
        rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "write %s", path);
    if (fclose(f) && rc == RK_OK)
        rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "write %s", path);
    if (rc == RK_OK && file && rename(path, a->word))
        rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "make %s", a->word);
    if (rc && file)
        (void)unlink(path);
    return rc;
}

enum rk_code admin_export(struct admin *a, bool *failed, struct rk_err *err)
{
    RK_CLEANUP(vault_freep) struct vault *vault = NULL;
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct db_opts o = {.url = a->store_url, .existing = true};
    char when[RK_TIME_TEXT];
    json_t *all, *accounts = json_array();
    enum rk_code rc = wiring_vault(a->mem, &a->c, &vault, err);

    (void)failed;
    if (rc == RK_OK)
        rc = db_open(&db, &o, err);
    if (rc == RK_OK)
        rc = db_script(db, db_engine_of(db) == DB_PG ? SQL_BEGIN_PG : "BEGIN", err);
    if (rc == RK_OK)
        rc = accounts_json(a, db, vault, accounts, err);
    (void)rk_time_format_us(rk_unix_us(), when);
    all = json_pack("{s:s, s:s, s:o}", "exported_at", when, "program", "rookery " PACKAGE_VERSION,
                    "accounts", accounts);
    if (rc == RK_OK)
        rc = write_out(a, all, err);
    json_decref(all);
    return rc;
}
