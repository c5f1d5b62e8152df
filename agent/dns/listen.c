/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients of our name servers; see listen.h. */
#include "config.h"

#include "agent/dns/listen.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/num.h"
#include "lib/net/tcp.h"
#include "lib/net/transport.h"
#include "lib/net/udp.h"

#define UDP_SLOTS 16
#define UDP_SLOT  4096

struct client; /* one TCP connection */

/* One question of a client. */
struct ask {
    struct rk_list link;
    struct dns_asker asker;
    struct dns_listener *l;
    struct client *c; /* NULL: UDP */
    struct rk_addr from;
    struct rk_ip to; /* the answer comes from there */
    struct dns_msg msg;
    uint8_t *bytes;
    struct dns_query *q; /* under way */
};

struct client {
    struct rk_list link;
    struct dns_listener *l;
    struct net_conn_user user;
    struct net_conn *conn;
    struct rk_buf in;
    size_t pending;
    struct rk_timer *idle;
};

struct dns_listener {
    struct rk_loop *loop;
    struct dns_listener_user *user;
    struct rk_addr addr;
    struct udp_user udp_user;
    struct udp_sock *udp;
    struct udp_scratch *scratch;
    struct tcp_watch tcp;
    bool tcp_open;
    struct rk_list asks, clients;
    size_t n_clients;
    bool closing;
};

/* ---- answers */

size_t dns_cut(uint8_t *bytes, size_t n, const struct dns_msg *query)
{
    uint8_t buf[DNS_UDP_SIZE];
    struct dns_msg m;
    size_t cut;

    if (n <= dns_client_size(query) || dns_decode(rk_str_of(bytes, n), &m, NULL))
        return n;
    /* no half an answer: the client comes again by TCP */
    cut = dns_reply_empty(query, (m.flags & (DNS_AA | DNS_RA | DNS_RCODE_MASK)) | DNS_TC, -1, buf,
                          sizeof buf);
    memcpy(bytes, buf, cut);
    return cut;
}

static void ask_free(struct ask *a)
{
    rk_list_remove(&a->link);
    free(a->bytes);
    free(a);
}

static void client_send(struct client *c, const uint8_t *bytes, size_t n)
{
    uint8_t head[2] = {(uint8_t)(n >> 8), (uint8_t)n};

    if (!n || n > DNS_MAX_SIZE)
        return;
    net_conn_send(c->conn, rk_str_of(head, sizeof head));
    net_conn_send(c->conn, rk_str_of(bytes, n));
}

static void answer(struct dns_asker *asker, uint8_t *bytes, size_t n)
{
    struct ask *a = rk_container_of(asker, struct ask, asker);

    a->q = NULL;
    if (a->c) {
        a->c->pending--;
        client_send(a->c, bytes, n);
    } else if (n) {
        (void)udp_send(a->l->udp, &a->to, &a->from, rk_str_of(bytes, dns_cut(bytes, n, &a->msg)));
    }
    ask_free(a);
}

/* ---- questions */

static void code_for(const struct dns_msg *m, unsigned code, uint8_t *buf, size_t size, size_t *n)
{
    *n = dns_reply_empty(m, code, -1, buf, size);
}

/* False: the bytes are not even a question; *n of buf is what to say about that (0: nothing). */
static bool decode(struct rk_str in, struct dns_msg *m, uint8_t *buf, size_t size, size_t *n)
{
    uint16_t id, flags;

    *n = 0;
    if (!dns_peek(in, &id, &flags) || flags & DNS_QR)
        return false;
    if (dns_decode(in, m, NULL)) { /* header alone: the question cannot be repeated */
        struct rk_wr w = rk_wr_of(buf, size);

        rk_wr_u16(&w, id);
        rk_wr_u16(&w, DNS_QR | (flags & (DNS_OPCODE_MASK | DNS_RD)) | DNS_FORMERR);
        rk_wr_u64(&w, 0);
        *n = w.n;
        return false;
    }
    if (flags & DNS_OPCODE_MASK) {
        code_for(m, DNS_NOTIMP, buf, size, n);
        return false;
    }
    if (m->qclass != DNS_CLASS_IN) {
        code_for(m, DNS_REFUSED, buf, size, n);
        return false;
    }
    return true;
}

static void ask(struct dns_listener *l, struct client *c, const struct rk_addr *from,
                const struct rk_ip *to, const struct dns_msg *m)
{
    struct ask *a = rk_calloc(1, sizeof *a);

    a->l = l;
    a->c = c;
    a->from = *from;
    a->to = *to;
    a->asker.answer = answer;
    a->bytes = rk_memdup(m->raw.p, m->raw.n);
    a->msg = *m;
    a->msg.raw.p = (const char *)a->bytes;
    a->msg.opt_data = (struct rk_str){0};
    rk_list_push_back(&l->asks, &a->link);
    if (c)
        c->pending++;
    l->user->ask(l->user, m, c != NULL, from, &a->asker, &a->q);
}

static void on_udp(struct udp_user *u, const struct udp_in *v, size_t n)
{
    struct dns_listener *l = rk_container_of(u, struct dns_listener, udp_user);
    uint8_t buf[DNS_UDP_SIZE];

    for (size_t i = 0; i < n && !l->closing; i++) {
        struct dns_msg m;
        size_t bad;

        if (decode(v[i].bytes, &m, buf, sizeof buf, &bad))
            ask(l, NULL, &v[i].from, &v[i].to, &m);
        else if (bad)
            (void)udp_send(l->udp, &v[i].to, &v[i].from, rk_str_of(buf, bad));
    }
}

static const struct udp_ops UDP_OPS = {.received = on_udp};

/* ---- TCP */

static void drop_asks(struct dns_listener *l, const struct client *c)
{
    RK_LIST_FOR_EACH_SAFE (it, &l->asks) {
        struct ask *a = rk_container_of(it, struct ask, link);

        if (c && a->c != c)
            continue;
        dns_query_cancel(a->q);
        ask_free(a);
    }
}

static void on_idle(void *arg)
{
    struct client *c = arg;

    if (c->pending) /* its own answers are late, not the client */
        rk_timer_start(c->l->loop, &c->idle, DNS_TCP_IDLE_MS, on_idle, c);
    else
        net_conn_close(c->conn);
}

static void on_data(struct net_conn_user *u, struct rk_str in)
{
    struct client *c = rk_container_of(u, struct client, user);
    uint8_t buf[DNS_UDP_SIZE];

    rk_list_remove(&c->link);
    rk_list_push_back(&c->l->clients, &c->link);
    rk_timer_start(c->l->loop, &c->idle, DNS_TCP_IDLE_MS, on_idle, c);
    rk_buf_add(&c->in, in);
    while (c->in.n >= 2) {
        size_t n = (size_t)(uint8_t)c->in.p[0] << 8 | (uint8_t)c->in.p[1], bad;
        struct dns_msg m;

        if (c->in.n < n + 2)
            break;
        if (c->pending >= DNS_TCP_PENDING_MAX) {
            net_conn_close(c->conn);
            return;
        }
        if (decode(rk_str_of(c->in.p + 2, n), &m, buf, sizeof buf, &bad))
            ask(c->l, c, net_conn_peer(c->conn), &(struct rk_ip){0}, &m);
        else if (bad)
            client_send(c, buf, bad);
        else
            net_conn_close(c->conn);
        rk_buf_drop(&c->in, n + 2);
    }
    if (c->in.full)
        net_conn_close(c->conn);
}

static void listener_free(struct dns_listener *l)
{
    if (!l->closing || l->tcp_open || l->n_clients)
        return;
    udp_scratch_free(l->scratch);
    free(l);
}

static void on_closed(struct net_conn_user *u, const struct rk_err *why RK_UNUSED)
{
    struct client *c = rk_container_of(u, struct client, user);
    struct dns_listener *l = c->l;

    drop_asks(l, c);
    rk_timer_cancel(&c->idle);
    rk_buf_done(&c->in);
    rk_list_remove(&c->link);
    l->n_clients--;
    free(c);
    listener_free(l);
}

static const struct net_conn_ops CLIENT_OPS = {.data = on_data, .closed = on_closed};

/* The one that has been silent for longest makes room. */
static void make_room(struct dns_listener *l)
{
    struct client *c;

    if (l->n_clients < DNS_TCP_CLIENTS_MAX)
        return;
    c = rk_container_of(l->clients.next, struct client, link);
    rk_list_remove(&c->link);
    rk_list_push_back(&l->clients, &c->link); /* until its closing has come round */
    net_conn_close(c->conn);
}

static void on_accept(struct tcp_watch *w, bool readable RK_UNUSED, bool writable RK_UNUSED)
{
    struct dns_listener *l = rk_container_of(w, struct dns_listener, tcp);
    struct rk_addr peer;
    int fd;

    while ((fd = tcp_accept(w->fd, &peer)) >= 0) {
        struct client *c;

        if (l->n_clients >= 2 * DNS_TCP_CLIENTS_MAX) {
            (void)close(fd);
            continue;
        }
        make_room(l);
        c = rk_calloc(1, sizeof *c);
        c->l = l;
        c->user.ops = &CLIENT_OPS;
        rk_buf_init(&c->in, DNS_MAX_SIZE + 2);
        if (net_conn_adopt(l->loop, fd, &peer, NULL, &c->user, &c->conn, NULL)) {
            rk_buf_done(&c->in);
            free(c);
            continue;
        }
        l->n_clients++;
        rk_list_push_back(&l->clients, &c->link);
        rk_timer_start(l->loop, &c->idle, DNS_TCP_IDLE_MS, on_idle, c);
    }
}

static void on_tcp_closed(struct tcp_watch *w)
{
    struct dns_listener *l = rk_container_of(w, struct dns_listener, tcp);

    l->tcp_open = false;
    listener_free(l);
}

/* ---- life */

static enum rk_code open_tcp(struct dns_listener *l, struct rk_err *err)
{
    struct rk_addr addr = l->addr;
    enum rk_code rc;
    int fd;

    addr.port = udp_local(l->udp)->port;
    rc = tcp_listen(&addr, false, &fd, err);
    if (rc)
        return rc;
    l->tcp.ready = on_accept;
    l->tcp.closed = on_tcp_closed;
    rc = tcp_watch_init(l->loop, &l->tcp, fd, err);
    if (rc)
        return rc;
    l->tcp_open = true;
    tcp_watch_set(&l->tcp, true, false);
    l->addr = addr;
    return RK_OK;
}

enum rk_code dns_listener_open(struct rk_loop *loop, const struct rk_addr *addr,
                               struct dns_listener_user *user, struct dns_listener **out,
                               struct rk_err *err)
{
    struct dns_listener *l = rk_calloc(1, sizeof *l);
    struct udp_opts o = {.bind = *addr, .want_dst = true};
    enum rk_code rc;

    l->loop = loop;
    l->user = user;
    l->addr = *addr;
    rk_list_init(&l->asks);
    rk_list_init(&l->clients);
    l->scratch = udp_scratch_new(UDP_SLOTS, UDP_SLOT);
    o.scratch = l->scratch;
    l->udp_user.ops = &UDP_OPS;
    rc = udp_open(loop, &o, &l->udp_user, &l->udp, err);
    if (rc == RK_OK)
        rc = open_tcp(l, err);
    if (rc) {
        dns_listener_close(l);
        return rc;
    }
    *out = l;
    return RK_OK;
}

void dns_listener_close(struct dns_listener *l)
{
    if (!l || l->closing)
        return;
    l->closing = true;
    drop_asks(l, NULL);
    udp_close(l->udp);
    l->udp = NULL;
    RK_LIST_FOR_EACH (it, &l->clients)
        net_conn_close(rk_container_of(it, struct client, link)->conn);
    if (l->tcp_open)
        (void)close(tcp_watch_detach(&l->tcp)); /* now: the address may be wanted again at once */
    else
        listener_free(l);
}

const struct rk_addr *dns_listener_addr(const struct dns_listener *l)
{
    return &l->addr;
}
