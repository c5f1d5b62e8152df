/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests management/push/coalesce and servers. */
#include "config.h"

#include "tests/unit/vec.h"

#include "management/push/coalesce.h"
#include "management/push/servers.h"
#include "schema/gen/management.pb-c.h"
#include "schema/pb_arena.h"

static const struct coalesce_rule RULE = {.gap_ms = 1000, .quiet_ms = 200, .max_wait_ms = 2000};

START_TEST(the_first_change_goes_at_once)
{
    struct coalesce c = {0};

    ck_assert_int_eq(coalesce_mark(&c, &RULE, 5000), 5000);
    coalesce_sent(&c, &RULE, 5010);
    ck_assert_int_eq(coalesce_mark(&c, &RULE, 6010), 6010); /* the gap has passed */
}
END_TEST

START_TEST(a_burst_becomes_one_map)
{
    struct coalesce c = {0};

    coalesce_sent(&c, &RULE, 5000);
    ck_assert_int_eq(coalesce_mark(&c, &RULE, 5100), 6000);
    ck_assert_int_eq(coalesce_mark(&c, &RULE, 5900), 6100); /* quiet for 200 ms */
    coalesce_sent(&c, &RULE, 6100);
    ck_assert_int_eq(coalesce_mark(&c, &RULE, 6101), 7100);
}
END_TEST

START_TEST(a_steady_flow_starves_nobody)
{
    struct coalesce c = {0};
    int64_t due = 0;

    coalesce_sent(&c, &RULE, 5000);
    for (int64_t now = 5001; now < 6000; now += 50)
        due = coalesce_mark(&c, &RULE, now);
    ck_assert_int_le(due, 5001 + RULE.max_wait_ms);
    for (int64_t now = 6000; now < due; now += 50)
        due = coalesce_mark(&c, &RULE, now < due ? now : due);
    ck_assert_int_le(due, 5001 + RULE.max_wait_ms);
}
END_TEST

START_TEST(no_news_hardly_delays_the_next_change)
{
    struct coalesce c = {0};

    ck_assert_int_eq(coalesce_mark(&c, &RULE, 5000), 5000);
    coalesce_skipped(&c, &RULE, 5000);
    ck_assert_int_eq(coalesce_mark(&c, &RULE, 5050), 5050);
    coalesce_sent(&c, &RULE, 5050);
    coalesce_skipped(&c, &RULE, 5060); /* keeps the gap of the last map */
    ck_assert_int_eq(coalesce_mark(&c, &RULE, 5100), 6050);
}
END_TEST

/* ---- servers */

static const char *const STUNS[] = {"stun:stun.example.com:3478"};
static const char *const RELAYS[] = {"rels://relay.example.com:443"};
static const struct servers_turn TURNS[] = {
    {"turn:turn.example.com:3478?transport=udp", "fixed", "secret"}};

static struct servers_opts sample(void)
{
    return (struct servers_opts){.stuns = STUNS,
                                 .n_stuns = 1,
                                 .turns = TURNS,
                                 .n_turns = 1,
                                 .turn_secret = RK_STR("netbird-turn-secret"),
                                 .signal_uri = "https://signal.example.com:443",
                                 .relays = RELAYS,
                                 .n_relays = 1,
                                 .relay_secret = RK_STR("netbird-relay-secret"),
                                 .relay_ttl_s = 3600,
                                 .turn_ttl_s = 1800};
}

static const Management__NetbirdConfig *encode(struct rk_arena *a, struct servers *s,
                                               enum servers_form form, int64_t now_s)
{
    struct rk_buf b;
    const Management__NetbirdConfig *m;

    rk_buf_init(&b, 1 << 16);
    servers_encode(s, form,
                   &(struct servers_agent){
                       .account_id = RK_STR("acct"), .peer_id = RK_STR("peer"), .metrics = true},
                   now_s, &b);
    m = pb_unpack(a, &management__netbird_config__descriptor, rk_buf_str(&b), NULL);
    rk_buf_done(&b);
    ck_assert_ptr_nonnull(m);
    return m;
}

START_TEST(each_form_has_its_fields)
{
    struct rk_arena *a = rk_arena_new(0);
    struct servers_opts o = sample();
    const Management__NetbirdConfig *m;
    struct servers *s;

    ck_assert_int_eq(servers_new(&o, &s, NULL), RK_OK);
    m = encode(a, s, SERVERS_LOGIN, 1767268800 - 3600);
    ck_assert_str_eq(m->stuns[0]->uri, STUNS[0]);
    ck_assert_str_eq(m->signal->uri, "signal.example.com:443");
    ck_assert_int_eq(m->signal->protocol, MANAGEMENT__HOST_CONFIG__PROTOCOL__HTTPS);
    ck_assert_str_eq(m->turns[0]->user, "fixed"); /* never timed at login */
    ck_assert_str_eq(m->relay->tokenpayload, "1767268800");
    ck_assert_str_eq(m->relay->tokensignature, "yNWb9uCOsWNjnM/Bpxo6U1wl15wPnRbp+XWmaMd5aeA=");
    ck_assert(m->metrics && m->metrics->enabled);
    ck_assert_ptr_null(m->flow);
    m = encode(a, s, SERVERS_FIRST, 1767268800 - 1800);
    ck_assert_str_eq(m->turns[0]->user, "1767268800");
    ck_assert_str_eq(m->turns[0]->password, "czrLKKmiYVloLvY/W73r3oeVfMk=");
    m = encode(a, s, SERVERS_REFRESH, 1000000000);
    ck_assert(m->n_stuns == 0 && !m->signal && !m->metrics);
    ck_assert_uint_eq(m->n_turns, 1);
    ck_assert_ptr_nonnull(m->relay); /* absent, agents would drop their relays */
    ck_assert_int_eq(servers_refresh_s(s), 1350);
    servers_free(s);
    rk_arena_free(a);
}
END_TEST

START_TEST(relays_of_other_processes_join_in_one_order)
{
    const struct rk_str others[] = {
        RK_STR("rels://z.example.com:443"), RK_STR("rels://relay.example.com:443"), /* ours */
        RK_STR("https://not.a.relay"), RK_STR("rels://a.example.com:443/relay")};
    struct rk_arena *a = rk_arena_new(0);
    struct servers_opts o = sample();
    struct servers *s;
    const Management__NetbirdConfig *m;

    ck_assert_int_eq(servers_new(&o, &s, NULL), RK_OK);
    ck_assert(!servers_relays_set(s, NULL, 0));
    ck_assert(servers_relays_set(s, others, RK_ARRAY_LEN(others)));
    ck_assert(!servers_relays_set(s, others, RK_ARRAY_LEN(others)));
    m = encode(a, s, SERVERS_REFRESH, 1000000000);
    ck_assert_uint_eq(m->relay->n_urls, 3);
    ck_assert_str_eq(m->relay->urls[0], "rels://a.example.com:443");
    ck_assert_str_eq(m->relay->urls[1], "rels://relay.example.com:443");
    ck_assert_str_eq(m->relay->urls[2], "rels://z.example.com:443");
    ck_assert(servers_relays_set(s, NULL, 0));
    m = encode(a, s, SERVERS_FIRST, 1000000000);
    ck_assert_uint_eq(m->relay->n_urls, 1);
    servers_free(s);
    o.n_relays = 0; /* who tells of none takes none from others */
    ck_assert_int_eq(servers_new(&o, &s, NULL), RK_OK);
    ck_assert(!servers_relays_set(s, others, RK_ARRAY_LEN(others)));
    servers_free(s);
    rk_arena_free(a);
}
END_TEST

START_TEST(bad_servers_are_refused)
{
    static const char *const bad_stun[] = {"stun://stun.example.com:3478"};
    static const char *const bad_relay[] = {"https://relay.example.com"};
    struct servers_opts o = sample();
    struct servers *s;

    o.signal_uri = "http://";
    ck_assert_int_eq(servers_new(&o, &s, NULL), RK_INVALID);
    o = sample();
    o.stuns = bad_stun;
    ck_assert_int_eq(servers_new(&o, &s, NULL), RK_INVALID);
    o = sample();
    o.relays = bad_relay;
    ck_assert_int_eq(servers_new(&o, &s, NULL), RK_INVALID);
    o = sample();
    o.relay_secret = RK_STR("");
    ck_assert_int_eq(servers_new(&o, &s, NULL), RK_INVALID);
    o = sample();
    o.n_relays = o.n_turns = 0;
    ck_assert_int_eq(servers_new(&o, &s, NULL), RK_OK);
    ck_assert_int_eq(servers_refresh_s(s), 0);
    servers_free(s);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("coalesce");

    tcase_add_test(t, the_first_change_goes_at_once);
    tcase_add_test(t, a_burst_becomes_one_map);
    tcase_add_test(t, a_steady_flow_starves_nobody);
    tcase_add_test(t, no_news_hardly_delays_the_next_change);
    tcase_add_test(t, each_form_has_its_fields);
    tcase_add_test(t, relays_of_other_processes_join_in_one_order);
    tcase_add_test(t, bad_servers_are_refused);
    return vec_run(t, "coalesce");
}
