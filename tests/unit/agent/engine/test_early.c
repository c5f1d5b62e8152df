/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/engine/early.c: messages of peers that are not known yet. Anybody can send them. */
#include "config.h"

#include <check.h>

#include "agent/engine/early.h"
#include "lib/base/num.h"
#include "tests/unit/run.h"

struct got {
    size_t n, ufrag_bytes, rosenpass_bytes;
};

static void give(void *arg, const struct signal_msg *msg)
{
    struct got *g = arg;

    g->n++;
    g->ufrag_bytes += msg->ufrag.n;
    g->rosenpass_bytes += msg->rosenpass_key.n;
}

START_TEST(messages_wait_for_their_peer)
{
    struct rk_key a = {{1}}, b = {{2}};
    struct signal_msg offer = {
        .type = SIGNAL_MSG_OFFER, .ufrag = RK_STR("uu"), .pwd = RK_STR("pp")};
    struct signal_msg idle = {.type = SIGNAL_MSG_GO_IDLE};
    struct got got = {0};
    struct early q;

    early_init(&q);
    early_put(&q, &a, &offer);
    early_put(&q, &a, &offer);
    early_put(&q, &a, &idle); /* means nothing later */
    early_put(&q, &b, &offer);
    early_take(&q, &a, give, &got);
    ck_assert_uint_eq(got.n, 2);
    ck_assert_uint_eq(got.ufrag_bytes, 4);
    early_take(&q, &a, give, &got);
    ck_assert_uint_eq(got.n, 2);
    ck_assert_uint_eq(q.n, 1);
    early_done(&q);
    ck_assert_uint_eq(q.n, 0);
}
END_TEST

START_TEST(long_messages_of_strangers_are_not_kept)
{
    size_t size = 3 << 20;
    RK_CLEANUP(rk_freep) char *text = rk_malloc(size);
    struct rk_key a = {{1}};
    struct signal_msg candidate = {.type = SIGNAL_MSG_CANDIDATE, .candidate = {text, size}};
    struct signal_msg offer = {
        .type = SIGNAL_MSG_OFFER, .ufrag = RK_STR("uu"), .pwd = RK_STR("pp")};
    struct got got = {0};
    struct early q;

    memset(text, 'x', size);
    early_init(&q);
    early_put(&q, &a, &candidate);
    offer.rosenpass_key = rk_str_of(text, size); /* kept, but for this */
    early_put(&q, &a, &offer);
    early_take(&q, &a, give, &got);
    ck_assert_uint_eq(got.n, 1);
    ck_assert_uint_eq(got.ufrag_bytes, 2);
    ck_assert_uint_eq(got.rosenpass_bytes, 0);
    early_done(&q);
}
END_TEST

START_TEST(the_oldest_go)
{
    struct rk_key a = {{1}};
    struct signal_msg offer = {
        .type = SIGNAL_MSG_OFFER, .ufrag = RK_STR("uu"), .pwd = RK_STR("pp")};
    struct early q;

    early_init(&q);
    for (int i = 0; i < 2000; i++)
        early_put(&q, &a, &offer);
    ck_assert_uint_le(q.n, 512);
    early_done(&q);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("early");
    TCase *t = tcase_create("all");

    tcase_add_test(t, messages_wait_for_their_peer);
    tcase_add_test(t, long_messages_of_strangers_are_not_kept);
    tcase_add_test(t, the_oldest_go);
    suite_add_tcase(s, t);
    return run_suite(s);
}
