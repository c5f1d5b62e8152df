/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the engine: mutations, snapshots, journal, serial, batches, faults; on both engines. */
#include "config.h"

#include "management/engine/engine.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "lib/crypto/vault.h"
#include "management/engine/presence.h"
#include "management/snapshot/snapshot.h"
#include "management/store/journal.h"
#include "management/store/store.h"
#include "tests/unit/management/store_env.h"
/* after store_env.h: uses libcheck */
#include "tests/unit/management/sample.h"
#include "tests/unit/run.h"

static struct env e;
static struct mgmt *m;
static struct vault *vault;
static struct rk_arena *mem;
static const struct actor sys = {.id = {"sys", 3}};

struct watcher { /* counts what the observer hears */
    struct mgmt_observer o;
    _Atomic int calls;
    _Atomic int changes;
    _Atomic int from_nothing;
    _Atomic bool order_ok;
    _Atomic uint64_t serial;
};

static struct watcher watcher;

static void on_change(struct mgmt_observer *o, const struct snapshot *old,
                      const struct snapshot *now, const struct change *changes, size_t n)
{
    struct watcher *w = rk_container_of(o, struct watcher, o);

    (void)changes;
    w->calls++;
    w->changes += (int)n;
    w->from_nothing += !old;
    if (now && old && snap_serial(now) < snap_serial(old))
        w->order_ok = false;
    if (now)
        w->serial = snap_serial(now);
}

static void engine_open(void)
{
    struct mgmt_opts o = {.store_url = e.url, .vault = vault};

    ck_ok(mgmt_open(&m, &o, err));
    watcher = (struct watcher){.o.changed = on_change, .order_ok = true};
    mgmt_observe(m, &watcher.o);
}

static void engine_reopen(void)
{
    mgmt_close(m);
    engine_open();
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
    engine_open();
    d = sample_account(mem);
    ck_ok(mgmt_account_insert(m, &sys, &d, err));
}

static void teardown(void)
{
    RK_CLEANUP(db_closep) struct db *db = env_db(&e);
    struct journal_report report = {0};
    struct rk_str account = {0};

    mgmt_close(m);
    ck_ok(journal_verify_all(db, mem, &account, &report, err));
    ck_assert_msg(!report.broken, "journal row %lld: %s", (long long)report.bad_seq, report.reason);
    ck_assert_int_gt(report.rows, 0);
    db_close(db);
    db = NULL;
    vault_free(vault);
    rk_arena_free(mem);
    env_close(&e);
}

static const struct snapshot *snap(void)
{
    const struct snapshot *s = NULL;

    ck_ok(mgmt_snapshot(m, RK_STR("acc-1"), &s, err));
    return s;
}

static uint64_t serial(void)
{
    const struct snapshot *s = snap();
    uint64_t v = snap_serial(s);

    snap_unref(s);
    return v;
}

static enum rk_code mutate(mgmt_fn *fn, void *arg, struct rk_err *err)
{
    return mgmt_mutate(m, RK_STR("acc-1"), &sys, 0, fn, arg, err);
}

static int64_t sql(const char *text)
{
    struct db *db = env_db(&e);
    int64_t n = -1;

    ck_ok(db_get_i64(db, &n, err, text, DB_NOARGS));
    db_close(db);
    return n;
}

/* Every table of the snapshot is what the database holds. */
static void assert_stored(void)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    struct store s = {.db = env_db(&e), .vault = vault, .mem = a};
    const struct snapshot *now = snap();
    struct account_data d = {0};

    ck_ok(store_load(&s, RK_STR("acc-1"), &d, err));
    for (int k = ENT_USER; k < ENT_COUNT; k++) {
        const void *items;
        size_t n;

        if (k == ENT_GROUP_PEER || !account_data_table(&d, (enum entity_kind)k, &items, &n))
            continue;
        ck_assert_uint_eq(n, snap_count(now, (enum entity_kind)k));
        for (size_t i = 0; i < n; i++) {
            const void *p = (const char *)items + i * entity_size((enum entity_kind)k);
            const void *q = snap_find(now, (enum entity_kind)k, entity_id((enum entity_kind)k, p));

            ck_assert_msg(q && store_equal((enum entity_kind)k, p, q), "%s differs",
                          entity_kind_text((enum entity_kind)k));
        }
    }
    ck_assert(store_equal(ENT_SETTINGS, &d.settings, snap_settings(now)));
    ck_assert(store_equal(ENT_DNS_SETTINGS, &d.dns_settings, snap_dns_settings(now)));
    for (size_t i = 0; i < d.n_group_peers; i++) {
        uint32_t index = snap_index_of(now, d.group_peers[i].peer_id);

        ck_assert(snap_is_member(now, d.group_peers[i].group_id, index));
    }
    {
        size_t members = 0;
        struct snap_iter it = snap_iter(now, ENT_GROUP);
        const struct group *g;

        while ((g = snap_next(&it)) != NULL)
            members += snap_group_size(now, g->id);
        ck_assert_uint_eq(members, d.n_group_peers);
    }
    db_close(s.db);
    snap_unref(now);
}

/* ---- mutations for the tests */

static struct group a_group(const char *id, const char *name)
{
    return (struct group){.id = rk_str_z(id), .public_id = RK_STR("p"), .name = rk_str_z(name)};
}

static enum rk_code put_group(struct tx *tx, void *arg, struct rk_err *err)
{
    struct group g = a_group(arg, "eng");

    return tx_put(tx, ENT_GROUP, &g, err);
}

static enum rk_code put_at(struct mgmt *where, struct rk_str account, uint32_t flags,
                           const char *id, struct rk_err *err)
{
    return mgmt_mutate(where, account, &sys, flags, put_group, (void *)(uintptr_t)id, err);
}

static enum rk_code put(const char *id, struct rk_err *err)
{
    return put_at(m, RK_STR("acc-1"), 0, id, err);
}

static enum rk_code put_and_fail(struct tx *tx, void *arg, struct rk_err *err)
{
    struct group g = a_group("grp-bad", "bad");

    (void)arg;
    if (tx_put(tx, ENT_GROUP, &g, err) || tx_group_add_peer(tx, g.id, RK_STR("peer-1"), err) ||
        tx_event(tx, 16, g.id, RK_STR(""), err))
        return err->code;
    return rk_fail(err, RK_PRECONDITION, "on purpose");
}

static struct peer a_peer(struct rk_arena *a, int i)
{
    struct peer p = {.id = rk_arena_printf(a, "p-%05d", i),
                     .key = rk_arena_printf(a, "key-%d", i),
                     .ip = rk_ip4(100, 64, (unsigned)(i >> 8 & 255), (unsigned)(i & 255)),
                     .name = rk_arena_printf(a, "host-%d", i)};

    p.dns_label = p.name;
    return p;
}

static enum rk_code put_peer(struct tx *tx, void *arg, struct rk_err *err)
{
    struct peer p = a_peer(tx->mem, *(const int *)arg);
    enum rk_code rc = tx_put(tx, ENT_PEER, &p, err);

    return rc ? rc : tx_group_add_peer(tx, RK_STR("grp-1"), p.id, err);
}

/* ---- tests */

START_TEST(an_account_is_created_and_survives_a_restart)
{
    const struct snapshot *s;
    struct rk_arena *a = rk_arena_new(0);
    struct account_data d = sample_account(a);
    struct db *db;
    struct str_list ids = {0};

    setup(_i);
    assert_stored();
    ck_assert_int_eq(watcher.from_nothing, 1);
    ck_fails(mgmt_account_insert(m, &sys, &d, err), RK_EXISTS);
    engine_reopen();
    ck_assert_ptr_null(mgmt_snapshot_try(m, RK_STR("acc-1")));
    assert_stored();
    s = mgmt_snapshot_try(m, RK_STR("acc-1"));
    ck_assert_ptr_nonnull(s);
    ck_assert(rk_str_eqz(snap_account(s)->domain, "example.com"));
    snap_unref(s);
    ck_fails(mgmt_snapshot(m, RK_STR("acc-none"), &s, err), RK_NOT_FOUND);
    ck_ok(mgmt_db_open(m, &db, err));
    ck_ok(mgmt_account_ids(m, db, a, &ids, err));
    ck_assert_uint_eq(ids.n, 1);
    db_close(db);
    rk_arena_free(a);
    teardown();
}
END_TEST

START_TEST(a_mutation_is_stored_published_and_heard)
{
    uint64_t before;
    int64_t rows;

    setup(_i);
    before = serial();
    rows = sql("SELECT count(*) FROM journal");
    watcher.calls = watcher.changes = 0;
    ck_ok(put("grp-new", err));
    ck_assert_uint_eq(serial(), before + 1);
    ck_assert_int_eq(watcher.calls, 1);
    ck_assert_int_eq(watcher.changes, 1);
    ck_assert_int_eq(sql("SELECT count(*) FROM journal"), rows + 1);
    /* the same again changes nothing, raises nothing, tells nobody */
    ck_ok(put("grp-new", err));
    ck_assert_uint_eq(serial(), before + 1);
    ck_assert_int_eq(watcher.calls, 1);
    ck_assert_int_eq(sql("SELECT count(*) FROM journal"), rows + 1);
    assert_stored();
    engine_reopen();
    ck_assert_uint_eq(serial(), before + 1);
    assert_stored();
    teardown();
}
END_TEST

START_TEST(a_failed_mutation_leaves_nothing)
{
    uint64_t before;
    int64_t rows;

    setup(_i);
    before = serial();
    rows = sql("SELECT count(*) FROM journal");
    watcher.calls = 0;
    ck_fails(mutate(put_and_fail, NULL, err), RK_PRECONDITION);
    ck_assert_uint_eq(serial(), before);
    ck_assert_int_eq(watcher.calls, 0);
    ck_assert_int_eq(sql("SELECT count(*) FROM journal"), rows);
    ck_assert_int_eq(sql("SELECT count(*) FROM grp WHERE id = 'grp-bad'"), 0);
    ck_assert_int_eq(sql("SELECT count(*) FROM event"), 0);
    ck_fails(put_at(m, RK_STR("acc-none"), 0, "x", err), RK_NOT_FOUND);
    assert_stored();
    teardown();
}
END_TEST

static enum rk_code quiet_things(struct tx *tx, void *arg, struct rk_err *err)
{
    struct user u = *(const struct user *)tx_get(tx, ENT_USER, RK_STR("user-1"));
    int *what = arg;

    u.blocked = !u.blocked;
    if (*what == 1)
        tx_raise_serial(tx);
    if (*what == 2)
        return tx_event(tx, 45, u.id, RK_STR("{}"), err);
    ck_assert_uint_eq(tx_serial(tx), snap_serial(tx->snap) + (*what == 1));
    return tx_put(tx, ENT_USER, &u, err);
}

START_TEST(the_serial_follows_the_rules)
{
    uint64_t before;
    int what = 0;

    setup(_i);
    before = serial();
    ck_ok(mutate(quiet_things, &what, err)); /* users are not in maps */
    ck_assert_uint_eq(serial(), before);
    what = 1;
    ck_ok(mutate(quiet_things, &what, err)); /* but the caller may ask */
    ck_assert_uint_eq(serial(), before + 1);
    what = 2;
    ck_ok(mutate(quiet_things, &what, err)); /* an event alone is stored */
    ck_assert_uint_eq(serial(), before + 1);
    ck_assert_int_eq(sql("SELECT count(*) FROM event WHERE activity = 45"), 1);
    ck_ok(put_at(m, RK_STR("acc-1"), MUT_QUIET, "grp-q", err));
    ck_assert_uint_eq(serial(), before + 1);
    assert_stored();
    teardown();
}
END_TEST

static enum rk_code see_own_writes(struct tx *tx, void *arg, struct rk_err *err)
{
    struct group g = a_group("grp-own", "own");
    const struct group *seen;

    (void)arg;
    ck_assert_ptr_null(tx_get(tx, ENT_GROUP, g.id));
    if (tx_put(tx, ENT_GROUP, &g, err))
        return err->code;
    seen = tx_get(tx, ENT_GROUP, g.id);
    ck_assert_ptr_nonnull(seen);
    ck_assert(rk_str_eqz(seen->account_id, "acc-1"));
    ck_assert_ptr_null(snap_find(tx->snap, ENT_GROUP, g.id));
    if (tx_group_add_peer(tx, g.id, RK_STR("peer-1"), err) ||
        tx_group_add_peer(tx, g.id, RK_STR("peer-1"), err))
        return err->code;
    ck_assert(tx_group_has_peer(tx, g.id, RK_STR("peer-1")));
    if (tx_group_del_peer(tx, g.id, RK_STR("peer-1"), err) ||
        tx_group_del_peer(tx, g.id, RK_STR("peer-1"), err))
        return err->code;
    ck_assert(!tx_group_has_peer(tx, g.id, RK_STR("peer-1")));
    if (tx_group_add_peer(tx, g.id, RK_STR("peer-1"), err) || tx_del(tx, ENT_GROUP, g.id, err))
        return err->code;
    ck_assert_ptr_null(tx_get(tx, ENT_GROUP, g.id));
    ck_assert_int_eq(tx_del(tx, ENT_GROUP, g.id, NULL), RK_NOT_FOUND);
    return tx_put(tx, ENT_GROUP, &g, err);
}

START_TEST(a_mutation_sees_its_own_writes)
{
    setup(_i);
    ck_ok(mutate(see_own_writes, NULL, err));
    assert_stored();
    teardown();
}
END_TEST

static enum rk_code delete_one(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct change *what = arg;

    return tx_del(tx, what->kind, what->id, err);
}

START_TEST(deletions_take_what_belongs_along)
{
    static const struct change victims[] = {
        {.kind = ENT_NETWORK, .id = {"net-1", 5}}, {.kind = ENT_ZONE, .id = {"zone-1", 6}},
        {.kind = ENT_USER, .id = {"user-1", 6}},   {.kind = ENT_GROUP, .id = {"grp-1", 5}},
        {.kind = ENT_PEER, .id = {"peer-1", 6}},   {.kind = ENT_POLICY, .id = {"pol-1", 5}},
    };
    const struct snapshot *s;

    setup(_i);
    for (size_t i = 0; i < RK_ARRAY_LEN(victims); i++) {
        ck_ok(mutate(delete_one, (void *)(uintptr_t)&victims[i], err));
        assert_stored();
    }
    s = snap();
    ck_assert_uint_eq(snap_count(s, ENT_RESOURCE), 0);
    ck_assert_uint_eq(snap_count(s, ENT_ROUTER), 0);
    ck_assert_uint_eq(snap_count(s, ENT_RECORD), 0);
    ck_assert_uint_eq(snap_count(s, ENT_PAT), 0);
    ck_assert_uint_eq(snap_group(s, RK_STR("grp-2"))->n_resources, 0);
    snap_unref(s);
    ck_assert_int_eq(sql("SELECT count(*) FROM journal WHERE op = 'delete' AND kind = 'record'"),
                     1);
    teardown();
}
END_TEST

struct async {
    struct mgmt_mutation mut;
    int number;
    _Atomic int *left;
};

static void async_done(struct mgmt_mutation *mut)
{
    (*rk_container_of(mut, struct async, mut)->left)--;
}

static enum rk_code async_fn(struct tx *tx, void *arg, struct rk_err *err)
{
    struct async *a = arg;
    enum rk_code rc = put_peer(tx, &a->number, err);

    /* every seventh changes its mind after writing */
    return rc ? rc : a->number % 7 == 0 ? rk_fail(err, RK_FORBIDDEN, "no") : RK_OK;
}

START_TEST(a_batch_undoes_only_those_that_failed)
{
    enum { N = 500 };
    static struct async a[N];
    _Atomic int left = N;
    const struct snapshot *s;
    uint64_t before;

    setup(_i);
    before = serial();
    for (int i = 0; i < N; i++) {
        a[i] = (struct async){
            .mut = {.account_id = RK_STR("acc-1"),
                    .actor = &sys,
                    .flags = i % 3 ? MUT_STALE_SNAP : 0,
                    .fn = async_fn,
                    .arg = &a[i],
                    .done = async_done},
            .number = 2 + i,
            .left = &left,
        };
        ck_ok(mgmt_submit(m, &a[i].mut, err));
    }
    while (left)
        (void)usleep(1000);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(a[i].mut.err.code, a[i].number % 7 ? RK_OK : RK_FORBIDDEN);
    s = snap();
    ck_assert_uint_eq(snap_count(s, ENT_PEER), 1 + N - 71);
    ck_assert_uint_eq(snap_group_size(s, RK_STR("grp-1")), 1 + N - 71);
    ck_assert_uint_eq(snap_serial(s), before + N - 71);
    snap_unref(s);
    ck_assert(watcher.order_ok);
    ck_assert_uint_eq(watcher.serial, before + N - 71);
    assert_stored();
    engine_reopen();
    assert_stored();
    teardown();
}
END_TEST

static void *many(void *arg)
{
    int first = *(int *)arg;

    for (int i = first; i < first + 50; i++) {
        struct rk_err err = {0};

        if (mutate(put_peer, &i, &err))
            ck_abort_msg("%s", err.msg);
    }
    return NULL;
}

START_TEST(threads_mutate_and_read_at_once)
{
    pthread_t t[4];
    int first[4] = {100, 200, 300, 400};

    setup(_i);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, many, &first[i]), 0);
    for (int i = 0; i < 300; i++) {
        const struct snapshot *s = snap();

        ck_assert_uint_eq(snap_count(s, ENT_PEER), snap_group_size(s, RK_STR("grp-1")));
        snap_unref(s);
    }
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(t[i], NULL), 0);
    assert_stored();
    teardown();
}
END_TEST

START_TEST(peers_and_users_are_found_by_key)
{
    const struct snapshot *s = NULL;
    struct db *db;
    struct rk_str key = RK_STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");

    setup(_i);
    engine_reopen();
    ck_ok(mgmt_db_open(m, &db, err));
    ck_assert_ptr_null(mgmt_snapshot_of_peer_try(m, key));
    ck_ok(mgmt_snapshot_of_peer(m, db, key, &s, err)); /* by SQL, loads */
    snap_unref(s);
    s = mgmt_snapshot_of_peer_try(m, key);
    ck_assert_ptr_nonnull(s);
    snap_unref(s);
    ck_ok(mgmt_snapshot_of_user(m, db, RK_STR("user-1"), &s, err));
    snap_unref(s);
    ck_fails(mgmt_snapshot_of_user(m, db, RK_STR("nobody"), &s, err), RK_NOT_FOUND);
    ck_fails(mgmt_snapshot_of_peer(m, db, RK_STR("nokey"), &s, err), RK_NOT_FOUND);
    db_close(db);
    teardown();
}
END_TEST

START_TEST(an_account_is_deleted_with_everything)
{
    const struct snapshot *s = NULL;

    setup(_i);
    ck_ok(mgmt_account_delete(m, &sys, RK_STR("acc-1"), err));
    ck_assert_ptr_null(mgmt_snapshot_try(m, RK_STR("acc-1")));
    ck_fails(mgmt_snapshot(m, RK_STR("acc-1"), &s, err), RK_NOT_FOUND);
    ck_fails(put("g", err), RK_NOT_FOUND);
    ck_fails(mgmt_account_delete(m, &sys, RK_STR("acc-1"), err), RK_NOT_FOUND);
    ck_assert_int_eq(sql("SELECT (SELECT count(*) FROM peer) + (SELECT count(*) FROM group_ref) + "
                         "(SELECT count(*) FROM pat) + (SELECT count(*) FROM policy_rule) + "
                         "(SELECT count(*) FROM grp_resource) + (SELECT count(*) FROM job)"),
                     0);
    teardown();
}
END_TEST

/* ---- presence */

START_TEST(presence_counts_the_newest_stream)
{
    const struct snapshot *s;
    const struct peer *p;

    setup(_i);
    s = snap();
    p = snap_peer(s, RK_STR("peer-1"));
    ck_assert(presence_connect(m, p->id, 100));
    ck_assert(!presence_connect(m, p->id, 90));     /* older */
    ck_assert(presence_connect(m, p->id, 110));     /* replaces */
    ck_assert(!presence_disconnect(m, p->id, 100)); /* the replaced one ends */
    ck_assert(presence_of(m, p).connected);
    ck_assert_uint_eq(presence_connected_count(m), 1);
    ck_ok(presence_flush(m, err));
    ck_assert_int_eq(sql("SELECT connected FROM peer_status"), 1);
    ck_assert_int_eq(sql("SELECT session_token FROM peer_status"), 110);
    ck_assert(presence_disconnect(m, p->id, 110));
    ck_assert(!presence_disconnect(m, p->id, 110));
    ck_assert(!presence_of(m, p).connected);
    ck_ok(presence_flush(m, err));
    ck_assert_int_eq(sql("SELECT connected FROM peer_status"), 0);
    ck_assert_int_eq(sql("SELECT session_token FROM peer_status"), 0);
    pat_used(m, RK_STR("pat-1"));
    ck_ok(presence_flush(m, err));
    ck_assert_int_gt(sql("SELECT last_used FROM pat"), 1000000);
    ck_assert(presence_connect(m, p->id, 200));
    snap_unref(s);
    engine_reopen(); /* closing writes what is pending, then nobody is connected */
    ck_assert_int_eq(sql("SELECT connected FROM peer_status"), 0);
    ck_assert_int_gt(sql("SELECT last_seen FROM peer_status"), 1000000);
    teardown();
}
END_TEST

START_TEST(presence_left_by_a_crash_is_cleared_at_start)
{
    struct db *db;

    setup(_i);
    mgmt_close(m);
    db = env_db(&e);
    ck_ok(db_script(db,
                    "INSERT INTO node (id, seen_at) VALUES ('dead', 1);"
                    "UPDATE peer_status SET connected = 1, session_token = 5, node = 'dead'",
                    err));
    db_close(db);
    engine_open();
    ck_assert_int_eq(sql("SELECT connected + session_token FROM peer_status"), 0);
    ck_assert_int_eq(sql("SELECT count(*) FROM node WHERE id = 'dead'"), 0);
    assert_stored();
    teardown();
}
END_TEST

START_TEST(old_journal_rows_are_dropped)
{
    struct mgmt_opts o;
    int64_t rows = 0;

    setup(_i);
    ck_ok(put("grp-a", err));
    ck_ok(put("grp-b", err));
    rows = sql("SELECT count(*) FROM journal");
    mgmt_close(m);
    o = (struct mgmt_opts){.store_url = e.url, .vault = vault, .journal_keep_us = 1};
    ck_ok(mgmt_open(&m, &o, err));
    for (int i = 0; i < 6000 && sql("SELECT count(*) FROM journal") == rows; i++)
        (void)usleep(10000);
    ck_assert_int_eq(sql("SELECT count(*) FROM journal"), 1); /* the last one anchors the chain */
    ck_ok(put("grp-c", err));
    ck_assert_int_eq(sql("SELECT count(*) FROM journal"), 2);
    teardown(); /* verifies */
}
END_TEST

START_TEST(no_more_journal_rows_are_kept_than_were_asked_for)
{
    struct mgmt_opts o;

    setup(_i);
    for (int i = 0; i < 6; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "grp-%d", i);
        ck_ok(put(name, err));
    }
    ck_assert_int_gt(sql("SELECT count(*) FROM journal"), 3);
    mgmt_close(m);
    o = (struct mgmt_opts){.store_url = e.url, .vault = vault, .journal_keep_rows = 3};
    ck_ok(mgmt_open(&m, &o, err));
    for (int i = 0; i < 6000 && sql("SELECT count(*) FROM journal") > 3; i++)
        (void)usleep(10000);
    ck_assert_int_eq(sql("SELECT count(*) FROM journal"), 3);
    ck_ok(put("grp-last", err));
    teardown(); /* verifies */
}
END_TEST

static enum rk_code put_with_event(struct tx *tx, void *arg, struct rk_err *err)
{
    enum rk_code rc = put_group(tx, arg, err);

    return rc ? rc : tx_event(tx, 0, RK_STR("grp"), RK_STR("{}"), err);
}

START_TEST(old_events_are_dropped)
{
    struct mgmt_opts o;

    setup(_i);
    ck_ok(
        mgmt_mutate(m, RK_STR("acc-1"), &sys, 0, put_with_event, (void *)(uintptr_t) "grp-a", err));
    ck_assert_int_ge(sql("SELECT count(*) FROM event"), 1);
    mgmt_close(m);
    o = (struct mgmt_opts){.store_url = e.url, .vault = vault, .event_keep_us = 1};
    ck_ok(mgmt_open(&m, &o, err));
    for (int i = 0; i < 6000 && sql("SELECT count(*) FROM event") > 0; i++)
        (void)usleep(10000);
    ck_assert_int_eq(sql("SELECT count(*) FROM event"), 0);
    teardown();
}
END_TEST

START_TEST(no_more_events_are_kept_than_were_asked_for)
{
    struct mgmt_opts o;

    setup(_i);
    for (int i = 0; i < 6; i++)
        ck_ok(mgmt_mutate(m, RK_STR("acc-1"), &sys, 0, put_with_event, (void *)(uintptr_t) "grp-a",
                          err));
    ck_assert_int_ge(sql("SELECT count(*) FROM event"), 6);
    mgmt_close(m);
    o = (struct mgmt_opts){.store_url = e.url, .vault = vault, .event_keep_rows = 2};
    ck_ok(mgmt_open(&m, &o, err));
    for (int i = 0; i < 6000 && sql("SELECT count(*) FROM event") > 2; i++)
        (void)usleep(10000);
    ck_assert_int_le(sql("SELECT count(*) FROM event"), 2);
    teardown();
}
END_TEST

/* Rows of versions that did not seal them: names and addresses are sealed at the next start. */
START_TEST(events_of_old_versions_are_sealed)
{
    static const char old[] =
        "INSERT INTO event (at, activity, initiator, target, account_id, meta) VALUES "
        "(1, 1, 'i', 't', 'acc-1', '{\"email\":\"alice@example.com\",\"name\":\"g\"}')";
    static const char plain[] = "SELECT count(*) FROM event WHERE meta LIKE '%alice%'";
    struct db_rows *rows = NULL;
    struct rk_str meta;
    struct db *db;

    setup(_i);
    db = env_db(&e);
    for (int i = 0; i < 450; i++)
        ck_ok(db_script(db, old, err));
    ck_ok(db_script(db,
                    "INSERT INTO event (at, activity, initiator, target, account_id, meta) VALUES "
                    "(1, 1, 'i', 't', 'acc-1', '{\"name\":\"kept\"}')",
                    err));
    engine_reopen();
    for (int i = 0; i < 6000 && sql(plain) > 0; i++)
        (void)usleep(10000);
    ck_assert_int_eq(sql(plain), 0);
    ck_assert_int_eq(sql("SELECT count(*) FROM event WHERE meta = '{\"name\":\"kept\"}'"), 1);
    ck_ok(db_query(db, &rows, err, "SELECT meta FROM event WHERE activity = 1 ORDER BY id LIMIT 1",
                   DB_NOARGS));
    ck_assert(db_next(rows));
    meta = db_col_text(rows, 0, mem);
    ck_ok(event_meta_open(vault, mem, RK_STR("acc-1"), &meta, err));
    ck_assert(rk_str_eqz(meta, "{\"email\":\"alice@example.com\",\"name\":\"g\"}"));
    db_rows_free(rows);
    db_close(db);
    teardown();
}
END_TEST

/* ---- other processes */

START_TEST(two_processes_share_one_database)
{
    struct mgmt_opts o = {.store_url = e.url, .vault = vault};
    struct mgmt *other = NULL;
    const struct snapshot *s = NULL;
    bool seen = false;

    if (_i == 0)
        return; /* SQLite is for one process */
    setup(_i);
    o = (struct mgmt_opts){.store_url = e.url, .vault = vault};
    ck_ok(mgmt_open(&other, &o, err));
    for (int i = 10; i < 30; i++) { /* in turns: each finds that the other was here */
        enum rk_code rc;
        struct rk_err err = {0};

        rc = mgmt_mutate(i % 2 ? m : other, RK_STR("acc-1"), &sys, 0, put_peer, &i, &err);
        ck_assert_msg(rc == RK_OK, "%s", err.msg);
    }
    ck_ok(put_at(other, RK_STR("acc-1"), 0, "grp-other", err));
    for (int i = 0; i < 6000 && !seen; i++) { /* the news arrives by itself */
        s = snap();
        seen = snap_group(s, RK_STR("grp-other")) != NULL;
        snap_unref(s);
        (void)usleep(10000);
    }
    ck_assert(seen);
    ck_ok(put("grp-mine", err)); /* also without news the next mutation notices */
    s = snap();
    ck_assert_ptr_nonnull(snap_group(s, RK_STR("grp-other")));
    ck_assert_uint_eq(snap_count(s, ENT_PEER), 21);
    snap_unref(s);
    assert_stored();
    mgmt_close(other);
    teardown();
}
END_TEST

static bool shown_as(const struct peer *p, bool connected)
{
    for (int i = 0; i < 6000; i++) {
        if (presence_of(m, p).connected == connected)
            return true;
        (void)usleep(10000);
    }
    return false;
}

START_TEST(a_stream_on_another_process_is_seen)
{
    struct mgmt_opts o;
    struct mgmt *other = NULL;
    const struct snapshot *s;
    const struct peer *p;

    if (_i == 0)
        return; /* SQLite is for one process */
    setup(_i);
    o = (struct mgmt_opts){.store_url = e.url, .vault = vault};
    engine_reopen(); /* the sample's peer was stored as connected by nobody */
    ck_ok(mgmt_open(&other, &o, err));
    s = snap();
    p = snap_peer(s, RK_STR("peer-1"));
    ck_assert(!presence_of(m, p).connected);
    ck_assert(presence_connect(other, p->id, 10));
    ck_assert(shown_as(p, true));
    ck_assert(presence_disconnect(other, p->id, 10));
    ck_assert(shown_as(p, false));
    ck_assert_int_gt(presence_of(m, p).last_seen_us, 1000000);
    ck_assert(presence_connect(other, p->id, 20));
    ck_assert(shown_as(p, true));
    mgmt_close(other); /* says good-bye */
    ck_assert(shown_as(p, false));
    snap_unref(s);
    teardown();
}
END_TEST

START_TEST(an_account_that_another_process_deletes_goes_here_too)
{
    struct mgmt_opts o;
    struct mgmt *other = NULL;
    const struct snapshot *s;
    bool gone = false;

    if (_i == 0)
        return;
    setup(_i);
    o = (struct mgmt_opts){.store_url = e.url, .vault = vault};
    ck_ok(mgmt_open(&other, &o, err));
    snap_unref(snap()); /* loaded here */
    ck_ok(mgmt_account_delete(other, &sys, RK_STR("acc-1"), err));
    for (int i = 0; i < 6000 && !gone; i++) {
        s = mgmt_snapshot_try(m, RK_STR("acc-1"));
        gone = !s;
        snap_unref(s);
        (void)usleep(10000);
    }
    ck_assert(gone);
    mgmt_close(other);
    teardown();
}
END_TEST

static void *race(void *arg)
{
    struct mgmt *mine = arg;

    for (int i = 0; i < 40; i++) {
        struct rk_err err = {0};
        char id[48];

        (void)snprintf(id, sizeof id, "grp-%p-%d", arg, i);
        if (put_at(mine, RK_STR("acc-1"), 0, id, &err))
            ck_abort_msg("%s", err.msg);
    }
    return NULL;
}

START_TEST(two_processes_race_and_lose_nothing)
{
    struct mgmt_opts o;
    struct mgmt *other = NULL;
    pthread_t t;
    uint64_t before;

    if (_i == 0)
        return;
    setup(_i);
    before = serial();
    o = (struct mgmt_opts){.store_url = e.url, .vault = vault};
    ck_ok(mgmt_open(&other, &o, err));
    ck_assert_int_eq(pthread_create(&t, NULL, race, other), 0);
    (void)race(m);
    ck_assert_int_eq(pthread_join(t, NULL), 0);
    ck_assert_int_eq(sql("SELECT count(*) FROM grp"), 82);
    ck_assert_int_eq(sql("SELECT serial FROM account_head"), (int64_t)before + 80);
    mgmt_close(other);
    teardown();
}
END_TEST

/* What another process has acknowledged is found at once, with no wait for its news. */
START_TEST(a_miss_asks_the_store_before_it_says_no)
{
    struct mgmt_opts o;
    struct mgmt *other = NULL;
    const struct snapshot *s = NULL;
    struct db *db = NULL;
    bool renewed;

    if (_i == 0)
        return;
    setup(_i);
    o = (struct mgmt_opts){.store_url = e.url, .vault = vault};
    ck_ok(mgmt_open(&other, &o, err));
    ck_ok(mgmt_db_open(m, &db, err));
    snap_unref(snap()); /* loaded here */
    for (int i = 10; i < 60; i++) {
        RK_CLEANUP(rk_arena_freep) struct rk_arena *own = rk_arena_new(0);
        struct peer p = a_peer(own, i);

        ck_ok(mgmt_mutate(other, RK_STR("acc-1"), &sys, 0, put_peer, &i, err));
        ck_ok(mgmt_snapshot_of_peer(m, db, p.key, &s, err));
        ck_assert_ptr_nonnull(snap_peer(s, p.id));
        snap_unref(s);
    }
    for (int i = 0; i < 20; i++) { /* by account, as REST does it */
        char id[20];

        (void)snprintf(id, sizeof id, "grp-%d", i);
        ck_ok(put_at(other, RK_STR("acc-1"), 0, id, err));
        ck_ok(mgmt_refresh(m, db, RK_STR("acc-1"), &renewed, err));
        s = snap();
        ck_assert_ptr_nonnull(snap_group(s, rk_str_z(id)));
        snap_unref(s);
    }
    ck_ok(mgmt_refresh(m, db, RK_STR("acc-1"), &renewed, err));
    ck_assert(!renewed); /* nothing new: nothing is loaded */
    ck_fails(mgmt_snapshot_of_peer(m, db, RK_STR("nobody's key"), &s, err), RK_NOT_FOUND);
    db_close(db);
    mgmt_close(other);
    teardown();
}
END_TEST

/* Cut connections take the news with them; the state must come all the same, without a next change.
 */
START_TEST(a_change_behind_cut_connections_is_seen)
{
    struct mgmt_opts o;
    struct mgmt *other = NULL;
    const struct snapshot *s;

    if (_i == 0)
        return;
    setup(_i);
    o = (struct mgmt_opts){.store_url = e.url, .vault = vault};
    ck_ok(mgmt_open(&other, &o, err));
    snap_unref(snap());
    for (int i = 0; i < 4; i++) {
        struct rk_err ignored = {0};
        char id[20];
        bool seen = false;

        (void)snprintf(id, sizeof id, "grp-cut-%d", i);
        (void)sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
                  "current_database() AND pid <> pg_backend_pid()");
        while (put_at(other, RK_STR("acc-1"), 0, id, &ignored)) /* its connection was cut, too */
            (void)usleep(1000);
        for (int k = 0; k < 6000 && !seen; k++) {
            s = snap();
            seen = snap_group(s, rk_str_z(id)) != NULL;
            snap_unref(s);
            (void)usleep(10000);
        }
        ck_assert_msg(seen, "round %d: stale", i);
    }
    mgmt_close(other);
    teardown();
}
END_TEST

/* Another process took this one for dead while it paused: its streams are shown again. */
START_TEST(presence_comes_back_after_a_pause)
{
    static const char shown[] = "SELECT count(*) FROM peer_status WHERE id = 'peer-1' AND "
                                "connected = 1 AND node IN (SELECT id FROM node)";
    bool back = false;
    struct db *db;

    if (_i == 0)
        return;
    setup(_i);
    ck_assert(presence_connect(m, RK_STR("peer-1"), 10));
    for (int i = 0; i < 6000 && sql(shown) == 0; i++)
        (void)usleep(10000);
    ck_assert_int_eq(sql(shown), 1);
    db = env_db(&e); /* what the other one does after 30 s of silence */
    ck_ok(db_script(db,
                    "BEGIN; DELETE FROM node; UPDATE peer_status SET connected = 0, "
                    "session_token = 0, node = NULL; COMMIT",
                    err));
    db_close(db);
    for (int i = 0; i < 6000 && !back; i++) {
        back = sql(shown) == 1;
        (void)usleep(10000);
    }
    ck_assert(back);
    teardown();
}
END_TEST

/* ---- faults */

START_TEST(a_locked_database_is_unavailable_then_works)
{
    struct db *db;

    if (_i == 1)
        return; /* rows are locked there: see the race above */
    setup(_i);
    mgmt_close(m);
    db = env_db(&e);
    engine_open();
    ck_assert_uint_eq(serial(), 0); /* load first */
    ck_ok(db_begin(db, err));
    ck_ok(db_exec(db, err, NULL, "UPDATE kv SET value = ''", DB_NOARGS));
    ck_fails(put("grp-l", err), RK_UNAVAILABLE);
    ck_assert_int_eq(watcher.changes, 0);
    db_rollback(db);
    db_close(db);
    ck_ok(put("grp-l", err));
    assert_stored();
    teardown();
}
END_TEST

START_TEST(one_server_for_one_sqlite_file)
{
    struct mgmt_opts o;
    struct mgmt *second = NULL;
    struct rk_err why = {0};

    if (_i == 1)
        return; /* PostgreSQL is for several */
    setup(_i);
    o = (struct mgmt_opts){.store_url = e.url, .vault = vault};
    ck_assert_int_eq(mgmt_open(&second, &o, &why), RK_UNAVAILABLE);
    ck_assert_msg(strstr(why.msg, "in use by another server"), "%s", why.msg);
    ck_assert_ptr_null(second);
    ck_ok(put("grp-1st", err)); /* the first one goes on, with its lock */
    ck_assert_int_eq(mgmt_open(&second, &o, &why), RK_UNAVAILABLE);
    assert_stored();
    teardown();
}
END_TEST

static enum rk_code put_big(struct tx *tx, void *arg, struct rk_err *err)
{
    struct group g = a_group("grp-big", "big");

    (void)arg;
    g.integration_type = rk_str_of(rk_arena_alloc(tx->mem, 3 << 20), 3 << 20);
    memset((char *)(uintptr_t)g.integration_type.p, 'x', g.integration_type.n);
    return tx_put(tx, ENT_GROUP, &g, err);
}

START_TEST(a_full_disk_is_unavailable_then_works)
{
    struct rlimit keep, tight;
    struct stat st;
    char wal[120];
    uint64_t before;

    if (_i == 1)
        return; /* the limit holds for our own writes */
    setup(_i);
    before = serial();
    (void)snprintf(wal, sizeof wal, "%s/store.db-wal", e.dir);
    ck_assert_int_eq(stat(wal, &st), 0);
    ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &keep), 0);
    tight = keep;
    tight.rlim_cur = (rlim_t)st.st_size + (1 << 20);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &tight), 0);
    ck_fails(mutate(put_big, NULL, err), RK_UNAVAILABLE);
    ck_assert_uint_eq(serial(), before);
    ck_ok(put("grp-small", err)); /* there is room for that */
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &keep), 0);
    ck_ok(mutate(put_big, NULL, err));
    ck_assert_uint_eq(serial(), before + 2);
    assert_stored();
    teardown();
}
END_TEST

START_TEST(connections_that_the_server_closed_are_not_noticed)
{
    struct db *db;
    int64_t n;

    if (_i == 0)
        return;
    setup(_i);
    ck_ok(put("grp-1st", err));
    db = env_db(&e);
    for (int i = 0; i < 5; i++) {
        char id[16];
        enum rk_code rc;
        struct rk_err why = {0};

        ck_ok(db_get_i64(db, &n, err,
                         "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
                         "WHERE datname = current_database() AND pid <> pg_backend_pid()",
                         DB_NOARGS));
        (void)snprintf(id, sizeof id, "grp-%d", i);
        rc = put(id, &why);
        /* the connection was idle: nobody need hear of it */
        ck_assert_msg(rc == RK_OK, "%s", why.msg);
    }
    db_close(db);
    assert_stored();
    teardown();
}
END_TEST

START_TEST(a_moved_database_is_unavailable_then_works)
{
    char path[120], aside[120];

    if (_i == 1)
        return;
    setup(_i);
    (void)snprintf(path, sizeof path, "%s/store.db", e.dir);
    (void)snprintf(aside, sizeof aside, "%s/aside.db", e.dir);
    ck_assert_int_eq(rename(path, aside), 0);
    ck_fails(put("grp-m", err), RK_UNAVAILABLE);
    ck_assert_int_eq(rename(aside, path), 0);
    ck_ok(put("grp-m", err));
    assert_stored();
    teardown();
}
END_TEST

START_TEST(a_newer_schema_is_refused)
{
    struct mgmt_opts o;
    struct mgmt *none = NULL;
    struct db *db;

    setup(_i);
    db = env_db(&e);
    ck_ok(db_script(db,
                    "INSERT INTO schema_migration (number, name, checksum, applied_at) VALUES "
                    "(9999, '9999_future', 'x', 0)",
                    err));
    o = (struct mgmt_opts){.store_url = e.url, .vault = vault};
    mgmt_close(m); /* or its lock would be the reason */
    ck_fails(mgmt_open(&none, &o, err), RK_PRECONDITION);
    ck_assert_ptr_null(none);
    ck_ok(db_script(db, "DELETE FROM schema_migration WHERE number = 9999", err));
    db_close(db);
    engine_open();
    teardown();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine");
    TCase *tc = tcase_create("engine");
    int failed, engines = env_engines();

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, an_account_is_created_and_survives_a_restart, env_first(), engines);
    tcase_add_loop_test(tc, a_mutation_is_stored_published_and_heard, env_first(), engines);
    tcase_add_loop_test(tc, a_failed_mutation_leaves_nothing, env_first(), engines);
    tcase_add_loop_test(tc, the_serial_follows_the_rules, env_first(), engines);
    tcase_add_loop_test(tc, a_mutation_sees_its_own_writes, env_first(), engines);
    tcase_add_loop_test(tc, deletions_take_what_belongs_along, env_first(), engines);
    tcase_add_loop_test(tc, a_batch_undoes_only_those_that_failed, env_first(), engines);
    tcase_add_loop_test(tc, threads_mutate_and_read_at_once, env_first(), engines);
    tcase_add_loop_test(tc, peers_and_users_are_found_by_key, env_first(), engines);
    tcase_add_loop_test(tc, an_account_is_deleted_with_everything, env_first(), engines);
    tcase_add_loop_test(tc, presence_counts_the_newest_stream, env_first(), engines);
    tcase_add_loop_test(tc, presence_left_by_a_crash_is_cleared_at_start, env_first(), engines);
    tcase_add_loop_test(tc, old_journal_rows_are_dropped, env_first(), engines);
    tcase_add_loop_test(tc, old_events_are_dropped, env_first(), engines);
    tcase_add_loop_test(tc, events_of_old_versions_are_sealed, env_first(), engines);
    tcase_add_loop_test(tc, no_more_journal_rows_are_kept_than_were_asked_for, env_first(),
                        engines);
    tcase_add_loop_test(tc, no_more_events_are_kept_than_were_asked_for, env_first(), engines);
    tcase_add_loop_test(tc, two_processes_share_one_database, env_first(), engines);
    tcase_add_loop_test(tc, a_stream_on_another_process_is_seen, env_first(), engines);
    tcase_add_loop_test(tc, an_account_that_another_process_deletes_goes_here_too, env_first(),
                        engines);
    tcase_add_loop_test(tc, two_processes_race_and_lose_nothing, env_first(), engines);
    tcase_add_loop_test(tc, a_miss_asks_the_store_before_it_says_no, env_first(), engines);
    tcase_add_loop_test(tc, a_change_behind_cut_connections_is_seen, env_first(), engines);
    tcase_add_loop_test(tc, presence_comes_back_after_a_pause, env_first(), engines);
    tcase_add_loop_test(tc, a_locked_database_is_unavailable_then_works, env_first(), engines);
    tcase_add_loop_test(tc, a_full_disk_is_unavailable_then_works, env_first(), engines);
    tcase_add_loop_test(tc, one_server_for_one_sqlite_file, env_first(), engines);
    tcase_add_loop_test(tc, connections_that_the_server_closed_are_not_noticed, env_first(),
                        engines);
    tcase_add_loop_test(tc, a_moved_database_is_unavailable_then_works, env_first(), engines);
    tcase_add_loop_test(tc, a_newer_schema_is_refused, env_first(), engines);
    suite_add_tcase(s, tc);
    failed = run_suite(s);
    return failed;
}
