/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose database it is: see db_origin.h. */
#include "config.h"

#include "management/store/db_origin.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "management/store/db_impl.h"

#define SHOWN_MAX 3 /* names of foreign tables in a refusal */

/* Tables that the official server always has, in each of its databases. */
static const char *const NETBIRD[] = {"accounts", "setup_keys", "peers"};

void db_tables_add(struct db_tables *t, const char *name)
{
    size_t used = strlen(t->shown);

    for (size_t i = 0; i < RK_ARRAY_LEN(NETBIRD); i++)
        if (strcmp(name, NETBIRD[i]) == 0)
            t->netbird |= 1U << i;
    if (t->n++ < SHOWN_MAX)
        (void)snprintf(t->shown + used, sizeof t->shown - used, "%s%.30s", used ? ", " : "", name);
}

enum rk_code db_tables_foreign(const char *where, const struct db_tables *t, struct rk_err *err)
{
    bool netbird = t->netbird == (1U << RK_ARRAY_LEN(NETBIRD)) - 1;

    return rk_fail(
        err, RK_PRECONDITION,
        "%s belongs to %s (tables %s%s)" DB_ORIGIN_LEFT "give Rookery a store of its own%s", where,
        netbird ? "a NetBird server" : "another program", t->shown, t->n > SHOWN_MAX ? ", ..." : "",
        netbird ? "; \"rookery admin import netbird\" takes its data over" : "");
}

/* ---- folders */

static bool is_there(struct rk_str folder, const char *name)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);

    return access(RK_CAT(mem, folder, RK_STR("/"), rk_str_z(name)).p, F_OK) == 0;
}

enum rk_code db_origin_check_folder(struct rk_str folder, const char *url, struct rk_err *err)
{
    static const char *const theirs[] = {"store.db", "events.db", "idp.db"};
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    enum db_origin origin = DB_ORIGIN_ABSENT;

    if (!db_url_is_pg(url)) {
        enum rk_code rc = db_origin_of_file(rk_arena_dupz(mem, db_sqlite_path(url)), &origin, err);

        if (rc)
            return rc;
    }
    if (origin != DB_ORIGIN_ABSENT || is_there(folder, "store.key"))
        return RK_OK;                   /* at home */
    if (is_there(folder, "store.json")) /* its store before it had a database */
        return rk_fail(
            err, RK_PRECONDITION,
            "another server's data folder: %.*s/store.json is the store of an old NetBird "
            "server; choose another folder",
            RK_STR_ARG(folder));
    for (size_t i = 0; i < RK_ARRAY_LEN(theirs); i++) {
        struct rk_str path = RK_CAT(mem, folder, RK_STR("/"), rk_str_z(theirs[i]));
        struct rk_err why = {0};

        if (db_origin_of_file(path.p, &origin, &why) == RK_PRECONDITION)
            return rk_fail(err, RK_PRECONDITION,
                           "another server's data folder: %.*s; choose another folder, or see "
                           "\"rookery admin import netbird\"",
                           (int)(strstr(why.msg, DB_ORIGIN_LEFT) - why.msg), why.msg);
    }
    return RK_OK;
}

/* ---- PostgreSQL */

static const char SQL_SCHEMA_OURS[] =
    "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND "
    "c.relname = 'schema_migration' AND "
    "a.attname IN ('number', 'name', 'checksum', 'applied_at')";
/* Tables of extensions (deptype e) are nobody's. */
static const char SQL_SCHEMA_TABLES[] =
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT EXISTS "
    "(SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND "
    "d.deptype = 'e') ORDER BY c.relname";

enum rk_code db_origin_of_schema(struct db *db, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct db_tables t = {0};
    int64_t ours = 0;
    enum rk_code rc = db_get_i64(db, &ours, err, SQL_SCHEMA_OURS, DB_NOARGS);

    if (rc || ours == 4)
        return rc;
    rc = db_query(db, &rows, err, SQL_SCHEMA_TABLES, DB_NOARGS);
    if (rc)
        return rc;
    while (db_next(rows)) {
        struct rk_str name = db_col_text_peek(rows, 0);
        char z[64]; /* NAMEDATALEN */

        (void)snprintf(z, sizeof z, "%.*s", RK_STR_ARG(name));
        db_tables_add(&t, z);
    }
    rc = db_end(rows, err);
    return rc || t.n == 0 ? rc : db_tables_foreign("the PostgreSQL database", &t, err);
}
