/* SPDX-License-Identifier: BSD-3-Clause */
/* The edge's listeners: bind, accept, and hand sockets to the loops; see edge.h. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/http/edge_priv.h"
#include "lib/net/lsock.h"

enum { ACCEPTS_PER_TURN = 64 /* then others get their turn */ };

/* A socket on its way from the accepting loop to another one. */
struct handoff {
    struct rk_task task;
    struct edge_loop *to;
    int fd;
    struct rk_addr peer;
    const struct edge_listen *conf;
};

/* ---- accepting */

static void handoff_run(struct rk_task *t)
{
    struct handoff *h = rk_container_of(t, struct handoff, task);

    if (h->to->stopping)
        (void)close(h->fd);
    else
        edge_conn_accept(h->to, h->fd, &h->peer, h->conf);
    free(h);
}

static void dispatch(struct edge_listener *l, int fd, const struct rk_addr *peer)
{
    struct edge *e = l->el->edge;
    struct handoff *h;

    if (!l->alone || e->n_loops == 1) {
        edge_conn_accept(l->el, fd, peer, l->conf);
        return;
    }
    h = rk_calloc(1, sizeof *h);
    h->task.run = handoff_run;
    h->to = &e->loops[atomic_fetch_add(&e->next_loop, 1) % e->n_loops];
    h->fd = fd;
    h->peer = *peer;
    h->conf = l->conf;
    rk_loop_post(h->to->loop, &h->task);
}

/* No descriptors left: without this the listener would stay readable and the loop would spin. */
static void accept_and_refuse(struct edge_listener *l)
{
    struct edge *e = l->el->edge;
    struct rk_addr peer;
    int fd;

    rk_log_every(edge_log_gate(e, "descriptors"), EDGE_LOG_EVERY_MS, e->log, RK_ERROR,
                 "edge out of file descriptors: connections are refused");
    if (l->el->spare_fd >= 0)
        (void)close(l->el->spare_fd);
    fd = tcp_accept(l->watch.fd, &peer);
    if (fd >= 0)
        (void)close(fd);
    l->el->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void listener_ready(struct tcp_watch *w, bool readable, bool writable)
{
    struct edge_listener *l = rk_container_of(w, struct edge_listener, watch);

    (void)readable;
    (void)writable;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct rk_addr peer;
        int fd = tcp_accept(w->fd, &peer);

        if (fd >= 0) {
            dispatch(l, fd, &peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE)
            accept_and_refuse(l);
        if (errno != ECONNABORTED && errno != EINTR)
            break;
    }
}

static void listener_closed(struct tcp_watch *w)
{
    struct edge_listener *l = rk_container_of(w, struct edge_listener, watch);

    l->open = false;
    edge_loop_less(l->el);
}

static void loop_start(struct rk_task *t)
{
    struct edge_loop *el = rk_container_of(t, struct edge_loop, start_task);
    struct rk_err err;

    for (size_t i = 0; i < el->edge->n_listen; i++) {
        struct edge_listener *l = &el->listeners[i];
        int fd = l->fd;

        if (fd < 0)
            continue;
        l->fd = -1;
        l->watch.ready = listener_ready;
        l->watch.closed = listener_closed;
        if (el->stopping || tcp_watch_init(el->loop, &l->watch, fd, &err)) {
            if (el->stopping)
                (void)close(fd);
            edge_loop_less(el);
            continue;
        }
        l->open = true;
        tcp_watch_set(&l->watch, true, false);
    }
}

static void close_listener(struct edge_listener *l)
{
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
}

/* One socket accepts for all loops: it is not shared, or the kernel cannot. */
static void make_alone(struct edge *e, size_t i)
{
    for (size_t k = 1; k < e->n_loops; k++)
        close_listener(&e->loops[k].listeners[i]);
    e->loops[0].listeners[i].alone = true;
    e->one_acceptor = true;
}

/* Several processes can share a port only when all of them ask for it: that another program (or
 * another copy of this one) has it is noticed by not asking. */
static enum rk_code check_free(const struct rk_addr *addr, struct rk_err *err)
{
    enum rk_code rc;
    int fd;

    if (!addr->port)
        return RK_OK;
    rc = tcp_listen(addr, false, &fd, err);
    if (rc == RK_OK)
        (void)close(fd);
    return rc;
}

/* Sockets of listener i on all loops. */
static enum rk_code bind_all(struct edge *e, size_t i, struct rk_err *err)
{
    struct rk_addr addr = e->listen[i].addr, got;
    bool share = e->n_loops > 1 && !e->never_shared;

    for (size_t k = 0; k < e->n_loops && (!k || share); k++) {
        struct edge_listener *l = &e->loops[k].listeners[i];
        enum rk_code rc = RK_OK;

        l->conf = &e->listen[i];
        l->fd = lsock_take(SOCK_STREAM, &addr);
        l->given = l->fd >= 0;
        if (l->given)
            share = share && tcp_shares_port(l->fd);
        else if (!k)
            rc = check_free(&addr, err);
        if (rc == RK_OK && !l->given)
            rc = tcp_listen(&addr, share, &l->fd, k ? NULL : err);
        if (rc && !k)
            return rc;
        share = share && rc == RK_OK;
        if (!addr.port && rc == RK_OK && tcp_local(l->fd, &got, NULL) == RK_OK)
            addr.port = got.port;
    }
    if (e->n_loops > 1 && !share)
        make_alone(e, i);
    e->listen[i].addr.port = addr.port;
    return RK_OK;
}

static void close_unstarted(struct edge *e)
{
    for (size_t k = 0; k < e->n_loops; k++)
        for (size_t i = 0; i < e->n_listen; i++)
            close_listener(&e->loops[k].listeners[i]);
}

enum rk_code edge_start(struct edge *e, struct rk_err *err)
{
    for (size_t i = 0; i < e->n_listen; i++) {
        enum rk_code rc = bind_all(e, i, err);

        if (rc) {
            close_unstarted(e);
            return rc;
        }
    }
    e->started = true;
    for (size_t k = 0; k < e->n_loops; k++) {
        struct edge_loop *el = &e->loops[k];

        for (size_t i = 0; i < e->n_listen; i++) {
            const struct edge_listener *l = &el->listeners[i];

            el->n_open += l->fd >= 0;
            if (l->fd >= 0 && !l->given)
                lsock_keep(l->fd);
        }
        el->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        el->start_task.run = loop_start;
        rk_loop_post(el->loop, &el->start_task);
    }
    return RK_OK;
}
