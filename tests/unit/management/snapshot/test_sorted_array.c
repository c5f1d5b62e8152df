/* SPDX-License-Identifier: BSD-3-Clause */
/* Persistent arrays and bit sets against plain ones. */
#include "config.h"

#include "management/snapshot/bits.h"
#include "management/snapshot/sorted_array.h"
#include "tests/unit/vec.h"

#define KEYS 600

struct item {
    uint32_t key, value;
};

static int live; /* references that the arrays hold */

static int cmp(const void *key, const void *item)
{
    uint32_t k = *(const uint32_t *)key, i = ((const struct item *)item)->key;

    return (k > i) - (k < i);
}

static void item_ref(const void *item)
{
    (void)item;
    live++;
}

static void item_unref(const void *item)
{
    (void)item;
    live--;
}

static const struct sorted_array_ops OPS = {sizeof(struct item), 8, cmp, item_ref, item_unref};

static uint32_t rnd(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void expect_same(const struct sorted_array *a, const uint32_t *model)
{
    struct sorted_array_pos pos = sorted_array_lower(a, NULL);
    const struct item *it;
    size_t n = 0;

    for (uint32_t k = 0; k < KEYS; k++) {
        it = sorted_array_find(a, &k);
        ck_assert_int_eq(it != NULL, model[k] != 0);
        if (!it)
            continue;
        ck_assert_uint_eq(it->value, model[k]);
        it = sorted_array_next(a, &pos);
        ck_assert_uint_eq(it->key, k);
        n++;
    }
    ck_assert_ptr_null(sorted_array_next(a, &pos));
    ck_assert_uint_eq(sorted_array_count(a), n);
}

static void change(struct sorted_array **a, uint64_t owner, uint32_t *model, uint32_t *state)
{
    uint32_t key = rnd(state) % KEYS, value = rnd(state) | 1;
    struct item item = {key, value};

    if (rnd(state) % 3 == 0) {
        ck_assert_int_eq(sorted_array_del(a, owner, &key), model[key] != 0);
        model[key] = 0;
    } else {
        live++; /* our reference goes over */
        sorted_array_put(a, &OPS, owner, &key, &item);
        model[key] = value;
    }
}

START_TEST(versions_are_independent)
{
    static uint32_t model[8][KEYS];
    struct sorted_array *v[8] = {0};
    uint32_t state = 1;

    for (unsigned i = 1; i < 8; i++) {
        v[i] = sorted_array_ref(v[i - 1]);
        memcpy(model[i], model[i - 1], sizeof model[i]);
        for (unsigned k = 0; k < 300; k++)
            change(&v[i], i, model[i], &state);
    }
    for (unsigned i = 0; i < 8; i++)
        expect_same(v[i], model[i]);
    for (unsigned i = 0; i < 8; i += 2)
        sorted_array_unref(v[i]);
    for (unsigned i = 1; i < 8; i += 2) {
        expect_same(v[i], model[i]);
        sorted_array_unref(v[i]);
    }
    ck_assert_int_eq(live, 0);
}
END_TEST

START_TEST(ascending_keys_fill_chunks)
{
    struct sorted_array *a = NULL;

    for (uint32_t k = 0; k < 800; k++) {
        struct item item = {k, k};

        live++;
        sorted_array_put(&a, &OPS, 1, &k, &item);
    }
    ck_assert_uint_eq(a->n_chunks, 100);
    sorted_array_unref(a);
    ck_assert_int_eq(live, 0);
}
END_TEST

START_TEST(lower_finds_the_next_key)
{
    struct sorted_array *a = NULL;
    struct sorted_array_pos pos;
    uint32_t key;

    for (uint32_t k = 10; k < 300; k += 10) {
        struct item item = {k, k};

        live++;
        sorted_array_put(&a, &OPS, 1, &k, &item);
    }
    for (key = 0; key < 290; key++) {
        const struct item *it;

        pos = sorted_array_lower(a, &key);
        it = sorted_array_next(a, &pos);
        ck_assert_uint_eq(it->key, key <= 10 ? 10 : (key + 9) / 10 * 10);
    }
    key = 291;
    pos = sorted_array_lower(a, &key);
    ck_assert_ptr_null(sorted_array_next(a, &pos));
    sorted_array_unref(a);
}
END_TEST

START_TEST(sets_behave_like_sets)
{
    struct bits a = {0}, b = {0}, c = {0};
    size_t n = 0;

    for (uint32_t i = 0; i < 500; i++) {
        if (i % 2 == 0)
            bits_set(&a, i);
        if (i % 3 == 0)
            bits_set(&b, i);
    }
    bits_or_and(&c, &a, &b);
    for (BITS_EACH(i, &c)) {
        ck_assert_uint_eq(i % 6, 0);
        n++;
    }
    ck_assert_uint_eq(n, bits_count(&c));
    ck_assert_uint_eq(n, 84);
    ck_assert(bits_within(&c, &a) && bits_within(&c, &b) && !bits_within(&a, &c));
    bits_andnot(&a, &b);
    ck_assert(!bits_meet(&a, &b) && bits_any(&a));
    bits_and(&a, &b);
    ck_assert(!bits_any(&a));
    bits_clear(&c);
    bits_reserve(&c, 100000);
    ck_assert(bits_eq(&a, &c));
    bits_set(&c, 99999);
    ck_assert(!bits_eq(&a, &c) && bits_has(&c, 99999) && !bits_has(&c, 1000000));
    ck_assert_uint_eq(bits_next(&c, 5), 99999);
    ck_assert_uint_eq(bits_next(&c, 100000), BITS_END);
    bits_unset(&c, 99999);
    bits_unset(&c, 5000000);
    ck_assert_uint_eq(bits_next(&c, 0), BITS_END);
    bits_done(&a);
    bits_done(&b);
    bits_done(&c);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("parr");

    tcase_add_test(t, versions_are_independent);
    tcase_add_test(t, ascending_keys_fill_chunks);
    tcase_add_test(t, lower_finds_the_next_key);
    tcase_add_test(t, sets_behave_like_sets);
    return vec_run(t, "parr");
}
