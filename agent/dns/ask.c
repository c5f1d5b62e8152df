/* SPDX-License-Identifier: BSD-3-Clause */
/* One question to a list of servers; see ask.h. */
#include "config.h"

#include "agent/dns/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/num.h"
#include "lib/crypto/secret.h"
#include "lib/net/tcp.h"
#include "lib/net/transport.h"
#include "lib/net/way.h"

#define REPEAT_MS 1000 /* UDP loses packets: again after 1 s, then after 2 s more */

/* One socket towards one server. Outlives its ask by the loop turn that closing takes. */
struct
try {
    struct dns_ask *ask; /* NULL: dropped */
    struct tcp_watch watch;
    struct net_conn_user user;
    struct net_conn *conn; /* TCP; NULL: UDP */
    struct rk_buf in;
};

struct dns_ask {
    struct dns_ask_opts o;
    struct dns_ask_user *user;
    struct rk_addr servers[DNS_ASK_SERVERS_MAX];
    size_t next; /* server to try after the present one */
    struct dns_msg query;
    uint8_t *query_bytes;
    uint8_t *sent; /* what the server gets */
    size_t sent_n;
    uint16_t id;
    struct try *t;
    int64_t try_end_ms, end_ms; /* loop time */
    int64_t repeat_ms;          /* of the next repeat; 0: none */
    int64_t repeat_step;
    struct rk_timer *timer;
    struct rk_err err;
};

static void try_next(struct dns_ask *a);
static void arm(struct dns_ask *a);
static void try_tcp(struct dns_ask *a);

/* ---- end */

static void try_drop(struct try *t)
{
    if (!t)
        return;
    t->ask = NULL;
    if (t->conn)
        net_conn_close(t->conn); /* its closed callback frees */
    else
        tcp_watch_close(&t->watch);
}

static void ask_free(struct dns_ask *a)
{
    try_drop(a->t);
    rk_timer_cancel(&a->timer);
    free(a->query_bytes);
    free(a->sent);
    free(a);
}

void dns_ask_cancel(struct dns_ask *a)
{
    if (a)
        ask_free(a);
}

static void finish(struct dns_ask *a, uint8_t *bytes, const struct dns_msg *answer)
{
    struct dns_ask_user *u = a->user;

    rk_timer_cancel(&a->timer);
    u->ops->done(u, bytes, answer, &a->err);
    ask_free(a);
}

static void fail_later(void *arg)
{
    finish(arg, NULL, NULL);
}

/* The present server gave nothing useful: err says why. */
static void give_up_server(struct dns_ask *a)
{
    if (a->user->ops->tried)
        a->user->ops->tried(a->user, &a->servers[a->next - 1], false);
    try_drop(a->t);
    a->t = NULL;
    try_next(a);
}

/* ---- answers */

/* Another server would say the same: RFC 8914 codes of DNSSEC and of policy. */
static bool final_error(const struct dns_msg *m)
{
    static const int8_t codes[] = {1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16, 17, 18};
    int ede = dns_extended_error(m);

    for (size_t i = 0; i < RK_ARRAY_LEN(codes); i++)
        if (ede == codes[i])
            return true;
    return false;
}

/* False: not for us, keep waiting. */
static bool take_answer(struct dns_ask *a, uint8_t *bytes, size_t n, bool tcp)
{
    struct dns_msg m;
    unsigned rcode;

    if (dns_decode(rk_str_of(bytes, n), &m, NULL) || m.id != a->id || !dns_answers(&m, &a->query))
        return false;
    rcode = dns_rcode(&m);
    if (m.flags & DNS_TC && !tcp) {
        try_drop(a->t);
        a->t = NULL;
        try_tcp(a);
        return true;
    }
    if ((rcode == DNS_SERVFAIL || rcode == DNS_REFUSED) && !final_error(&m)) {
        (void)rk_fail(&a->err, RK_UNAVAILABLE, "the name server answered %s",
                      rcode == DNS_SERVFAIL ? "SERVFAIL" : "REFUSED");
        give_up_server(a);
        return true;
    }
    if (a->user->ops->tried)
        a->user->ops->tried(a->user, &a->servers[a->next - 1], true);
    finish(a, bytes, &m);
    return true;
}

/* ---- UDP */

static void udp_closed(struct tcp_watch *w)
{
    free(rk_container_of(w, struct try, watch));
}

static void udp_ready(struct tcp_watch *w, bool readable RK_UNUSED, bool writable RK_UNUSED)
{
    struct try *t = rk_container_of(w, struct try, watch);
    uint8_t buf[4096];

    while (t->ask) {
        ssize_t n = recv(w->fd, buf, sizeof buf, 0);

        if (n >= 0) {
            if (take_answer(t->ask, buf, (size_t)n, false))
                return;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN) {
            (void)rk_fail_errno(&t->ask->err, RK_UNAVAILABLE, errno, "name server");
            give_up_server(t->ask);
        }
        return;
    }
}

static enum rk_code udp_socket(const struct dns_ask *a, const struct rk_addr *to, int *out,
                               struct rk_err *err)
{
    struct sockaddr_storage sa;
    socklen_t len = rk_addr_to_sa(to, &sa);
    int fd;

    if (a->o.around)
        net_way(&to->ip, true);
    fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "socket");
    net_way(&to->ip, true);
    if ((a->o.fwmark &&
         setsockopt(fd, SOL_SOCKET, SO_MARK, &a->o.fwmark, sizeof a->o.fwmark) != 0) ||
        connect(fd, (const struct sockaddr *)&sa, len) != 0) {
        enum rk_code rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "name server");

        (void)close(fd);
        return rc;
    }
    *out = fd;
    return RK_OK;
}

static void new_id(struct dns_ask *a)
{
    uint8_t b[2];

    rk_secret_random(b, sizeof b); /* a guess of id and port must be hard */
    a->id = (uint16_t)(b[0] << 8 | b[1]);
    dns_set_id(a->sent, a->id);
}

static bool try_udp(struct dns_ask *a, const struct rk_addr *to)
{
    struct try *t;
    int fd;

    if (udp_socket(a, to, &fd, &a->err))
        return false;
    t = rk_calloc(1, sizeof *t);
    t->ask = a;
    t->watch.ready = udp_ready;
    t->watch.closed = udp_closed;
    if (tcp_watch_init(a->o.loop, &t->watch, fd, &a->err)) {
        free(t);
        return false;
    }
    new_id(a);
    tcp_watch_set(&t->watch, true, false);
    a->t = t;
    a->repeat_step = REPEAT_MS;
    a->repeat_ms = rk_loop_now_ms(a->o.loop) + a->repeat_step;
    if (send(fd, a->sent, a->sent_n, 0) < 0 && errno != EAGAIN && errno != EINTR) {
        (void)rk_fail_errno(&a->err, RK_UNAVAILABLE, errno, "name server");
        try_drop(t);
        a->t = NULL;
        return false;
    }
    return true;
}

/* ---- TCP */

static void tcp_opened(struct net_conn_user *u)
{
    struct try *t = rk_container_of(u, struct try, user);
    uint8_t head[2];

    if (!t->ask)
        return;
    head[0] = (uint8_t)(t->ask->sent_n >> 8);
    head[1] = (uint8_t)t->ask->sent_n;
    net_conn_send(t->conn, rk_str_of(head, sizeof head));
    net_conn_send(t->conn, rk_str_of(t->ask->sent, t->ask->sent_n));
}

static void tcp_data(struct net_conn_user *u, struct rk_str in)
{
    struct try *t = rk_container_of(u, struct try, user);

    if (!t->ask)
        return;
    rk_buf_add(&t->in, in);
    while (t->ask && t->in.n >= 2) {
        size_t n = (size_t)(uint8_t)t->in.p[0] << 8 | (uint8_t)t->in.p[1];

        if (t->in.n < n + 2)
            break;
        if (take_answer(t->ask, (uint8_t *)t->in.p + 2, n, true))
            return;
        rk_buf_drop(&t->in, n + 2);
    }
    if (t->ask && t->in.full) {
        (void)rk_fail(&t->ask->err, RK_BAD_REQUEST, "name server sends too much");
        give_up_server(t->ask);
    }
}

static void tcp_closed(struct net_conn_user *u, const struct rk_err *why)
{
    struct try *t = rk_container_of(u, struct try, user);
    struct dns_ask *a = t->ask;

    if (a) {
        a->err = *why;
        if (why->code == RK_OK)
            (void)rk_fail(&a->err, RK_UNAVAILABLE, "the name server closed the connection");
        a->t = NULL;
    }
    rk_buf_done(&t->in);
    free(t);
    if (a)
        give_up_server(a);
}

static const struct net_conn_ops TCP_OPS = {
    .opened = tcp_opened, .data = tcp_data, .closed = tcp_closed};

static bool start_tcp(struct dns_ask *a)
{
    const struct rk_addr *to = &a->servers[a->next - 1];
    char host[RK_ADDR_TEXT];
    struct net_connect_opts o = {.host = host,
                                 .port = to->port,
                                 .fwmark = a->o.fwmark,
                                 .timeout_ms = a->try_end_ms - rk_loop_now_ms(a->o.loop)};
    struct try *t;

    if (o.timeout_ms <= 0)
        return false;
    (void)rk_ip_format(&to->ip, host);
    t = rk_calloc(1, sizeof *t);
    t->ask = a;
    t->user.ops = &TCP_OPS;
    rk_buf_init(&t->in, DNS_MAX_SIZE + 2);
    new_id(a);
    if (net_conn_connect(a->o.loop, &o, &t->user, &t->conn, &a->err)) {
        rk_buf_done(&t->in);
        free(t);
        return false;
    }
    a->t = t;
    a->repeat_ms = 0;
    arm(a);
    return true;
}

static void try_tcp(struct dns_ask *a)
{
    if (!start_tcp(a))
        give_up_server(a);
}

/* ---- one server after the other */

static void on_timer(void *arg)
{
    struct dns_ask *a = arg;
    int64_t now = rk_loop_now_ms(a->o.loop);

    if (now >= a->try_end_ms) {
        (void)rk_fail(&a->err, RK_TIMEOUT, "the name server does not answer");
        give_up_server(a);
        return;
    }
    if (a->repeat_ms && now >= a->repeat_ms && a->t && !a->t->conn) {
        RK_IGNORE(send(a->t->watch.fd, a->sent, a->sent_n, 0));
        a->repeat_step *= 2;
        a->repeat_ms = now + a->repeat_step;
    }
    arm(a);
}

static void arm(struct dns_ask *a)
{
    int64_t at = a->try_end_ms;

    if (a->repeat_ms)
        at = rk_min_i64(at, a->repeat_ms);
    rk_timer_start(a->o.loop, &a->timer, rk_max_i64(0, at - rk_loop_now_ms(a->o.loop)), on_timer,
                   a);
}

static void try_next(struct dns_ask *a)
{
    int64_t now = rk_loop_now_ms(a->o.loop);

    while (a->next < a->o.n && now < a->end_ms) {
        const struct rk_addr *to = &a->servers[a->next++];

        a->try_end_ms = rk_min_i64(now + a->o.each_ms, a->end_ms);
        if (a->o.tcp ? start_tcp(a) : try_udp(a, to)) {
            arm(a);
            return;
        }
        if (a->user->ops->tried)
            a->user->ops->tried(a->user, to, false);
    }
    rk_timer_start(a->o.loop, &a->timer, 0, fail_later, a);
}

struct dns_ask *dns_ask_start(const struct dns_ask_opts *opts, struct dns_ask_user *user)
{
    struct dns_ask *a = rk_calloc(1, sizeof *a);
    size_t room = opts->query->raw.n + DNS_OPT_SIZE;

    a->o = *opts;
    a->user = user;
    a->o.n = rk_min_size(opts->n, DNS_ASK_SERVERS_MAX);
    for (size_t i = 0; i < a->o.n; i++)
        a->servers[i] = opts->servers[i];
    a->query = *opts->query;
    a->query_bytes = rk_memdup(opts->query->raw.p, opts->query->raw.n);
    a->query.raw.p = (const char *)a->query_bytes;
    a->sent = rk_malloc(room);
    /* without an additional section nobody asked about DNSSEC: the verdict alone is harmless */
    a->sent_n = dns_forward(opts->query, 0, opts->udp_size, !opts->query->has_opt, a->sent, room);
    a->end_ms = rk_loop_now_ms(opts->loop) + opts->total_ms;
    (void)rk_fail(&a->err, RK_UNAVAILABLE, "no name server is known");
    if (!a->sent_n)
        a->o.n = 0;
    try_next(a);
    return a;
}
