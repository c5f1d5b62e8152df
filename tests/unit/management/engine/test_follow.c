/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two engines on one PostgreSQL: what one commits the other follows from the journal, and then
 * holds what a third one reads from the tables. Random accounts and mutations; gaps and foreign
 * chains fall back to reading.
 */
#include "config.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>

#include "lib/base/num.h"
#include "lib/crypto/vault.h"
#include "management/engine/engine.h"
#include "management/netmap/netmap.h"
#include "management/snapshot/snapshot.h"
#include "management/store/journal.h"
#include "management/store/store.h"
#include "schema/pb_arena.h"
#include "tests/property/lines.h"
#include "tests/property/random.h"
#include "tests/unit/management/store_env.h"
/* after store_env.h: uses libcheck */
#include "tests/unit/management/sample.h"
#include "tests/unit/run.h"

#define SEEDS     6
#define MUTATIONS 60

static struct env e;
static struct vault *vault;
static struct rk_arena *mem;
static struct mgmt *a, *b; /* two processes */
static const struct actor sys = {.id = {"sys", 3}};

static struct mgmt *engine_open(void)
{
    struct mgmt_opts o = {.store_url = e.url, .vault = vault, .lanes = 1};
    struct mgmt *m = NULL;

    ck_ok(mgmt_open(&m, &o, err));
    return m;
}

static void setup(const struct account_data *d)
{
    struct rk_key key;

    env_open(&e, 1);
    vault = vault_new();
    rk_key_generate(&key);
    ck_ok(vault_add_key(vault, &key, err));
    a = engine_open();
    ck_ok(mgmt_account_insert(a, &sys, d, err));
    b = engine_open();
}

static void teardown(void)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct journal_report report = {0};
    struct rk_str account = {0};

    mgmt_close(a);
    mgmt_close(b);
    db = env_db(&e);
    ck_ok(journal_verify_all(db, mem, &account, &report, err));
    ck_assert_int_gt(report.rows, 0);
    db_close(db);
    db = NULL;
    vault_free(vault);
    env_close(&e);
}

static const struct snapshot *snap_of(struct mgmt *m, struct rk_str id)
{
    const struct snapshot *s = NULL;

    ck_ok(mgmt_snapshot(m, id, &s, err));
    return s;
}

static const struct snapshot *snap_now(struct mgmt *m, struct rk_str id)
{
    RK_CLEANUP(db_closep) struct db *db = env_db(&e);

    ck_ok(mgmt_refresh(m, db, id, NULL, err));
    return snap_of(m, id);
}

/* ---- is it the same? */

static bool same_entity(enum entity_kind k, const void *x, const void *y)
{
    return x && y && store_equal(k, x, y);
}

static void tables_are_equal(const struct snapshot *x, const struct snapshot *y)
{
    for (int i = 0; i < ENT_COUNT; i++) {
        enum entity_kind k = (enum entity_kind)i;
        struct snap_iter it;
        const void *row;

        if (k == ENT_ACCOUNT || k == ENT_SETTINGS || k == ENT_DNS_SETTINGS || k == ENT_GROUP_PEER)
            continue;
        ck_assert_uint_eq(snap_count(x, k), snap_count(y, k));
        it = snap_iter(x, k);
        while ((row = snap_next(&it)) != NULL) {
            struct rk_str id = entity_id(k, row);

            ck_assert_msg(same_entity(k, row, snap_find(y, k, id)), "%s %.*s differs",
                          entity_kind_text(k), RK_STR_ARG(id));
        }
    }
    ck_assert(store_equal(ENT_ACCOUNT, snap_account(x), snap_account(y)));
    ck_assert(store_equal(ENT_SETTINGS, snap_settings(x), snap_settings(y)));
    ck_assert(store_equal(ENT_DNS_SETTINGS, snap_dns_settings(x), snap_dns_settings(y)));
    ck_assert_uint_eq(snap_serial(x), snap_serial(y));
}

static void members_are_equal(const struct snapshot *x, const struct snapshot *y)
{
    struct snap_iter it = snap_iter(x, ENT_GROUP);
    const struct group *g;

    while ((g = snap_next(&it)) != NULL) {
        const struct bits *members = snap_group_members(x, g->id);

        ck_assert_uint_eq(snap_group_size(x, g->id), snap_group_size(y, g->id));
        for (BITS_EACH(i, members))
            ck_assert(snap_is_member(y, g->id, snap_index_of(y, snap_peer_at(x, i)->id)));
    }
}

static struct rk_str map_of(struct rk_arena *to, const struct snapshot *s, struct rk_str peer)
{
    struct netmap_opts opts = {.now_us = NOW_US};
    struct rk_str text;
    struct rk_buf out;

    rk_buf_init(&out, 1 << 20);
    netmap_encode(s, snap_index_of(s, peer), &opts, &out);
    text = rk_arena_dup(to, rk_buf_str(&out));
    rk_buf_done(&out);
    return text;
}

static struct lines lines_of(struct rk_arena *to, struct rk_str map)
{
    struct lines l = {.mem = to};
    const Management__NetworkMap *m =
        pb_unpack(to, &management__network_map__descriptor, map, NULL);

    ck_assert_ptr_nonnull(m);
    lines_of_map(&l, m);
    return l;
}

/* The maps of what was followed: byte by byte those of who made the changes, and fact by fact
 * (indexes, and so the order, are others) those of who read the tables. */
static void maps_are_equal(const struct snapshot *made, const struct snapshot *followed,
                           const struct snapshot *read)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *scratch = rk_arena_new(0);
    struct snap_iter it = snap_iter(followed, ENT_PEER);
    const struct peer *p;

    while ((p = snap_next(&it)) != NULL) {
        struct rk_str map = map_of(scratch, followed, p->id);
        struct lines x = lines_of(scratch, map),
                     y = lines_of(scratch, map_of(scratch, read, p->id));

        ck_assert_msg(rk_str_eq(map, map_of(scratch, made, p->id)), "map of %.*s differs",
                      RK_STR_ARG(p->id));
        if (!lines_eq(&x, &y)) {
            lines_print_diff("followed", &x, "read", &y);
            ck_abort_msg("map of %.*s differs", RK_STR_ARG(p->id));
        }
    }
}

static void compare(struct rk_str id)
{
    struct mgmt *c = engine_open();
    const struct snapshot *made = snap_of(a, id), *followed = snap_now(b, id),
                          *read = snap_of(c, id);

    tables_are_equal(read, followed);
    members_are_equal(read, followed);
    maps_are_equal(made, followed, read);
    snap_unref(made);
    snap_unref(followed);
    snap_unref(read);
    mgmt_close(c);
}

/* ---- random mutations */

struct todo {
    const struct change *v;
    size_t n;
};

static enum rk_code apply_one(struct tx *tx, const struct change *c, struct rk_err *err)
{
    const struct group_peer *gp = c->after ? c->after : c->before;

    if (c->kind == ENT_GROUP_PEER)
        return c->after ? tx_group_add_peer(tx, gp->group_id, gp->peer_id, err)
                        : tx_group_del_peer(tx, gp->group_id, gp->peer_id, err);
    if (c->after)
        return tx_put(tx, c->kind, c->after, err);
    return tx_get(tx, c->kind, c->id) ? tx_del(tx, c->kind, c->id, err) : RK_OK;
}

static enum rk_code todo_fn(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct todo *t = arg;
    enum rk_code rc = RK_OK;

    for (size_t i = 0; rc == RK_OK && i < t->n; i++)
        rc = apply_one(tx, &t->v[i], err);
    return rc;
}

/* A random mutation may be refused (a label that is taken): then nothing happened. */
static bool mutate(struct mgmt *m, struct rng *r, struct account_data *d)
{
    struct todo t = {0};
    struct rk_err err = {0};

    t.v = random_mutation(r, mem, d, &t.n);
    return mgmt_mutate(m, d->account.id, &sys, 0, todo_fn, &t, &err) == RK_OK;
}

/* The generator makes accounts for maps; a database asks for more. */
static void storable(struct account_data *d)
{
    size_t n = 0;

    d->n_services = d->n_services ? 1 : 0;
    for (size_t i = 0; i < d->n_records; i++) {
        bool zone = false;

        for (size_t z = 0; z < d->n_zones; z++)
            zone |= rk_str_eq(d->records[i].zone_id, d->zones[z].id);
        if (zone)
            d->records[n++] = d->records[i];
    }
    d->n_records = n;
}

START_TEST(what_is_followed_is_what_is_read)
{
    struct rng r = {.state = (uint64_t)_i + 1};
    struct account_data *d;
    struct mgmt_follow f;
    int done = 0;

    mem = rk_arena_new(0);
    d = random_account(&r, mem);
    storable(d);
    setup(d);
    snap_unref(snap_of(b, d->account.id)); /* loaded: from here on it follows */
    for (int i = 0; i < MUTATIONS; i++) {
        /* now and then the other one writes, on top of what it must follow first */
        done += mutate(rng_chance(&r, 15) ? b : a, &r, d);
        if (rng_chance(&r, 12)) {
            snap_unref(snap_now(a, d->account.id));
            compare(d->account.id);
        }
    }
    snap_unref(snap_now(a, d->account.id));
    compare(d->account.id);
    ck_assert_int_gt(done, MUTATIONS / 3);
    mgmt_follow_stats(b, &f);
    ck_assert_uint_gt(f.versions, 10);
    ck_assert_msg(f.reloaded == 0, "%" PRIu64 " times read instead of followed", f.reloaded);
    mgmt_follow_stats(a, &f);
    ck_assert_uint_eq(f.reloaded, 0);
    teardown();
    rk_arena_free(mem);
}
END_TEST

/* ---- where following cannot be */

struct gate { /* holds the only lane of an engine */
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool in, open;
};

static enum rk_code gate_fn(struct tx *tx, void *arg, struct rk_err *err)
{
    struct gate *g = arg;

    (void)tx;
    (void)err;
    (void)pthread_mutex_lock(&g->lock);
    g->in = true;
    (void)pthread_cond_broadcast(&g->cond);
    while (!g->open)
        (void)pthread_cond_wait(&g->cond, &g->lock);
    (void)pthread_mutex_unlock(&g->lock);
    return RK_OK;
}

static void gate_done(struct mgmt_mutation *mut)
{
    (void)mut;
}

static struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
static struct mgmt_mutation held;

static void hold(struct mgmt *m)
{
    gate.in = gate.open = false;
    /* of another account, so that only the lane is held and no row */
    held = (struct mgmt_mutation){.account_id = RK_STR("acc-2"),
                                  .actor = &sys,
                                  .fn = gate_fn,
                                  .arg = &gate,
                                  .done = gate_done};
    ck_ok(mgmt_submit(m, &held, err));
    (void)pthread_mutex_lock(&gate.lock);
    while (!gate.in)
        (void)pthread_cond_wait(&gate.cond, &gate.lock);
    (void)pthread_mutex_unlock(&gate.lock);
}

static void release(struct mgmt *m)
{
    (void)pthread_mutex_lock(&gate.lock);
    gate.open = true;
    (void)pthread_cond_broadcast(&gate.cond);
    (void)pthread_mutex_unlock(&gate.lock);
    mgmt_drain(m);
}

static enum rk_code rename_fn(struct tx *tx, void *arg, struct rk_err *err)
{
    struct group g = *(const struct group *)tx_get(tx, ENT_GROUP, RK_STR("grp-1"));

    g.name = rk_str_z(arg);
    return tx_put(tx, ENT_GROUP, &g, err);
}

static void rename_group(struct mgmt *m, const char *name)
{
    ck_ok(mgmt_mutate(m, RK_STR("acc-1"), &sys, 0, rename_fn, (void *)(uintptr_t)name, err));
}

static void sample_setup(void)
{
    struct account_data d, other = {.account = {.id = RK_STR("acc-2"), .net_id = RK_STR("net-2")}};

    mem = rk_arena_new(0);
    d = sample_account(mem);
    setup(&d);
    other.account.net4 = d.account.net4;
    other.account.net6 = d.account.net6;
    ck_ok(mgmt_account_insert(a, &sys, &other, err));
    snap_unref(snap_of(b, RK_STR("acc-1")));
    snap_unref(snap_of(b, RK_STR("acc-2")));
}

/* While b cannot follow, a changes something and `sql` happens. */
static void spoil(const char *sql)
{
    RK_CLEANUP(db_closep) struct db *db = env_db(&e);
    struct mgmt_follow f;
    struct journal_prune p = {.account_id = RK_STR("acc-1"), .before_us = INT64_MAX};

    hold(b);
    rename_group(a, "one");
    rename_group(a, "two");
    rename_group(a, "three");
    if (sql)
        ck_ok(db_script(db, sql, err));
    else
        ck_ok(db_tx(db, journal_prune_step, &p, err));
    release(b);
    compare(RK_STR("acc-1"));
    mgmt_follow_stats(b, &f);
    ck_assert_uint_ge(f.reloaded, 1);
    /* and goes on following from there */
    rename_group(a, "four");
    snap_unref(snap_now(b, RK_STR("acc-1")));
    compare(RK_STR("acc-1"));
    ck_assert_uint_ge(f.reloaded, 1);
}

START_TEST(a_pruned_journal_is_a_reload)
{
    sample_setup();
    spoil(NULL);
    teardown();
    rk_arena_free(mem);
}
END_TEST

START_TEST(a_row_that_is_not_of_the_chain_is_a_reload)
{
    sample_setup();
    spoil("UPDATE journal SET after = replace(after, 'three', 'other') WHERE kind = 'group' AND "
          "after LIKE '%three%'");
    ck_assert(true);
    teardown();
    rk_arena_free(mem);
}
END_TEST

/* A standby is promoted that lacks the last commits, and others come in their place. */
START_TEST(a_history_that_was_lost_is_a_reload)
{
    static const char KEEP[] =
        "CREATE TABLE kept AS SELECT * FROM account_head WHERE account_id = 'acc-1'";
    static const char BACK[] =
        "DELETE FROM journal WHERE account_id = 'acc-1' AND seq > (SELECT journal_seq FROM kept); "
        "UPDATE account_head h SET version = k.version, serial = k.serial, journal_seq = "
        "k.journal_seq, journal_hash = k.journal_hash FROM kept k WHERE h.account_id = "
        "k.account_id; UPDATE grp SET name = 'zero' WHERE id = 'grp-1'; DROP TABLE kept";
    RK_CLEANUP(db_closep) struct db *db = NULL;
    const struct snapshot *s;

    sample_setup();
    db = env_db(&e);
    rename_group(a, "zero");
    ck_ok(db_script(db, KEEP, err));
    rename_group(a, "lost");
    s = snap_now(b, RK_STR("acc-1"));
    ck_assert(rk_str_eqz(snap_group(s, RK_STR("grp-1"))->name, "lost"));
    snap_unref(s);
    mgmt_close(a);
    ck_ok(db_script(db, BACK, err));
    a = engine_open();
    rename_group(a, "found");       /* the same version, another chain */
    for (int i = 0; i < 600; i++) { /* nobody tells: the comparison of the heads finds it */
        bool ok;

        s = snap_of(b, RK_STR("acc-1"));
        ok = rk_str_eqz(snap_group(s, RK_STR("grp-1"))->name, "found");
        snap_unref(s);
        if (ok)
            break;
        (void)poll(NULL, 0, 100);
    }
    compare(RK_STR("acc-1"));
    db_close(db);
    db = NULL;
    teardown();
    rk_arena_free(mem);
}
END_TEST

START_TEST(changes_are_heard_with_what_changed)
{
    const struct snapshot *before, *now;
    struct mgmt_follow f;

    sample_setup();
    before = snap_of(b, RK_STR("acc-1"));
    for (int i = 0; i < 20; i++)
        rename_group(a, i % 2 ? "even" : "odd");
    for (int i = 0; i < 600; i++) { /* by itself */
        now = snap_of(b, RK_STR("acc-1"));
        if (snap_serial(now) == snap_serial(before) + 20)
            break;
        snap_unref(now);
        now = NULL;
        (void)poll(NULL, 0, 100);
    }
    ck_assert_ptr_nonnull(now);
    snap_unref(now);
    snap_unref(before);
    mgmt_follow_stats(b, &f);
    ck_assert_uint_ge(f.versions, 20);
    ck_assert_uint_eq(f.reloaded, 0);
    teardown();
    rk_arena_free(mem);
}
END_TEST

/* ---- nobody is shown less than elsewhere */

struct asked {
    struct mgmt_current c;
    _Atomic int done;
};

static void asked_done(struct mgmt_current *c)
{
    rk_container_of(c, struct asked, c)->done++;
}

START_TEST(who_asks_gets_what_was_committed_before)
{
    sample_setup();
    for (int i = 0; i < 50; i++) {
        struct asked q = {.c.done = asked_done};
        const struct snapshot *s;
        bool now = true;
        char name[32];

        (void)snprintf(name, sizeof name, "name %d", i);
        rename_group(a, name);
        ck_ok(mgmt_current(b, &q.c, &now, err));
        ck_assert(!now);
        mgmt_drain(b);
        ck_assert_int_eq(q.done, 1);
        ck_assert_int_eq(q.c.err.code, RK_OK);
        s = snap_of(b, RK_STR("acc-1"));
        ck_assert(rk_str_eqz(snap_group(s, RK_STR("grp-1"))->name, name));
        snap_unref(s);
    }
    teardown();
    rk_arena_free(mem);
}
END_TEST

/* ---- the form of the journal */

START_TEST(every_field_comes_back_from_the_journal)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *scratch = rk_arena_new(0);
    struct store s = {.mem = scratch};
    struct account_data d = sample_account(scratch);
    struct rk_key key;

    s.vault = vault = vault_new();
    rk_key_generate(&key);
    ck_ok(vault_add_key(vault, &key, err));
    for (int i = 0; i < ENT_COUNT; i++) {
        enum entity_kind k = (enum entity_kind)i;
        struct rk_str json = {0}, id;
        const void *items = &d.account, *back = NULL;
        size_t n = 1, comma;

        if (k == ENT_GROUP_PEER)
            continue;
        if (k == ENT_SETTINGS)
            items = &d.settings;
        else if (k == ENT_DNS_SETTINGS)
            items = &d.dns_settings;
        else if (k != ENT_ACCOUNT)
            ck_assert(account_data_table(&d, k, &items, &n));
        ck_assert_uint_gt(n, 0);
        id = entity_id(k, items);
        ck_ok(store_json(&s, k, items, &json, err));
        ck_ok(store_from_json(&s, RK_STR("acc-1"), k, id, json, NULL, &back, err));
        ck_assert_msg(store_equal(k, items, back), "%s differs", entity_kind_text(k));
        if (k == ENT_POLICY)
            ck_assert(rk_str_eq(((const struct policy *)back)->rules[0].policy_id, id));
        if (k == ENT_PEER)
            ck_assert_int_eq(((const struct peer *)back)->status.last_seen_us,
                             d.peers[0].status.last_seen_us);
        /* another version's: a column less, and a value of another form */
        json.p = rk_arena_printf(scratch, "%.*s}", (int)json.n - 1, json.p).p;
        for (comma = json.n - 2; json.p[comma] != ',';)
            comma--;
        back = NULL;
        if (rk_str_find(rk_str_of(json.p + comma, json.n - comma), RK_STR("\":")) == 0)
            continue; /* inside of a list */
        ck_assert_int_ne(store_from_json(&s, RK_STR("acc-1"), k, id,
                                         rk_arena_printf(scratch, "%.*s}", (int)comma, json.p),
                                         NULL, &back, NULL),
                         RK_OK);
        ck_assert_ptr_null(back);
    }
    vault_free(vault);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("follow");
    TCase *tc = tcase_create("follow");

    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, every_field_comes_back_from_the_journal);
    if (env_engines() == 2) {
        tcase_add_loop_test(tc, what_is_followed_is_what_is_read, 0, SEEDS);
        tcase_add_test(tc, a_pruned_journal_is_a_reload);
        tcase_add_test(tc, a_row_that_is_not_of_the_chain_is_a_reload);
        tcase_add_test(tc, a_history_that_was_lost_is_a_reload);
        tcase_add_test(tc, changes_are_heard_with_what_changed);
        tcase_add_test(tc, who_asks_gets_what_was_committed_before);
    }
    suite_add_tcase(s, tc);
    return run_suite(s);
}
