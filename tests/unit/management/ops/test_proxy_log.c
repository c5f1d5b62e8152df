/* SPDX-License-Identifier: BSD-3-Clause */
/* The access log of reverse proxies on real SQLite and real PostgreSQL: kept once, and bounded by
 * age and, for each account, by number. */
#include "config.h"

#include "management/ops/proxy_log.h"

#include "management/store/migrate.h"
#include "tests/unit/management/store_env.h"
#include "tests/unit/run.h"

static const char SQL_ACCOUNT[] =
    "INSERT INTO account (id, created_by, domain, domain_category, is_primary, net_id, rp_nonce, "
    "onboarding_flow, onboarding_signup) VALUES ($1, '', '', '', 0, '', '', 0, 0)";
static const char SQL_COUNT[] = "SELECT COUNT(*) FROM proxy_log WHERE account_id = $1";
static const char SQL_OLDEST[] = "SELECT MIN(at) FROM proxy_log WHERE account_id = $1";

static struct env e;
static struct db *db;

static void setup(int engine)
{
    env_open(&e, engine);
    db = env_db(&e);
    ck_ok(store_migrate(db, err));
    ck_ok(db_exec(db, err, NULL, SQL_ACCOUNT, DB_ARGS(db_text(RK_STR("busy")))));
    ck_ok(db_exec(db, err, NULL, SQL_ACCOUNT, DB_ARGS(db_text(RK_STR("quiet")))));
}

static void teardown(void)
{
    db_close(db);
    db = NULL;
    env_close(&e);
}

static void put(const char *account, const char *id, int64_t at_us)
{
    struct rk_str none = RK_STR("");
    struct proxy_log l = {.id = rk_str_z(id),
                          .account_id = rk_str_z(account),
                          .service_id = none,
                          .at_us = at_us,
                          .method = none,
                          .host = none,
                          .path = none,
                          .source_ip = none,
                          .reason = none,
                          .user_id = none,
                          .auth_method = none,
                          .country = none,
                          .city = none,
                          .subdivision = none,
                          .protocol = none,
                          .metadata = none};

    ck_ok(proxy_log_add(db, &l, err));
}

static int64_t number(const char *sql, const char *account)
{
    int64_t n = -1;

    ck_ok(db_get_i64(db, &n, err, sql, DB_ARGS(db_text(rk_str_z(account)))));
    return n;
}

START_TEST(told_twice_is_kept_once)
{
    setup(_i);
    put("busy", "a", 5);
    put("busy", "a", 5);
    put("quiet", "a", 5);
    ck_assert_int_eq(number(SQL_COUNT, "busy"), 1);
    ck_assert_int_eq(number(SQL_COUNT, "quiet"), 1);
    teardown();
}
END_TEST

START_TEST(the_oldest_go)
{
    enum { N = 25, MOST = 10 };
    char id[16];

    setup(_i);
    for (int i = 1; i <= N; i++) {
        (void)snprintf(id, sizeof id, "%d", i);
        put("busy", id, i);
    }
    for (int i = 1; i <= MOST; i++) {
        (void)snprintf(id, sizeof id, "%d", i);
        put("quiet", id, i);
    }
    ck_ok(proxy_log_sweep(db, 3, N, err)); /* by age */
    ck_assert_int_eq(number(SQL_OLDEST, "busy"), 3);
    ck_assert_int_eq(number(SQL_OLDEST, "quiet"), 3);
    put("quiet", "more 1", MOST + 1);
    put("quiet", "more 2", MOST + 2);
    ck_ok(proxy_log_sweep(db, 0, MOST, err)); /* by number */
    ck_assert_int_eq(number(SQL_COUNT, "busy"), MOST);
    ck_assert_int_eq(number(SQL_OLDEST, "busy"), N - MOST + 1);
    ck_assert_int_eq(number(SQL_COUNT, "quiet"), MOST);
    ck_assert_int_eq(number(SQL_OLDEST, "quiet"), 3);
    teardown();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("proxy_log");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 0);
    tcase_add_loop_test(t, told_twice_is_kept_once, env_first(), env_engines());
    tcase_add_loop_test(t, the_oldest_go, env_first(), env_engines());
    suite_add_tcase(s, t);
    return run_suite(s);
}
