/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/client/signal_msg.c with bodies recorded from official agents. */
#include "config.h"

#include "agent/client/signal_msg.h"
#include "tests/unit/vec.h"

static const char OFFER[] =
    "12316142634465466748694a6b4c6d4e6f503a6162636465666768696a6b6c6d6e6f707172737475767778797a4142"
    "434445"
    "4618ec94032206302e37372e313a00421c72656c733a2f2f72656c61792e6578616d706c652e636f6d3a3434335205"
    "01234567895a04c6336407";

static struct rk_arena *mem;

static void setup(void)
{
    mem = rk_arena_new(1 << 20);
}

static void teardown(void)
{
    rk_arena_free(mem);
}

static struct signal_msg offer(void)
{
    struct signal_msg m = {.type = SIGNAL_MSG_OFFER,
                           .ufrag = RK_STR("aBcDeFgHiJkLmNoP"),
                           .pwd = RK_STR("abcdefghijklmnopqrstuvwxyzABCDEF"),
                           .wg_port = 51820,
                           .version = RK_STR("0.77.1"),
                           .has_session_id = true,
                           .session_id = {0x01, 0x23, 0x45, 0x67, 0x89},
                           .relay_url = RK_STR("rels://relay.example.com:443"),
                           .relay_ip = {.family = 4, .b = {198, 51, 100, 7}}};

    return m;
}

START_TEST(an_offer_is_written_as_official_agents_do)
{
    struct signal_msg m = offer();
    struct rk_str out;

    ck_assert_int_eq(signal_msg_encode(mem, &m, &out, NULL), RK_OK);
    vec_expect(mem, out, OFFER);
}
END_TEST

START_TEST(an_offer_is_read)
{
    struct signal_msg want = offer(), m;

    ck_assert_int_eq(signal_msg_decode(mem, vec_hex(mem, OFFER), &m, NULL), RK_OK);
    ck_assert_int_eq(m.type, SIGNAL_MSG_OFFER);
    ck_assert(rk_str_eq(m.ufrag, want.ufrag) && rk_str_eq(m.pwd, want.pwd));
    ck_assert_uint_eq(m.wg_port, 51820);
    ck_assert(rk_str_eq(m.version, want.version));
    ck_assert(m.has_session_id);
    ck_assert_mem_eq(m.session_id, want.session_id, SIGNAL_MSG_SESSION_ID_SIZE);
    ck_assert(rk_str_eq(m.relay_url, want.relay_url));
    ck_assert(rk_ip_eq(&m.relay_ip, &want.relay_ip));
    ck_assert_uint_eq(m.rosenpass_key.n, 0);
}
END_TEST

START_TEST(the_short_bodies_are_exact)
{
    struct signal_msg idle = {.type = SIGNAL_MSG_GO_IDLE}, beat = {.type = SIGNAL_MSG_HEARTBEAT}, m;
    struct signal_msg forced = {.type = SIGNAL_MSG_OFFER}, cand = {.type = SIGNAL_MSG_CANDIDATE};
    struct rk_str out;

    ck_assert_int_eq(signal_msg_encode(mem, &idle, &out, NULL), RK_OK);
    vec_expect(mem, out, "0805");
    ck_assert_int_eq(signal_msg_encode(mem, &beat, &out, NULL), RK_OK);
    vec_expect(mem, out, "0806");
    ck_assert_int_eq(signal_msg_encode(mem, &forced, &out, NULL), RK_OK);
    vec_expect(mem, out, "12013a3a00"); /* a lone colon: no ICE; Rosenpass off */
    ck_assert_int_eq(signal_msg_decode(mem, out, &m, NULL), RK_OK);
    ck_assert(!m.ufrag.n && !m.pwd.n && !m.has_session_id && !m.relay_url.n);
    cand.candidate = RK_STR("x");
    ck_assert_int_eq(signal_msg_encode(mem, &cand, &out, NULL), RK_OK);
    vec_expect(mem, out, "0802120178");
    ck_assert_int_eq(signal_msg_decode(mem, out, &m, NULL), RK_OK);
    ck_assert(rk_str_eqz(m.candidate, "x"));
}
END_TEST

START_TEST(odd_bodies_are_judged_as_official_agents_do)
{
    struct signal_msg m;

    /* nothing at all, or no colon, or two: no offer */
    ck_assert_int_eq(signal_msg_decode(mem, (struct rk_str){0}, &m, NULL), RK_BAD_REQUEST);
    ck_assert_int_eq(signal_msg_decode(mem, vec_hex(mem, "120161"), &m, NULL), RK_BAD_REQUEST);
    ck_assert_int_eq(signal_msg_decode(mem, vec_hex(mem, "1205613a623a63"), &m, NULL),
                     RK_BAD_REQUEST);
    ck_assert_int_eq(signal_msg_decode(mem, vec_hex(mem, "0803"), &m, NULL), RK_BAD_REQUEST);
    ck_assert_int_eq(signal_msg_decode(mem, vec_hex(mem, "0863"), &m, NULL), RK_BAD_REQUEST);
    /* a session id of 4 bytes and a relay address of 5 count as absent; unknown fields do not hurt
     */
    ck_assert_int_eq(signal_msg_decode(mem, vec_hex(mem, "12033a3a3a"), &m, NULL), RK_BAD_REQUEST);
    ck_assert_int_eq(signal_msg_decode(mem,
                                       vec_hex(mem, "1203613a62520401020304"
                                                    "5a050102030405"
                                                    "a00601"),
                                       &m, NULL),
                     RK_OK);
    ck_assert(!m.has_session_id);
    ck_assert_uint_eq(m.relay_ip.family, 0);
    /* IPv4 in 16 bytes; a port beyond 16 bits */
    ck_assert_int_eq(
        signal_msg_decode(
            mem, vec_hex(mem, "1203613a62 188080ffff0f 5a1000000000000000000000ffffc6336407"), &m,
            NULL),
        RK_OK);
    ck_assert_uint_eq(m.relay_ip.family, 4);
    ck_assert_uint_eq(m.wg_port, 0);
}
END_TEST

START_TEST(every_truncation_is_judged_without_reading_past_it)
{
    struct rk_str whole = vec_hex(mem, OFFER);

    for (size_t n = 0; n < whole.n; n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(whole.p, n);
        struct signal_msg m;

        RK_IGNORE(signal_msg_decode(mem, rk_str_of(exact, n), &m, NULL));
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("signal_msg");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, an_offer_is_written_as_official_agents_do);
    tcase_add_test(t, an_offer_is_read);
    tcase_add_test(t, the_short_bodies_are_exact);
    tcase_add_test(t, odd_bodies_are_judged_as_official_agents_do);
    tcase_add_test(t, every_truncation_is_judged_without_reading_past_it);
    return vec_run(t, "agent/signal_msg");
}
