/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/http/h1.c over real sockets: the HTTP/1.1 server with a pool behind it. */
#include "config.h"

#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/base/num.h"
#include "lib/http/h1.h"
#include "lib/json/json.h"
#include "tests/unit/run.h"

#define MAX_HELD 1600 /* bytes of requests and answers */

static struct rk_pool *pool;
static struct http_router *router;
static struct http_dispatch *dispatch;
static struct http_h1 *h1;
static struct rk_metrics *metrics;

static enum rk_code echo(struct http_req *req, struct http_resp *resp, struct db *db,
                         struct rk_err *err)
{
    char text[RK_ADDR_TEXT];

    (void)db;
    (void)err;
    json_put_obj(&resp->body);
    json_put_key_str(&resp->body, "method", rk_str_z(http_method_name(req->method)));
    if (req->n_params)
        json_put_key_str(&resp->body, "param", req->params[0]);
    json_put_key_str(&resp->body, "query", req->query);
    json_put_key_str(&resp->body, "body", req->body);
    json_put_key_str(&resp->body, "peer", rk_ip_format(&req->peer.ip, text));
    json_put_key_bool(&resp->body, "https", req->https);
    json_put_key_bool(&resp->body, "app", req->app == &pool);
    json_put_obj_end(&resp->body);
    return RK_OK;
}

static enum rk_code big(struct http_req *req, struct http_resp *resp, struct db *db,
                        struct rk_err *err)
{
    (void)req;
    (void)db;
    (void)err;
    for (int i = 0; i < 100000; i++)
        rk_buf_addz(&resp->body, "0123456789");
    return RK_OK;
}

static enum rk_code fails(struct http_req *req, struct http_resp *resp, struct db *db,
                          struct rk_err *err)
{
    (void)req;
    (void)db;
    rk_buf_addz(&resp->body, "half a body");
    return rk_fail(err, RK_EXISTS, "There Already");
}

static _Atomic int slow_begun;

static enum rk_code slow(struct http_req *req, struct http_resp *resp, struct db *db,
                         struct rk_err *err)
{
    slow_begun++;
    (void)usleep(200000);
    return echo(req, resp, db, err);
}

static enum rk_code guard(struct http_req *req, struct http_resp *resp, struct db *db,
                          struct rk_err *err)
{
    struct rk_str v;

    (void)resp;
    (void)db;
    if (!http_req_header(req, "Authorization", &v))
        return rk_fail(err, RK_UNAUTHENTICATED, "no valid authentication provided");
    req->user = "somebody";
    return RK_OK;
}

static const struct http_route ROUTES[] = {
    {HTTP_GET, "/open/{x}", echo, HTTP_PUBLIC | HTTP_CORS, NULL},
    {HTTP_POST, "/open/{x}", echo, HTTP_PUBLIC | HTTP_CORS, NULL},
    {HTTP_GET, "/api/closed", echo, HTTP_CORS, NULL},
    {HTTP_GET, "/big", big, HTTP_PUBLIC | HTTP_INLINE, NULL},
    {HTTP_GET, "/fails", fails, HTTP_PUBLIC, NULL},
    {HTTP_GET, "/slow", slow, HTTP_PUBLIC, NULL},
};

static void setup(void)
{
    static const struct rk_prefix trusted[] = {{{4, {10}}, 8}};
    struct http_dispatch_opts d = {.app = &pool,
                                   .guard = guard,
                                   .api_prefix = "/api/",
                                   .max_body_bytes = 1000,
                                   .max_held_bytes = MAX_HELD,
                                   .trusted = {trusted, 1}};
    struct http_h1_opts o = {.max_connections = 20,
                             .max_per_address = 5,
                             .idle_timeout_s = 1,
                             .request_timeout_s = 1,
                             .trusted = {trusted, 1}};

    metrics = rk_metrics_new();
    o.metrics = d.metrics = metrics;
    router = http_router_new();
    http_router_add(router, ROUTES, RK_ARRAY_LEN(ROUTES));
    ck_assert_int_eq(rk_pool_new(&pool, 2, 100, &(struct rk_pool_ops){0}, NULL), RK_OK);
    d.router = router;
    d.pool = pool;
    o.dispatch = dispatch = http_dispatch_new(&d);
    ck_assert_int_eq(http_h1_new(&o, &h1, NULL), RK_OK);
}

static void teardown(void)
{
    http_h1_free(h1);
    http_dispatch_free(dispatch);
    rk_pool_free(pool);
    http_router_free(router);
    rk_metrics_free(metrics);
}

static int dial(unsigned last_byte)
{
    struct rk_addr peer = {.ip = rk_ip4(10, 0, 0, last_byte), .port = 1000};
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    if (http_h1_take_fd(h1, fds[1], &peer, true, NULL)) {
        close(fds[0]);
        return -1;
    }
    return fds[0];
}

static void say(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Everything until the end of the connection or ms of silence. */
static char *hear(int fd, int ms, size_t *n)
{
    size_t cap = (size_t)4 << 20, got = 0;
    char *all = rk_malloc(cap);

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t r;

        if (poll(&p, 1, ms) != 1)
            break;
        r = recv(fd, all + got, cap - got - 1, 0);
        if (r <= 0)
            break;
        got += (size_t)r;
    }
    all[got] = '\0';
    if (n)
        *n = got;
    return all;
}

static char *ask(const char *text)
{
    int fd = dial(1);
    char *all;

    ck_assert_int_ge(fd, 0);
    say(fd, text);
    all = hear(fd, 60000, NULL);
    close(fd);
    return all;
}

#define HAS(text, part)   ck_assert_msg(strstr(text, part) != NULL, "%s", text)
#define HASNT(text, part) ck_assert_msg(strstr(text, part) == NULL, "%s", text)
#define END               "Connection: close\r\n\r\n"

START_TEST(requests_are_answered)
{
    char *a = ask("GET /open/a%62?q=%20 HTTP/1.1\r\nHost: x\r\nOrigin: http://o\r\n" END);

    HAS(a, "HTTP/1.1 200 OK\r\n");
    HAS(a, "Content-Type: application/json; charset=UTF-8\r\n");
    HAS(a, "Vary: Origin\r\n");
    HAS(a, "Access-Control-Allow-Origin: *\r\n");
    HAS(a, "X-Request-Id: ");
    HAS(a, "{\"method\":\"GET\",\"param\":\"ab\",\"query\":\"q=%20\",\"body\":\"\","
           "\"peer\":\"10.0.0.1\",\"https\":true,\"app\":true}");
    free(a);
    a = ask("POST /open/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n" END "hello");
    HAS(a, "\"body\":\"hello\"");
    HASNT(a, "Access-Control-Allow-Origin");
    free(a);
    a = ask("POST /open/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" END
            "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    HAS(a, "\"body\":\"abcde\"");
    free(a);
    a = ask("HEAD /open/x HTTP/1.1\r\nHost: x\r\n" END);
    HAS(a, "HTTP/1.1 200 OK\r\n");
    HASNT(a, "\"method\"");
    free(a);
}
END_TEST

START_TEST(refusals_have_their_shapes)
{
    char *a = ask("GET /api/closed HTTP/1.1\r\nHost: x\r\n" END);

    HAS(a, " 401 ");
    HAS(a, "{\"message\":\"no valid authentication provided\",\"code\":401}\n");
    free(a);
    a = ask("GET /api/closed HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\n" END);
    HAS(a, " 200 ");
    free(a);
    a = ask("GET /fails HTTP/1.1\r\nHost: x\r\n" END);
    HAS(a, " 409 ");
    HAS(a, "\r\n\r\n{\"message\":\"there already\",\"code\":409}\n");
    free(a);
    a = ask("GET /nowhere HTTP/1.1\r\nHost: x\r\n" END);
    HAS(a, " 404 ");
    HAS(a, "404 page not found\n");
    free(a);
    a = ask("GET /api/nowhere HTTP/1.1\r\nHost: x\r\nOrigin: o\r\n" END);
    HAS(a, "{\"message\":\"no such path\",\"code\":404}");
    HAS(a, "Access-Control-Allow-Origin: *");
    free(a);
    a = ask("DELETE /open/x HTTP/1.1\r\nHost: x\r\n" END);
    HAS(a, " 405 ");
    HAS(a, "Allow: OPTIONS, GET, HEAD, POST\r\n");
    free(a);
    a = ask("BREW /open/x HTTP/1.1\r\nHost: x\r\n" END);
    HAS(a, " 405 ");
    free(a);
}
END_TEST

START_TEST(preflights)
{
    char *a = ask("OPTIONS /api/closed HTTP/1.1\r\nHost: x\r\nOrigin: o\r\n"
                  "Access-Control-Request-Method: GET\r\n"
                  "Access-Control-Request-Headers: authorization\r\n" END);

    HAS(a, " 204 ");
    HAS(a, "Access-Control-Allow-Origin: *\r\n");
    HAS(a, "Access-Control-Allow-Methods: GET\r\n");
    HAS(a, "Access-Control-Allow-Headers: authorization\r\n");
    HAS(a, "Vary: Access-Control-Request-Method\r\n");
    free(a);
    a = ask("OPTIONS /api/closed HTTP/1.1\r\nHost: x\r\n" END);
    HAS(a, " 204 ");
    HAS(a, "Allow: OPTIONS, GET, HEAD\r\n");
    free(a);
}
END_TEST

START_TEST(bodies_have_a_limit)
{
    char *a = ask("POST /open/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n" END);
    struct rk_buf b;
    int fd;

    HAS(a, " 413 ");
    HAS(a, "\"code\":413}");
    free(a);
    a = ask("POST /open/x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            "Content-Length: 1001\r\n" END);
    HAS(a, " 413 ");
    free(a);
    rk_buf_init(&b, 100000);
    rk_buf_printf(&b, "POST /open/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n" END "%01001d",
                  7); /* read to the end before it is refused */
    rk_buf_addc(&b, '\0');
    a = ask(b.p);
    HAS(a, " 413 ");
    free(a);
    rk_buf_clear(&b);
    rk_buf_addz(&b, "POST /open/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" END);
    for (int i = 0; i < 12; i++)
        rk_buf_printf(&b, "64\r\n%0100d\r\n", i);
    rk_buf_addz(&b, "0\r\n\r\n");
    rk_buf_addc(&b, '\0');
    a = ask(b.p);
    HAS(a, " 413 ");
    free(a);
    rk_buf_clear(&b);
    rk_buf_addz(&b, "POST /open/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" END);
    for (int i = 0; i < 60; i++) /* far too much: hung up on */
        rk_buf_printf(&b, "64\r\n%0100d\r\n", i);
    rk_buf_addc(&b, '\0');
    fd = dial(1);
    (void)send(fd, b.p, b.n - 1, MSG_NOSIGNAL);
    a = hear(fd, 3000, NULL);
    HASNT(a, " 200 ");
    close(fd);
    free(a);
    rk_buf_done(&b);
}
END_TEST

START_TEST(all_bodies_share_a_limit)
{
    char half[900], whole[1200];
    int64_t end = rk_mono_ms() + 120000;
    bool refused = false, served = false;
    char *a;

    (void)snprintf(half, sizeof half,
                   "POST /open/x HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n%0800d", 7);
    (void)snprintf(whole, sizeof whole,
                   "POST /open/x HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n" END "%0900d", 7);
    while (!refused &&
           rk_mono_ms() < end) { /* again when one that is slow was given up meanwhile */
        int fd = dial(1);

        say(fd, half);
        for (int i = 0; i < 20 && !refused; i++) {
            a = ask(whole); /* 800 are held for the other one */
            refused = strstr(a, " 503 ") != NULL;
            free(a);
        }
        close(fd); /* gives up */
    }
    ck_assert(refused);
    while (!served && rk_mono_ms() < end) {
        a = ask(whole);
        served = strstr(a, " 200 ") != NULL;
        free(a);
    }
    ck_assert(served);
}
END_TEST

/* An answer that nobody takes fills what may be held: strangers have to wait for that, those who
 * have shown who they are do not. */
START_TEST(known_ones_are_served_when_memory_is_short)
{
    static const char closed[] = "GET /api/closed HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\n\r\n";
    static const char open[] = "GET /open/x HTTP/1.1\r\nHost: x\r\n" END;
    int64_t end = rk_mono_ms() + 120000;
    bool refused = false, kept = false, served = false;
    char *a;

    while (!kept && rk_mono_ms() < end) { /* again when it took so long that one was idle */
        int known = dial(2), slow = dial(3);

        (void)send(known, closed, sizeof closed - 1, MSG_NOSIGNAL);
        free(hear(known, 100, NULL));
        say(slow, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
        for (int i = 0; i < 20 && !refused; i++) { /* until it is made */
            a = ask(open);
            refused = strstr(a, " 503 ") && strstr(a, "Retry-After: ");
            free(a);
        }
        (void)send(known, closed, sizeof closed - 1, MSG_NOSIGNAL);
        a = hear(known, 200, NULL);
        kept = refused && strstr(a, " 200 ");
        free(a);
        close(known);
        close(slow);
    }
    ck_assert(kept);
    while (!served && rk_mono_ms() < end) { /* the slow one is given up */
        a = ask(open);
        served = strstr(a, " 200 ") != NULL;
        free(a);
    }
    ck_assert(served);
}
END_TEST

START_TEST(large_bodies_are_compressed)
{
    int fd = dial(1);
    char *a, *body;
    size_t n;
    z_stream z = {0};
    RK_CLEANUP(rk_freep) char *plain = rk_malloc(1000001);

    say(fd, "GET /big HTTP/1.1\r\nHost: x\r\nAccept-Encoding: br, gzip\r\n" END);
    a = hear(fd, 5000, &n);
    close(fd);
    HAS(a, "Content-Encoding: gzip\r\n");
    HAS(a, "Vary: Accept-Encoding\r\n");
    body = strstr(a, "\r\n\r\n") + 4;
    ck_assert_int_eq(inflateInit2(&z, 31), Z_OK);
    z.next_in = (Bytef *)body;
    z.avail_in = (uInt)(n - (size_t)(body - a));
    z.next_out = (Bytef *)plain;
    z.avail_out = 1000001;
    ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
    ck_assert_uint_eq(z.total_out, 1000000);
    (void)inflateEnd(&z);
    free(a);
    a = ask("GET /big HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip;q=0\r\n" END);
    HAS(a, "Content-Length: 1000000\r\n");
    free(a);
}
END_TEST

START_TEST(connections_are_kept_and_pipelined)
{
    int fd = dial(1);
    char *a;
    int n = 0;

    say(fd, "GET /api/nowhere HTTP/1.1\r\nHost: x\r\n\r\n"); /* neither do refusals close it */
    say(fd, "DELETE /open/a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
    for (int i = 0; i < 10; i++)
        say(fd, i % 2 ? "GET /open/b HTTP/1.1\r\nHost: x\r\n\r\n"
                      : "POST /open/a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
    a = hear(fd, 500, NULL);
    for (const char *p = a; (p = strstr(p, "HTTP/1.1 200 OK")) != NULL; p++)
        n++;
    ck_assert_int_eq(n, 10);
    free(a);
    close(fd);
}
END_TEST

START_TEST(trusted_proxies_name_the_client)
{
    char *a = ask("GET /open/x HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: http\r\n"
                  "X-Forwarded-For: 1.1.1.1, 192.0.2.7, 10.9.9.9\r\n" END);
    struct rk_addr stranger = {.ip = rk_ip4(203, 0, 113, 1)};
    int fds[2];

    HAS(a, "\"peer\":\"192.0.2.7\",\"https\":false");
    free(a);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    ck_assert_int_eq(http_h1_take_fd(h1, fds[1], &stranger, false, NULL), RK_OK);
    say(fds[0], "GET /open/x HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.1.1.1\r\n" END);
    a = hear(fds[0], 5000, NULL);
    HAS(a, "\"peer\":\"203.0.113.1\"");
    free(a);
    close(fds[0]);
}
END_TEST

/* What a client writes cannot push out of sight what the proxies write behind it. */
START_TEST(long_lists_of_proxies_name_the_client)
{
    struct rk_buf b;
    char *a;

    rk_buf_init(&b, 1 << 20);
    rk_buf_addz(&b, "GET /open/x HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\n"
                    "X-Forwarded-For: ");
    for (int i = 0; i < 500; i++)
        rk_buf_addz(&b, "198.51.100.1, ");
    rk_buf_addz(&b, "192.0.2.7\r\n" END);
    rk_buf_addc(&b, '\0');
    a = ask(b.p);
    HAS(a, "\"peer\":\"192.0.2.7\"");
    free(a);
    rk_buf_clear(&b);
    rk_buf_addz(&b, "GET /open/x HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\n");
    for (int i = 0; i < 200; i++)
        rk_buf_addz(&b, "X-Junk: x\r\n");
    rk_buf_addz(&b, "X-Forwarded-For: 192.0.2.7\r\n" END);
    rk_buf_addc(&b, '\0');
    a = ask(b.p);
    HAS(a, "\"peer\":\"10.0.0.1\""); /* the proxy itself, rather than 6.6.6.6 */
    free(a);
    rk_buf_done(&b);
}
END_TEST

START_TEST(connections_have_limits)
{
    struct rk_addr stranger = {.ip = rk_ip4(203, 0, 113, 1)};
    int ours[5], fds[2], mine[20], n = 0;

    for (int i = 0; i < 6; i++) {
        enum rk_code rc;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        rc = http_h1_take_fd(h1, fds[1], &stranger, false, NULL);
        ck_assert_int_eq(rc, i < 5 ? RK_OK : RK_LIMIT);
        if (rc)
            close(fds[0]);
        else
            ours[i] = fds[0];
    }
    while (n < 20 && (mine[n] = dial((unsigned)n)) >= 0)
        n++;
    ck_assert_int_eq(n, 15); /* 20 in total */
    for (int i = 0; i < 5; i++)
        close(ours[i]);
    for (int i = 0; i < n; i++)
        close(mine[i]);
    for (int i = 0; i < 100 && (n = dial(1)) < 0; i++)
        (void)usleep(20000); /* closed ones are counted out */
    ck_assert_int_ge(n, 0);
    close(n);
}
END_TEST

START_TEST(slow_senders_are_cut)
{
    int fd = dial(1);
    int64_t start = rk_mono_ms();
    char *a;
    bool gone = false;

    say(fd, "GET /open/x HTTP/1.1\r\nHost: x\r\n");
    while (!gone && rk_mono_ms() - start < 60000) { /* never idle, never done */
        gone = send(fd, "X-A: b\r\n", 8, MSG_NOSIGNAL) < 0;
        (void)usleep(100000);
    }
    ck_assert(gone);
    close(fd);
    fd = dial(1); /* says nothing at all */
    a = hear(fd, 60000, NULL);
    ck_assert_int_eq(recv(fd, a, 1, MSG_DONTWAIT), 0);
    free(a);
    close(fd);
}
END_TEST

START_TEST(garbage_is_refused)
{
    static const char *const bad[] = {"\x16\x03\x01\x02\x01\r\n\r\n", "GET\r\n\r\n", "\r\n\r\n\r\n",
                                      "GET / HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"};

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        char *a = ask(bad[i]);

        HASNT(a, " 200 ");
        free(a);
    }
    free(ask("GET /open/x HTTP/1.1\r\nHost: x\r\n" END));
}
END_TEST

START_TEST(stop_waits_for_requests)
{
    int fds[4];
    struct rk_addr peer = {.ip = rk_ip4(10, 0, 0, 1)};
    int pair[2];

    for (int i = 0; i < 4; i++) {
        fds[i] = dial(1);
        say(fds[i], "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    while (slow_begun < 4) /* two threads: at least two of them are at work now */
        (void)usleep(1000);
    http_h1_stop(h1, 60000);
    for (int i = 0; i < 4; i++) {
        char *a = hear(fds[i], 30000, NULL);

        HAS(a, " 200 ");
        free(a);
        close(fds[i]);
    }
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_int_eq(http_h1_take_fd(h1, pair[1], &peer, false, NULL), RK_CANCELLED);
    close(pair[0]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("h1");
    TCase *t = tcase_create("h1");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, requests_are_answered);
    tcase_add_test(t, refusals_have_their_shapes);
    tcase_add_test(t, preflights);
    tcase_add_test(t, bodies_have_a_limit);
    tcase_add_test(t, all_bodies_share_a_limit);
    tcase_add_test(t, known_ones_are_served_when_memory_is_short);
    tcase_add_test(t, large_bodies_are_compressed);
    tcase_add_test(t, connections_are_kept_and_pipelined);
    tcase_add_test(t, trusted_proxies_name_the_client);
    tcase_add_test(t, long_lists_of_proxies_name_the_client);
    tcase_add_test(t, connections_have_limits);
    tcase_add_test(t, slow_senders_are_cut);
    tcase_add_test(t, garbage_is_refused);
    tcase_add_test(t, stop_waits_for_requests);
    suite_add_tcase(s, t);
    return run_suite(s);
}
