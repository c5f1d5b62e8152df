/* SPDX-License-Identifier: BSD-3-Clause */
/* The edge's listeners: bind, accept, and hand sockets to the loops; see edge.h. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/http/edge_priv.h"

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

static void dispatch(struct edge_loop *el, int fd, const struct rk_addr *peer,
                     const struct edge_listen *conf)
{
    struct edge *e = el->edge;
    struct handoff *h;

    if (!e->one_acceptor || e->n_loops == 1) {
        edge_conn_accept(el, fd, peer, conf);
        return;
    }
    h = rk_calloc(1, sizeof *h);
    h->task.run = handoff_run;
    h->to = &e->loops[atomic_fetch_add(&e->next_loop, 1) % e->n_loops];
    h->fd = fd;
    h->peer = *peer;
    h->conf = conf;
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
            dispatch(l->el, fd, &peer, l->conf);
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

/* Sockets of listener i on all loops. The first one is bound without sharing the port, so that
 * another program (or another copy of this one) on it is noticed. */
static enum rk_code bind_all(struct edge *e, size_t i, struct rk_err *err)
{
    struct rk_addr addr = e->listen[i].addr, got;
    enum rk_code rc;
    int fd;

    if (addr.port) {
        rc = tcp_listen(&addr, false, &fd, err);
        if (rc)
            return rc;
        (void)close(fd);
    }
    for (size_t k = 0; k < e->n_loops; k++) {
        struct rk_err ignored;

        if (k && e->one_acceptor)
            break;
        rc = tcp_listen(&addr, e->n_loops > 1 && !e->one_acceptor, &fd, k ? &ignored : err);
        if (rc && k) { /* the kernel does not share ports: one loop accepts for all */
            e->one_acceptor = true;
            break;
        }
        if (rc)
            return rc;
        if (!addr.port && tcp_local(fd, &got, NULL) == RK_OK)
            addr.port = got.port;
        e->loops[k].listeners[i].fd = fd;
        e->loops[k].listeners[i].conf = &e->listen[i];
    }
    e->listen[i].addr.port = addr.port;
    return RK_OK;
}

static void close_unstarted(struct edge *e)
{
    for (size_t k = 0; k < e->n_loops; k++)
        for (size_t i = 0; i < e->n_listen; i++) {
            int *fd = &e->loops[k].listeners[i].fd;

            if (*fd >= 0)
                (void)close(*fd);
            *fd = -1;
        }
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
    if (e->one_acceptor) /* sockets of other loops that were bound before this came out */
        for (size_t k = 1; k < e->n_loops; k++)
            for (size_t i = 0; i < e->n_listen; i++)
                if (e->loops[k].listeners[i].fd >= 0) {
                    (void)close(e->loops[k].listeners[i].fd);
                    e->loops[k].listeners[i].fd = -1;
                }
    e->started = true;
    for (size_t k = 0; k < e->n_loops; k++) {
        struct edge_loop *el = &e->loops[k];

        for (size_t i = 0; i < e->n_listen; i++)
            el->n_open += el->listeners[i].fd >= 0;
        el->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        el->start_task.run = loop_start;
        rk_loop_post(el->loop, &el->start_task);
    }
    return RK_OK;
}
