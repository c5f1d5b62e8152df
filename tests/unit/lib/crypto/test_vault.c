/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/crypto/vault: values at rest, change of keys, moved and altered values. */
#include "config.h"

#include "tests/unit/vec.h"

#include "lib/crypto/vault.h"

static const struct rk_key OLD = {{1, 2, 3}}, NEW = {{4, 5, 6}};
#define CONTEXT RK_STR("server.box_key/1")

static struct vault *vault_of(const struct rk_key *first, const struct rk_key *second)
{
    struct vault *v = vault_new();

    ck_assert_int_eq(vault_add_key(v, first, NULL), RK_OK);
    if (second)
        ck_assert_int_eq(vault_add_key(v, second, NULL), RK_OK);
    return v;
}

START_TEST(values_come_back)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new_wiping(0);
    RK_CLEANUP(vault_freep) struct vault *v = vault_of(&OLD, NULL);
    struct rk_str one, two, got;

    ck_assert_int_eq(vault_seal(v, a, CONTEXT, RK_STR("hush"), &one, NULL), RK_OK);
    ck_assert_int_eq(vault_seal(v, a, CONTEXT, RK_STR("hush"), &two, NULL), RK_OK);
    ck_assert(!rk_str_eq(one, two)); /* fresh nonce */
    ck_assert(rk_str_starts(one, RK_STR("rk1:")));
    ck_assert_uint_eq(rk_str_find(one, RK_STR("hush")), one.n);
    ck_assert_int_eq(vault_open(v, a, CONTEXT, one, &got, NULL), RK_OK);
    ck_assert(rk_str_eqz(got, "hush"));
    ck_assert_int_eq(vault_seal(v, a, CONTEXT, (struct rk_str){0}, &one, NULL), RK_OK);
    ck_assert_int_eq(vault_open(v, a, CONTEXT, one, &got, NULL), RK_OK);
    ck_assert_uint_eq(got.n, 0);
}
END_TEST

START_TEST(old_values_open_after_a_change_of_keys)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    RK_CLEANUP(vault_freep) struct vault *before = vault_of(&OLD, NULL);
    RK_CLEANUP(vault_freep) struct vault *during = vault_of(&NEW, &OLD);
    RK_CLEANUP(vault_freep) struct vault *after = vault_of(&NEW, NULL);
    struct rk_str old, renewed, got;
    struct rk_err err = {0};

    ck_assert_int_eq(vault_seal(before, a, CONTEXT, RK_STR("hush"), &old, NULL), RK_OK);
    ck_assert(vault_is_current(before, old));
    ck_assert(!vault_is_current(during, old));
    ck_assert_int_eq(vault_open(during, a, CONTEXT, old, &got, NULL), RK_OK);
    ck_assert_int_eq(vault_seal(during, a, CONTEXT, got, &renewed, NULL), RK_OK);
    ck_assert(vault_is_current(during, renewed));
    ck_assert_int_eq(vault_open(after, a, CONTEXT, renewed, &got, NULL), RK_OK);
    ck_assert(rk_str_eqz(got, "hush"));
    ck_assert_int_eq(vault_open(after, a, CONTEXT, old, &got, &err), RK_INTERNAL);
    ck_assert_ptr_nonnull(strstr(err.msg, "server.box_key/1"));
    ck_assert_ptr_nonnull(strstr(err.msg, "not configured"));
}
END_TEST

START_TEST(moved_cut_and_altered_values_do_not_open)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    RK_CLEANUP(vault_freep) struct vault *v = vault_of(&OLD, NULL);
    struct rk_str sealed, got = RK_STR("untouched");

    ck_assert_int_eq(vault_seal(v, a, CONTEXT, RK_STR("hush"), &sealed, NULL), RK_OK);
    ck_assert_int_eq(vault_open(v, a, RK_STR("server.box_key/2"), sealed, &got, NULL), RK_INTERNAL);
    for (size_t n = 0; n < sealed.n; n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(sealed.p, n);

        ck_assert_int_eq(vault_open(v, a, CONTEXT, rk_str_of(exact, n), &got, NULL), RK_INTERNAL);
    }
    for (size_t i = 0; i < sealed.n; i++) {
        RK_CLEANUP(rk_freep) char *bent = rk_memdup(sealed.p, sealed.n);

        bent[i] = bent[i] == 'A' ? 'B' : 'A';
        ck_assert_int_eq(vault_open(v, a, CONTEXT, rk_str_of(bent, sealed.n), &got, NULL),
                         RK_INTERNAL);
    }
    ck_assert(rk_str_eqz(got, "untouched"));
}
END_TEST

START_TEST(limits_hold)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    RK_CLEANUP(rk_arena_freep) struct rk_arena *small = rk_arena_new(64);
    RK_CLEANUP(vault_freep) struct vault *v = vault_new();
    RK_CLEANUP(rk_freep) char *big = rk_calloc(1, VAULT_PLAIN_MAX + 1);
    struct rk_str out, got;
    struct rk_key k = {0};

    ck_assert_int_eq(vault_seal(v, a, CONTEXT, RK_STR("x"), &out, NULL), RK_INTERNAL);
    ck_assert(!vault_is_current(v, RK_STR("rk1:00000000:")));
    ck_assert_int_eq(vault_add_key(v, &k, NULL), RK_INVALID);
    for (uint8_t i = 0; i < VAULT_KEYS_MAX; i++) {
        k.b[0] = (uint8_t)(i + 1);
        ck_assert_int_eq(vault_add_key(v, &k, NULL), RK_OK);
        ck_assert_int_eq(vault_add_key(v, &k, NULL), RK_EXISTS);
    }
    k.b[0] = 200;
    ck_assert_int_eq(vault_add_key(v, &k, NULL), RK_LIMIT);
    ck_assert_int_eq(vault_seal(v, a, CONTEXT, rk_str_of(big, VAULT_PLAIN_MAX + 1), &out, NULL),
                     RK_LIMIT);
    ck_assert_int_eq(vault_seal(v, a, CONTEXT, rk_str_of(big, VAULT_PLAIN_MAX), &out, NULL), RK_OK);
    ck_assert_int_eq(vault_open(v, small, CONTEXT, out, &got, NULL), RK_LIMIT);
    ck_assert_int_eq(vault_open(v, a, CONTEXT, out, &got, NULL), RK_OK);
    ck_assert_uint_eq(got.n, VAULT_PLAIN_MAX);
    vault_free(NULL);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("vault");

    tcase_add_test(t, values_come_back);
    tcase_add_test(t, old_values_open_after_a_change_of_keys);
    tcase_add_test(t, moved_cut_and_altered_values_do_not_open);
    tcase_add_test(t, limits_hold);
    return vec_run(t, "vault");
}
