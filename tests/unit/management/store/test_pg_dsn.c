/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests management/store/pg_dsn: run-time parameters, and that they hold on a real PostgreSQL. */
#include "config.h"

#include "management/store/pg_dsn.h"

#include "tests/unit/management/store_env.h"
#include "tests/unit/run.h"

static const struct {
    const char *in, *out;
} FORMS[] = {
    /* without one nothing changes, not even a blank */
    {"host=db  user = 'a b' password=x", "host=db  user = 'a b' password=x"},
    {"postgres://u:p%40@h:5432/db?sslmode=disable", "postgres://u:p%40@h:5432/db?sslmode=disable"},
    {"host=db options='-c a=b'", "host='db' options='-c a=b'"},
    /* the form that everybody copies */
    {"host=localhost user=nb password=p dbname=nb port=5432 sslmode=disable TimeZone=Europe/Berlin",
     "host='localhost' user='nb' password='p' dbname='nb' port='5432' sslmode='disable' "
     "options='-c TimeZone=Europe/Berlin'"},
    {"host = db search_path = 'a b, c\\'d' password='it\\\\s'",
     "host='db' password='it\\\\s' options='-c search_path=a\\\\ b,\\\\ c\\'d'"},
    {"dbname=x statement_timeout=5000 options='-c geqo=off' lock_timeout=1",
     "dbname='x' options='-c statement_timeout=5000 -c geqo=off -c lock_timeout=1'"},
    {"postgres://u@h/db?TimeZone=Europe%2FBerlin",
     "postgres://u@h/db?options=-c%20TimeZone%3DEurope%2FBerlin"},
    {"postgresql://u@h/db?sslmode=disable&search_path=app&connect_timeout=3",
     "postgresql://u@h/db?sslmode=disable&connect_timeout=3&options=-c%20search_path%3Dapp"},
    {"postgres://h/db?options=-c%20geqo%3Doff&a.b=1",
     "postgres://h/db?options=-c%20geqo%3Doff%20-c%20a.b%3D1"},
    /* the other driver's own */
    {"host=db pool_max_conns=10 user=u pool_max_conn_lifetime='1h 30m'", "host='db' user='u'"},
    {"postgres://u@h/db?pool_min_conns=2&sslmode=disable&default_query_exec_mode=exec",
     "postgres://u@h/db?sslmode=disable"},
    {"postgres://u@h/db?statement_cache_capacity=0&TimeZone=UTC",
     "postgres://u@h/db?options=-c%20TimeZone%3DUTC"},
    /* for libpq to judge */
    {"host=db pool_max=1", "host=db pool_max=1"},
    {"nonsense", "nonsense"},
    {"host='db TimeZone=UTC", "host='db TimeZone=UTC"},
    {"host=db TimeZone", "host=db TimeZone"},
    {"host=db pasword=s3cret", "host=db pasword=s3cret"},
    {"host=db pasword=s3cret a.b=c", "host='db' pasword='s3cret' options='-c a.b=c'"},
    {"postgres://h/db?pass=s3cret", "postgres://h/db?pass=s3cret"},
    {"postgres://h/db?a.b=%zz", "postgres://h/db?a.b=%zz"},
    {"", ""},
};

START_TEST(parameters_become_options)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct rk_str out = pg_dsn_for_libpq(mem, rk_str_z(FORMS[_i].in));

    ck_assert_msg(rk_str_eqz(out, FORMS[_i].out), "%s\n  -> %.*s\n not %s", FORMS[_i].in,
                  RK_STR_ARG(out), FORMS[_i].out);
    rk_arena_free(mem);
}
END_TEST

START_TEST(what_has_no_effect_is_named)
{
    struct rk_arena *mem = rk_arena_new(0);

    ck_assert(rk_str_eqz(pg_dsn_idle(mem, RK_STR("host=db pool_max_conns=1 port=1 "
                                                 "prefer_simple_protocol=true")),
                         "pool_max_conns, prefer_simple_protocol"));
    ck_assert(rk_str_eqz(pg_dsn_idle(mem, RK_STR("postgres://h/d?pool_max_conns=1&sslmode=x")),
                         "pool_max_conns"));
    ck_assert_uint_eq(pg_dsn_idle(mem, RK_STR("host=db password=pool_max_conns")).n, 0);
    rk_arena_free(mem);
}
END_TEST

START_TEST(the_session_has_them)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct db_opts o = {0};
    struct db *db = NULL;
    struct db_rows *rows = NULL;
    struct env e;

    if (_i == 0)
        return;
    env_open(&e, _i);
    o.url = rk_arena_printf(mem,
                            "%s TimeZone=Asia/Tokyo application_name='a b' "
                            "search_path='\"x y\", public'",
                            e.url)
                .p;
    ck_ok(db_url_check(o.url, err));
    ck_ok(db_open(&db, &o, err));
    ck_ok(db_query(db, &rows, err,
                   "SELECT current_setting('TimeZone'), current_setting('search_path')",
                   DB_NOARGS));
    ck_assert(db_next(rows));
    ck_assert(rk_str_eqz(db_col_text(rows, 0, mem), "Asia/Tokyo"));
    ck_assert(rk_str_eqz(db_col_text(rows, 1, mem), "\"x y\", public"));
    db_rows_free(rows);
    db_close(db);
    env_close(&e);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pg_dsn");
    TCase *t = tcase_create("pg_dsn");

    tcase_add_loop_test(t, parameters_become_options, 0, RK_ARRAY_LEN(FORMS));
    tcase_add_test(t, what_has_no_effect_is_named);
    tcase_add_loop_test(t, the_session_has_them, env_first(), env_engines());
    suite_add_tcase(s, t);
    return run_suite(s);
}
