/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which engine a store URL names, in one place: see "the store URL" in db.h. The choice follows
 * what is said and is never a guess; a text that says neither is refused.
 */
#include "config.h"

#include "management/store/db.h"
#include "management/store/db_impl.h"
#include "management/store/pg_dsn.h"
#include "management/store/pq_dl.h"

#define PG_PREFIX "postgres:"

static const char DSN_BAD[] =
    "the PostgreSQL DSN is not one that libpq takes (not shown here: it may hold the password); "
    "write postgres://USER:PASSWORD@HOST:PORT/NAME or host=... user=... password=... dbname=...";

static bool is_uri(struct rk_str s)
{
    return rk_str_starts(s, RK_STR("postgres://")) || rk_str_starts(s, RK_STR("postgresql://"));
}

/* A keyword DSN has a '=' and does not look like a path or an SQLite URL. */
static bool is_keywords(struct rk_str s)
{
    return s.n && s.p[0] != '/' && s.p[0] != '.' && !rk_str_starts(s, RK_STR("sqlite:")) &&
           rk_str_find_c(s, '=') < s.n;
}

bool db_url_is_pg(const char *url)
{
    struct rk_str s = rk_str_z(url);

    return rk_str_starts(s, RK_STR(PG_PREFIX)) || is_uri(s) || is_keywords(s);
}

struct rk_str db_pg_dsn(const char *url)
{
    struct rk_str s = rk_str_z(url);

    return rk_str_starts(s, RK_STR(PG_PREFIX)) && !is_uri(s)
               ? rk_str_sub(s, sizeof PG_PREFIX - 1, s.n)
               : s;
}

struct rk_str db_sqlite_path(const char *url)
{
    struct rk_str path = rk_str_z(url);

    if (rk_str_starts(path, RK_STR("sqlite:")))
        path = rk_str_sub(path, 7, path.n);
    if (rk_str_starts(path, RK_STR("//")))
        path = rk_str_sub(path, 2, path.n);
    return path;
}

/* libpq cuts a URI at the first '@' and '/', so a bare one in a password moves the rest of it into
 * the host name, which error texts show. */
static bool uri_is_ambiguous(struct rk_str dsn)
{
    struct rk_str rest = rk_str_sub(dsn, rk_str_find(dsn, RK_STR("://")) + 3, dsn.n);
    size_t at = rk_str_find_c(rest, '@');
    struct rk_str behind = rk_str_sub(rest, at + 1, rest.n);

    return at < rest.n && (rk_str_find_c(rest, '/') < at || rk_str_find_c(behind, '@') < behind.n);
}

static enum rk_code dsn_check(struct rk_str dsn, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    const char *z = rk_arena_dupz(mem, pg_dsn_for_libpq(mem, dsn));
    PQconninfoOption *options;
    char *why = NULL;
    enum rk_code rc = pq_dl_load(err);

    if (rc)
        return rc;
    if (is_uri(dsn) && uri_is_ambiguous(dsn))
        return rk_fail(err, RK_INVALID,
                       "the PostgreSQL DSN has a bare @ or / in its user name, password or "
                       "parameters: write %%40 for @ and %%2F for /");
    /* Anything else without a '=' would be taken for the name of a database. */
    options = is_uri(dsn) || rk_str_find_c(dsn, '=') < dsn.n ? pq.PQconninfoParse(z, &why) : NULL;
    if (why)
        pq.PQfreemem(why); /* it quotes the text */
    if (!options)
        return rk_fail(err, RK_INVALID, "%s", DSN_BAD);
    pq.PQconninfoFree(options);
    return RK_OK;
}

enum rk_code db_url_check(const char *url, struct rk_err *err)
{
    struct rk_str s = rk_str_z(url);

    if (db_url_is_pg(url))
        return dsn_check(db_pg_dsn(url), err);
    if (s.n == 0)
        return rk_fail(err, RK_INVALID, "database: no URL");
    if (!rk_str_starts(s, RK_STR("sqlite:")) && s.p[0] != '/')
        return rk_fail(err, RK_INVALID,
                       "the store is neither sqlite:PATH nor a PostgreSQL DSN such as "
                       "postgres://USER:PASSWORD@HOST:PORT/NAME (not shown: it may hold a "
                       "password)");
    if (db_sqlite_path(url).n == 0)
        return rk_fail(err, RK_INVALID, "database: no path in the URL");
    return RK_OK;
}

enum rk_code db_url_make(struct rk_arena *mem, struct rk_str engine, struct rk_str dsn,
                         struct rk_str path, const char **out, struct rk_err *err)
{
    const char *url;
    enum rk_code rc;

    if (rk_str_ieq(engine, RK_STR("postgres")) || rk_str_ieq(engine, RK_STR("postgresql"))) {
        if (!dsn.n)
            return rk_fail(err, RK_INVALID, "engine postgres needs a DSN");
        url = rk_arena_dupz(
            mem, RK_CAT(mem, RK_STR(PG_PREFIX), pg_dsn_for_libpq(mem, rk_str_trim(dsn))));
    } else if (engine.n == 0 || rk_str_ieq(engine, RK_STR("sqlite"))) {
        url = rk_arena_dupz(mem, RK_CAT(mem, RK_STR("sqlite:"), path));
    } else if (rk_str_ieq(engine, RK_STR("mysql"))) {
        return rk_fail(err, RK_INVALID, "MySQL is not supported; use sqlite or postgres");
    } else {
        return rk_fail(err, RK_INVALID, "engine \"%.*s\" is neither sqlite nor postgres",
                       RK_STR_ARG(engine));
    }
    rc = db_url_check(url, err);
    if (rc == RK_OK)
        *out = url;
    return rc;
}

enum rk_code db_open(struct db **out, const struct db_opts *opts, struct rk_err *err)
{
    enum rk_code rc = db_url_check(opts->url, err);

    if (rc)
        return rc;
    return db_url_is_pg(opts->url) ? db_pg_open(out, opts, err) : db_sqlite_open(out, opts, err);
}
