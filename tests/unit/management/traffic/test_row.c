/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of traffic events on real SQLite and real PostgreSQL: kept once, dropped, still listed. */
#include "config.h"

#include "management/traffic/row.h"

#include "management/store/migrate.h"
#include "tests/unit/management/store_env.h"
#include "tests/unit/run.h"

#define US_PER_DAY INT64_C(86400000000)

static const char SQL_LISTED[] = "SELECT count(*) FROM traffic_event WHERE is_first = 1";
static const char SQL_COUNT[] = "SELECT count(*) FROM traffic_event";
static const char SQL_FIRST_DAY[] =
    "SELECT day FROM traffic_event WHERE is_first = 1 AND flow_id = $1";

static struct env e;
static struct db *db;

static void setup(int engine)
{
    env_open(&e, engine);
    db = env_db(&e);
    ck_ok(store_migrate_traffic(db, err));
}

static void teardown(void)
{
    db_close(db);
    db = NULL;
    env_close(&e);
}

struct message {
    int id, flow, day;
};

static struct rk_str name_of(char text[17], const char *what, int n)
{
    (void)snprintf(text, 17, "%-8s%08d", what, n);
    return rk_str_of(text, 16);
}

static enum rk_code put(struct db *to, void *arg, struct rk_err *err)
{
    const struct message *m = arg;
    char id[17], flow[17];
    struct traffic_row r = {.event_id = name_of(id, "event", m->id),
                            .flow_id = name_of(flow, "flow", m->flow),
                            .reporter = RK_STR("peer"),
                            .user_id = RK_STR(""),
                            .policy_id = RK_STR(""),
                            .received_us = m->day * US_PER_DAY,
                            .source = {.id = RK_STR(""), .ip = RK_STR("192.0.2.1")},
                            .dest = {.id = RK_STR(""), .ip = RK_STR("192.0.2.2")}};
    enum rk_code rc = traffic_rows_alone(to, err);

    return rc ? rc : traffic_row_put(to, RK_STR("account"), &r, err);
}

static void put_one(int id, int flow, int day)
{
    struct message m = {id, flow, day};

    ck_ok(db_tx(db, put, &m, err));
}

static int64_t number(const char *sql)
{
    int64_t n = -1;

    ck_ok(db_get_i64(db, &n, err, sql, DB_NOARGS));
    return n;
}

static int64_t first_day(int flow)
{
    int64_t day = -1;
    char text[17];

    ck_ok(db_get_i64(db, &day, err, SQL_FIRST_DAY, DB_ARGS(db_blob(name_of(text, "flow", flow)))));
    return day;
}

/* Flow 1 lasts for three days, flow 2 is over on the first. */
static void put_some(void)
{
    put_one(1, 1, 1);
    put_one(2, 2, 1);
    put_one(3, 2, 1);
    put_one(4, 1, 2);
    put_one(4, 1, 2); /* comes again */
    put_one(5, 1, 3);
    ck_assert_int_eq(number(SQL_COUNT), 5);
    ck_assert_int_eq(number(SQL_LISTED), 2);
}

START_TEST(a_flow_that_goes_on_stays_listed)
{
    bool more = true;

    setup(_i);
    put_some();
    ck_ok(traffic_rows_drop(db, 2, 0, 100, &more, err));
    ck_assert(!more);
    ck_assert_int_eq(number(SQL_COUNT), 2);
    ck_assert_int_eq(number(SQL_LISTED), 1);
    ck_assert_int_eq(first_day(1), 2);
    put_one(6, 1, 3);
    ck_assert_int_eq(number(SQL_LISTED), 1);
    ck_ok(traffic_rows_drop(db, 9, 0, 100, &more, err));
    ck_assert_int_eq(number(SQL_COUNT), 0);
    teardown();
}
END_TEST

START_TEST(slices_end)
{
    bool more = true;
    int turns = 0;

    setup(_i);
    put_some();
    for (; more; turns++) {
        ck_ok(traffic_rows_drop(db, 3, 0, 1, &more, err));
        ck_assert_int_eq(number(SQL_LISTED), turns < 2 ? 2 : 1);
    }
    ck_assert_int_eq(turns, 5); /* the last finds nothing */
    ck_assert_int_eq(number(SQL_COUNT), 1);
    ck_assert_int_eq(first_day(1), 3);
    teardown();
}
END_TEST

START_TEST(too_many_go_from_the_oldest)
{
    bool more = true;

    setup(_i);
    put_some();
    ck_ok(traffic_rows_drop(db, 0, 1, 100, &more, err));
    ck_assert_int_eq(number(SQL_COUNT), 1);
    ck_assert_int_eq(first_day(1), 3);
    teardown();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("traffic_row");
    TCase *tc = tcase_create("rows");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_flow_that_goes_on_stays_listed, env_first(), env_engines());
    tcase_add_loop_test(tc, slices_end, env_first(), env_engines());
    tcase_add_loop_test(tc, too_many_go_from_the_oldest, env_first(), env_engines());
    suite_add_tcase(s, tc);
    return run_suite(s);
}
