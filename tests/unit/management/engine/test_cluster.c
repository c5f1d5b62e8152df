/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Membership, leases and chores of several processes on one PostgreSQL. A "dead process" is a row
 * that nobody moves; a "pause" is a row that somebody deleted, which is all that a process sees of
 * its own pause.
 */
#include "config.h"

#include "management/engine/cluster.h"

#include "lib/base/num.h"
#include "lib/crypto/vault.h"
#include "management/engine/lease.h"
#include "management/engine/presence.h"
#include "management/snapshot/snapshot.h"
#include "management/store/migrate.h"
#include "tests/unit/management/store_env.h"
/* after store_env.h: uses libcheck */
#include "tests/unit/management/sample.h"
#include "tests/unit/run.h"

#define WAIT_TURNS 6000 /* of 10 ms: only a test that fails waits as long */

static struct env e;
static struct mgmt *a, *b;
static struct vault *vault;
static struct rk_arena *mem;
static const struct actor sys = {.id = {"sys", 3}};

static void open_one(struct mgmt **out)
{
    struct mgmt_opts o = {.store_url = e.url, .vault = vault};

    ck_ok(mgmt_open(out, &o, err));
}

static void setup(int engine)
{
    struct account_data d;
    struct rk_key key;

    env_open(&e, engine);
    vault = vault_new();
    rk_key_generate(&key);
    ck_ok(vault_add_key(vault, &key, err));
    mem = rk_arena_new(0);
    open_one(&a);
    d = sample_account(mem);
    ck_ok(mgmt_account_insert(a, &sys, &d, err));
}

static void teardown(void)
{
    mgmt_close(b);
    mgmt_close(a);
    a = b = NULL;
    vault_free(vault);
    rk_arena_free(mem);
    env_close(&e);
}

static int64_t sql(const char *text)
{
    struct db *db = env_db(&e);
    int64_t n = -1;

    ck_ok(db_get_i64(db, &n, err, text, DB_NOARGS));
    db_close(db);
    return n;
}

static void script(const char *text)
{
    struct db *db = env_db(&e);

    ck_ok(db_script(db, text, err));
    db_close(db);
}

static bool becomes(const char *text, int64_t want)
{
    for (int i = 0; i < WAIT_TURNS; i++) {
        if (sql(text) == want)
            return true;
        (void)usleep(10000);
    }
    return false;
}

/* ---- who lives */

struct watcher {
    struct cluster_observer o;
    _Atomic int joined, left, again;
    char relay[64];
};

static void on_node(struct cluster_observer *o, enum cluster_event what,
                    const struct cluster_node *n)
{
    struct watcher *w = rk_container_of(o, struct watcher, o);

    if (what == CLUSTER_JOINED || what == CLUSTER_CHANGED)
        (void)snprintf(w->relay, sizeof w->relay, "%.*s", RK_STR_ARG(n->relay));
    w->joined += what == CLUSTER_JOINED;
    w->left += what == CLUSTER_LEFT;
    w->again += what == CLUSTER_REJOINED;
}

static bool reaches(const _Atomic int *n, int want)
{
    for (int i = 0; i < WAIT_TURNS && *n < want; i++)
        (void)usleep(10000);
    return *n == want;
}

START_TEST(processes_see_each_other_come_and_go)
{
    struct watcher w = {.o.changed = on_node};
    struct cluster_nodes l;

    setup(_i);
    cluster_observe(a, &w.o);
    l = cluster_list(a, mem);
    ck_assert_uint_eq(l.n, 1);
    ck_assert(l.v[0].self);
    ck_assert_int_gt(cluster_epoch(a), 0);
    if (e.pg) {
        open_one(&b);
        ck_assert_str_ne(cluster_self(a), cluster_self(b));
        ck_assert_int_gt(cluster_epoch(b), cluster_epoch(a));
        cluster_announce(b, RK_STR("rel://b:33080"), RK_STR("check"));
        ck_assert(reaches(&w.joined, 1));
        for (int i = 0; i < WAIT_TURNS && !w.relay[0]; i++)
            (void)usleep(10000);
        ck_assert_str_eq(w.relay, "rel://b:33080");
        l = cluster_list(a, mem);
        ck_assert_uint_eq(l.n, 2);
        ck_assert_int_eq(l.v[0].self + l.v[1].self, 1);
        ck_assert(rk_str_eqz(l.v[0].version, PACKAGE_VERSION));
        mgmt_close(b);
        b = NULL;
        ck_assert(reaches(&w.left, 1));
        ck_assert_uint_eq(cluster_list(a, mem).n, 1);
    }
    ck_assert_int_eq(w.again, 0);
    teardown();
}
END_TEST

START_TEST(a_dead_process_is_followed_exactly_once)
{
    struct watcher w = {.o.changed = on_node};

    setup(_i);
    if (!e.pg) {
        teardown();
        return;
    }
    cluster_observe(a, &w.o);
    open_one(&b);
    script("INSERT INTO node (id, seen_at, epoch) SELECT 'dead', max(seen_at), 999 FROM node;"
           "INSERT INTO lease VALUES ('job', 'dead', 999, 7, 0);"
           "UPDATE peer_status SET connected = 1, session_token = 5, last_seen = 1, node = 'dead' "
           "WHERE id = 'peer-1'");
    ck_assert(reaches(&w.joined, 2));
    ck_assert_int_eq(sql("SELECT connected FROM peer_status WHERE id = 'peer-1'"), 1);
    ck_assert(becomes("SELECT count(*) FROM node WHERE id = 'dead'", 0));
    ck_assert_int_eq(sql("SELECT connected FROM peer_status WHERE id = 'peer-1'"), 0);
    /* it was seen as long as its process was, not when it connected */
    ck_assert_int_gt(sql("SELECT last_seen FROM peer_status WHERE id = 'peer-1'"), 1000000);
    ck_assert_int_eq(sql("SELECT value FROM cluster_count WHERE name = 'takeovers'"), 1);
    ck_assert(reaches(&w.left, 1));
    ck_assert_int_eq(sql("SELECT count(*) FROM node"), 2);
    teardown();
}
END_TEST

/* Nobody dies of a pause of the database: who did not watch does not judge. */
START_TEST(an_old_row_is_not_judged_by_its_time)
{
    setup(_i);
    script("INSERT INTO node (id, seen_at, epoch) SELECT 'old', max(seen_at) - 60000000, 5 FROM "
           "node");
    if (e.pg) {
        open_one(&b); /* joining does not bury it either */
        ck_assert_int_eq(sql("SELECT count(*) FROM node WHERE id = 'old'"), 1);
    }
    teardown();
}
END_TEST

START_TEST(a_paused_process_joins_again)
{
    struct watcher w = {.o.changed = on_node};
    int64_t epoch;

    setup(_i);
    if (e.pg) {
        cluster_observe(a, &w.o);
        epoch = cluster_epoch(a);
        script("DELETE FROM node");
        ck_assert(reaches(&w.again, 1));
        ck_assert_int_gt(cluster_epoch(a), epoch);
        ck_assert_int_eq(sql("SELECT count(*) FROM node"), 1);
    }
    teardown();
}
END_TEST

/* ---- upgrades: what the release before does goes on beside us */

#define BEFORE 7 /* migrations that it knew */

/* Its statements, word for word: once at the start, then every five seconds. */
static const char OLD_START[] =
    "INSERT INTO node (id, seen_at) VALUES ('before', $now) ON CONFLICT (id) DO UPDATE SET "
    "seen_at = excluded.seen_at";
static const char OLD_BEAT[] =
    "DELETE FROM node WHERE seen_at < $now - 30000000 AND id <> 'before';"
    "UPDATE node SET seen_at = $now WHERE id = 'before';"
    "UPDATE peer_status SET connected = 0, session_token = 0, node = NULL WHERE (connected = 1 OR "
    "node IS NOT NULL) AND (node IS NULL OR node NOT IN (SELECT id FROM node))";
static const char OLD_CONNECTED[] =
    "UPDATE peer_status SET connected = 1, session_token = 7, last_seen = $now, node = 'before' "
    "WHERE id = 'peer-1' AND session_token <= 7";

static void old_does(const char *text)
{
    char sql_text[1000], now[32];
    size_t n = 0;

    (void)snprintf(now, sizeof now, "%lld", (long long)rk_unix_us());
    for (const char *p = text; *p && n + sizeof now < sizeof sql_text;) {
        bool word = strncmp(p, "$now", 4) == 0;

        n += (size_t)snprintf(sql_text + n, sizeof sql_text - n, "%.*s", word ? 32 : 1,
                              word ? now : p);
        p += word ? 4 : 1;
    }
    script(sql_text);
}

START_TEST(the_release_before_goes_on_beside_us)
{
    struct account_data d;
    struct rk_key key;
    struct db *db;

    env_open(&e, _i);
    vault = vault_new();
    rk_key_generate(&key);
    ck_ok(vault_add_key(vault, &key, err));
    mem = rk_arena_new(0);
    db = env_db(&e);
    ck_ok(store_migrate_with(db, SCHEMA_SQL, BEFORE, err));
    if (e.pg)
        old_does(OLD_START);
    open_one(&a); /* brings the schema up to date under the old one's feet */
    d = sample_account(mem);
    ck_ok(mgmt_account_insert(a, &sys, &d, err));
    ck_fails(store_migrate_with(db, SCHEMA_SQL, BEFORE, err), RK_PRECONDITION); /* no new start */
    db_close(db);
    if (e.pg) {
        old_does(OLD_CONNECTED);
        for (int i = 0; i < 3; i++) { /* longer than a process of today may be silent */
            (void)usleep((CLUSTER_DEAD_MS / 2 - 500) * 1000);
            old_does(OLD_BEAT);
        }
        ck_assert_int_eq(sql("SELECT count(*) FROM node"), 2); /* neither buries the other */
        ck_assert_int_eq(sql("SELECT connected FROM peer_status WHERE id = 'peer-1'"), 1);
        ck_assert_uint_eq(cluster_list(a, mem).n, 2);
        open_one(&b);                                     /* the next node follows */
        old_does("DELETE FROM node WHERE id = 'before'"); /* its farewell */
        old_does(OLD_BEAT);
        ck_assert(becomes("SELECT count(*) FROM node", 2));
        ck_assert_int_eq(sql("SELECT connected FROM peer_status WHERE id = 'peer-1'"), 0);
    }
    teardown();
}
END_TEST

/* ---- leases */

static enum rk_code fenced(struct db *db, void *arg, struct rk_err *err)
{
    enum rk_code rc = lease_fence(a, db, arg, err);

    return rc ? rc
              : db_exec(db, err, NULL,
                        "UPDATE cluster_count SET value = value + 1 WHERE "
                        "name = 'keyring'",
                        DB_NOARGS);
}

START_TEST(a_lease_has_one_holder_and_fences_the_one_before)
{
    struct lease la = {0}, lb = {0};
    struct db *db;
    bool held;

    setup(_i);
    db = env_db(&e);
    ck_ok(lease_take(a, db, "job", &la, &held, err));
    ck_assert(held);
    ck_ok(db_tx(db, fenced, &la, err));
    if (e.pg) {
        open_one(&b);
        ck_ok(lease_take(b, db, "job", &lb, &held, err));
        ck_assert(!held);
        ck_ok(lease_take(a, db, "job", &lb, &held, err)); /* still ours, the same one */
        ck_assert(held);
        ck_assert_int_eq(la.token, lb.token);
        /* a is taken for dead; before it notices, b follows */
        script("UPDATE node SET epoch = -1 WHERE epoch = (SELECT min(epoch) FROM node)");
        ck_ok(lease_take(b, db, "job", &lb, &held, err));
        ck_assert(held);
        ck_assert_int_gt(lb.token, la.token);
        ck_fails(db_tx(db, fenced, &la, err), RK_CANCELLED);
        ck_assert_int_eq(sql("SELECT value FROM cluster_count WHERE name = 'keyring'"), 1);
        ck_ok(db_tx(db, fenced, &lb, err));
    }
    db_close(db);
    teardown();
}
END_TEST

/* ---- chores */

struct counter {
    struct mgmt_chore chore;
    _Atomic int runs;
};

static enum rk_code count(struct mgmt_chore *c, struct mgmt *m, struct db *db, struct rk_err *err)
{
    (void)m;
    (void)db;
    (void)err;
    rk_container_of(c, struct counter, chore)->runs++;
    return RK_OK;
}

START_TEST(one_process_does_the_chores)
{
    struct counter ca = {.chore = {.what = "a", .run = count, .every_ms = 1, .once = true}};
    struct counter cb = ca, all = {.chore = {.what = "all", .run = count, .every_ms = 1}};

    setup(_i);
    mgmt_chore_add(a, &ca.chore);
    ck_assert_int_eq(sql("SELECT count(*) FROM lease WHERE name = 'job'"), 0);
    for (int i = 0; i < WAIT_TURNS && !ca.runs; i++)
        (void)usleep(10000);
    ck_assert_int_gt(ca.runs, 0);
    if (e.pg) {
        open_one(&b);
        mgmt_chore_add(b, &cb.chore);
        mgmt_chore_add(b, &all.chore);
        for (int i = 0; i < WAIT_TURNS && all.runs < 3; i++)
            (void)usleep(10000);
        ck_assert_int_eq(cb.runs, 0);
        mgmt_close(a);
        a = NULL;
        for (int i = 0; i < WAIT_TURNS && !cb.runs; i++)
            (void)usleep(10000);
        ck_assert_int_gt(cb.runs, 0);
    }
    teardown();
}
END_TEST

struct slow {
    struct mgmt_chore chore;
    enum rk_code rc;
    _Atomic bool over;
};

static enum rk_code chore_write(struct db *db, void *arg, struct rk_err *err)
{
    (void)arg;
    return db_exec(db, err, NULL,
                   "UPDATE cluster_count SET value = value + 1 WHERE name = 'keyring'", DB_NOARGS);
}

/* It is paused in its turn, taken for dead and followed. */
static enum rk_code slow_run(struct mgmt_chore *c, struct mgmt *m, struct db *db,
                             struct rk_err *err)
{
    struct slow *s = rk_container_of(c, struct slow, chore);
    enum rk_code rc;

    if (s->over)
        return RK_OK;
    rc = mgmt_chore_tx(m, db, chore_write, NULL, err); /* still ours */
    if (rc == RK_OK && e.pg) {
        script("UPDATE lease SET token = token + 1 WHERE name = 'chores'");
        rc = mgmt_chore_tx(m, db, chore_write, NULL, err);
    }
    s->rc = rc;
    s->over = true;
    return RK_OK;
}

START_TEST(sql_of_a_chore_is_refused_when_another_has_followed)
{
    struct slow slow = {
        .chore = {.what = "slow", .run = slow_run, .every_ms = 3600000, .once = true}};

    setup(_i);
    mgmt_chore_add(a, &slow.chore);
    for (int i = 0; i < WAIT_TURNS && !slow.over; i++)
        (void)usleep(10000);
    ck_assert(slow.over);
    ck_assert_int_eq(slow.rc, e.pg ? RK_CANCELLED : RK_OK);
    ck_assert_int_eq(sql("SELECT value FROM cluster_count WHERE name = 'keyring'"), 1);
    teardown();
}
END_TEST

/* ---- sessions */

START_TEST(a_late_farewell_does_not_end_a_newer_session)
{
    static const char here[] = "SELECT count(*) FROM peer_status WHERE id = 'peer-1' AND "
                               "connected = 1";
    int64_t at_a, at_b;

    setup(_i);
    if (!e.pg) {
        teardown();
        return;
    }
    open_one(&b);
    at_a = cluster_session(a);
    ck_assert(presence_connect(a, RK_STR("peer-1"), at_a));
    ck_ok(presence_flush(a, err));
    at_b = cluster_session(b);
    if (at_b <= at_a) /* within what is known of the clocks, on a busy machine */
        at_b = at_a + 1;
    ck_assert(presence_connect(b, RK_STR("peer-1"), at_b));
    ck_ok(presence_flush(b, err));
    ck_assert(presence_disconnect(a, RK_STR("peer-1"), at_a));
    ck_ok(presence_flush(a, err));
    ck_assert_int_eq(sql(here), 1);
    ck_assert_int_eq(sql("SELECT count(*) FROM peer_status p JOIN node n ON n.id = p.node WHERE "
                         "p.connected = 1 AND n.epoch = (SELECT max(epoch) FROM node)"),
                     1);
    /* and the other way about: the newer one was written first */
    ck_assert(presence_connect(a, RK_STR("peer-1"), at_a + 1));
    ck_ok(presence_flush(a, err));
    ck_assert_int_eq(sql("SELECT count(*) FROM peer_status WHERE session_token = "
                         "(SELECT max(session_token) FROM peer_status) AND connected = 1"),
                     1);
    ck_assert_int_eq(sql("SELECT session_token FROM peer_status WHERE id = 'peer-1'"), at_b);
    teardown();
}
END_TEST

/* Whichever process is asked. */
START_TEST(presence_is_the_same_on_both)
{
    const struct snapshot *s = NULL;
    const struct peer *p;
    struct presence at_a = {0};

    setup(_i);
    if (!e.pg) {
        teardown();
        return;
    }
    open_one(&b);
    ck_ok(mgmt_snapshot(a, RK_STR("acc-1"), &s, err));
    p = snap_peer(s, RK_STR("peer-1"));
    ck_assert(presence_connect(b, p->id, cluster_session(b)));
    for (int i = 0; i < WAIT_TURNS && !presence_of(a, p).connected; i++)
        (void)usleep(10000);
    ck_assert(presence_of(a, p).connected);
    ck_assert(presence_disconnect(b, p->id, presence_of(b, p).token));
    for (int i = 0; i < WAIT_TURNS && presence_of(a, p).connected; i++)
        (void)usleep(10000);
    at_a = presence_of(a, p);
    ck_assert(!at_a.connected);
    for (int i = 0; i < WAIT_TURNS && at_a.last_seen_us != presence_of(b, p).last_seen_us; i++) {
        (void)usleep(10000);
        at_a = presence_of(a, p);
    }
    ck_assert_int_eq(at_a.last_seen_us, presence_of(b, p).last_seen_us);
    snap_unref(s);
    teardown();
}
END_TEST

/* A row that lost a stream that is there, for whatever reason, gets it again. */
START_TEST(a_lost_row_is_written_again)
{
    static const char shown[] = "SELECT count(*) FROM peer_status WHERE id = 'peer-1' AND "
                                "connected = 1";

    setup(_i);
    if (e.pg) {
        ck_assert(presence_connect(a, RK_STR("peer-1"), cluster_session(a)));
        ck_ok(presence_flush(a, err));
        script("UPDATE peer_status SET connected = 0, session_token = 0, node = NULL");
        ck_assert(becomes(shown, 1));
    }
    teardown();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cluster");
    TCase *tc = tcase_create("cluster");
    int engines = env_engines();

    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, processes_see_each_other_come_and_go, 0, engines);
    tcase_add_loop_test(tc, a_dead_process_is_followed_exactly_once, 0, engines);
    tcase_add_loop_test(tc, an_old_row_is_not_judged_by_its_time, 0, engines);
    tcase_add_loop_test(tc, a_paused_process_joins_again, 0, engines);
    tcase_add_loop_test(tc, the_release_before_goes_on_beside_us, 0, engines);
    tcase_add_loop_test(tc, a_lease_has_one_holder_and_fences_the_one_before, 0, engines);
    tcase_add_loop_test(tc, one_process_does_the_chores, 0, engines);
    tcase_add_loop_test(tc, sql_of_a_chore_is_refused_when_another_has_followed, 0, engines);
    tcase_add_loop_test(tc, a_late_farewell_does_not_end_a_newer_session, 0, engines);
    tcase_add_loop_test(tc, presence_is_the_same_on_both, 0, engines);
    tcase_add_loop_test(tc, a_lost_row_is_written_again, 0, engines);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
