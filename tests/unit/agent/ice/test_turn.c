/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/ice/turn and turn_way against a small TURN server in a thread, over UDP and TCP: the
 * dance of credentials, channels, data, and every way in which it ends. With a real server:
 * tests/netns/turn.sh. */
#include "config.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/ice/turn.h"
#include "lib/crypto/hash.h"
#include "lib/net/stun.h"
#include "tests/unit/vec.h"

/* ---- the server */

static int server_fd, conn_fd; /* conn_fd: TCP, accepted */
static bool tcp;
static uint16_t port;
static pthread_t thread;
static _Atomic bool stop, silent, forgets, garbage;
static _Atomic int stale; /* so many requests are told that their nonce is old */
static _Atomic int n_allocated, n_refreshed, n_released, n_bound;
static struct sockaddr_in client; /* UDP */
static struct rk_addr channel_peer;
static unsigned channel_number;

static void answer_bytes(const void *p, size_t n)
{
    const char *at = p;

    if (!tcp) {
        (void)sendto(server_fd, p, n, 0, (struct sockaddr *)&client, sizeof client);
        return;
    }
    for (size_t i = 0; i < n; i++) /* one by one: nothing comes whole */
        (void)send(conn_fd, at + i, 1, MSG_NOSIGNAL);
}

static void answer(struct stun_writer *w)
{
    struct rk_str out = stun_end(w);

    answer_bytes(out.p, out.n);
}

static void refuse(const struct stun_msg *m, unsigned code)
{
    uint8_t buf[STUN_MAX_SIZE];
    struct stun_writer w;

    stun_begin(&w, buf, sizeof buf, STUN_ERROR, m->method, &m->txid);
    stun_put_error(&w, code, RK_STR("no"));
    stun_put_bytes(&w, STUN_ATTR_REALM, RK_STR("example.com"));
    stun_put_bytes(&w, STUN_ATTR_NONCE, code == 438 ? RK_STR("newer") : RK_STR("first"));
    answer(&w);
}

static void grant(const struct stun_msg *m, struct rk_str key)
{
    uint8_t buf[STUN_MAX_SIZE];
    struct stun_writer w;
    struct rk_addr relayed;
    uint32_t lifetime_s, number;

    ck_assert_int_eq(rk_addr_parse(RK_STR("203.0.113.9:5000"), &relayed, NULL), RK_OK);
    stun_begin(&w, buf, sizeof buf, STUN_SUCCESS, m->method, &m->txid);
    if (m->method == STUN_METHOD_ALLOCATE) {
        n_allocated++;
        stun_put_xor_address(&w, STUN_ATTR_XOR_RELAYED_ADDRESS, &relayed);
        stun_put_u32(&w, STUN_ATTR_LIFETIME, 600);
    } else if (m->method == STUN_METHOD_REFRESH) {
        ck_assert(stun_attr_u32(m, STUN_ATTR_LIFETIME, &lifetime_s));
        n_refreshed += lifetime_s != 0;
        n_released += lifetime_s == 0;
        stun_put_u32(&w, STUN_ATTR_LIFETIME, lifetime_s);
    } else {
        ck_assert(stun_attr_xor_address(m, STUN_ATTR_XOR_PEER_ADDRESS, &channel_peer));
        ck_assert(stun_attr_u32(m, STUN_ATTR_CHANNEL_NUMBER, &number));
        channel_number = number >> 16;
        n_bound++;
    }
    stun_put_integrity(&w, key);
    answer(&w);
}

static void on_request(const struct stun_msg *m)
{
    uint8_t key[HASH_MD5_SIZE];
    struct rk_str nonce = {0};

    ck_assert_int_eq(hash_md5(RK_STR("rook:example.com:right"), key, NULL), RK_OK);
    if (!m->integrity_at || !stun_integrity_ok(m, rk_str_of(key, sizeof key))) {
        refuse(m, 401);
    } else if (atomic_load(&stale) > 0) {
        stale--;
        refuse(m, 438);
    } else if (forgets && m->method != STUN_METHOD_ALLOCATE) {
        refuse(m, 437);
    } else {
        ck_assert(stun_attr_find(m, STUN_ATTR_NONCE, &nonce));
        grant(m, rk_str_of(key, sizeof key));
    }
}

/* Data comes back the way that its text says. */
static void on_channel(const uint8_t *p, size_t n)
{
    uint8_t buf[STUN_MAX_SIZE];
    struct stun_writer w;
    struct stun_txid id = {{0}};
    struct rk_addr from;
    size_t len = (size_t)p[2] << 8 | p[3];

    ck_assert_uint_eq((unsigned)(p[0] << 8 | p[1]), channel_number);
    ck_assert_uint_le(4 + len, n);
    if (len == 10 && memcmp(p + 4, "indication", 10) == 0) {
        ck_assert_int_eq(rk_addr_parse(RK_STR("198.51.100.7:7"), &from, NULL), RK_OK);
        stun_begin(&w, buf, sizeof buf, STUN_INDICATION, STUN_METHOD_DATA, &id);
        stun_put_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &from);
        stun_put_bytes(&w, STUN_ATTR_DATA, RK_STR("indicated"));
        answer(&w);
        return;
    }
    answer_bytes(p, n);
}

/* One message of the front of p, as far as there is one; its size. */
static size_t serve(const uint8_t *p, size_t n)
{
    struct stun_msg m;
    size_t size;

    if (n < 4)
        return 0;
    size = (p[0] & 0xc0) == 0x40 ? 4 + (((size_t)p[2] << 8 | p[3]) + 3) / 4 * 4
                                 : 20 + ((size_t)p[2] << 8 | p[3]);
    if (!tcp)
        size = n;
    if (n < size)
        return 0;
    if (garbage)
        answer_bytes("HTTP/1.1 400 Bad Request\r\n", 26);
    else if ((p[0] & 0xc0) == 0x40)
        on_channel(p, size);
    else if (stun_decode(rk_str_of(p, size), &m, NULL) == RK_OK && !silent)
        on_request(&m);
    return size;
}

static void *server_main(void *arg)
{
    uint8_t bytes[8192];
    size_t n = 0;

    (void)arg;
    while (!stop) {
        struct pollfd f = {tcp && conn_fd >= 0 ? conn_fd : server_fd, POLLIN, 0};
        socklen_t len = sizeof client;
        ssize_t k;

        if (poll(&f, 1, 20) <= 0)
            continue;
        if (tcp && conn_fd < 0) {
            conn_fd = accept(server_fd, NULL, NULL);
            continue;
        }
        k = tcp ? recv(conn_fd, bytes + n, sizeof bytes - n, 0)
                : recvfrom(server_fd, bytes, sizeof bytes, 0, (struct sockaddr *)&client, &len);
        if (k <= 0 && tcp) { /* the client has gone */
            (void)close(conn_fd);
            conn_fd = -1;
            n = 0;
            continue;
        }
        n = tcp ? n + (size_t)k : (size_t)k;
        for (size_t size; n && (size = serve(bytes, n)); n -= size)
            memmove(bytes, bytes + size, n - size);
    }
    return NULL;
}

/* ---- the client */

static struct rk_loop *loop;
static struct udp_scratch *scratch;
static struct ice_turn *turn;
static struct ice_turn_user user;
static _Atomic bool has_address;
static _Atomic int gone; /* code */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char got[2048], got_from[RK_ADDR_TEXT];
static _Atomic size_t got_n;

static void on_allocated(struct ice_turn_user *u, const struct rk_addr *relayed)
{
    char text[RK_ADDR_TEXT];

    (void)u;
    ck_assert(rk_str_eqz(rk_addr_format(relayed, text), "203.0.113.9:5000"));
    has_address = true;
}

static void on_data(struct ice_turn_user *u, const struct rk_addr *from, struct rk_str d)
{
    char text[RK_ADDR_TEXT];

    (void)u;
    ck_assert_uint_le(d.n, sizeof got);
    (void)pthread_mutex_lock(&lock);
    memcpy(got, d.p, d.n);
    (void)snprintf(got_from, sizeof got_from, "%.*s", RK_STR_ARG(rk_addr_format(from, text)));
    (void)pthread_mutex_unlock(&lock);
    got_n = d.n;
}

static void on_gone(struct ice_turn_user *u, const struct rk_err *why)
{
    (void)u;
    gone = (int)why->code;
}

static const struct ice_turn_ops OPS = {on_allocated, on_data, on_gone};

static bool anywhere(void *arg, const struct rk_ip *ip)
{
    (void)arg;
    (void)ip;
    return true;
}

struct opening {
    const char *password;
};

static void open_on_loop(void *arg)
{
    const struct opening *o = arg;
    struct ice_turn_uri uri;
    struct ice_turn_opts opts = {.loop = loop,
                                 .uri = &uri,
                                 .user = RK_STR("rook"),
                                 .password = rk_str_z(o->password),
                                 .scratch = scratch,
                                 .may_send = anywhere};
    char text[64];

    (void)snprintf(text, sizeof text, "turn:127.0.0.1:%u?transport=%s", port, tcp ? "tcp" : "udp");
    ck_assert_int_eq(ice_turn_uri_parse(rk_str_z(text), &uri, NULL), RK_OK);
    user.ops = &OPS;
    ck_assert_int_eq(ice_turn_open(&opts, &user, &turn, NULL), RK_OK);
}

static void close_on_loop(void *arg)
{
    (void)arg;
    ice_turn_close(turn);
    turn = NULL;
}

static void check_on_loop(void *arg)
{
    (void)arg;
    ice_turn_check(turn);
}

static void send_on_loop(void *arg)
{
    struct rk_addr to;

    ck_assert_int_eq(rk_addr_parse(RK_STR("192.0.2.5:51820"), &to, NULL), RK_OK);
    ice_turn_send(turn, &to, *(struct rk_str *)arg);
}

/* Until it is so, a minute at most; in between the datagram is sent again, if there is one. */
#define WAIT_FOR(what, datagram)                                                                   \
    do {                                                                                           \
        for (int i_ = 0; i_ < 6000 && !(what); i_++) {                                             \
            if ((datagram).n)                                                                      \
                rk_loop_call(loop, send_on_loop, &(datagram));                                     \
            (void)usleep(10000);                                                                   \
        }                                                                                          \
        ck_assert(what);                                                                           \
    } while (0)
static struct rk_str nothing;

static void setup_kind(bool by_tcp)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    socklen_t n = sizeof sa;

    tcp = by_tcp;
    conn_fd = -1;
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server_fd = socket(AF_INET, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    ck_assert_int_eq(bind(server_fd, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(getsockname(server_fd, (struct sockaddr *)&sa, &n), 0);
    ck_assert(!tcp || listen(server_fd, 8) == 0);
    port = ntohs(sa.sin_port);
    ck_assert_int_eq(pthread_create(&thread, NULL, server_main, NULL), 0);
    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    ck_assert_int_eq(rk_loop_start(loop, "turn", NULL), RK_OK);
    scratch = udp_scratch_new(8, UDP_SCRATCH_GRO);
}

static void setup_udp(void)
{
    setup_kind(false);
}

static void setup_tcp(void)
{
    setup_kind(true);
}

static void teardown(void)
{
    rk_loop_call(loop, close_on_loop, NULL);
    rk_loop_stop(loop);
    rk_loop_join(loop);
    rk_loop_free(loop);
    udp_scratch_free(scratch);
    stop = true;
    (void)pthread_join(thread, NULL);
    (void)close(server_fd);
    if (conn_fd >= 0)
        (void)close(conn_fd);
}

static void expect(const char *text, const char *from)
{
    (void)pthread_mutex_lock(&lock);
    ck_assert_uint_eq(got_n, strlen(text));
    ck_assert_int_eq(memcmp(got, text, got_n), 0);
    ck_assert_str_eq(got_from, from);
    (void)pthread_mutex_unlock(&lock);
    got_n = 0;
}

START_TEST(an_address_and_data_both_ways)
{
    struct rk_str echo = RK_STR("echo!"), indication = RK_STR("indication");

    rk_loop_call(loop, open_on_loop, &(struct opening){"right"});
    WAIT_FOR(has_address, nothing);
    WAIT_FOR(got_n, echo);
    expect("echo!", "192.0.2.5:51820");
    ck_assert_int_ge(n_bound, 1);
    (void)usleep(50000); /* echoes under way */
    got_n = 0;
    WAIT_FOR(got_n == 9, indication);
    expect("indicated", "198.51.100.7:7");
    rk_loop_call(loop, check_on_loop, NULL);
    WAIT_FOR(n_refreshed == 1, nothing);
    ck_assert_int_eq(n_allocated, 1);
    ck_assert_int_eq(gone, 0);
    rk_loop_call(loop, close_on_loop, NULL);
    WAIT_FOR(n_released == 1, nothing); /* it is given back */
}
END_TEST

START_TEST(a_wrong_password_is_told)
{
    rk_loop_call(loop, open_on_loop, &(struct opening){"wrong"});
    WAIT_FOR(gone, nothing);
    ck_assert_int_eq(gone, RK_UNAUTHENTICATED);
    ck_assert(!has_address);
}
END_TEST

START_TEST(an_old_nonce_is_replaced)
{
    struct rk_str echo = RK_STR("echo!");

    stale = 1;
    rk_loop_call(loop, open_on_loop, &(struct opening){"right"});
    WAIT_FOR(has_address, nothing);
    stale = 1;
    WAIT_FOR(got_n, echo);
    stale = 1;
    rk_loop_call(loop, check_on_loop, NULL);
    WAIT_FOR(n_refreshed == 1, nothing);
    ck_assert_int_eq(gone, 0);
    stale = 1000;                            /* one that never agrees */
    for (int i = 0; i < 600 && !gone; i++) { /* the last answer may not be there yet */
        rk_loop_call(loop, check_on_loop, NULL);
        (void)usleep(100000);
    }
    ck_assert_int_eq(gone, RK_UNAVAILABLE);
}
END_TEST

START_TEST(silence_ends)
{
    silent = true;
    rk_loop_call(loop, open_on_loop, &(struct opening){"right"});
    WAIT_FOR(gone, nothing);
    ck_assert_int_eq(gone, RK_TIMEOUT);
}
END_TEST

START_TEST(a_server_that_forgot_us_is_noticed)
{
    struct rk_str echo = RK_STR("echo!");

    rk_loop_call(loop, open_on_loop, &(struct opening){"right"});
    WAIT_FOR(has_address, nothing);
    forgets = true;
    WAIT_FOR(gone, echo); /* by the binding of a channel */
    ck_assert_int_eq(gone, RK_UNAVAILABLE);
}
END_TEST

START_TEST(something_else_is_noticed)
{
    garbage = true;
    rk_loop_call(loop, open_on_loop, &(struct opening){"right"});
    WAIT_FOR(gone, nothing);
    ck_assert_int_eq(gone, RK_BAD_REQUEST);
}
END_TEST

START_TEST(a_lost_connection_is_told)
{
    rk_loop_call(loop, open_on_loop, &(struct opening){"right"});
    WAIT_FOR(has_address, nothing);
    ck_assert_int_eq(shutdown(conn_fd, SHUT_RDWR), 0);
    WAIT_FOR(gone, nothing);
    ck_assert_int_eq(gone, RK_UNAVAILABLE);
}
END_TEST

START_TEST(addresses_of_servers)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        enum ice_turn_transport transport;
    } good[] = {
        {"turn:turn.example.com:3479?transport=udp", "turn.example.com", 3479, ICE_TURN_UDP},
        {"turn:turn.example.com", "turn.example.com", 3478, ICE_TURN_UDP},
        {"TURN:192.0.2.1:1?transport=tcp", "192.0.2.1", 1, ICE_TURN_TCP},
        {"turns:turn.example.com", "turn.example.com", 5349, ICE_TURN_TLS},
        {"turns:turn.example.com:443?transport=tcp", "turn.example.com", 443, ICE_TURN_TLS},
        {"turn:[2001:db8::1]:99", "2001:db8::1", 99, ICE_TURN_UDP},
        {"turn:[2001:db8::1]", "2001:db8::1", 3478, ICE_TURN_UDP},
    };
    static const char *const bad[] = {
        "",
        "turn",
        "stun:a:1",
        "turn:",
        "turn::1",
        "turn:a:0",
        "turn:a:70000",
        "turn:a:b",
        "turn:[::1",
        "turn:[::1]99",
        "turn:a?tcp",
        "turn:a?transport=sctp",
        "turn:[]:1",
        "turn:a:1:2",
        "turns:a?transport=udp",
    };
    struct ice_turn_uri u;

    for (size_t i = 0; i < RK_ARRAY_LEN(good); i++) {
        ck_assert_msg(ice_turn_uri_parse(rk_str_z(good[i].text), &u, NULL) == RK_OK, "%s",
                      good[i].text);
        ck_assert_str_eq(u.host, good[i].host);
        ck_assert_uint_eq(u.port, good[i].port);
        ck_assert_int_eq(u.transport, good[i].transport);
    }
    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++)
        ck_assert_msg(ice_turn_uri_parse(rk_str_z(bad[i]), &u, NULL) == RK_INVALID, "%s", bad[i]);
}
END_TEST

static TCase *cases(const char *name, void (*setup)(void))
{
    TCase *t = tcase_create(name);

    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, an_address_and_data_both_ways);
    tcase_add_test(t, a_wrong_password_is_told);
    tcase_add_test(t, an_old_nonce_is_replaced);
    tcase_add_test(t, silence_ends);
    tcase_add_test(t, a_server_that_forgot_us_is_noticed);
    return t;
}

int main(void)
{
    Suite *s = suite_create("agent/ice/turn");
    TCase *udp = cases("udp", setup_udp), *by_tcp = cases("tcp", setup_tcp);
    TCase *plain = tcase_create("plain");

    tcase_add_test(by_tcp, something_else_is_noticed);
    tcase_add_test(by_tcp, a_lost_connection_is_told);
    tcase_add_test(plain, addresses_of_servers);
    suite_add_tcase(s, udp);
    suite_add_tcase(s, by_tcp);
    suite_add_tcase(s, plain);
    return run_suite(s);
}
