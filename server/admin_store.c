/* SPDX-License-Identifier: BSD-3-Clause */
/* `rookery admin` on the store: backup, restore, moving to the other engine, checks. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/crypto/keyfile.h"
#include "lib/crypto/vault.h"
#include "management/engine/keys.h"
#include "management/store/db_lock.h"
#include "management/store/dump.h"
#include "management/store/journal_state.h"
#include "management/store/migrate.h"
#include "management/store/probe.h"
#include "server/admin.h"
#include "server/admin_out.h"
#include "server/backup_log.h"
#include "server/wiring.h"

static const char *const SECRETS[] = {"store.key", "relay.secret", "setup-token"};

/* ---- keys */

/* The id of the key that seals: second part of any sealed text. */
static struct rk_str id_of_sealed(struct rk_str sealed)
{
    struct rk_str head, id, rest;

    (void)rk_str_cut(sealed, ':', &head, &rest);
    (void)rk_str_cut(rest, ':', &id, &rest);
    return id;
}

static enum rk_code id_of_vault(struct admin *a, struct rk_str *out, struct rk_err *err)
{
    RK_CLEANUP(vault_freep) struct vault *v = NULL;
    struct rk_str sealed = {0};
    enum rk_code rc = wiring_vault(a->mem, &a->c, &v, err);

    if (rc == RK_OK)
        rc = vault_seal(v, a->mem, RK_STR("id"), RK_STR("x"), &sealed, err);
    if (rc == RK_OK)
        *out = id_of_sealed(sealed);
    return rc;
}

static const char SQL_BOX_KEY[] = "SELECT value FROM kv WHERE name = 'box_key'";

static enum rk_code id_of_store(struct admin *a, struct db *db, struct rk_str *out,
                                struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, SQL_BOX_KEY, DB_NOARGS);

    *out = (struct rk_str){0};
    if (rc == RK_OK && db_next(rows))
        *out = id_of_sealed(db_col_text(rows, 0, a->mem));
    return rc ? rc : db_end(rows, err);
}

/* ---- opening */

static enum rk_code open_store(struct admin *a, struct db **out, struct rk_err *err)
{
    struct db_opts o = {.url = a->store_url, .existing = true};

    if (!db_url_is_pg(a->store_url) && access(probe_sqlite_path(a->store_url), F_OK))
        return rk_fail_errno(err, RK_NOT_FOUND, errno, "there is no store: %s",
                             probe_sqlite_path(a->store_url));
    return db_open(out, &o, err);
}

void admin_give_to_owner(struct admin *a, const char *path)
{
    struct stat st;

    if (stat(rk_arena_dupz(a->mem, a->c.data_dir), &st) == 0 && geteuid() == 0 &&
        lchown(path, st.st_uid, st.st_gid))
        (void)fprintf(stderr, "rookery admin: %s: %s\n", path, strerror(errno));
}

/* ---- backup */

static enum rk_code secrets_seal(struct admin *a, struct rk_str *out, struct rk_err *err)
{
    json_t *o;
    char *text;
    enum rk_code rc = RK_OK;

    if (!a->o.with_secrets)
        return RK_OK;
    if (!a->o.passphrase.n)
        return rk_fail(err, RK_INVALID, "--with-secrets needs --passphrase-file");
    o = json_object();
    for (size_t i = 0; i < RK_ARRAY_LEN(SECRETS); i++) {
        struct rk_str s = {0};

        if (i == 0 && a->c.store_key.n)
            s = a->c.store_key;
        else if (keyfile_read(a->mem, a->c.data_dir, SECRETS[i], &s, NULL))
            continue;
        (void)json_object_set_new(o, SECRETS[i], json_stringn(s.p, s.n));
    }
    text = json_dumps(o, JSON_COMPACT);
    rc = dump_secrets_seal(a->mem, rk_str_z(text), a->o.passphrase, out, err);
    rk_secret_wipe(text, strlen(text));
    free(text);
    json_decref(o);
    return rc;
}

static enum rk_code backup_to(struct admin *a, const char *path, struct dump_info *info,
                              struct rk_err *err)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    const char *tmp = rk_arena_printf(a->mem, "%s.%ld.new", path, (long)getpid()).p;
    struct dump_opts o = {0};
    FILE *f = NULL;
    bool file;
    int fd;
    enum rk_code rc = admin_out_check(a, path, "rookery-backup ", &file, err);

    if (rc == RK_OK && !file)
        rc = rk_fail(err, RK_PRECONDITION, "%s is no file: a backup is put in place as a whole",
                     path);
    if (rc == RK_OK)
        rc = secrets_seal(a, &o.secrets, err);
    if (rc == RK_OK)
        rc = open_store(a, &db, err);
    if (rc == RK_OK)
        rc = id_of_store(a, db, &o.store_key, err);
    if (rc)
        return rc;
    fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!f)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "make %s", tmp);
    rc = dump_write(db, f, &o, a->mem, info, err);
    if (rc)
        rc = rk_wrap(err, "%s, of which nothing is left", path);
    if (rc == RK_OK && (fflush(f) || fsync(fd)))
        rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "write %s", tmp);
    if (fclose(f) && rc == RK_OK)
        rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "write %s", tmp);
    if (rc == RK_OK && rename(tmp, path))
        rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "make %s", path);
    if (rc)
        (void)unlink(tmp);
    return rc;
}

static int newest_first(const struct dirent **x, const struct dirent **y)
{
    return strcmp((*y)->d_name, (*x)->d_name);
}

static int is_backup(const struct dirent *e)
{
    struct rk_str s = rk_str_z(e->d_name);

    return rk_str_starts(s, RK_STR("rookery-")) && rk_str_ends(s, RK_STR(".backup"));
}

static void prune(struct admin *a, const char *folder)
{
    struct dirent **list = NULL;
    int n = scandir(folder, &list, is_backup, newest_first);

    for (int i = 0; i < n; i++) {
        if (a->o.keep && i >= a->o.keep)
            (void)unlink(rk_arena_printf(a->mem, "%s/%s", folder, list[i]->d_name).p);
        free(list[i]);
    }
    free(list);
}

/* For the metric, the doctor and the console. */
static void note(struct admin *a, const char *path)
{
    const char *log = rk_arena_printf(a->mem, "%.*s/last-backup", RK_STR_ARG(a->c.data_dir)).p;
    struct rk_err err = {0};

    if (backup_log_add(log, path, &err))
        (void)fprintf(stderr, "rookery admin: %s\n", err.msg);
    else
        admin_give_to_owner(a, log);
}

static void print_info(const struct admin *a, const char *what, const char *path,
                       const struct dump_info *i)
{
    char when[RK_TIME_TEXT];

    (void)rk_time_format_us(i->created_unix_us, when);
    if (a->o.json)
        printf("{\"file\":\"%s\",\"created\":\"%s\",\"program\":\"%.*s\",\"engine\":\"%.*s\","
               "\"schema\":%lld,\"tables\":%zu,\"rows\":%lld,\"secrets\":%s}\n",
               path, when, RK_STR_ARG(i->program), RK_STR_ARG(i->engine), (long long)i->schema,
               i->n_tables, (long long)i->rows, i->secrets.n ? "true" : "false");
    else
        printf("%s %s: %lld rows of %zu tables, schema %lld, from %.*s at %s, %s secrets\n", what,
               path, (long long)i->rows, i->n_tables, (long long)i->schema, RK_STR_ARG(i->engine),
               when, i->secrets.n ? "with" : "without");
}

static enum rk_code check_file(struct admin *a, FILE **out, struct dump_info *info,
                               struct rk_err *err)
{
    FILE *f = fopen(a->word, "re");
    enum rk_code rc;

    if (!f)
        return rk_fail_errno(err, RK_NOT_FOUND, errno, "%s", a->word);
    rc = dump_check(f, a->mem, info, err);
    if (rc) {
        (void)fclose(f);
        return rk_wrap(err, "%s", a->word);
    }
    *out = f;
    return RK_OK;
}

static enum rk_code verify_file(struct admin *a, struct rk_err *err)
{
    struct dump_info *info = rk_new(a->mem, struct dump_info);
    struct rk_str secrets;
    FILE *f = NULL;
    enum rk_code rc = check_file(a, &f, info, err);

    if (rc)
        return rc;
    (void)fclose(f);
    if (info->secrets.n && a->o.passphrase.n)
        rc = dump_secrets_open(a->mem, info->secrets, a->o.passphrase, &secrets, err);
    if (rc == RK_OK)
        print_info(a, "whole:", a->word, info);
    return rc;
}

enum rk_code admin_backup(struct admin *a, bool *failed, struct rk_err *err)
{
    struct dump_info *info = rk_new(a->mem, struct dump_info);
    const char *path = a->word;
    struct stat st;
    bool folder = stat(a->word, &st) == 0 && S_ISDIR(st.st_mode);
    enum rk_code rc;

    (void)failed;
    if (a->o.verify)
        return verify_file(a, err);
    if (a->o.passphrase.n && !a->o.with_secrets)
        return rk_fail(err, RK_INVALID, "a passphrase is for --with-secrets");
    if (a->o.keep && !folder)
        return rk_fail(err, RK_INVALID, "--keep: %s is not a folder", a->word);
    if (folder) {
        char when[RK_TIME_TEXT], name[64];
        size_t n = 0;

        (void)rk_time_format_us(rk_unix_us(), when);
        for (const char *c = when; *c && *c != '.' && n < 20; c++)
            if (*c != '-' && *c != ':' && *c != 'Z')
                name[n++] = *c;
        name[n] = '\0';
        path = rk_arena_printf(a->mem, "%s/rookery-%sZ.backup", a->word, name).p;
    }
    rc = backup_to(a, path, info, err);
    if (rc)
        return rc;
    if (folder)
        prune(a, a->word);
    note(a, path);
    print_info(a, "wrote", path, info);
    return RK_OK;
}

/* ---- restore */

static enum rk_code secrets_restore(struct admin *a, const struct dump_info *info,
                                    struct rk_err *err)
{
    struct rk_str plain, have;
    json_t *o, *v;
    enum rk_code rc = RK_OK;

    if (!info->secrets.n || !a->o.passphrase.n)
        return RK_OK;
    rc = dump_secrets_open(a->mem, info->secrets, a->o.passphrase, &plain, err);
    if (rc)
        return rc;
    o = json_loadb(plain.p, plain.n, 0, NULL);
    for (size_t i = 0; rc == RK_OK && i < RK_ARRAY_LEN(SECRETS); i++) {
        v = json_object_get(o, SECRETS[i]);
        if (!json_is_string(v) || (i == 0 && a->c.store_key.n) ||
            keyfile_read(a->mem, a->c.data_dir, SECRETS[i], &have, NULL) == RK_OK)
            continue; /* what is there stays; the check of its id follows */
        rc = keyfile_write(a->c.data_dir, SECRETS[i],
                           rk_str_of(json_string_value(v), json_string_length(v)), err);
        admin_give_to_owner(
            a, rk_arena_printf(a->mem, "%.*s/%s", RK_STR_ARG(a->c.data_dir), SECRETS[i]).p);
    }
    json_decref(o);
    return rc;
}

/* The copy is of no use without the key that its columns are sealed with. */
static enum rk_code check_key(struct admin *a, const struct dump_info *info, struct rk_err *err)
{
    struct rk_str id = {0};
    enum rk_code rc = RK_OK;

    if (!info->store_key.n)
        return RK_OK;
    rc = id_of_vault(a, &id, err);
    if (rc == RK_NOT_FOUND)
        return rk_fail(err, RK_PRECONDITION,
                       "the backup needs its store key (id %.*s): %s, or put store.key into %.*s",
                       RK_STR_ARG(info->store_key),
                       info->secrets.n ? "give --passphrase-file" : "it was made without secrets",
                       RK_STR_ARG(a->c.data_dir));
    if (rc == RK_OK && !rk_str_eq(id, info->store_key))
        return rk_fail(err, RK_PRECONDITION,
                       "the backup was sealed with the store key %.*s, the key here is %.*s; "
                       "nothing was changed",
                       RK_STR_ARG(info->store_key), RK_STR_ARG(id));
    return rc;
}

static enum rk_code load_into(const char *url, FILE *f, const struct dump_info *info,
                              struct rk_err *err)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct db_opts o = {.url = url, .writer = true};
    enum rk_code rc = db_open(&db, &o, err);

    return rc ? rc : dump_load(f, info, db, err);
}

static void remove_sqlite(struct admin *a, const char *path)
{
    static const char *const TAILS[] = {"", "-wal", "-shm"};

    for (size_t i = 0; i < RK_ARRAY_LEN(TAILS); i++)
        (void)unlink(rk_arena_printf(a->mem, "%s%s", path, TAILS[i]).p);
}

static enum rk_code is_empty(const char *url, bool *out, struct rk_err *err)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct db_opts o = {.url = url};
    enum rk_code rc;

    *out = true;
    if (!db_url_is_pg(url) && access(probe_sqlite_path(url), F_OK))
        return RK_OK;
    rc = db_open(&db, &o, err);
    return rc ? rc : dump_is_empty(db, out, err);
}

/* A name beside the store that nothing has: what an earlier restore kept stays. */
static const char *free_name(struct admin *a, const char *path)
{
    const char *name = rk_arena_printf(a->mem, "%s.old", path).p;

    for (unsigned i = 2; access(name, F_OK) == 0; i++)
        name = rk_arena_printf(a->mem, "%s.old-%u", path, i).p;
    return name;
}

/* Made beside the old file and renamed over it, so that an error leaves everything as it was. */
static enum rk_code sqlite_restore(struct admin *a, FILE *f, const struct dump_info *info,
                                   bool empty, struct rk_err *err)
{
    const char *path = probe_sqlite_path(a->store_url);
    const char *tmp = rk_arena_printf(a->mem, "%s.restore", path).p;
    const char *old = free_name(a, path);
    enum rk_code rc;

    remove_sqlite(a, tmp);
    rc = load_into(rk_arena_printf(a->mem, "sqlite:%s", tmp).p, f, info, err);
    if (rc) {
        remove_sqlite(a, tmp);
        return rc;
    }
    if (!empty) {
        if (rename(path, old))
            return rk_fail_errno(err, RK_UNAVAILABLE, errno, "keep %s", old);
        printf("the old store is kept as %s\n", old);
    }
    remove_sqlite(a, path);
    if (rename(tmp, path))
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "make %s", path);
    admin_give_to_owner(a, path);
    return RK_OK;
}

static enum rk_code pg_restore(struct admin *a, FILE *f, const struct dump_info *info, bool empty,
                               struct rk_err *err)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct db_opts o = {.url = a->store_url, .writer = true};
    enum rk_code rc = db_open(&db, &o, err);

    if (rc == RK_OK && !empty && info->schema != (int64_t)SCHEMA_SQL_N)
        return rk_fail(err, RK_PRECONDITION,
                       "the backup has schema %lld and this program %zu: restore it into an empty "
                       "database",
                       (long long)info->schema, (size_t)SCHEMA_SQL_N);
    if (rc == RK_OK && !empty)
        rc = dump_clear(db, err);
    return rc ? rc : dump_load(f, info, db, err);
}

enum rk_code admin_restore(struct admin *a, bool *failed, struct rk_err *err)
{
    struct dump_info *info = rk_new(a->mem, struct dump_info);
    struct db_lock *lock = NULL;
    bool empty = true;
    FILE *f = NULL;
    enum rk_code rc;

    (void)failed;
    if (a->o.verify)
        return verify_file(a, err);
    rc = check_file(a, &f, info, err);
    if (rc == RK_OK)
        rc = keyfile_dir(a->c.data_dir, err);
    if (rc == RK_OK)
        rc = db_lock_take(a->store_url, &lock, err);
    if (rc == RK_OK)
        rc = is_empty(a->store_url, &empty, err);
    if (rc == RK_OK && !empty && !a->o.force)
        rc = rk_fail(err, RK_EXISTS,
                     "there is a store with data in it already (%s): --force replaces it",
                     db_url_is_pg(a->store_url) ? "PostgreSQL" : probe_sqlite_path(a->store_url));
    if (rc == RK_OK)
        rc = secrets_restore(a, info, err);
    if (rc == RK_OK)
        rc = check_key(a, info, err);
    if (rc == RK_OK)
        rc = db_url_is_pg(a->store_url) ? pg_restore(a, f, info, empty, err)
                                        : sqlite_restore(a, f, info, empty, err);
    db_lock_free(lock);
    if (f)
        (void)fclose(f);
    if (rc == RK_OK)
        print_info(a, "restored", a->word, info);
    return rc;
}

/* ---- the other engine */

static enum rk_code dump_to_temp(struct admin *a, const char *url, FILE **out,
                                 struct dump_info *info, struct rk_err *err)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct db_opts o = {.url = url};
    struct dump_opts opts = {0};
    FILE *f = tmpfile();
    enum rk_code rc;

    if (!f)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "a temporary file");
    rc = db_open(&db, &o, err);
    if (rc == RK_OK)
        rc = dump_write(db, f, &opts, a->mem, info, err);
    if (rc) {
        (void)fclose(f);
        return rc;
    }
    rewind(f);
    *out = f;
    return RK_OK;
}

/* Every table row for row, in any order; presence apart, which a copy does not have. */
static enum rk_code compare(const struct dump_info *x, const struct dump_info *y,
                            struct rk_err *err)
{
    for (size_t i = 0; i < x->n_tables; i++) {
        const struct dump_table *t = &x->tables[i], *u = NULL;

        for (size_t k = 0; k < y->n_tables; k++)
            if (rk_str_eq(t->name, y->tables[k].name))
                u = &y->tables[k];
        if (!u || u->rows != t->rows ||
            (memcmp(u->sum, t->sum, sizeof t->sum) != 0 && !rk_str_eqz(t->name, "peer_status")))
            return rk_fail(err, RK_INTERNAL, "the copy differs in table %.*s", RK_STR_ARG(t->name));
    }
    return RK_OK;
}

static enum rk_code migrate_target(struct admin *a, const char **out, struct rk_err *err)
{
    if (!a->o.to.n)
        return rk_fail(err, RK_INVALID, "--to postgres or --to sqlite");
    if (rk_str_eqz(a->o.to, "postgres")) {
        if (!a->o.dsn.n || a->o.file.n)
            return rk_fail(err, RK_INVALID, "--to postgres needs --dsn-file");
        *out = rk_arena_dupz(a->mem, a->o.dsn);
        return db_url_is_pg(*out) ? RK_OK : rk_fail(err, RK_INVALID, "--dsn: not PostgreSQL's");
    }
    if (!a->o.file.n || a->o.dsn.n)
        return rk_fail(err, RK_INVALID, "--to sqlite needs --file");
    *out = rk_arena_printf(a->mem, "sqlite:%.*s", RK_STR_ARG(a->o.file)).p;
    return RK_OK;
}

static enum rk_code migrate_copy(struct admin *a, const char *to, struct dump_info *from,
                                 struct rk_err *err)
{
    struct dump_info *now = rk_new(a->mem, struct dump_info);
    FILE *f = NULL, *again = NULL;
    enum rk_code rc = dump_to_temp(a, a->store_url, &f, from, err);

    if (rc == RK_OK && from->schema != (int64_t)SCHEMA_SQL_N)
        rc = rk_fail(err, RK_PRECONDITION,
                     "the store has schema %lld, this program %zu: start the server once first",
                     (long long)from->schema, (size_t)SCHEMA_SQL_N);
    if (rc == RK_OK)
        rc = load_into(to, f, from, err);
    if (rc == RK_OK)
        rc = dump_to_temp(a, to, &again, now, err);
    if (rc == RK_OK)
        rc = compare(from, now, err);
    if (f)
        (void)fclose(f);
    if (again)
        (void)fclose(again);
    return rc;
}

enum rk_code admin_db_migrate(struct admin *a, bool *failed, struct rk_err *err)
{
    struct dump_info *info = rk_new(a->mem, struct dump_info);
    struct db_lock *lock = NULL;
    const char *to = NULL;
    bool empty = true;
    enum rk_code rc = migrate_target(a, &to, err);

    (void)failed;
    if (rc == RK_OK)
        rc = db_lock_take(a->store_url, &lock, err);
    if (rc == RK_OK)
        rc = is_empty(to, &empty, err);
    if (rc == RK_OK && !empty)
        rc = rk_fail(err, RK_EXISTS, "the target is not empty; nothing was changed");
    if (rc == RK_OK)
        rc = migrate_copy(a, to, info, err);
    db_lock_free(lock);
    if (rc)
        return rc;
    if (!db_url_is_pg(to))
        admin_give_to_owner(a, probe_sqlite_path(to));
    printf("copied and compared: %lld rows of %zu tables. Now set server.store to it (%s); the old "
           "store was left as it is.\n",
           (long long)info->rows, info->n_tables,
           db_url_is_pg(to) ? "engine: postgres, dsn" : "engine: sqlite, file");
    return RK_OK;
}

/* ---- checks */

static const char SQL_VERSION[] = "SELECT max(number) FROM schema_migration";
static const char SQL_INTEGRITY[] = "PRAGMA integrity_check(20)";
static const char SQL_REFERENCES[] = "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 20";

enum rk_code admin_db_version(struct admin *a, bool *failed, struct rk_err *err)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    int64_t n = 0;
    enum rk_code rc = open_store(a, &db, err);

    (void)failed;
    if (rc == RK_OK)
        rc = db_get_i64(db, &n, err, SQL_VERSION, DB_NOARGS);
    if (rc == RK_OK && a->o.json)
        printf("{\"store\":%lld,\"program\":%zu}\n", (long long)n, (size_t)SCHEMA_SQL_N);
    else if (rc == RK_OK)
        printf("schema of the store: %lld, of this program: %zu\n", (long long)n,
               (size_t)SCHEMA_SQL_N);
    return rc;
}

static enum rk_code complaints(struct db *db, const char *sql, const char *what, size_t *n,
                               struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, sql, DB_NOARGS);

    while (rc == RK_OK && db_next(rows)) {
        struct rk_str s = db_col_text_peek(rows, 0);

        if (rk_str_eqz(s, "ok"))
            continue;
        printf("%s: %.*s\n", what, RK_STR_ARG(s));
        (*n)++;
    }
    return rc ? rc : db_end(rows, err);
}

enum rk_code admin_db_check(struct admin *a, bool *failed, struct rk_err *err)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    size_t n = 0;
    enum rk_code rc = open_store(a, &db, err);

    if (rc == RK_OK && db_engine_of(db) == DB_PG) {
        printf("PostgreSQL looks after its pages itself; the server answers\n");
        return RK_OK;
    }
    if (rc == RK_OK)
        rc = complaints(db, SQL_INTEGRITY, "damaged", &n, err);
    if (rc == RK_OK)
        rc = complaints(db, SQL_REFERENCES, "rows without their owner in table", &n, err);
    if (rc == RK_OK && n == 0)
        printf("the store is whole\n");
    *failed = n > 0;
    return rc;
}

enum rk_code admin_journal_verify(struct admin *a, bool *failed, struct rk_err *err)
{
    RK_CLEANUP(vault_freep) struct vault *vault = NULL;
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct journal_report r = {0};
    struct rk_str account = {0};
    enum rk_code rc = wiring_vault(a->mem, &a->c, &vault, err);

    if (rc == RK_OK)
        rc = open_store(a, &db, err);
    if (rc == RK_OK)
        rc = journal_state_verify_all(db, vault, a->mem, &account, &r, err);
    if (rc)
        return rc;
    *failed = r.broken;
    if (r.broken)
        printf("BROKEN: account %.*s, entry %lld: %s\n", RK_STR_ARG(account), (long long)r.bad_seq,
               r.reason);
    else
        printf("the journal is whole and the tables are as it says: %lld entries checked\n",
               (long long)r.rows);
    return RK_OK;
}
