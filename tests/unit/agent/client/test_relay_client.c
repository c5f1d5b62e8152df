/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/relay_{client,link,stream}.c against our relay. */
#include "config.h"

#include "agent/client/relay_client.h"
#include "lib/crypto/secret.h"
#include "lib/net/relayproto.h"
#include "tests/unit/agent/servers.h"

enum { WAIT_MS = 60000 };

struct side {
    struct relay_client_user user;
    struct relay_client_stream_user stream_user;
    struct relay_client *client;
    struct relay_client_stream *stream;
    char key[RK_KEY_TEXT + 1];
    bool up, ready, closed;
    unsigned ups, downs, data;
    struct rk_err why;
    char last[64];
};

static struct rk_loop *mine;
static struct servers servers[2];
static struct side a, b;

static void on_up(struct relay_client_user *u)
{
    struct side *s = rk_container_of(u, struct side, user);

    s->up = true;
    s->ups++;
}

static void on_down(struct relay_client_user *u, const struct rk_err *why)
{
    struct side *s = rk_container_of(u, struct side, user);

    ck_assert_int_ne(why->code, RK_OK);
    s->up = false;
    s->downs++;
}

static const struct relay_client_user_ops USER_OPS = {.home_up = on_up, .home_down = on_down};

static void on_ready(struct relay_client_stream_user *u)
{
    rk_container_of(u, struct side, stream_user)->ready = true;
}

static void on_data(struct relay_client_stream_user *u, struct rk_str d)
{
    struct side *s = rk_container_of(u, struct side, stream_user);

    ck_assert(s->ready);
    s->data++;
    (void)snprintf(s->last, sizeof s->last, "%.*s", RK_STR_ARG(d));
}

static void on_closed(struct relay_client_stream_user *u, const struct rk_err *why)
{
    struct side *s = rk_container_of(u, struct side, stream_user);

    s->stream = NULL;
    s->ready = false;
    s->closed = true;
    s->why = *why;
}

static const struct relay_client_stream_ops STREAM_OPS = {
    .ready = on_ready, .data = on_data, .closed = on_closed};

static void open_side(struct side *s)
{
    struct relay_client_opts o = {.loop = mine};
    struct rk_key private_key, public_key;

    *s = (struct side){.user = {&USER_OPS}, .stream_user = {&STREAM_OPS}};
    rk_key_generate(&private_key);
    rk_key_public(&private_key, &public_key);
    rk_key_format(&public_key, s->key);
    o.own_key_text = rk_str_z(s->key);
    ck_assert_int_eq(relay_client_open(&o, &s->user, &s->client, NULL), RK_OK);
    ck_assert(!relay_client_has_urls(s->client));
}

static enum rk_code configure(struct side *s, const char *url, const char *mac)
{
    struct rk_str urls[1] = {rk_str_z(url)};

    return relay_client_set_config(s->client, urls, 1, RK_STR(SERVERS_EXPIRY), rk_str_z(mac), NULL);
}

static enum rk_code open_stream(struct side *s, const char *url, const struct side *peer)
{
    return relay_client_stream_open(s->client, rk_str_z(url), (struct rk_ip){0},
                                    rk_str_z(peer->key), &s->stream_user, &s->stream, &s->why);
}

static void setup(void)
{
    memset(servers, 0, sizeof servers);
    servers_start(&servers[0]);
    ck_assert_int_eq(rk_loop_new(&mine, NULL), RK_OK);
    open_side(&a);
    open_side(&b);
}

static void teardown(void)
{
    relay_client_close(a.client);
    relay_client_close(b.client);
    servers_end_loop(mine);
    for (size_t i = 0; i < 2; i++)
        servers_stop(&servers[i]);
}

static void both_home(void)
{
    ck_assert_int_eq(configure(&a, servers[0].url, SERVERS_MAC), RK_OK);
    ck_assert_int_eq(configure(&b, servers[0].url, SERVERS_MAC), RK_OK);
    ck_assert(servers_turn(mine, &a.up, WAIT_MS) && servers_turn(mine, &b.up, WAIT_MS));
}

static void expect_data(struct side *from, struct side *to, const char *text)
{
    int64_t until = rk_mono_ms() + WAIT_MS;
    unsigned had = to->data;
    bool never = false;

    relay_client_stream_send(from->stream, &(struct udp_in){.bytes = rk_str_z(text)}, 1);
    while (to->data == had && rk_mono_ms() < until)
        (void)servers_turn(mine, &never, 1);
    ck_assert_str_eq(to->last, text);
}

START_TEST(streams_carry_datagrams_both_ways)
{
    struct rk_str url;
    struct rk_ip ip;
    struct relay_client_status st;

    both_home();
    ck_assert(relay_client_home(a.client, &url, &ip));
    ck_assert(rk_str_eqz(url, servers[0].url));
    ck_assert_uint_eq(ip.family, 4);
    ck_assert_int_eq(open_stream(&a, servers[0].url, &b), RK_OK);
    ck_assert(!a.ready);
    ck_assert_int_eq(open_stream(&a, servers[0].url, &b), RK_EXISTS);
    ck_assert_int_eq(open_stream(&b, servers[0].url, &a), RK_OK);
    ck_assert(servers_turn(mine, &a.ready, WAIT_MS) && servers_turn(mine, &b.ready, WAIT_MS));
    expect_data(&a, &b, "from a");
    expect_data(&b, &a, "from b");
    ck_assert(rk_str_eqz(relay_client_stream_url(a.stream), servers[0].url));
    ck_assert(relay_client_status_at(a.client, 0, &st));
    ck_assert(st.connected && !st.error.n);
    ck_assert(!relay_client_status_at(a.client, 1, &st));
}
END_TEST

START_TEST(the_first_datagram_waits_for_its_stream)
{
    bool never = false;

    both_home();
    ck_assert_int_eq(open_stream(&a, servers[0].url, &b), RK_OK);
    ck_assert(servers_turn(mine, &a.ready, WAIT_MS));
    relay_client_stream_send(a.stream, &(struct udp_in){.bytes = RK_STR("old")}, 1);
    relay_client_stream_send(a.stream, &(struct udp_in){.bytes = RK_STR("new")}, 1);
    (void)servers_turn(mine, &never, 200);
    ck_assert_int_eq(open_stream(&b, servers[0].url, &a), RK_OK);
    ck_assert(servers_turn(mine, &b.ready, WAIT_MS));
    ck_assert_uint_eq(b.data, 1);
    ck_assert_str_eq(b.last, "new");
}
END_TEST

START_TEST(a_peer_that_leaves_closes_its_stream)
{
    both_home();
    ck_assert_int_eq(open_stream(&a, servers[0].url, &b), RK_OK);
    ck_assert(servers_turn(mine, &a.ready, WAIT_MS));
    relay_client_close(b.client);
    ck_assert(servers_turn(mine, &a.closed, WAIT_MS));
    ck_assert_int_eq(a.why.code, RK_UNAVAILABLE);
    ck_assert(a.up);
    open_side(&b);
}
END_TEST

START_TEST(a_lost_home_is_found_again)
{
    struct relay_client_status st;
    bool never = false;

    both_home();
    ck_assert_int_eq(open_stream(&a, servers[0].url, &b), RK_OK);
    ck_assert(servers_turn(mine, &a.ready, WAIT_MS));
    servers_stop(&servers[0]);
    ck_assert(servers_turn(mine, &a.closed, WAIT_MS));
    (void)servers_turn(mine, &never, 100);
    ck_assert_uint_eq(a.downs, 1);
    ck_assert(!relay_client_home(a.client, NULL, NULL));
    ck_assert(relay_client_status_at(a.client, 0, &st) && !st.connected);
    ck_assert_int_eq(open_stream(&a, servers[0].url, &b), RK_PRECONDITION);
    servers_start(&servers[0]);
    ck_assert(servers_turn(mine, &a.up, WAIT_MS)); /* 1.5 s, or some more if that was too early */
    ck_assert_uint_eq(a.ups, 2);
    a.closed = false;
    ck_assert_int_eq(open_stream(&a, servers[0].url, &b), RK_OK);
    ck_assert(servers_turn(mine, &a.ready, WAIT_MS));
}
END_TEST

START_TEST(a_refused_token_is_told_and_a_new_one_tried_at_once)
{
    struct relay_client_status st = {0};
    int64_t until = rk_mono_ms() + WAIT_MS;
    bool never = false;

    ck_assert_int_eq(configure(&a, servers[0].url, "not base64!"), RK_BAD_REQUEST);
    ck_assert(!relay_client_has_urls(a.client));
    ck_assert_int_eq(configure(&a, servers[0].url, "kZeMuCSQYmR3ezJgBEW0pMMrdrDhf40u1rFa61JnGPQ="),
                     RK_OK);
    while (!st.error.n && rk_mono_ms() < until) {
        (void)servers_turn(mine, &never, 1);
        ck_assert(relay_client_status_at(a.client, 0, &st));
    }
    ck_assert(!st.connected && st.error.n);
    ck_assert_int_eq(configure(&a, servers[0].url, SERVERS_MAC), RK_OK);
    ck_assert(servers_turn(mine, &a.up, 1000)); /* the waiting time would be longer */
}
END_TEST

START_TEST(peers_with_different_homes_meet_at_one)
{
    struct relay_client_status st;
    bool never = false;

    servers_start(&servers[1]);
    ck_assert_int_eq(configure(&a, servers[0].url, SERVERS_MAC), RK_OK);
    ck_assert_int_eq(configure(&b, servers[1].url, SERVERS_MAC), RK_OK);
    ck_assert(servers_turn(mine, &a.up, WAIT_MS) && servers_turn(mine, &b.up, WAIT_MS));
    ck_assert_int_eq(open_stream(&a, servers[0].url, &b), RK_OK);
    ck_assert_int_eq(open_stream(&b, servers[0].url, &a), RK_OK);
    ck_assert(servers_turn(mine, &a.ready, WAIT_MS) && servers_turn(mine, &b.ready, WAIT_MS));
    expect_data(&a, &b, "home to guest");
    expect_data(&b, &a, "guest to home");
    ck_assert(relay_client_status_at(b.client, 0, &st) && st.connected);
    ck_assert(relay_client_status_at(b.client, 1, &st) && st.connected);
    ck_assert(rk_str_eqz(st.url, servers[0].url));
    ck_assert(!relay_client_status_at(b.client, 2, &st));
    servers_stop(&servers[0]);
    ck_assert(servers_turn(mine, &b.closed, WAIT_MS));
    (void)servers_turn(mine, &never, 50);
    ck_assert(b.up);
    ck_assert_uint_eq(b.downs, 0);
}
END_TEST

START_TEST(an_announced_address_that_is_wrong_falls_back_to_the_name)
{
    struct rk_ip wrong = rk_ip4(127, 0, 0, 77); /* nobody listens there */

    servers_start(&servers[1]);
    ck_assert_int_eq(configure(&a, servers[0].url, SERVERS_MAC), RK_OK);
    ck_assert_int_eq(configure(&b, servers[1].url, SERVERS_MAC), RK_OK);
    ck_assert(servers_turn(mine, &a.up, WAIT_MS) && servers_turn(mine, &b.up, WAIT_MS));
    ck_assert_int_eq(relay_client_stream_open(b.client, rk_str_z(servers[0].url), wrong,
                                              rk_str_z(a.key), &b.stream_user, &b.stream, NULL),
                     RK_OK);
    ck_assert(servers_turn(mine, &b.ready, WAIT_MS));
}
END_TEST

/* The lost relay's host still takes connections and answers none: the others must not wait. */
START_TEST(a_home_that_hangs_is_replaced_by_another)
{
    struct rk_str urls[2];
    struct rk_addr at = {rk_ip4(127, 0, 0, 1), 0};
    struct rk_str home;
    int fd;

    servers_start(&servers[1]);
    ck_assert_int_eq(configure(&a, servers[0].url, SERVERS_MAC), RK_OK);
    ck_assert(servers_turn(mine, &a.up, WAIT_MS));
    urls[0] = rk_str_z(servers[0].url);
    urls[1] = rk_str_z(servers[1].url);
    ck_assert_int_eq(relay_client_set_config(a.client, urls, 2, RK_STR(SERVERS_EXPIRY),
                                             RK_STR(SERVERS_MAC), NULL),
                     RK_OK);
    ck_assert(relay_client_home(a.client, &home, NULL) && rk_str_eq(home, urls[0]));
    servers_stop(&servers[0]);
    at.port = servers[0].port;
    ck_assert_int_eq(tcp_listen(&at, true, &fd, NULL), RK_OK);
    a.up = false;
    ck_assert(servers_turn(mine, &a.up, RLY_CLIENT_TIMEOUT_MS)); /* that long the dead one gets */
    ck_assert(relay_client_home(a.client, &home, NULL) && rk_str_eq(home, urls[1]));
    (void)close(fd);
}
END_TEST

START_TEST(several_urls_give_one_home)
{
    struct rk_str urls[4] = {RK_STR("rel://127.0.0.1:1"), RK_STR("http://nonsense"), {0}, {0}};
    struct relay_client_status st;
    size_t n = 0;

    servers_start(&servers[1]);
    urls[2] = rk_str_z(servers[0].url);
    urls[3] = rk_str_z(servers[1].url);
    ck_assert_int_eq(relay_client_set_config(a.client, urls, 4, RK_STR(SERVERS_EXPIRY),
                                             RK_STR(SERVERS_MAC), NULL),
                     RK_OK);
    while (relay_client_status_at(a.client, n, &st)) /* none yet: all that may become it */
        n++;
    ck_assert_uint_eq(n, 4);
    ck_assert(servers_turn(mine, &a.up, WAIT_MS));
    ck_assert(relay_client_status_at(a.client, 0, &st) && st.connected);
    ck_assert(!relay_client_status_at(a.client, 1, &st)); /* the others are not in use */
    ck_assert_int_eq(
        relay_client_set_config(a.client, NULL, 0, (struct rk_str){0}, (struct rk_str){0}, NULL),
        RK_OK);
    ck_assert(!relay_client_has_urls(a.client));
    ck_assert(relay_client_home(a.client, NULL, NULL)); /* stays until it is lost */
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("relay_client");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, streams_carry_datagrams_both_ways);
    tcase_add_test(t, the_first_datagram_waits_for_its_stream);
    tcase_add_test(t, a_peer_that_leaves_closes_its_stream);
    tcase_add_test(t, a_lost_home_is_found_again);
    tcase_add_test(t, a_refused_token_is_told_and_a_new_one_tried_at_once);
    tcase_add_test(t, peers_with_different_homes_meet_at_one);
    tcase_add_test(t, an_announced_address_that_is_wrong_falls_back_to_the_name);
    tcase_add_test(t, a_home_that_hangs_is_replaced_by_another);
    tcase_add_test(t, several_urls_give_one_home);
    return vec_run(t, "agent/relay_client");
}
