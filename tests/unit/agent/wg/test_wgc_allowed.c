/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/wg/core/allowed.c against a plain list. */
#include "config.h"

#include "agent/wg/core/allowed.h"
#include "lib/crypto/secret.h"
#include "tests/unit/vec.h"

#define OWNERS 5
#define RULES  64

static struct wgc_owner owners[OWNERS];
static struct {
    struct rk_prefix p;
    struct wgc_owner *o;
} rules[RULES];
static size_t n_rules;

static void model_put(const struct rk_prefix *p, struct wgc_owner *o)
{
    struct rk_prefix m = rk_prefix_masked(p);
    size_t i = 0;

    while (i < n_rules && rk_prefix_cmp(&rules[i].p, &m) != 0)
        i++;
    rules[i].p = m;
    rules[i].o = o;
    n_rules += i == n_rules;
}

static void model_drop(const struct wgc_owner *o)
{
    for (size_t i = 0; i < n_rules;)
        if (rules[i].o == o)
            rules[i] = rules[--n_rules];
        else
            i++;
}

static struct wgc_owner *model_find(const struct rk_ip *ip)
{
    struct wgc_owner *best = NULL;
    int bits = -1;

    for (size_t i = 0; i < n_rules; i++)
        if (rules[i].p.bits > bits && rk_prefix_contains(&rules[i].p, ip)) {
            bits = rules[i].p.bits;
            best = rules[i].o;
        }
    return best;
}

/* Addresses that share many bits, so that prefixes nest and meet. */
static struct rk_ip near(uint8_t family)
{
    struct rk_ip ip = {.family = family};

    for (size_t i = 0; i < rk_ip_size(&ip); i++)
        ip.b[i] = rk_secret_random_below(3) ? 0 : (uint8_t)(rk_secret_random_below(4) << 6);
    return ip;
}

START_TEST(longest_prefix_wins)
{
    struct wgc_allowed t = {0};

    for (size_t i = 0; i < OWNERS; i++)
        wgc_owner_init(&owners[i]);
    for (int round = 0; round < 4000; round++) {
        uint8_t family = rk_secret_random_below(2) ? 4 : 6;
        struct wgc_owner *o = &owners[rk_secret_random_below(OWNERS)];
        struct rk_prefix p = {near(family), 0}, listed[RULES];
        struct rk_ip ip = near(rk_secret_random_below(2) ? 4 : 6);
        struct wgc_owner *got;
        size_t n = 0;

        p.bits = (uint8_t)rk_secret_random_below(family == 4 ? 33 : 129);
        if (n_rules == RULES || rk_secret_random_below(20) == 0) {
            wgc_allowed_drop(&t, o);
            model_drop(o);
        } else {
            wgc_allowed_put(&t, &p, o);
            model_put(&p, o);
        }
        got = ip.family == 4 ? wgc_allowed_find4(&t, ip.b) : wgc_allowed_find6(&t, ip.b);
        ck_assert_ptr_eq(got, model_find(&ip));
        for (size_t i = 0; i < n_rules; i++)
            n += rules[i].o == o;
        ck_assert_uint_eq(wgc_allowed_list(o, listed, RULES), n);
    }
    for (size_t i = 0; i < OWNERS; i++)
        wgc_allowed_drop(&t, &owners[i]);
    wgc_allowed_done(&t); /* asserts that nothing is left */
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("allowed");

    tcase_add_test(t, longest_prefix_wins);
    return vec_run(t, "wgc_allowed");
}
