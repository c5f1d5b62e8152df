/* SPDX-License-Identifier: BSD-3-Clause */
/* The server's own keys: see keys.h. */
#include "config.h"

#include "management/engine/keys.h"

#include "lib/base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/crypto/keyfile.h"
#include "management/store/probe.h"

#define KEY_FILE_MAX    4096
#define STORE_KEY_FILE  "store.key"
#define STORE_KEY_BYTES 32

static const char SQL_GET[] = "SELECT value FROM kv WHERE name = $1";
static const char SQL_NEW[] =
    "INSERT INTO kv (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";

/* ---- the store key */

/* A file is on the disk when its directory is, too. */
static void dir_sync(const char *path)
{
    char *copy = rk_str_dupz(rk_str_z(path));
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
    free(copy);
}

static enum rk_code file_create(const char *path, struct rk_err *err)
{
    struct rk_key key;
    char line[RK_KEY_TEXT + 2];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok;

    if (fd < 0 && errno == EEXIST)
        return RK_OK; /* another process was faster */
    if (fd < 0)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "store key %s", path);
    rk_secret_random(key.b, sizeof key.b);
    rk_key_format(&key, line);
    line[RK_KEY_TEXT] = '\n';
    ok = write(fd, line, RK_KEY_TEXT + 1) == RK_KEY_TEXT + 1 && fsync(fd) == 0;
    rk_key_wipe(&key);
    rk_secret_wipe(line, sizeof line);
    if (close(fd) || !ok) {
        (void)unlink(path);
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "store key %s", path);
    }
    dir_sync(path);
    return RK_OK;
}

static enum rk_code vault_add_text(struct vault *v, struct rk_str text, struct rk_err *err)
{
    struct rk_key key;
    enum rk_code rc = rk_key_parse(text, &key, err);

    if (rc == RK_OK)
        rc = vault_add_key(v, &key, err);
    rk_key_wipe(&key);
    return rc ? rk_fail(err, RK_INVALID, "the key is not 32 bytes in base64") : RK_OK;
}

static enum rk_code vault_add_lines(struct vault *v, struct rk_str text, struct rk_err *err)
{
    size_t n = 0;

    while (text.n) {
        struct rk_str line;
        enum rk_code rc;

        (void)rk_str_cut(text, '\n', &line, &text);
        line = rk_str_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        rc = vault_add_text(v, line, err);
        if (rc)
            return rc;
        n++;
    }
    return n ? RK_OK : rk_fail(err, RK_INVALID, "no key in it");
}

enum rk_code keys_vault_open(const char *path, bool create, struct vault **out, struct rk_err *err)
{
    RK_CLEANUP(vault_freep) struct vault *v = vault_new();
    struct rk_buf b;
    enum rk_code rc = create ? file_create(path, err) : RK_OK;

    rk_buf_init(&b, KEY_FILE_MAX);
    if (rc == RK_OK)
        rc = rk_file_read(path, RK_FILE_PRIVATE, &b, err);
    if (rc == RK_OK && vault_add_lines(v, rk_buf_str(&b), err))
        rc = rk_wrap(err, "%s", path);
    if (rc && err)
        rc = rk_wrap(err, "store key");
    rk_secret_wipe(b.p, b.n);
    rk_buf_done(&b);
    if (rc == RK_OK) {
        *out = v;
        v = NULL;
    }
    return rc;
}

enum rk_code keys_vault_of_text(struct rk_str text, struct vault **out, struct rk_err *err)
{
    RK_CLEANUP(vault_freep) struct vault *v = vault_new();
    enum rk_code rc = vault_add_text(v, rk_str_trim(text), err);

    if (rc == RK_OK) {
        *out = v;
        v = NULL;
    }
    return rc;
}

/* A database that is there and has sealed values: kv holds nothing else. The other engine's tables
 * are asked for by name, for a query of a table that is missing is an error. */
static const char SQL_HAS_KV[] =
    "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'kv'";
static const char SQL_HAS_KV_PG[] = "SELECT count(*) FROM information_schema.tables WHERE "
                                    "table_name = 'kv' AND table_schema = ANY (current_schemas"
                                    "(false))";
static const char SQL_COUNT_KV[] = "SELECT count(*) FROM kv WHERE name = 'box_key'";

static enum rk_code store_is_used(const char *url, bool *out, struct rk_err *err)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct db_opts o = {.url = url};
    bool pg = db_url_is_pg(url);
    struct stat st;
    int64_t n = 0;
    enum rk_code rc;

    *out = false;
    if (!pg && (stat(probe_sqlite_path(url), &st) || st.st_size == 0))
        return RK_OK;
    rc = db_open(&db, &o, err);
    if (rc == RK_OK)
        rc = db_get_i64(db, &n, err, pg ? SQL_HAS_KV_PG : SQL_HAS_KV, DB_NOARGS);
    if (rc == RK_OK && n)
        rc = db_get_i64(db, &n, err, SQL_COUNT_KV, DB_NOARGS);
    *out = n > 0;
    return rc;
}

enum rk_code keys_store_key(struct rk_arena *mem, struct rk_str dir, const char *store_url,
                            struct rk_str *out, struct rk_err *err)
{
    bool used = false, pg = db_url_is_pg(store_url);
    enum rk_code rc = keyfile_read(mem, dir, STORE_KEY_FILE, out, err);

    if (rc != RK_NOT_FOUND)
        return rc;
    rc = store_is_used(store_url, &used, err);
    if (rc)
        return rc;
    if (used)
        return rk_fail(err, RK_PRECONDITION,
                       "%.*s/%s is missing, and the database %s was sealed with it: put the file "
                       "back (a backup has it)%s; nothing was changed",
                       RK_STR_ARG(dir), STORE_KEY_FILE,
                       pg ? "(PostgreSQL)" : probe_sqlite_path(store_url),
                       pg ? ", or, on one more node, get it by rookery admin node-join" : "");
    return keyfile_get(mem, dir, STORE_KEY_FILE, STORE_KEY_BYTES, out, NULL, err);
}

/* ---- values in the database */

static enum rk_code value_get(struct db *db, struct rk_arena *mem, const char *name,
                              struct rk_str *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, SQL_GET, DB_ARGS(db_textz(name)));

    *out = rk_str_of(NULL, 0);
    if (rc == RK_OK && db_next(rows))
        *out = db_col_text(rows, 0, mem);
    return rc ? rc : db_end(rows, err);
}

static enum rk_code value_new(struct mgmt *m, struct db *db, struct rk_arena *mem, const char *name,
                              struct rk_str context, keys_make *make, struct rk_err *err)
{
    struct rk_str plain = {0}, sealed = {0};
    enum rk_code rc = make(mem, &plain, err);

    if (rc == RK_OK)
        rc = vault_seal(mgmt_vault(m), mem, context, plain, &sealed, err);
    return rc ? rc : db_exec(db, err, NULL, SQL_NEW, DB_ARGS(db_textz(name), db_text(sealed)));
}

enum rk_code keys_value(struct mgmt *m, struct rk_arena *mem, const char *name, keys_make *make,
                        struct rk_str *out, struct rk_err *err)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct rk_str context = rk_arena_printf(mem, "kv/%s", name), sealed = {0};
    enum rk_code rc = mgmt_db_open(m, &db, err);

    if (rc == RK_OK)
        rc = value_get(db, mem, name, &sealed, err);
    if (rc == RK_OK && sealed.n == 0) {
        rc = value_new(m, db, mem, name, context, make, err);
        if (rc == RK_OK) /* ours, or that of a process that was faster */
            rc = value_get(db, mem, name, &sealed, err);
    }
    return rc ? rc : vault_open(mgmt_vault(m), mem, context, sealed, out, err);
}

static enum rk_code box_make(struct rk_arena *mem, struct rk_str *out, struct rk_err *err)
{
    struct rk_key key;

    (void)err;
    rk_key_generate(&key);
    *out = rk_key_text(mem, &key);
    rk_key_wipe(&key);
    return RK_OK;
}

enum rk_code keys_box(struct mgmt *m, struct rk_key *private_key, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct rk_str text = {0};
    enum rk_code rc = keys_value(m, mem, "box_key", box_make, &text, err);

    if (rc == RK_OK)
        rc = rk_key_parse(text, private_key, err);
    return rc ? rk_wrap(err, "box key of the server") : RK_OK;
}
