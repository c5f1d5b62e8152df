/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the entity store, its codecs and the journal, on both engines. */
#include "config.h"

#include "management/store/store.h"

#include <stdint.h>

#include "lib/crypto/vault.h"
#include "lib/json/json.h"
#include "lib/json/pull.h"
#include "management/store/journal.h"
#include "management/store/migrate.h"
#include "tests/unit/management/store_env.h"
/* after store_env.h: uses libcheck */
#include "tests/unit/management/sample.h"
#include "tests/unit/run.h"

static struct env e;
static struct store s;
static struct vault *vault;

static const char SQL_HEAD[] =
    "INSERT INTO account_head (account_id, serial, version, journal_seq, journal_hash, base_seq, "
    "base_hash) VALUES ($1, 0, 0, $2, $3, 0, $4)";

static void setup(int engine)
{
    struct rk_key key;

    env_open(&e, engine);
    vault = vault_new();
    rk_key_generate(&key);
    ck_ok(vault_add_key(vault, &key, err));
    s = (struct store){.db = env_db(&e), .vault = vault, .mem = rk_arena_new(0)};
    ck_ok(store_migrate(s.db, err));
}

static void teardown(void)
{
    db_close(s.db);
    vault_free(vault);
    rk_arena_free(s.mem);
    env_close(&e);
}

/* Insert every entity of an account in an order that foreign keys accept. */
static void insert_all(const struct account_data *d)
{
    ck_ok(store_insert(&s, d->account.id, ENT_ACCOUNT, &d->account, NULL, err));
    ck_ok(store_insert(&s, d->account.id, ENT_SETTINGS, &d->settings, NULL, err));
    ck_ok(store_insert(&s, d->account.id, ENT_DNS_SETTINGS, &d->dns_settings, NULL, err));
    for (int k = 0; k < ENT_COUNT; k++) {
        const void *items;
        size_t n;

        if (k == ENT_GROUP_PEER || !account_data_table(d, (enum entity_kind)k, &items, &n))
            continue;
        for (size_t i = 0; i < n; i++)
            ck_ok(store_insert(&s, d->account.id, (enum entity_kind)k,
                               (const char *)items + i * entity_size((enum entity_kind)k), NULL,
                               err));
    }
    for (size_t i = 0; i < d->n_group_peers; i++)
        for (int twice = 0; twice < 2; twice++)
            ck_ok(store_member_add(&s, d->account.id, d->group_peers[i].group_id,
                                   d->group_peers[i].peer_id, err));
}

static void assert_same(const struct account_data *a, const struct account_data *b)
{
    ck_assert(store_equal(ENT_ACCOUNT, &a->account, &b->account));
    ck_assert(store_equal(ENT_SETTINGS, &a->settings, &b->settings));
    ck_assert(store_equal(ENT_DNS_SETTINGS, &a->dns_settings, &b->dns_settings));
    ck_assert_uint_eq(a->n_group_peers, b->n_group_peers);
    for (int k = 0; k < ENT_COUNT; k++) {
        size_t size = entity_size((enum entity_kind)k), na, nb;
        const void *x, *y;

        if (k == ENT_GROUP_PEER || !account_data_table(a, (enum entity_kind)k, &x, &na))
            continue;
        ck_assert(account_data_table(b, (enum entity_kind)k, &y, &nb));
        ck_assert_msg(na == nb, "%s: %zu, %zu", entity_kind_text((enum entity_kind)k), na, nb);
        for (size_t i = 0; i < na; i++) {
            const void *p = (const char *)x + i * size, *q = (const char *)y + i * size;

            ck_assert_msg(store_equal((enum entity_kind)k, p, q), "%s %zu differs",
                          entity_kind_text((enum entity_kind)k), i);
            ck_assert(
                rk_str_eq(entity_id((enum entity_kind)k, p), entity_id((enum entity_kind)k, q)));
        }
    }
}

START_TEST(every_field_of_every_entity_comes_back)
{
    struct account_data in, out = {0};

    setup(_i);
    in = sample_account(s.mem);
    insert_all(&in);
    ck_ok(store_load(&s, in.account.id, &out, err));
    assert_same(&in, &out);
    ck_assert(out.peers[0].status.connected);
    ck_assert_int_eq(out.peers[0].status.last_seen_us, 7);
    ck_assert_int_eq(out.peers[0].status.session_token, 5);
    ck_assert(rk_str_eqz(out.peers[0].account_id, "acc-1"));
    ck_assert(rk_str_eqz(out.policies[0].rules[0].policy_id, "pol-1"));
    ck_fails(store_load(&s, RK_STR("acc-none"), &out, err), RK_NOT_FOUND);
    teardown();
}
END_TEST

START_TEST(one_entity_is_loaded_with_its_parts)
{
    struct account_data in;
    const void *one = NULL;

    setup(_i);
    in = sample_account(s.mem);
    insert_all(&in);
    for (int k = 0; k < ENT_COUNT; k++) {
        const void *items;
        size_t n;

        if (k == ENT_GROUP_PEER || !account_data_table(&in, (enum entity_kind)k, &items, &n))
            continue;
        ck_ok(store_load_one(&s, in.account.id, (enum entity_kind)k,
                             entity_id((enum entity_kind)k, items), &one, err));
        ck_assert_ptr_nonnull(one);
        ck_assert_msg(store_equal((enum entity_kind)k, items, one), "%s differs",
                      entity_kind_text((enum entity_kind)k));
        ck_ok(store_load_one(&s, in.account.id, (enum entity_kind)k, RK_STR("nope"), &one, err));
        ck_assert_ptr_null(one);
    }
    ck_ok(store_load_one(&s, in.account.id, ENT_SETTINGS, in.account.id, &one, err));
    ck_assert(store_equal(ENT_SETTINGS, &in.settings, one));
    teardown();
}
END_TEST

START_TEST(updates_write_the_differences)
{
    struct account_data in, out = {0};
    struct policy p;
    struct peer peer;
    struct group g;
    struct user u;

    setup(_i);
    in = sample_account(s.mem);
    insert_all(&in);
    p = in.policies[0];
    p.name = RK_STR("renamed");
    p.rules = ONE(s.mem, struct rule,
                  {.id = RK_STR("pol-1"),
                   .policy_id = RK_STR("pol-1"),
                   .sources = sample_strs(s.mem, 1, "grp-1")});
    p.n_rules = 1;
    p.posture_checks = (struct str_list){0};
    ck_ok(store_update(&s, in.account.id, ENT_POLICY, &in.policies[0], &p, err));
    peer = in.peers[0];
    peer.meta.version = RK_STR("0.80");
    peer.status.login_expired = false;
    peer.ip6 = (struct rk_ip){0};
    peer.status.connected = false; /* a snapshot's presence is old: must not be written back */
    peer.status.last_seen_us = 1;
    peer.user_id = RK_STR("");
    ck_ok(store_update(&s, in.account.id, ENT_PEER, &in.peers[0], &peer, err));
    g = in.groups[1];
    g.n_resources = 0;
    g.resources = NULL;
    ck_ok(store_update(&s, in.account.id, ENT_GROUP, &in.groups[1], &g, err));
    u = in.users[0];
    u.auto_groups = sample_strs(s.mem, 1, "grp-9");
    u.email = RK_STR("");
    ck_ok(store_update(&s, in.account.id, ENT_USER, &in.users[0], &u, err));
    ck_ok(store_load(&s, in.account.id, &out, err));
    ck_assert(store_equal(ENT_POLICY, &p, &out.policies[0]));
    ck_assert(store_equal(ENT_PEER, &peer, &out.peers[0]));
    ck_assert(out.peers[0].status.connected);
    ck_assert_int_eq(out.peers[0].status.last_seen_us, 7);
    ck_assert(store_equal(ENT_GROUP, &g, &out.groups[1]));
    ck_assert(store_equal(ENT_USER, &u, &out.users[0]));
    ck_assert(!store_equal(ENT_USER, &in.users[0], &out.users[0]));
    u.id = RK_STR("user-none");
    u.blocked = !u.blocked;
    ck_fails(store_update(&s, in.account.id, ENT_USER, &in.users[0], &u, err), RK_NOT_FOUND);
    teardown();
}
END_TEST

START_TEST(deleting_leaves_nothing_behind)
{
    static const char counts[] =
        "SELECT (SELECT count(*) FROM policy_rule) + (SELECT count(*) FROM policy_posture) + "
        "(SELECT count(*) FROM group_ref WHERE owner_kind IN ('policy_rule', 'user')) + "
        "(SELECT count(*) FROM pat) + (SELECT count(*) FROM grp_peer) + "
        "(SELECT count(*) FROM peer_meta) + (SELECT count(*) FROM peer_status)";
    struct account_data in;
    int64_t n = -1;

    setup(_i);
    in = sample_account(s.mem);
    insert_all(&in);
    ck_ok(store_delete(&s, ENT_POLICY, &in.policies[0], err));
    ck_ok(store_delete(&s, ENT_USER, &in.users[0], err));
    ck_ok(store_delete(&s, ENT_PEER, &in.peers[0], err));
    ck_fails(store_delete(&s, ENT_PEER, &in.peers[0], err), RK_NOT_FOUND);
    ck_ok(db_get_i64(s.db, &n, err, counts, DB_NOARGS));
    ck_assert_int_eq(n, 0);
    teardown();
}
END_TEST

START_TEST(taken_columns_are_told)
{
    struct account_data in;
    struct peer p;
    bool taken = false;

    setup(_i);
    in = sample_account(s.mem);
    insert_all(&in);
    p = in.peers[0];
    p.id = RK_STR("peer-2");
    ck_ok(store_insert(&s, in.account.id, ENT_PEER, &p, &taken, err)); /* key, address, label */
    ck_assert(taken);
    p.key = RK_STR("BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    p.ip = sample_ip("100.64.0.2");
    ck_ok(store_insert(&s, in.account.id, ENT_PEER, &p, &taken, err)); /* IPv6 address, label */
    ck_assert(taken);
    p.ip6 = sample_ip("fd00::2");
    p.dns_label = RK_STR("web-0-2");
    ck_ok(store_insert(&s, in.account.id, ENT_PEER, &p, &taken, err));
    ck_assert(!taken);
    p.id = RK_STR("peer-3");
    ck_fails(store_insert(&s, in.account.id, ENT_PEER, &p, NULL, err), RK_EXISTS);
    teardown();
}
END_TEST

START_TEST(names_and_mail_are_sealed_in_the_database)
{
    static const char plain[] =
        "SELECT (SELECT count(*) FROM usr WHERE email_sealed LIKE '%example%' OR "
        "email_sealed NOT LIKE 'rk1:%' OR name_sealed LIKE '%rgen%') + "
        "(SELECT count(*) FROM invite WHERE email_sealed LIKE '%example%')";
    struct account_data in, out = {0};
    struct vault *other = vault_new();
    struct rk_str json = {0};
    struct rk_key key;
    int64_t n = -1;

    setup(_i);
    in = sample_account(s.mem);
    insert_all(&in);
    ck_ok(db_get_i64(s.db, &n, err, plain, DB_NOARGS));
    ck_assert_int_eq(n, 0);
    ck_ok(store_json(&s, ENT_USER, &in.users[0], &json, err));
    ck_assert_uint_eq(rk_str_find(json, RK_STR("example")), json.n);
    ck_assert_uint_lt(rk_str_find(json, RK_STR("rk1:")), json.n);
    rk_key_generate(&key);
    ck_ok(vault_add_key(other, &key, err));
    s.vault = other;
    ck_fails(store_load(&s, in.account.id, &out, err), RK_INTERNAL); /* wrong store key */
    vault_free(other);
    teardown();
}
END_TEST

START_TEST(bad_text_is_refused_not_cut)
{
    struct account_data in;
    struct peer p;

    setup(_i);
    in = sample_account(s.mem);
    insert_all(&in);
    p = in.peers[0];
    p.meta.hostname = RK_STR("caf\xe9");
    ck_fails(store_update(&s, in.account.id, ENT_PEER, &in.peers[0], &p, err), RK_INVALID);
    p = in.peers[0];
    p.name = RK_STR("a\0b");
    ck_fails(store_update(&s, in.account.id, ENT_PEER, &in.peers[0], &p, err), RK_INVALID);
    teardown();
}
END_TEST

/* ---- journal */

static void journal_fill(struct journal_head *head, int n)
{
    uint8_t zero[HASH_SHA256_SIZE] = {0};

    for (int i = 0; i < n; i++) {
        struct journal_row r = {.account_id = RK_STR("acc-1"),
                                .version = i,
                                .serial = i,
                                .at_us = 1000 + i,
                                .actor = RK_STR("user-1"),
                                .op = JOURNAL_UPDATE,
                                .kind = RK_STR("peer"),
                                .entity_id = RK_STR("peer-1"),
                                .before = RK_STR("{\"a\":1}"),
                                .after = RK_STR("{\"a\":2}")};

        ck_ok(journal_append(s.db, head, &r, err));
    }
    ck_ok(db_exec(s.db, err, NULL, SQL_HEAD,
                  DB_ARGS(db_textz("acc-1"), db_i64(head->seq),
                          db_blob(rk_str_of(head->hash, sizeof head->hash)),
                          db_blob(rk_str_of(zero, sizeof zero)))));
}

static struct journal_report verify(void)
{
    struct journal_report r = {0};
    struct rk_str account = {0};

    ck_ok(journal_verify_all(s.db, s.mem, &account, &r, err));
    return r;
}

START_TEST(an_untouched_journal_verifies)
{
    struct journal_head head = {0};
    struct journal_report r;

    setup(_i);
    ck_ok(db_begin(s.db, err));
    journal_fill(&head, 2500);
    ck_ok(db_commit(s.db, err));
    r = verify();
    ck_assert_msg(!r.broken, "%s", r.reason);
    ck_assert_int_eq(r.rows, 2500);
    teardown();
}
END_TEST

START_TEST(every_kind_of_tampering_is_found)
{
    static const char *const attacks[] = {
        "UPDATE journal SET actor = 'nobody' WHERE seq = 5",
        "UPDATE journal SET op = 'create' WHERE seq = 5",
        "UPDATE journal SET before = '' WHERE seq = 5",
        "UPDATE journal SET after = after || ' ' WHERE seq = 5",
        "UPDATE journal SET at = at + 1 WHERE seq = 5",
        "UPDATE journal SET kind = 'grou' WHERE seq = 5",
        "DELETE FROM journal WHERE seq = 5",
        "DELETE FROM journal WHERE seq = 1",
        "DELETE FROM journal WHERE seq = 20",
        "DELETE FROM journal",
        "UPDATE journal SET hash = (SELECT hash FROM journal WHERE seq = 6) WHERE seq = 5",
        "UPDATE account_head SET journal_seq = 19",
        "UPDATE account_head SET base_seq = 3",
    };

    setup(_i);
    for (size_t i = 0; i < RK_ARRAY_LEN(attacks); i++) {
        struct journal_head head = {0};
        struct journal_report r;

        ck_ok(db_begin(s.db, err));
        journal_fill(&head, 20);
        r = verify();
        ck_assert(!r.broken);
        ck_ok(db_script(s.db, attacks[i], err));
        r = verify();
        ck_assert_msg(r.broken, "not found: %s", attacks[i]);
        ck_assert_int_ne(r.reason[0], 0);
        db_rollback(s.db);
    }
    teardown();
}
END_TEST

/* All that is older, in steps; how many rows went. */
static int64_t prune(int64_t before_us)
{
    struct journal_prune p = {.account_id = RK_STR("acc-1"), .before_us = before_us};
    int64_t n = 0;

    do {
        ck_ok(db_tx(s.db, journal_prune_step, &p, err));
        n += p.dropped;
    } while (p.dropped > 0);
    return n;
}

START_TEST(a_pruned_journal_still_verifies)
{
    struct journal_head head = {0};
    struct journal_report r;
    struct journal_prune none = {.account_id = RK_STR("acc-none"), .before_us = 1};

    setup(_i);
    ck_ok(db_begin(s.db, err));
    journal_fill(&head, 100);
    ck_ok(db_commit(s.db, err));
    ck_assert_int_eq(prune(1040), 40);
    r = verify();
    ck_assert_msg(!r.broken, "%s", r.reason);
    ck_assert_int_eq(r.rows, 60);
    ck_assert_int_eq(prune(INT64_MAX), 59); /* the last one stays */
    r = verify();
    ck_assert(!r.broken);
    ck_fails(db_tx(s.db, journal_prune_step, &none, err), RK_NOT_FOUND);
    teardown();
}
END_TEST

int main(void)
{
    Suite *su = suite_create("store");
    TCase *tc = tcase_create("store");
    int engines = env_engines();

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, every_field_of_every_entity_comes_back, env_first(), engines);
    tcase_add_loop_test(tc, one_entity_is_loaded_with_its_parts, env_first(), engines);
    tcase_add_loop_test(tc, updates_write_the_differences, env_first(), engines);
    tcase_add_loop_test(tc, deleting_leaves_nothing_behind, env_first(), engines);
    tcase_add_loop_test(tc, taken_columns_are_told, env_first(), engines);
    tcase_add_loop_test(tc, names_and_mail_are_sealed_in_the_database, env_first(), engines);
    tcase_add_loop_test(tc, bad_text_is_refused_not_cut, env_first(), engines);
    tcase_add_loop_test(tc, an_untouched_journal_verifies, env_first(), engines);
    tcase_add_loop_test(tc, every_kind_of_tampering_is_found, env_first(), engines);
    tcase_add_loop_test(tc, a_pruned_journal_still_verifies, env_first(), engines);
    suite_add_tcase(su, tc);
    return run_suite(su);
}
