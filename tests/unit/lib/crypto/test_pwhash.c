/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/crypto/pwhash: own argon2id hashes, foreign bcrypt hashes, ceilings. */
#include "config.h"

#include "tests/unit/vec.h"

#include "lib/crypto/pwhash.h"

/* The least that argon2id takes: the tests are about the code around it. */
static const struct pwhash_cost CHEAP = {1, 8192};

START_TEST(own_hashes_verify)
{
    char one[PWHASH_TEXT_MAX + 1], two[PWHASH_TEXT_MAX + 1];
    struct rk_err err = {0};

    ck_assert_int_eq(pwhash_make(CHEAP, RK_STR("correct horse"), one, NULL), RK_OK);
    ck_assert_int_eq(pwhash_make(CHEAP, RK_STR("correct horse"), two, NULL), RK_OK);
    ck_assert_str_ne(one, two);
    ck_assert_int_eq(strncmp(one, "$argon2id$v=19$m=8,t=1,p=1$", 27), 0);
    ck_assert_int_eq(pwhash_verify(rk_str_z(one), RK_STR("correct horse"), NULL), RK_OK);
    ck_assert_int_eq(pwhash_verify(rk_str_z(one), RK_STR("correct hors"), &err),
                     RK_UNAUTHENTICATED);
    ck_assert_str_eq(err.msg, "wrong password");
    ck_assert_int_eq(pwhash_verify(rk_str_z(one), RK_STR("correct horse\0"), NULL),
                     RK_UNAUTHENTICATED);
    ck_assert_int_eq(pwhash_make(CHEAP, (struct rk_str){0}, one, NULL), RK_OK);
    ck_assert_int_eq(pwhash_verify(rk_str_z(one), (struct rk_str){0}, NULL), RK_OK);
}
END_TEST

START_TEST(default_cost_is_what_the_header_says)
{
    char text[PWHASH_TEXT_MAX + 1];

    ck_assert_int_eq(pwhash_make(PWHASH_COST_DEFAULT, RK_STR("x"), text, NULL), RK_OK);
    ck_assert_ptr_nonnull(strstr(text, "$m=32768,t=3,p=1$"));
    ck_assert(!pwhash_is_stale(PWHASH_COST_DEFAULT, rk_str_z(text)));
    ck_assert(pwhash_is_stale(CHEAP, rk_str_z(text)));
    pwhash_burn(CHEAP, RK_STR("nobody"));
}
END_TEST

/* Openwall's vectors, and one of cost 4 with a mixed alphabet. */
static const struct {
    const char *hash, *password;
} BCRYPT[] = {
    {"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
    {"$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"},
    {"$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy", ""},
    {"$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e", "correct horse"},
};

START_TEST(imported_bcrypt_hashes_verify)
{
    struct rk_str hash = rk_str_z(BCRYPT[_i].hash);

    ck_assert(pwhash_is_known(hash));
    ck_assert(pwhash_is_stale(PWHASH_COST_DEFAULT, hash));
    ck_assert_int_eq(pwhash_verify(hash, rk_str_z(BCRYPT[_i].password), NULL), RK_OK);
    ck_assert_int_eq(pwhash_verify(hash, RK_STR("U*U**"), NULL), RK_UNAUTHENTICATED);
}
END_TEST

START_TEST(bcrypt_does_not_stop_at_a_nul)
{
    ck_assert_int_eq(pwhash_verify(rk_str_z(BCRYPT[0].hash), RK_STR("U*U\0abc"), NULL),
                     RK_UNAUTHENTICATED);
    ck_assert_int_eq(pwhash_verify(rk_str_z(BCRYPT[2].hash), RK_STR("\0abc"), NULL),
                     RK_UNAUTHENTICATED);
}
END_TEST

START_TEST(unknown_and_excessive_hashes_are_refused)
{
    static const char *const bad[] = {
        "",
        "secret",
        "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2a$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", /* a minute of work */
        "$2a$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2a$0x$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$1$abcdefgh$0123456789012345678901",
        "$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZXNhbHRzb21lc2FsdA",
        "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZXNhbHRzb21lc2FsdA",
        "$argon2id$v=19$m=8,t=1000,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZXNhbHRzb21lc2FsdA",
        "$argon2id$v=19$m=8,t=1,p=1",
        "$argon2id$v=19$m=,t=,p=$",
        "$argon2id$v=19$m=99999999999999999999,t=1,p=1$a$b",
    };
    char longest[300];

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(bad[i], strlen(bad[i]));
        struct rk_str hash = rk_str_of(exact, strlen(bad[i]));

        ck_assert(!pwhash_is_known(hash));
        ck_assert_int_eq(pwhash_verify(hash, RK_STR("U*U"), NULL), RK_INTERNAL);
    }
    memset(longest, 'p', sizeof longest);
    memcpy(longest, "$argon2id$v=19$m=8,t=1,p=1$", 27);
    ck_assert_int_eq(pwhash_verify(rk_str_of(longest, sizeof longest), RK_STR("x"), NULL),
                     RK_INTERNAL);
}
END_TEST

START_TEST(every_truncation_of_a_hash_is_refused)
{
    char own[PWHASH_TEXT_MAX + 1];

    ck_assert_int_eq(pwhash_make(CHEAP, RK_STR("x"), own, NULL), RK_OK);
    for (size_t n = 0; n < strlen(own); n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(own, n);

        ck_assert_int_ne(pwhash_verify(rk_str_of(exact, n), RK_STR("x"), NULL), RK_OK);
    }
    for (size_t n = 0; n < strlen(BCRYPT[0].hash); n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(BCRYPT[0].hash, n);

        ck_assert_int_eq(pwhash_verify(rk_str_of(exact, n), RK_STR("U*U"), NULL), RK_INTERNAL);
    }
}
END_TEST

START_TEST(long_passwords_are_refused)
{
    char password[PWHASH_PASSWORD_MAX + 1], text[PWHASH_TEXT_MAX + 1];

    memset(password, 'a', sizeof password);
    ck_assert_int_eq(pwhash_make(CHEAP, rk_str_of(password, sizeof password), text, NULL),
                     RK_LIMIT);
    ck_assert_int_eq(pwhash_make(CHEAP, rk_str_of(password, sizeof password - 1), text, NULL),
                     RK_OK);
    ck_assert_int_eq(pwhash_verify(rk_str_z(text), rk_str_of(password, sizeof password - 1), NULL),
                     RK_OK);
    ck_assert_int_eq(pwhash_verify(rk_str_z(text), rk_str_of(password, sizeof password), NULL),
                     RK_UNAUTHENTICATED);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("pwhash");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, own_hashes_verify);
    tcase_add_test(t, default_cost_is_what_the_header_says);
    tcase_add_loop_test(t, imported_bcrypt_hashes_verify, 0, RK_ARRAY_LEN(BCRYPT));
    tcase_add_test(t, bcrypt_does_not_stop_at_a_nul);
    tcase_add_test(t, unknown_and_excessive_hashes_are_refused);
    tcase_add_test(t, every_truncation_of_a_hash_is_refused);
    tcase_add_test(t, long_passwords_are_refused);
    return vec_run(t, "pwhash");
}
