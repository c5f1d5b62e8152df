/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/net/ws.c: RFC examples, every split of a stream, limits and broken peers. */
#include "config.h"

#include "lib/net/ws.h"

#include "tests/unit/vec.h"

enum { MAX = 8820 };

static struct rk_arena *mem;

static void setup(void)
{
    mem = rk_arena_new(0);
}

static void teardown(void)
{
    rk_arena_free(mem);
}

#define GOOD_HEAD                                                                                  \
    "GET /relay?x=1 HTTP/1.1\r\nHost: example.com:443\r\nUpgrade: websocket\r\n"                   \
    "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"           \
    "X-Real-Ip: 203.0.113.9\r\nX-Real-Port: 4711\r\nSec-WebSocket-Version: 13\r\n\r\n"

START_TEST(server_upgrade_is_that_of_the_rfc)
{
    struct ws_request r;
    struct rk_buf out;

    ck_assert(ws_is_upgrade(RK_STR(GOOD_HEAD)));
    ck_assert_int_eq(ws_server_parse(RK_STR(GOOD_HEAD), &r, NULL), RK_OK);
    ck_assert_int_eq(r.status, 101);
    ck_assert(rk_str_eqz(r.path, "/relay") && rk_str_eqz(r.query, "x=1"));
    ck_assert(rk_str_eqz(r.host, "example.com:443") && rk_str_eqz(r.real_ip, "203.0.113.9"));
    rk_buf_init(&out, 1024);
    ws_server_response(&r, &out);
    ck_assert(rk_str_starts(rk_buf_str(&out), RK_STR("HTTP/1.1 101 ")));
    ck_assert(rk_str_find(rk_buf_str(&out),
                          RK_STR("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")) <
              out.n);
    ck_assert(rk_str_find(rk_buf_str(&out), RK_STR("xtensions")) == out.n);
    rk_buf_done(&out);
}
END_TEST

START_TEST(head_end_is_found)
{
    static const char head[] = GOOD_HEAD "\x82";

    for (size_t n = 0; n < sizeof head; n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(head, n);

        ck_assert_uint_eq(ws_head_size(rk_str_of(exact, n)),
                          n >= sizeof GOOD_HEAD - 1 ? sizeof GOOD_HEAD - 1 : 0);
    }
}
END_TEST

START_TEST(every_truncated_head_is_safe)
{
    for (size_t n = 0; n < sizeof GOOD_HEAD - 1; n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(GOOD_HEAD, n);
        struct ws_request r;

        (void)ws_is_upgrade(rk_str_of(exact, n));
        if (ws_server_parse(rk_str_of(exact, n), &r, NULL) == RK_OK && n < sizeof GOOD_HEAD - 5)
            ck_assert_int_ne(r.status, 101);
    }
}
END_TEST

START_TEST(bad_upgrades_get_their_status)
{
#define V "Sec-WebSocket-Version: 13\r\n"
#define K "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define U "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    static const struct {
        const char *head;
        int status; /* 0: not HTTP */
    } bad[] = {
        {"GET /relay HTTP/1.1\r\nHost: x\r\n\r\n", 426},
        {"GET /relay HTTP/1.1\r\nUpgrade: websocket\r\n" V K "\r\n", 426},
        {"GET /relay HTTP/1.1\r\nConnection: Upgrade\r\n" V K "\r\n", 426},
        {"GET /relay HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 426},
        {"POST /relay HTTP/1.1\r\n" U V K "\r\n", 405},
        {"GET /relay HTTP/1.0\r\n" U V K "\r\n", 505},
        {"GET /relay HTTP/1.1\r\n" U K "Sec-WebSocket-Version: 8\r\n\r\n", 400},
        {"GET /relay HTTP/1.1\r\n" U V "\r\n", 400},
        {"GET /relay HTTP/1.1\r\n" U V "Sec-WebSocket-Key: c2hvcnQ=\r\n\r\n", 400},
        {"GET /relay HTTP/1.1\r\n" U V K K "\r\n", 400},
        {"GET relay HTTP/1.1\r\n" U V K "\r\n", 0},
        {"GET /relay\r\n\r\n", 0},
        {"GET /relay HTTP/1.1\r\nno colon\r\n\r\n", 0},
        {"GET /relay HTTP/1.1\r\nHost : x\r\n\r\n", 0},
        {"\r\n\r\n", 0},
        {"", 0},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        struct ws_request r = {0};
        enum rk_code rc = ws_server_parse(rk_str_z(bad[i].head), &r, NULL);
        char want[32];
        struct rk_buf out;

        ck_assert_msg(rc == (bad[i].status ? RK_OK : RK_BAD_REQUEST), "%s", bad[i].head);
        ck_assert_int_eq(r.status, bad[i].status);
        if (rc)
            continue;
        rk_buf_init(&out, 1024);
        ws_server_response(&r, &out);
        (void)snprintf(want, sizeof want, "HTTP/1.1 %d ", r.status);
        ck_assert(rk_str_starts(rk_buf_str(&out), rk_str_z(want)));
        ck_assert_uint_lt(rk_str_find(rk_buf_str(&out), RK_STR("close\r\n")), out.n);
        rk_buf_done(&out);
    }
}
END_TEST

START_TEST(client_and_server_agree)
{
    char accept[WS_ACCEPT_LEN + 1];
    struct rk_buf req, resp;
    struct ws_request r;

    rk_buf_init(&req, 1024);
    rk_buf_init(&resp, 1024);
    ws_client_request(RK_STR("h:1"), RK_STR("/relay"), &req, accept);
    ck_assert_uint_eq(ws_head_size(rk_buf_str(&req)), req.n);
    ck_assert_int_eq(ws_server_parse(rk_buf_str(&req), &r, NULL), RK_OK);
    ck_assert_int_eq(r.status, 101);
    ws_server_response(&r, &resp);
    ck_assert_int_eq(ws_client_check(rk_buf_str(&resp), accept, NULL), RK_OK);
    accept[3] ^= 1;
    ck_assert_int_eq(ws_client_check(rk_buf_str(&resp), accept, NULL), RK_BAD_REQUEST);
    rk_buf_done(&req);
    rk_buf_done(&resp);
}
END_TEST

START_TEST(client_maps_refusals)
{
    static const char accept[WS_ACCEPT_LEN + 1] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
#define OK101                                                                                      \
    "HTTP/1.1 101 X\r\nupgrade: WebSocket\r\nconnection: upgrade\r\n"                              \
    "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    ck_assert_int_eq(ws_client_check(RK_STR(OK101 "\r\n"), accept, NULL), RK_OK);
    ck_assert_int_eq(
        ws_client_check(RK_STR(OK101 "Sec-WebSocket-Extensions: x\r\n\r\n"), accept, NULL),
        RK_BAD_REQUEST);
    ck_assert_int_eq(ws_client_check(RK_STR("HTTP/1.1 502 Bad\r\n\r\n"), accept, NULL),
                     RK_UNAVAILABLE);
    ck_assert_int_eq(ws_client_check(RK_STR("HTTP/1.1 404 No\r\n\r\n"), accept, NULL),
                     RK_NOT_FOUND);
    ck_assert_int_eq(ws_client_check(RK_STR("HTTP/1.1 200 OK\r\n\r\n"), accept, NULL),
                     RK_BAD_REQUEST);
    ck_assert_int_eq(ws_client_check(RK_STR("SSH-2.0-x\r\n\r\n"), accept, NULL), RK_BAD_REQUEST);
}
END_TEST

/* The first event of bytes in hex. */
static enum ws_event first_event(enum ws_role role, const char *hex, struct ws_msg *msg,
                                 struct ws_rx *rx)
{
    struct rk_str in = vec_hex(mem, hex), copy = vec_hex(mem, hex);
    struct ws_rx in_place;
    struct ws_msg other;
    enum ws_event e;

    ws_rx_init(&in_place, role, MAX);
    ws_rx_set_in_place(&in_place);
    e = ws_rx_next(&in_place, &copy, &other);
    ws_rx_init(rx, role, MAX);
    ck_assert_int_eq(ws_rx_next(rx, &in, msg), e);
    ck_assert(other.n == msg->n && other.close_code == msg->close_code);
    ws_rx_done(&in_place);
    return e;
}

START_TEST(rfc_examples_are_read)
{
    struct ws_rx rx;
    struct ws_msg m;

    ck_assert_int_eq(first_event(WS_CLIENT, "810548656c6c6f", &m, &rx), WS_TEXT);
    ck_assert(m.n == 5 && memcmp(m.p, "Hello", 5) == 0 && !m.fragmented);
    ws_rx_done(&rx);
    ck_assert_int_eq(first_event(WS_SERVER, "818537fa213d7f9f4d5158", &m, &rx), WS_TEXT);
    ck_assert(m.n == 5 && memcmp(m.p, "Hello", 5) == 0);
    ws_rx_done(&rx);
    ck_assert_int_eq(first_event(WS_CLIENT, "010348656c80026c6f", &m, &rx), WS_TEXT);
    ck_assert(m.n == 5 && memcmp(m.p, "Hello", 5) == 0 && m.fragmented);
    ws_rx_done(&rx);
    ck_assert_int_eq(first_event(WS_CLIENT, "890548656c6c6f", &m, &rx), WS_PING);
    ck_assert(m.n == 5 && memcmp(m.p, "Hello", 5) == 0);
    ws_rx_done(&rx);
    ck_assert_int_eq(first_event(WS_CLIENT, "880203e8", &m, &rx), WS_CLOSE);
    ck_assert_uint_eq(m.close_code, 1000);
    ws_rx_done(&rx);
    ck_assert_int_eq(first_event(WS_CLIENT, "8800", &m, &rx), WS_CLOSE);
    ck_assert_uint_eq(m.close_code, WS_CLOSE_NONE);
    ws_rx_done(&rx);
    ck_assert_int_eq(first_event(WS_CLIENT, "8200", &m, &rx), WS_BINARY);
    ck_assert(m.n == 0 && m.p);
    ws_rx_done(&rx);
}
END_TEST

START_TEST(a_frame_of_two_pieces)
{
    static const size_t SIZES[][2] = {{0, 0}, {38, 1312}, {1, 124}, {3, 123}, {126, 0}, {7, 66000}};
    static const uint8_t MASK[4] = {0x12, 0x34, 0x56, 0x78};
    static uint8_t a[200], b[70000], out[71000];

    for (size_t i = 0; i < sizeof b; i++)
        b[i] = (uint8_t)(i * 3 + 1);
    memset(a, 0x5a, sizeof a);
    for (size_t i = 0; i < RK_ARRAY_LEN(SIZES); i++) {
        size_t na = SIZES[i][0], nb = SIZES[i][1];
        size_t n = ws_client_frame(out, WS_OP_BINARY, MASK, rk_str_of(a, na), rk_str_of(b, nb));
        struct rk_str in = rk_str_of(out, n);
        struct ws_rx rx;
        struct ws_msg m;

        ck_assert_uint_le(n, WS_FRAME_HEAD + na + nb);
        ws_rx_init(&rx, WS_SERVER, 100000);
        ck_assert_int_eq(ws_rx_next(&rx, &in, &m), WS_BINARY);
        ck_assert_uint_eq(in.n, 0);
        ck_assert_uint_eq(m.n, na + nb);
        ck_assert(rk_str_eq(rk_str_of(m.p, na), rk_str_of(a, na)));
        ck_assert(rk_str_eq(rk_str_of(m.p + na, nb), rk_str_of(b, nb)));
        ws_rx_done(&rx);
    }
}
END_TEST

START_TEST(broken_frames_fail_for_ever)
{
    static const struct {
        enum ws_role role;
        unsigned code;
        const char *hex;
    } bad[] = {
        {WS_SERVER, 1002, "820548656c6c6f"},         /* unmasked client */
        {WS_CLIENT, 1002, "828537fa213d7f9f4d5158"}, /* masked server */
        {WS_CLIENT, 1002, "c200"},                   /* RSV1: compression */
        {WS_CLIENT, 1002, "8300"},                   /* unknown data op */
        {WS_CLIENT, 1002, "8b00"},                   /* unknown control op */
        {WS_CLIENT, 1002, "0900"},                   /* ping in fragments */
        {WS_CLIENT, 1002, "897e0080"},               /* ping above 125 bytes */
        {WS_CLIENT, 1002, "8000"},                   /* continuation of nothing */
        {WS_CLIENT, 1002, "020161820162"},           /* new message inside another */
        {WS_CLIENT, 1002, "827e0005"},               /* length not in its shortest form */
        {WS_CLIENT, 1002, "827f000000000000ffff"},   /* likewise */
        {WS_CLIENT, 1002, "827f8000000000000000"},   /* most significant bit */
        {WS_CLIENT, 1002, "880103"},                 /* close of one byte */
        {WS_CLIENT, 1002, "880203ed"},               /* 1005 is never sent */
        {WS_CLIENT, 1009, "827e2275"},               /* 8821 bytes */
        {WS_CLIENT, 1009, "827f0000000100000000"},   /* 4 GiB: no memory is taken */
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        struct ws_rx rx;
        struct ws_msg m;
        struct rk_str more = RK_STR("\x82\x00");

        ck_assert_msg(first_event(bad[i].role, bad[i].hex, &m, &rx) == WS_FAILED, "%s", bad[i].hex);
        ck_assert_uint_eq(m.close_code, bad[i].code);
        ck_assert_ptr_null(rx.msg);
        ck_assert_int_eq(ws_rx_next(&rx, &more, &m), WS_FAILED);
        ws_rx_done(&rx);
    }
}
END_TEST

START_TEST(nothing_follows_a_close)
{
    struct ws_rx rx;
    struct ws_msg m;
    struct rk_str in = vec_hex(mem, "880203e8820141");

    ws_rx_init(&rx, WS_CLIENT, MAX);
    ck_assert_int_eq(ws_rx_next(&rx, &in, &m), WS_CLOSE);
    ck_assert_int_eq(ws_rx_next(&rx, &in, &m), WS_FAILED);
    ws_rx_done(&rx);
}
END_TEST

START_TEST(fragments_above_the_limit_fail)
{
    struct ws_rx rx;
    struct ws_msg m;
    struct rk_str in = vec_hex(mem, "0203616263800361");

    ws_rx_init(&rx, WS_CLIENT, 5);
    ck_assert_int_eq(ws_rx_next(&rx, &in, &m), WS_FAILED);
    ck_assert_uint_eq(m.close_code, WS_CLOSE_TOO_BIG);
    ws_rx_done(&rx);
}
END_TEST

/* A stream with messages of many sizes, fragments and a ping between them. */
static void build_stream(struct rk_buf *out, enum ws_role role)
{
    static const size_t sizes[] = {0, 1, 7, 8, 9, 124, 125, 126, 127, 300, MAX};
    RK_CLEANUP(rk_freep) char *data = rk_malloc(MAX);

    for (size_t i = 0; i < MAX; i++)
        data[i] = (char)(i * 31 + 7);
    for (size_t i = 0; i < RK_ARRAY_LEN(sizes); i++) {
        ws_put(out, role, WS_OP_BINARY, rk_str_of(data, sizes[i]));
        ws_put(out, role, WS_OP_PING, rk_str_of(data, i));
    }
    ck_assert(!out->full);
}

static size_t check_messages(struct ws_rx *rx, struct rk_str in, size_t seen)
{
    static const size_t sizes[] = {0, 1, 7, 8, 9, 124, 125, 126, 127, 300, MAX};
    struct ws_msg m;
    enum ws_event e;

    while ((e = ws_rx_next(rx, &in, &m)) != WS_MORE) {
        size_t want = seen % 2 ? seen / 2 : sizes[seen / 2];

        ck_assert_int_eq(e, seen % 2 ? WS_PING : WS_BINARY);
        ck_assert_uint_eq(m.n, want);
        for (size_t i = 0; i < m.n; i++)
            ck_assert_uint_eq(m.p[i], (uint8_t)(i * 31 + 7));
        seen++;
    }
    ck_assert_uint_eq(in.n, 0);
    return seen;
}

static void cut_anywhere(bool in_place)
{
    for (int role = WS_SERVER; role <= WS_CLIENT; role++) {
        struct rk_buf s;

        rk_buf_init(&s, 1 << 16);
        build_stream(&s, role == WS_SERVER ? WS_CLIENT : WS_SERVER);
        for (size_t step = 1; step < 1500; step += step < 40 ? 1 : 211) {
            struct ws_rx rx;
            size_t seen = 0;

            ws_rx_init(&rx, (enum ws_role)role, MAX);
            if (in_place)
                ws_rx_set_in_place(&rx);
            for (size_t at = 0; at < s.n; at += step) {
                struct rk_str piece = rk_str_sub(rk_buf_str(&s), at, step);
                RK_CLEANUP(rk_freep) char *exact = rk_memdup(piece.p, piece.n);

                seen = check_messages(&rx, rk_str_of(exact, piece.n), seen);
            }
            ck_assert_uint_eq(seen, 22);
            ck_assert_ptr_null(rx.msg); /* idle: no memory held */
            ws_rx_done(&rx);
        }
        rk_buf_done(&s);
    }
}

START_TEST(a_stream_cut_anywhere_gives_the_same_messages)
{
    cut_anywhere(false);
    cut_anywhere(true);
}
END_TEST

START_TEST(a_whole_message_stays_where_it_is)
{
    struct rk_str in = vec_hex(mem, "828c37fa213d7f9f4d515f9f4d51589f4d51"
                                    "828c37fa213d7f9f4d515f9f4d5158"); /* the second is cut */
    const char *first = in.p;
    struct ws_rx rx;
    struct ws_msg m;

    ws_rx_init(&rx, WS_SERVER, MAX);
    ws_rx_set_in_place(&rx);
    ck_assert_int_eq(ws_rx_next(&rx, &in, &m), WS_BINARY);
    ck_assert_ptr_eq(m.p, first + 6);
    ck_assert(m.n == 12 && memcmp(m.p, "Hell", 4) == 0);
    ck_assert_ptr_null(rx.msg);
    ck_assert_int_eq(ws_rx_next(&rx, &in, &m), WS_MORE);
    in = RK_STR("\x9f\x4d\x51");
    ck_assert_int_eq(ws_rx_next(&rx, &in, &m), WS_BINARY);
    ck_assert(m.n == 12 && memcmp(m.p, "Hell", 4) == 0);
    ws_rx_done(&rx);
}
END_TEST

START_TEST(a_ping_inside_a_fragmented_message_is_delivered_first)
{
    struct rk_str in = vec_hex(mem, "020161"
                                    "890170"
                                    "000162"
                                    "800163");
    struct ws_rx rx;
    struct ws_msg m;

    ws_rx_init(&rx, WS_CLIENT, MAX);
    ck_assert_int_eq(ws_rx_next(&rx, &in, &m), WS_PING);
    ck_assert(m.n == 1 && m.p[0] == 'p');
    ck_assert_int_eq(ws_rx_next(&rx, &in, &m), WS_BINARY);
    ck_assert(m.n == 3 && memcmp(m.p, "abc", 3) == 0 && m.fragmented);
    ck_assert_int_eq(ws_rx_next(&rx, &in, &m), WS_MORE);
    ws_rx_done(&rx);
}
END_TEST

START_TEST(the_limit_may_change)
{
    struct rk_str in = vec_hex(mem, "8203616263"
                                    "8203616263");
    struct ws_rx rx;
    struct ws_msg m;

    ws_rx_init(&rx, WS_CLIENT, 2);
    ws_rx_set_max(&rx, 3);
    ck_assert_int_eq(ws_rx_next(&rx, &in, &m), WS_BINARY);
    ws_rx_set_max(&rx, 2);
    ck_assert_int_eq(ws_rx_next(&rx, &in, &m), WS_FAILED);
    ws_rx_done(&rx);
}
END_TEST

START_TEST(a_full_buffer_takes_no_half_frame)
{
    struct rk_buf out;

    rk_buf_init(&out, 10);
    ws_put(&out, WS_SERVER, WS_OP_BINARY, RK_STR("12345678"));
    ck_assert(!out.full && out.n == 10);
    ws_put(&out, WS_SERVER, WS_OP_BINARY, RK_STR(""));
    ck_assert(out.full && out.n == 10);
    rk_buf_done(&out);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("ws");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, server_upgrade_is_that_of_the_rfc);
    tcase_add_test(t, head_end_is_found);
    tcase_add_test(t, every_truncated_head_is_safe);
    tcase_add_test(t, bad_upgrades_get_their_status);
    tcase_add_test(t, client_and_server_agree);
    tcase_add_test(t, client_maps_refusals);
    tcase_add_test(t, rfc_examples_are_read);
    tcase_add_test(t, a_frame_of_two_pieces);
    tcase_add_test(t, broken_frames_fail_for_ever);
    tcase_add_test(t, nothing_follows_a_close);
    tcase_add_test(t, fragments_above_the_limit_fail);
    tcase_add_test(t, a_stream_cut_anywhere_gives_the_same_messages);
    tcase_add_test(t, a_whole_message_stays_where_it_is);
    tcase_add_test(t, a_ping_inside_a_fragmented_message_is_delivered_first);
    tcase_add_test(t, the_limit_may_change);
    tcase_add_test(t, a_full_buffer_takes_no_half_frame);
    return vec_run(t, "lib/net/ws");
}
