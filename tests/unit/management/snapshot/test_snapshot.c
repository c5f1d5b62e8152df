/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots: lookups, versions, renumbering, and readers on many threads. */
#include "config.h"

#include "management/snapshot/snapshot.h"

#include <pthread.h>

#include "tests/unit/management/netmap/fixture.h"
#include "tests/unit/vec.h"

static struct rk_arena *mem;

static void setup(void)
{
    mem = rk_arena_new(0);
}

static void teardown(void)
{
    rk_arena_free(mem);
}

static struct snapshot *deleted(struct snapshot *s, struct rk_str id)
{
    struct change c = {.kind = ENT_PEER, .id = id};
    struct snapshot *next = snap_apply(s, &c, 1, snap_serial(s) + 1);

    snap_unref(s);
    return next;
}

START_TEST(finds_rows_and_peers)
{
    struct account_data *d = fx_account(mem, 200);
    struct snapshot *s = snap_build(d, &FX_OPTS);
    struct rk_ip ip = rk_ip4(100, 64, 0, 130);
    const struct peer *p;
    size_t n = 0;

    ck_assert_uint_eq(snap_count(s, ENT_PEER), 200);
    ck_assert_uint_eq(snap_peer_limit(s), 200);
    for (size_t i = 0; i < 200; i++) {
        uint32_t at = snap_index_of(s, d->peers[i].id);

        ck_assert_uint_eq(at, snap_index_by_key(s, d->peers[i].key));
        ck_assert_uint_eq(at, snap_index_by_label(s, d->peers[i].dns_label));
        ck_assert_uint_eq(at, snap_index_by_ip(s, &d->peers[i].ip));
        ck_assert(rk_str_eq(snap_peer_at(s, at)->id, d->peers[i].id));
    }
    ck_assert_uint_eq(snap_index_by_ip(s, &ip), 130);
    ip.b[3] = 250;
    ck_assert_uint_eq(snap_index_by_ip(s, &ip), SNAP_NO_PEER);
    ck_assert_uint_eq(snap_index_by_key(s, RK_STR("nobody")), SNAP_NO_PEER);
    ck_assert_ptr_null(snap_find(s, ENT_ROUTE, RK_STR("pol")));
    ck_assert_ptr_nonnull(snap_policy(s, RK_STR("pol")));
    ck_assert_ptr_eq(snap_group_all(s), snap_group(s, RK_STR("all")));
    ck_assert_uint_eq(snap_group_size(s, RK_STR("third")), 67);
    ck_assert(!bits_any(snap_group_members(s, RK_STR("unknown"))));
    (void)snap_peer_groups(s, 3, mem, &n);
    ck_assert_uint_eq(n, 2);
    n = 0;
    for (struct snap_iter it = snap_iter(s, ENT_PEER); (p = snap_next(&it)) != NULL; n++)
        ck_assert(rk_str_eq(p->id, d->peers[n].id));
    ck_assert_uint_eq(n, 200);
    snap_unref(s);
}
END_TEST

START_TEST(changes_leave_the_old_version_alone)
{
    struct account_data *d = fx_account(mem, 100);
    struct snapshot *a = snap_build(d, &FX_OPTS), *b;
    struct peer renamed = d->peers[50];
    struct group_peer gone = {.group_id = RK_STR("third"), .peer_id = d->peers[51].id};
    struct change c[] = {
        {.kind = ENT_PEER, .id = renamed.id, .after = &renamed},
        {.kind = ENT_PEER, .id = d->peers[0].id, .before = &d->peers[0]},
        {.kind = ENT_GROUP_PEER, .id = gone.group_id, .before = &gone},
        {.kind = ENT_POLICY, .id = RK_STR("pol"), .before = &d->policies[0]},
    };

    renamed.dns_label = RK_STR("new-name");
    b = snap_apply(a, c, RK_ARRAY_LEN(c), 2);
    ck_assert_uint_eq(snap_serial(a), 1);
    ck_assert_uint_eq(snap_serial(b), 2);
    ck_assert_uint_eq(snap_index_by_label(a, RK_STR("new-name")), SNAP_NO_PEER);
    ck_assert_uint_eq(snap_index_by_label(b, RK_STR("new-name")), 50);
    ck_assert_uint_eq(snap_index_by_label(b, d->peers[50].dns_label), SNAP_NO_PEER);
    ck_assert(snap_peer_at(a, 0) && !snap_peer_at(b, 0));
    ck_assert_uint_eq(snap_index_by_key(b, d->peers[0].key), SNAP_NO_PEER);
    ck_assert(snap_is_member(a, RK_STR("third"), 51) && !snap_is_member(b, RK_STR("third"), 51));
    ck_assert_uint_eq(snap_group_size(b, RK_STR("all")), 99);
    ck_assert(snap_policy(a, RK_STR("pol")) && !snap_policy(b, RK_STR("pol")));
    snap_unref(a);
    ck_assert_uint_eq(snap_index_by_label(b, RK_STR("new-name")), 50);
    snap_unref(b);
}
END_TEST

START_TEST(a_freed_index_is_not_reused)
{
    struct account_data *d = fx_account(mem, 20);
    struct snapshot *s = deleted(snap_build(d, &FX_OPTS), d->peers[7].id), *t;
    struct peer p = fx_peer(mem, 20);
    struct group_peer m = {.group_id = RK_STR("all"), .peer_id = p.id};
    struct change c[] = {{.kind = ENT_GROUP_PEER, .id = m.group_id, .after = &m},
                         {.kind = ENT_PEER, .id = p.id, .after = &p}};

    t = snap_apply(s, c, 2, 3); /* the membership stands before its peer */
    ck_assert_uint_eq(snap_epoch(t), snap_epoch(s));
    ck_assert_uint_eq(snap_index_of(t, p.id), 20);
    ck_assert(snap_is_member(t, RK_STR("all"), 20));
    ck_assert_ptr_null(snap_peer_at(t, 7));
    snap_unref(s);
    snap_unref(t);
}
END_TEST

START_TEST(many_deletions_renumber)
{
    struct account_data *d = fx_account(mem, 300);
    struct snapshot *s = snap_build(d, &FX_OPTS);
    uint64_t epoch = snap_epoch(s);
    size_t renumbered = 0;

    for (size_t i = 0; i < 290; i++) {
        s = deleted(s, d->peers[i].id);
        renumbered += snap_epoch(s) != epoch;
        epoch = snap_epoch(s);
        ck_assert_uint_eq(snap_count(s, ENT_PEER), 299 - i);
        ck_assert_uint_le(snap_peer_limit(s), 300 - i + 64 + (300 - i) / 2);
    }
    ck_assert_uint_gt(renumbered, 1);
    ck_assert_uint_lt(renumbered, 10);
    for (size_t i = 290; i < 300; i++) {
        uint32_t at = snap_index_by_key(s, d->peers[i].key);

        ck_assert(rk_str_eq(snap_peer_at(s, at)->id, d->peers[i].id));
        ck_assert(snap_is_member(s, RK_STR("all"), at));
        ck_assert_int_eq(snap_is_member(s, RK_STR("third"), at), i % 3 == 0);
    }
    ck_assert_uint_eq(snap_group_size(s, RK_STR("all")), 10);
    snap_unref(s);
}
END_TEST

START_TEST(dangling_rows_are_tolerated)
{
    struct account_data *d = fx_account(mem, 3);
    struct group_peer bad[] = {{RK_STR("all"), RK_STR("ghost")}, {RK_STR("ghost"), d->peers[0].id}};
    struct change c[] = {
        {.kind = ENT_GROUP_PEER, .id = RK_STR("all"), .after = &bad[0]},
        {.kind = ENT_GROUP_PEER, .id = RK_STR("ghost"), .after = &bad[1]},
        {.kind = ENT_GROUP_PEER, .id = RK_STR("all"), .before = &bad[0]},
        {.kind = ENT_PEER, .id = RK_STR("ghost")},
        {.kind = ENT_GROUP, .id = RK_STR("ghost")},
        {.kind = ENT_ROUTE, .id = RK_STR("ghost")},
        {.kind = ENT_GROUP_PEER, .id = RK_STR("all")},
    };
    struct snapshot *a = snap_build(d, &FX_OPTS), *b = snap_apply(a, c, RK_ARRAY_LEN(c), 2);

    ck_assert_uint_eq(snap_group_size(b, RK_STR("all")), 3);
    snap_unref(a);
    snap_unref(b);
}
END_TEST

START_TEST(an_empty_account_works)
{
    struct account_data d = {.account = {.id = RK_STR("acc")}};
    struct snapshot *a = snap_build(&d, &FX_OPTS), *b = snap_apply(a, NULL, 0, 1);

    ck_assert_uint_eq(snap_peer_limit(b), 0);
    ck_assert(!bits_any(snap_peers(b)));
    ck_assert_ptr_null(snap_group_all(b));
    ck_assert(rk_str_eqz(snap_dns_domain(b), "nb.test"));
    snap_unref(a);
    snap_unref(b);
    snap_unref(NULL);
}
END_TEST

/* One thread makes versions, others read and drop them. */
struct shared {
    pthread_mutex_t lock; /* guards current and done */
    struct snapshot *current;
    bool done;
};

static void *reader(void *arg)
{
    struct shared *sh = arg;
    struct netmap_opts opts = {0};
    struct rk_buf out;
    bool done = false;

    rk_buf_init(&out, 1 << 20);
    for (uint32_t i = 0; !done; i++) {
        struct snapshot *s;

        pthread_mutex_lock(&sh->lock);
        s = snap_ref(sh->current);
        done = sh->done;
        pthread_mutex_unlock(&sh->lock);
        rk_buf_clear(&out);
        netmap_encode(s, i % snap_peer_limit(s), &opts, &out);
        snap_unref(s);
    }
    rk_buf_done(&out);
    return NULL;
}

START_TEST(readers_share_versions)
{
    struct account_data *d = fx_account(mem, 100);
    struct shared sh = {.lock = PTHREAD_MUTEX_INITIALIZER, .current = snap_build(d, &FX_OPTS)};
    pthread_t threads[3];

    for (size_t i = 0; i < RK_ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, reader, &sh), 0);
    for (size_t i = 0; i < 300; i++) {
        struct peer p = d->peers[i % 100];
        struct change c = {.kind = ENT_PEER, .id = p.id, .after = i % 7 ? &p : NULL};
        struct snapshot *old = sh.current, *next;

        p.dns_label = rk_arena_printf(mem, "label%zu", i);
        next = snap_apply(old, &c, 1, i + 2);
        pthread_mutex_lock(&sh.lock);
        sh.current = next;
        sh.done = i == 299;
        pthread_mutex_unlock(&sh.lock);
        snap_unref(old);
    }
    for (size_t i = 0; i < RK_ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    snap_unref(sh.current);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("snapshot");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, finds_rows_and_peers);
    tcase_add_test(t, changes_leave_the_old_version_alone);
    tcase_add_test(t, a_freed_index_is_not_reused);
    tcase_add_test(t, many_deletions_renumber);
    tcase_add_test(t, dangling_rows_are_tolerated);
    tcase_add_test(t, an_empty_account_works);
    tcase_add_test(t, readers_share_versions);
    return vec_run(t, "snapshot");
}
