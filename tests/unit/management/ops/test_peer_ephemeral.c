/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the clean-up of ephemeral peers, on both engines, with a clock of their own. */
#include "config.h"

#include "management/ops/peer_ephemeral.h"

#include "lib/crypto/vault.h"
#include "management/engine/presence.h"
#include "management/snapshot/snapshot.h"
#include "tests/unit/management/store_env.h"
/* after store_env.h: uses libcheck */
#include "tests/unit/management/sample.h"
#include "tests/unit/run.h"

#define T0        ((int64_t)1767268800 * 1000000)
#define MINUTE_US ((int64_t)60 * 1000000)

static struct env e;
static struct mgmt *m;
static struct vault *vault;
static struct rk_arena *mem;
static struct db *db;
static _Atomic int64_t clock_us;
static const struct actor sys = {.id = {"sys", 3}};

static int64_t now_us(void)
{
    return clock_us;
}

static void setup(int engine)
{
    struct account_data d;
    struct mgmt_opts o;
    struct rk_key key;

    clock_us = T0;
    env_open(&e, engine);
    vault = vault_new();
    rk_key_generate(&key);
    ck_ok(vault_add_key(vault, &key, err));
    mem = rk_arena_new(0);
    o = (struct mgmt_opts){.store_url = e.url, .vault = vault, .now_us = now_us};
    ck_ok(mgmt_open(&m, &o, err));
    ck_ok(mgmt_db_open(m, &db, err));
    d = sample_account(mem);
    d.peers[0].proxy_embedded = false;
    ck_ok(mgmt_account_insert(m, &sys, &d, err));
}

static void teardown(void)
{
    db_close(db);
    mgmt_close(m);
    vault_free(vault);
    rk_arena_free(mem);
    env_close(&e);
}

static bool there(const char *table_count)
{
    int64_t n = -1;

    ck_ok(db_get_i64(db, &n, err, table_count, DB_NOARGS));
    return n > 0;
}

static const char PEERS[] = "SELECT count(*) FROM peer";
static const char POLICIES[] = "SELECT count(*) FROM policy";
static const char EVENTS[] =
    "SELECT count(*) FROM event WHERE activity = 5 AND initiator = 'sys' AND target = 'peer-1'";

static void look(void)
{
    ck_ok(presence_flush(m, err));
    ck_ok(ephemeral_clean(m, db, EPHEMERAL_LIFETIME_US, err));
}

static enum rk_code service_del(struct tx *tx, void *arg, struct rk_err *err)
{
    (void)arg;
    return tx_del(tx, ENT_SERVICE, RK_STR("svc-1"), err);
}

START_TEST(a_peer_goes_ten_minutes_after_its_last_stream)
{
    struct rk_str id = RK_STR("peer-1");

    setup(_i);
    ck_ok(mgmt_mutate(m, RK_STR("acc-1"), &sys, 0, service_del, NULL, err));
    ck_assert(presence_connect(m, id, 10));
    clock_us = T0 + 100 * MINUTE_US;
    look(); /* connected */
    ck_assert(there(PEERS));
    ck_assert(presence_disconnect(m, id, 10));
    clock_us += 10 * MINUTE_US - 1;
    look();
    ck_assert(there(PEERS));
    clock_us += 1;
    ck_assert(presence_connect(m, id, 20)); /* back, and the database does not know yet */
    ck_ok(ephemeral_clean(m, db, EPHEMERAL_LIFETIME_US, err));
    ck_assert(there(PEERS));
    ck_assert(presence_disconnect(m, id, 20));
    clock_us += 10 * MINUTE_US;
    look();
    ck_assert(!there(PEERS));
    ck_assert(!there(POLICIES)); /* one of its rules names the peer */
    ck_assert(there(EVENTS));
    look();
    teardown();
}
END_TEST

START_TEST(a_peer_that_a_service_needs_stays)
{
    setup(_i);
    ck_assert(presence_connect(m, RK_STR("peer-1"), 10));
    ck_assert(presence_disconnect(m, RK_STR("peer-1"), 10));
    clock_us = T0 + 11 * MINUTE_US;
    look();
    ck_assert(there(PEERS));
    ck_ok(mgmt_mutate(m, RK_STR("acc-1"), &sys, 0, service_del, NULL, err));
    look();
    ck_assert(!there(PEERS));
    teardown();
}
END_TEST

START_TEST(the_engine_does_it_by_itself)
{
    static struct ephemeral eph;

    setup(_i);
    ck_ok(mgmt_mutate(m, RK_STR("acc-1"), &sys, 0, service_del, NULL, err));
    ck_assert(presence_connect(m, RK_STR("peer-1"), 10));
    ck_assert(presence_disconnect(m, RK_STR("peer-1"), 10));
    clock_us = T0 + MINUTE_US;
    ephemeral_start(&eph, m, 1000); /* a millisecond: due at the first tick */
    for (int i = 0; i < 6000 && there(PEERS); i++)
        (void)usleep(10000);
    ck_assert(!there(PEERS));
    teardown();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("peer_ephemeral");
    TCase *tc = tcase_create("peer_ephemeral");
    int engines = env_engines();

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_peer_goes_ten_minutes_after_its_last_stream, env_first(), engines);
    tcase_add_loop_test(tc, a_peer_that_a_service_needs_stays, env_first(), engines);
    tcase_add_loop_test(tc, the_engine_does_it_by_itself, env_first(), engines);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
