/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/client/signal_client.c against our signal service. */
#include "config.h"

#include "agent/client/signal_client.h"
#include "tests/unit/agent/servers.h"

enum { WAIT_MS = 60000 };

struct side {
    struct signal_client_user user;
    struct signal_client *client;
    struct rk_key private_key, public_key;
    bool ready, heard;
    unsigned readies, downs, messages;
    struct rk_key from;
    enum signal_msg_type type;
    char candidate[600000];
};

static struct rk_loop *mine;
static struct servers servers;
static struct side a, b;

static void on_ready(struct signal_client_user *u)
{
    struct side *s = rk_container_of(u, struct side, user);

    s->ready = true;
    s->readies++;
}

static void on_down(struct signal_client_user *u, const struct rk_err *why)
{
    struct side *s = rk_container_of(u, struct side, user);

    ck_assert_int_ne(why->code, RK_OK);
    s->ready = false;
    s->downs++;
}

static void on_message(struct signal_client_user *u, const struct rk_key *from,
                       const struct signal_msg *m)
{
    struct side *s = rk_container_of(u, struct side, user);

    s->heard = true;
    s->messages++;
    s->from = *from;
    s->type = m->type;
    if (m->type == SIGNAL_MSG_CANDIDATE)
        (void)snprintf(s->candidate, sizeof s->candidate, "%.*s", (int)m->candidate.n,
                       m->candidate.p);
}

static const struct signal_client_user_ops OPS = {
    .ready = on_ready, .down = on_down, .message = on_message};

static void open_side(struct side *s, const struct rk_key *key)
{
    struct signal_client_opts o = {.loop = mine, .host = RK_STR("127.0.0.1"), .port = servers.port};

    memset(s, 0, sizeof *s);
    s->user.ops = &OPS;
    if (key)
        s->private_key = *key;
    else
        rk_key_generate(&s->private_key);
    rk_key_public(&s->private_key, &s->public_key);
    o.private_key = s->private_key;
    ck_assert_int_eq(signal_client_open(&o, &s->user, &s->client, NULL), RK_OK);
}

static void setup(void)
{
    memset(&servers, 0, sizeof servers);
    servers_start(&servers);
    ck_assert_int_eq(rk_loop_new(&mine, NULL), RK_OK);
    open_side(&a, NULL);
    open_side(&b, NULL);
}

static void teardown(void)
{
    signal_client_close(a.client);
    signal_client_close(b.client);
    servers_end_loop(mine);
    servers_stop(&servers);
}

static void both_ready(void)
{
    ck_assert(servers_turn(mine, &a.ready, WAIT_MS) && servers_turn(mine, &b.ready, WAIT_MS));
}

START_TEST(messages_arrive_sealed_for_one)
{
    struct signal_msg idle = {.type = SIGNAL_MSG_GO_IDLE};

    ck_assert_int_eq(signal_client_send(a.client, &b.public_key, &idle, NULL), RK_UNAVAILABLE);
    both_ready();
    ck_assert(signal_client_is_ready(a.client));
    ck_assert_int_eq(signal_client_last_err(a.client)->code, RK_OK);
    ck_assert_int_eq(signal_client_send(a.client, &b.public_key, &idle, NULL), RK_OK);
    ck_assert(servers_turn(mine, &b.heard, WAIT_MS));
    ck_assert_int_eq(b.type, SIGNAL_MSG_GO_IDLE);
    ck_assert(rk_key_eq(&b.from, &a.public_key));
    ck_assert_uint_eq(a.messages, 0);
}
END_TEST

START_TEST(heartbeats_are_not_passed_on)
{
    struct signal_msg beat = {.type = SIGNAL_MSG_HEARTBEAT}, idle = {.type = SIGNAL_MSG_GO_IDLE};

    both_ready();
    ck_assert_int_eq(signal_client_send(a.client, &a.public_key, &beat, NULL), RK_OK);
    ck_assert_int_eq(signal_client_send(a.client, &a.public_key, &idle, NULL), RK_OK);
    ck_assert(servers_turn(mine, &a.heard, WAIT_MS));
    ck_assert_int_eq(a.type, SIGNAL_MSG_GO_IDLE);
    ck_assert_uint_eq(a.messages, 1);
}
END_TEST

START_TEST(messages_of_half_a_mebibyte_pass)
{
    static char big[524160];
    struct signal_msg m = {.type = SIGNAL_MSG_CANDIDATE, .candidate = rk_str_of(big, sizeof big)};

    memset(big, 'x', sizeof big);
    both_ready();
    ck_assert_int_eq(signal_client_send(a.client, &b.public_key, &m, NULL), RK_OK);
    ck_assert(servers_turn(mine, &b.heard, WAIT_MS));
    ck_assert_uint_eq(strlen(b.candidate), sizeof big);
}
END_TEST

START_TEST(a_lost_server_is_found_again)
{
    bool never = false;
    int64_t until = rk_mono_ms() + WAIT_MS;
    struct signal_msg idle = {.type = SIGNAL_MSG_GO_IDLE};

    both_ready();
    servers_stop(&servers);
    while ((a.ready || b.ready) && rk_mono_ms() < until)
        (void)servers_turn(mine, &never, 1);
    ck_assert_uint_eq(a.downs, 1);
    ck_assert(!signal_client_is_ready(a.client));
    ck_assert_int_ne(signal_client_last_err(a.client)->code, RK_OK);
    servers_start(&servers);
    both_ready();
    ck_assert_uint_eq(a.readies, 2);
    ck_assert_int_eq(signal_client_send(a.client, &b.public_key, &idle, NULL), RK_OK);
    ck_assert(servers_turn(mine, &b.heard, WAIT_MS));
}
END_TEST

START_TEST(the_same_key_elsewhere_displaces_us_and_we_come_back)
{
    int64_t until = rk_mono_ms() + WAIT_MS;
    bool never = false;

    both_ready();
    signal_client_close(b.client);
    open_side(&b, &a.private_key);
    while (!a.downs && rk_mono_ms() < until)
        (void)servers_turn(mine, &never, 1);
    ck_assert_uint_eq(a.downs, 1);
    ck_assert(servers_turn(mine, &b.ready, WAIT_MS));
}
END_TEST

START_TEST(options_without_an_address_are_refused)
{
    struct signal_client_opts o = {.loop = mine, .host = RK_STR(""), .port = 1};
    struct signal_client *c;

    ck_assert_int_eq(signal_client_open(&o, &a.user, &c, NULL), RK_INVALID);
    o.host = RK_STR("h");
    o.port = 0;
    ck_assert_int_eq(signal_client_open(&o, &a.user, &c, NULL), RK_INVALID);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("signal_client");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, messages_arrive_sealed_for_one);
    tcase_add_test(t, heartbeats_are_not_passed_on);
    tcase_add_test(t, messages_of_half_a_mebibyte_pass);
    tcase_add_test(t, a_lost_server_is_found_again);
    tcase_add_test(t, the_same_key_elsewhere_displaces_us_and_we_come_back);
    tcase_add_test(t, options_without_an_address_are_refused);
    return vec_run(t, "agent/signal_client");
}
