/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests management/identity/local_users.c: subjects, addresses, passwords, and the table on both
 * engines. */
#include "config.h"

#include "management/identity/local_users.h"

#include <ctype.h>

#include "lib/crypto/pwhash.h"
#include "lib/crypto/vault.h"
#include "management/identity/logins.h"
#include "management/store/migrate.h"
#include "tests/unit/management/store_env.h"
#include "tests/unit/run.h"

#define UUID      "7aad8c05-3287-473f-b42a-365504bf25e7"
#define SUB_LOCAL "CiQ3YWFkOGMwNS0zMjg3LTQ3M2YtYjQyYS0zNjU1MDRiZjI1ZTcSBWxvY2Fs"
#define SUB_OKTA                                                                                   \
    "CiQ3YWFkOGMwNS0zMjg3LTQ3M2YtYjQyYS0zNjU1MDRiZjI1ZTcSGW9rdGEtY3FhMWIyYzNkNGU1ZjZnN2g4aTA"

static struct rk_arena *mem;

static void setup(void)
{
    mem = rk_arena_new(0);
}

static void teardown(void)
{
    rk_arena_free(mem);
}

START_TEST(subjects_are_those_of_the_official_server)
{
    struct rk_str id, connector;

    ck_assert_str_eq(rk_arena_dupz(mem, idp_subject_encode(mem, RK_STR(UUID), RK_STR("local"))),
                     SUB_LOCAL);
    ck_assert_str_eq(rk_arena_dupz(mem, idp_subject_encode(mem, RK_STR(UUID),
                                                           RK_STR("okta-cqa1b2c3d4e5f6g7h8i0"))),
                     SUB_OKTA);
    ck_assert(idp_subject_decode(mem, RK_STR(SUB_LOCAL), &id, &connector));
    ck_assert(rk_str_eqz(id, UUID) && rk_str_eqz(connector, "local"));
    ck_assert(idp_subject_decode(mem, RK_STR(SUB_OKTA "="), &id, &connector));
    ck_assert(rk_str_eqz(connector, "okta-cqa1b2c3d4e5f6g7h8i0"));
}
END_TEST

START_TEST(other_subjects_are_refused)
{
    static const char SUB[] = SUB_LOCAL;
    static const char *const bad[] = {
        "",       "=",       "auth0|123",  "CiQ", "!!!!", SUB_LOCAL "AA",
        "CgASAA", "CgFhEgA", "EgVsb2NhbA", UUID};
    struct rk_str id, connector;

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++)
        ck_assert_msg(!idp_subject_decode(mem, rk_str_z(bad[i]), &id, &connector), "%s", bad[i]);
    for (size_t n = 0; n < sizeof SUB - 1; n++)
        ck_assert(!idp_subject_decode(mem, rk_str_of(SUB, n), &id, &connector));
}
END_TEST

START_TEST(addresses)
{
    static const char *const ok[] = {"a@b.co", "A.b+c@sub.example.com", "x@localhost",
                                     "\xc3\xbc@b\xc3\xbc.de"};
    static const char *const bad[] = {"",      "a",       "@b",    "a@",     "a@@b",
                                      "a@b@c", "a b@c",   "a@.b",  "a@b.",   "a@b\n.c",
                                      "<a@b>", "a@b\xff", "a,b@c", "\"a\"@b"};

    for (size_t i = 0; i < RK_ARRAY_LEN(ok); i++)
        ck_assert_msg(idp_email_ok(rk_str_z(ok[i])), "%s", ok[i]);
    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++)
        ck_assert_msg(!idp_email_ok(rk_str_z(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(passwords)
{
    static const char *const bad[] = {"", "Short1!", "nodigitsHERE!", "nocapital1!", "NoMark123"};
    char one[17], two[17];

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++)
        ck_assert_msg(idp_password_check(rk_str_z(bad[i]), NULL) == RK_INVALID, "%s", bad[i]);
    for (int i = 0; i < 200; i++) {
        idp_password_new(one);
        idp_password_new(two);
        ck_assert_uint_eq(strlen(one), 16);
        ck_assert_str_ne(one, two);
        ck_assert_int_eq(idp_password_check(rk_str_z(one), NULL), RK_OK);
    }
}
END_TEST

static void fill(struct local_user *u, const char *id, const char *email)
{
    *u = (struct local_user){.id = rk_str_z(id),
                             .email = rk_str_z(email),
                             .name = RK_STR("N\xc3\xa4me"),
                             .pw_hash = RK_STR("hash"),
                             .created_at_us = 5};
    u->subject = idp_subject_encode(mem, u->id, RK_STR(IDP_LOCAL_CONNECTOR));
}

static void check_sealed(struct db *db)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    size_t n = 0;

    ck_ok(db_query(db, &rows, err, "SELECT email_key, email_sealed, name_sealed FROM local_user",
                   DB_NOARGS));
    for (; db_next(rows); n++)
        for (int i = 0; i < 3; i++) {
            struct rk_str v = db_col_text(rows, i, mem);

            ck_assert(v.n && rk_str_find(v, RK_STR("example")) == v.n &&
                      rk_str_find(v, RK_STR("N\xc3\xa4me")) == v.n);
        }
    ck_ok(db_end(rows, err));
    ck_assert_uint_eq(n, 2);
}

static struct local_user again(struct local_users *l, const struct local_user *u)
{
    struct local_user now;

    ck_ok(local_user_by_subject(l, u->subject, &now, err));
    return now;
}

/* Each recovery code works once; wrong codes are counted until a right one. */
static void second_factor(struct local_users *l, const struct local_user *u)
{
    struct local_user now = *u;
    bool ok = true;

    ck_ok(local_user_totp_failed(l, u->subject, err));
    ck_ok(local_user_totp_failed(l, u->subject, err));
    ck_assert_int_eq(again(l, u).totp_fails, 2);
    ck_ok(local_user_use_totp(l, u->subject, 8, &ok, err));
    ck_assert(ok && again(l, u).totp_fails == 0);
    ck_ok(local_user_use_totp(l, u->subject, 8, &ok, err));
    ck_assert(!ok);
    ck_ok(local_user_totp_failed(l, u->subject, err));
    ck_ok(local_user_use_recovery(l, &now, RK_STR("r3"), &ok, err));
    ck_assert(!ok);
    ck_ok(local_user_use_recovery(l, &now, RK_STR("r1"), &ok, err));
    ck_assert(ok);
    ck_ok(local_user_use_recovery(l, &now, RK_STR("r1"), &ok, err)); /* read before the first use */
    ck_assert(!ok);
    now = again(l, u);
    ck_assert(rk_str_eqz(now.recovery, "r2") && now.totp_fails == 0);
    ck_ok(local_user_use_recovery(l, &now, RK_STR("r2"), &ok, err));
    ck_assert(ok && !again(l, u).recovery.n);
}

/* What raises the generation, and what does not. */
static void ends(struct local_users *l, const struct local_user *u)
{
    int64_t gen = -1;

    ck_ok(logins_check(l->db, mem, u->subject, 0, err));
    ck_ok(local_user_change_password(l, u->subject, RK_STR("other"), 10, err));
    ck_fails(logins_check(l->db, mem, u->subject, 0, err), RK_UNAUTHENTICATED);
    ck_ok(logins_check(l->db, mem, u->subject, 1, err));
    ck_fails(local_user_admin_password(l, u->email, RK_STR("short"), 11, err), RK_INVALID);
    ck_fails(local_user_admin_password(l, RK_STR("x@example.com"), RK_STR("Good-Horse7!"), 11, err),
             RK_NOT_FOUND);
    ck_ok(local_user_admin_password(l, u->email, RK_STR("Good-Horse7!"), 11, err));
    ck_ok(pwhash_verify(again(l, u).pw_hash, RK_STR("Good-Horse7!"), err));
    ck_ok(local_user_admin_reset_totp(l, u->email, err));
    ck_assert(!again(l, u).totp.n && again(l, u).totp_last == 0);
    ck_ok(logins_gen(l->db, u->subject, &gen, err));
    ck_assert_int_eq(gen, 3);
    ck_fails(logins_check(l->db, mem, RK_STR("nobody"), 0, err), RK_UNAUTHENTICATED);
}

START_TEST(long_ids_of_directories_fit)
{
    for (size_t n = 1; n <= IDP_SUBJECT_PART; n += 37) {
        char *text = rk_arena_alloc(mem, n);
        struct rk_str id = rk_str_of(text, n), sub, user, realm;

        memset(text, 'x', n);
        sub = idp_subject_encode(mem, id, RK_STR("oidc-1"));
        ck_assert(idp_subject_decode(mem, sub, &user, &realm));
        ck_assert(rk_str_eq(user, id) && rk_str_eqz(realm, "oidc-1"));
    }
}
END_TEST

START_TEST(the_table)
{
    struct env e;
    struct rk_key key = {{1}};
    struct vault *vault = vault_new();
    struct local_users l = {.vault = vault, .mem = mem};
    struct local_user a, b, found;
    int64_t n;

    env_open(&e, _i);
    l.db = env_db(&e);
    ck_ok(store_migrate(l.db, err));
    ck_ok(vault_add_key(vault, &key, err));
    fill(&a, UUID, "Anna@Example.com");
    fill(&b, "8aad8c05-3287-473f-b42a-365504bf25e7", "bert@example.com");
    ck_ok(local_user_insert(&l, &a, err));
    ck_ok(local_user_insert(&l, &b, err));
    b.id = b.subject = RK_STR("another");
    b.email = RK_STR("ANNA@example.com");
    ck_fails(local_user_insert(&l, &b, err), RK_EXISTS);
    check_sealed(l.db);
    ck_ok(local_user_by_email(&l, RK_STR("anna@EXAMPLE.com"), &found, err));
    ck_assert(rk_str_eq(found.subject, a.subject) && rk_str_eqz(found.email, "Anna@Example.com") &&
              rk_str_eq(found.name, a.name) && !found.totp.n && found.created_at_us == 5);
    ck_fails(local_user_by_email(&l, RK_STR("carl@example.com"), &found, err), RK_NOT_FOUND);
    ck_ok(local_user_set_password(&l, a.subject, RK_STR("new"), 9, err));
    ck_ok(local_user_set_totp(&l, a.subject, RK_STR("SECRET"), 7, RK_STR("r1 r2"), err));
    ck_ok(local_user_by_subject(&l, a.subject, &found, err));
    ck_assert(rk_str_eqz(found.pw_hash, "new") && rk_str_eqz(found.totp, "SECRET") &&
              found.totp_last == 7 && found.gen == 0 && rk_str_eqz(found.recovery, "r1 r2"));
    second_factor(&l, &found);
    ends(&l, &found);
    ck_ok(local_user_delete(&l, a.subject, err));
    ck_ok(local_user_delete(&l, a.subject, err));
    ck_ok(local_user_count(l.db, &n, err));
    ck_assert_int_eq(n, 1);
    db_close(l.db);
    vault_free(vault);
    env_close(&e);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("local users");
    TCase *t = tcase_create("local users");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, subjects_are_those_of_the_official_server);
    tcase_add_test(t, other_subjects_are_refused);
    tcase_add_test(t, long_ids_of_directories_fit);
    tcase_add_test(t, addresses);
    tcase_add_test(t, passwords);
    tcase_add_loop_test(t, the_table, env_first(), env_engines());
    suite_add_tcase(s, t);
    return run_suite(s);
}
