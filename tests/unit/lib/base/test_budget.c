/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/base/budget.c, and that lib/base/pool.c is fair to those who ask. */
#include "config.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "lib/base/budget.h"
#include "lib/base/pool.h"
#include "tests/unit/run.h"

START_TEST(levels_follow_what_is_held)
{
    struct rk_budget *b = rk_budget_new(1000, 400);
    struct rk_budget_share a1, a2, other, nobody = {0};

    rk_budget_join(b, RK_STR("a"), &a1);
    rk_budget_join(b, RK_STR("a"), &a2);
    rk_budget_join(b, (struct rk_str){0}, &other);
    ck_assert_int_eq(rk_budget_hold(&a1, 199), RK_BUDGET_ROOM);
    ck_assert_int_eq(rk_budget_hold(&a2, 1), RK_BUDGET_TIGHT); /* half of what one key may */
    ck_assert_int_eq(rk_budget_level(&other), RK_BUDGET_ROOM);
    ck_assert_int_eq(rk_budget_hold(&a2, 201), RK_BUDGET_FULL);
    ck_assert_int_eq(rk_budget_hold(&other, 100), RK_BUDGET_TIGHT); /* 500 of all */
    ck_assert_int_eq(rk_budget_hold(&other, 600), RK_BUDGET_FULL);
    ck_assert_uint_eq(rk_budget_used(b), 1000);
    rk_budget_leave(&other);
    rk_budget_leave(&other);
    ck_assert_uint_eq(rk_budget_used(b), 400);
    rk_budget_leave(&a1);
    ck_assert_int_eq(rk_budget_level(&a2), RK_BUDGET_TIGHT);
    rk_budget_leave(&a2);
    ck_assert_uint_eq(rk_budget_used(b), 0);
    ck_assert_int_eq(rk_budget_hold(&nobody, 1 << 30), RK_BUDGET_ROOM);
    rk_budget_free(b);
}
END_TEST

START_TEST(who_holds_much_gives_way_first)
{
    struct rk_budget *b = rk_budget_new(1 << 20, 1 << 20);
    struct rk_budget_share much, little;

    rk_budget_join(b, RK_STR("m"), &much);
    rk_budget_join(b, RK_STR("l"), &little);
    (void)rk_budget_hold(&little, 1000);
    (void)rk_budget_hold(&much, 500000);
    ck_assert(!rk_budget_short(&much));
    (void)rk_budget_hold(&much, 600000);
    ck_assert(rk_budget_short(&much) && !rk_budget_short(&little));
    (void)rk_budget_hold(&much, 2 << 20);
    ck_assert(rk_budget_short(&little));
    rk_budget_leave(&much);
    rk_budget_leave(&little);
    rk_budget_free(b);
}
END_TEST

static void count(void *arg)
{
    ++*(int *)arg;
}

START_TEST(a_fall_is_told_once)
{
    struct rk_budget *b = rk_budget_new(3200, 3200);
    struct rk_budget_share s;
    int falls = 0;

    rk_budget_on_fall(b, count, &falls);
    rk_budget_join(b, (struct rk_str){0}, &s);
    (void)rk_budget_hold(&s, 300);
    (void)rk_budget_hold(&s, 0);
    ck_assert_int_eq(falls, 0); /* never much */
    (void)rk_budget_hold(&s, 3000);
    (void)rk_budget_hold(&s, 200);
    ck_assert_int_eq(falls, 0);
    (void)rk_budget_hold(&s, 99);
    (void)rk_budget_hold(&s, 0);
    ck_assert_int_eq(falls, 1);
    rk_budget_leave(&s);
    rk_budget_free(b);
}
END_TEST

/* ---- pools */

#define WORKS 30

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool go;
    int order[WORKS + 3], n;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct item {
    struct rk_work work;
    int who;
};

static void item_run(struct rk_work *w, struct db *db)
{
    (void)db;
    (void)pthread_mutex_lock(&seen.lock);
    while (!seen.go)
        (void)pthread_cond_wait(&seen.changed, &seen.lock);
    seen.order[seen.n++] = rk_container_of(w, struct item, work)->who;
    (void)pthread_cond_broadcast(&seen.changed);
    (void)pthread_mutex_unlock(&seen.lock);
}

static void item_done(struct rk_work *w, enum rk_code rc)
{
    (void)w;
    (void)rc;
}

static enum rk_code submit(struct rk_pool *p, struct item *i, int who, const char *name)
{
    *i = (struct item){.work = {.run = item_run, .done = item_done}, .who = who};
    i->work.key = rk_work_key(rk_str_z(name));
    return rk_pool_submit(p, &i->work);
}

START_TEST(lines_take_turns)
{
    struct rk_pool *p;
    struct item v[WORKS], late[2];

    ck_assert_int_eq(rk_pool_new(&p, 1, WORKS, NULL, NULL), RK_OK);
    rk_pool_limit_key(p, WORKS - 5);
    for (int i = 0; i < WORKS - 5; i++)
        ck_assert_int_eq(submit(p, &v[i], 1, "much"), RK_OK);
    (void)submit(p, &v[WORKS - 5], 1, "much"); /* taken if the first one runs already */
    ck_assert_int_eq(submit(p, &v[WORKS - 4], 1, "much"), RK_LIMIT);
    ck_assert_int_eq(submit(p, &late[0], 2, "little"), RK_OK);
    ck_assert_int_eq(submit(p, &late[1], 3, ""), RK_OK);
    (void)pthread_mutex_lock(&seen.lock);
    seen.go = true;
    (void)pthread_cond_broadcast(&seen.changed);
    while (seen.n < WORKS - 5 + 2)
        (void)pthread_cond_wait(&seen.changed, &seen.lock);
    (void)pthread_mutex_unlock(&seen.lock);
    rk_pool_free(p);
    for (int i = 0; i < 5; i++) /* the two came last and are among the first */
        if (seen.order[i] == 2)
            late[0].who = 0;
        else if (seen.order[i] == 3)
            late[1].who = 0;
    ck_assert_int_eq(late[0].who + late[1].who, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("budget");
    TCase *t = tcase_create("budget");

    tcase_add_test(t, levels_follow_what_is_held);
    tcase_add_test(t, who_holds_much_gives_way_first);
    tcase_add_test(t, a_fall_is_told_once);
    tcase_add_test(t, lines_take_turns);
    suite_add_tcase(s, t);
    return run_suite(s);
}
