/* SPDX-License-Identifier: BSD-3-Clause */
/* One look at one server; see probe.h. */
#include "config.h"

#include "agent/client/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/loop.h"
#include "lib/base/num.h"
#include "lib/grpc/client.h"
#include "lib/http/client.h"
#include "lib/net/relayproto.h"
#include "lib/net/stun.h"
#include "lib/net/transport.h"

#define LIMIT_MS     5000
#define STUN_TRIES   3
#define STUN_WAIT_MS 700
#define ANSWER_MAX   2048

/* ---- names and plain connections */

size_t probe_names(const char *host, struct rk_ip out[PROBE_ADDRS_MAX], struct rk_err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
    size_t n = 0;
    int rc;

    if (rk_ip_parse(rk_str_z(host), &out[0], NULL) == RK_OK)
        return 1;
    rc = getaddrinfo(host, NULL, &hints, &list);
    if (rc) {
        (void)rk_fail(err, RK_NOT_FOUND, "%s: %s", host, gai_strerror(rc));
        return 0;
    }
    for (const struct addrinfo *a = list; a && n < PROBE_ADDRS_MAX; a = a->ai_next) {
        struct rk_addr addr;

        if (rk_addr_from_sa(a->ai_addr, &addr, NULL) == RK_OK)
            out[n++] = addr.ip;
    }
    freeaddrinfo(list);
    return n;
}

static void set_mark(int fd, uint32_t mark)
{
    if (mark)
        (void)setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark); /* root only */
}

enum rk_code probe_tcp(const struct rk_ip *ip, uint16_t port, uint32_t mark, int64_t *ms,
                       struct rk_err *err)
{
    struct rk_addr addr = {*ip, port};
    struct sockaddr_storage ss;
    socklen_t len = rk_addr_to_sa(&addr, &ss), n = sizeof(int);
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), e = 0;
    int64_t start = rk_mono_ms();
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    if (fd < 0)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "socket");
    set_mark(fd, mark);
    if (connect(fd, (const struct sockaddr *)&ss, len) != 0)
        e = errno;
    if (e == EINPROGRESS) {
        e = poll(&p, 1, LIMIT_MS) > 0 ? 0 : ETIMEDOUT;
        if (!e)
            (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n);
    }
    (void)close(fd);
    *ms = rk_mono_ms() - start;
    return e ? rk_fail(err, e == ETIMEDOUT ? RK_TIMEOUT : RK_UNAVAILABLE, "%s", strerror(e))
             : RK_OK;
}

/* ---- over a loop of its own */

struct visit {
    struct rk_loop *loop;
    struct rk_timer *limit;
    struct grpc_channel_user channel_user;
    struct grpc_channel *channel;
    struct net_conn_user conn_user;
    struct net_conn *conn;
    struct rk_str request;
    char answer[ANSWER_MAX];
    size_t n;
    bool good, over;
    struct rk_err err;
};

static void leave(struct visit *v)
{
    if (v->channel)
        grpc_channel_close(v->channel);
    if (v->conn)
        net_conn_close(v->conn);
}

static void on_limit(void *arg)
{
    struct visit *v = arg;

    if (!v->good)
        (void)rk_fail(&v->err, RK_TIMEOUT, "no answer within %d seconds", LIMIT_MS / 1000);
    leave(v);
}

static void end(struct visit *v, const struct rk_err *why)
{
    if (!v->good && !v->err.code)
        v->err = *why;
    if (!v->good && !v->err.code)
        (void)rk_fail(&v->err, RK_UNAVAILABLE, "the connection is closed at once");
    v->channel = NULL;
    v->conn = NULL;
    v->over = true;
    rk_timer_cancel(&v->limit);
    rk_loop_stop(v->loop);
}

static void on_ready(struct grpc_channel_user *u)
{
    struct visit *v = rk_container_of(u, struct visit, channel_user);

    v->good = true;
    leave(v);
}

static void on_down(struct grpc_channel_user *u, const struct rk_err *why)
{
    end(rk_container_of(u, struct visit, channel_user), why);
}

enum rk_code probe_grpc(const char *host, uint16_t port, struct tls_ctx *tls, uint32_t mark,
                        struct rk_err *err)
{
    static const struct grpc_channel_ops ops = {.ready = on_ready, .down = on_down};
    struct visit v = {.channel_user = {.ops = &ops}};
    struct grpc_channel_opts o = {
        .host = host, .port = port, .tls = tls, .fwmark = mark, .connect_timeout_ms = LIMIT_MS};
    enum rk_code rc = rk_loop_new(&v.loop, err);

    if (rc)
        return rc;
    rc = grpc_channel_open(v.loop, &o, &v.channel_user, &v.channel, err);
    if (rc == RK_OK)
        rk_timer_start(v.loop, &v.limit, LIMIT_MS + 1000, on_limit, &v);
    else
        rk_loop_stop(v.loop);
    rk_loop_run(v.loop);
    rk_loop_free(v.loop);
    if (rc)
        return rc;
    return v.good ? RK_OK : rk_fail(err, v.err.code, "%s", v.err.msg);
}

static void on_opened(struct net_conn_user *u)
{
    struct visit *v = rk_container_of(u, struct visit, conn_user);

    net_conn_send(v->conn, v->request);
}

static void on_data(struct net_conn_user *u, struct rk_str in)
{
    struct visit *v = rk_container_of(u, struct visit, conn_user);
    struct rk_str head, line, rest;
    size_t n = in.n < ANSWER_MAX - v->n ? in.n : ANSWER_MAX - v->n;

    memcpy(v->answer + v->n, in.p, n);
    v->n += n;
    head = rk_str_of(v->answer, v->n);
    if (rk_str_find(head, RK_STR("\r\n")) >= head.n && v->n < ANSWER_MAX)
        return;
    (void)rk_str_cut(head, '\r', &line, &rest);
    v->good = rk_str_starts(line, RK_STR("HTTP/1.1 101"));
    if (!v->good)
        (void)rk_fail(&v->err, RK_UNAVAILABLE, "no WebSocket there, but \"%.*s\"",
                      RK_STR_ARG(rk_str_sub(line, 0, 60)));
    leave(v);
}

static void on_closed(struct net_conn_user *u, const struct rk_err *why)
{
    end(rk_container_of(u, struct visit, conn_user), why);
}

enum rk_code probe_relay(struct rk_str url, struct tls_ctx *tls, uint32_t mark, struct rk_err *err)
{
    static const struct net_conn_ops ops = {
        .opened = on_opened, .data = on_data, .closed = on_closed};
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct visit v = {.conn_user = {.ops = &ops}};
    struct rly_url to;
    struct net_connect_opts o = {.alpn = "http/1.1", .fwmark = mark, .timeout_ms = LIMIT_MS};
    enum rk_code rc = rly_url_parse(url, &to, err);

    if (rc == RK_OK)
        rc = rk_loop_new(&v.loop, err);
    if (rc)
        return rc;
    o.host = rk_arena_dupz(mem, to.host);
    o.port = to.port;
    o.tls = to.tls ? tls : NULL;
    v.request = rk_arena_printf(mem,
                                "GET /relay HTTP/1.1\r\nHost: %s:%u\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: cm9vayBkb2N0b3IgcHJvYg==\r\n\r\n",
                                o.host, to.port);
    rc = net_conn_connect(v.loop, &o, &v.conn_user, &v.conn, err);
    if (rc == RK_OK)
        rk_timer_start(v.loop, &v.limit, LIMIT_MS + 1000, on_limit, &v);
    else
        rk_loop_stop(v.loop);
    rk_loop_run(v.loop);
    rk_loop_free(v.loop);
    if (rc)
        return rc;
    return v.good ? RK_OK : rk_fail(err, v.err.code, "%s", v.err.msg);
}

/* ---- STUN */

/* "stun:host:port" and its addresses, IPv4 only: there the NAT is. */
static size_t stun_addrs(struct rk_str uri, struct rk_addr *out, size_t max)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct rk_ip ips[PROBE_ADDRS_MAX];
    struct rk_str host, port;
    int64_t number = 3478;
    size_t n, kept = 0;

    if (!rk_str_istarts(uri, RK_STR("stun:")))
        return 0;
    if (rk_str_cut(rk_str_sub(uri, 5, uri.n), ':', &host, &port))
        RK_IGNORE(rk_parse_i64(port, 1, 65535, &number, NULL));
    n = probe_names(rk_arena_dupz(mem, host), ips, NULL);
    for (size_t i = 0; i < n && kept < max; i++)
        if (ips[i].family == 4)
            out[kept++] = (struct rk_addr){ips[i], (uint16_t)number};
    return kept;
}

static void send_request(int fd, const struct rk_addr *to, const struct stun_txid *txid)
{
    uint8_t buf[STUN_MAX_SIZE];
    struct sockaddr_storage ss;
    socklen_t len = rk_addr_to_sa(to, &ss);
    struct stun_writer w;
    struct rk_str msg;

    stun_begin(&w, buf, sizeof buf, STUN_REQUEST, STUN_METHOD_BINDING, txid);
    stun_put_fingerprint(&w);
    msg = stun_end(&w);
    (void)!sendto(fd, msg.p, msg.n, 0, (const struct sockaddr *)&ss, len);
}

/* Until all have answered or the time is over. */
static void take_answers(int fd, struct probe_mapping *rows, const struct stun_txid *ids, size_t n,
                         int64_t wait_ms)
{
    int64_t until = rk_mono_ms() + wait_ms;
    char buf[STUN_MAX_SIZE];
    size_t missing = 0;

    for (size_t i = 0; i < n; i++)
        missing += rows[i].mapped.ip.family == 0;
    while (missing) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = until - rk_mono_ms();
        struct stun_msg m;
        ssize_t got;

        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            return;
        got = recv(fd, buf, sizeof buf, 0);
        if (got < 0 || stun_decode(rk_str_of(buf, (size_t)got), &m, NULL) || m.cls != STUN_SUCCESS)
            continue;
        for (size_t i = 0; i < n; i++)
            if (stun_txid_eq(&m.txid, &ids[i]) && rows[i].mapped.ip.family == 0) {
                rows[i].mapped = m.mapped;
                missing--;
            }
    }
}

size_t probe_stun(const struct rk_str *uris, size_t n, uint32_t mark, struct probe_mapping *out,
                  size_t max, uint16_t *local)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct stun_txid ids[16];
    socklen_t len = sizeof any;
    size_t rows = 0;

    if (fd < 0)
        return 0;
    set_mark(fd, mark);
    (void)bind(fd, (const struct sockaddr *)&any, sizeof any);
    if (getsockname(fd, (struct sockaddr *)&any, &len) == 0)
        *local = ntohs(any.sin_port);
    if (max > RK_ARRAY_LEN(ids))
        max = RK_ARRAY_LEN(ids);
    for (size_t i = 0; i < n && rows < max; i++) {
        struct rk_addr addrs[PROBE_ADDRS_MAX];
        size_t found = stun_addrs(uris[i], addrs, PROBE_ADDRS_MAX);

        for (size_t k = 0; k < found && rows < max; k++) {
            stun_txid_random(&ids[rows]);
            out[rows++] = (struct probe_mapping){.server = addrs[k]};
        }
    }
    for (int t = 0; t < STUN_TRIES; t++) {
        for (size_t i = 0; i < rows; i++)
            if (out[i].mapped.ip.family == 0)
                send_request(fd, &out[i].server, &ids[i]);
        take_answers(fd, out, ids, rows, STUN_WAIT_MS);
    }
    (void)close(fd);
    return rows;
}

/* ---- the clock */

enum rk_code probe_clock(struct rk_arena *mem, const char *url, const char *ca_file,
                         int64_t *ahead_s, struct rk_err *err)
{
    struct http_fetch f = {
        .url = url, .ca_file = ca_file, .timeout_ms = LIMIT_MS, .insecure = true};
    struct http_fetched got = {0};
    enum rk_code rc = http_fetch(&f, mem, &got, err);

    if (rc)
        return rc;
    if (!got.date_unix_s)
        return rk_fail(err, RK_NOT_FOUND, "%s says no time", url);
    *ahead_s = rk_unix_ms() / 1000 - got.date_unix_s;
    return RK_OK;
}
