/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1.1 under TLS: lib/http/h1 wants a socket, so it gets one end of a socketpair and the loop
 * copies between the other end and the TLS connection, with back-pressure in both directions.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/http/edge_priv.h"
#include "lib/http/h1.h"

enum { PUMP_HIGH = 256 * 1024 /* bytes waiting before the other side is paused */ };

struct edge_pump {
    struct edge_loop *el;
    struct net_conn *outer, *inner; /* NULL once closed */
    struct net_conn_user outer_user, inner_user;
};

static void copy(struct net_conn *from, struct net_conn *to, struct rk_str in)
{
    if (!to)
        return;
    net_conn_send(to, in);
    if (net_conn_queued(to) > PUMP_HIGH)
        net_conn_pause(from);
}

static void outer_data(struct net_conn_user *u, struct rk_str in)
{
    struct edge_pump *p = rk_container_of(u, struct edge_pump, outer_user);

    copy(p->outer, p->inner, in);
}

static void outer_drained(struct net_conn_user *u)
{
    struct edge_pump *p = rk_container_of(u, struct edge_pump, outer_user);

    if (p->inner)
        net_conn_resume(p->inner);
}

static void outer_closed(struct net_conn_user *u, const struct rk_err *why)
{
    struct edge_pump *p = rk_container_of(u, struct edge_pump, outer_user);

    (void)why;
    p->outer = NULL;
    if (p->inner)
        net_conn_close(p->inner);
    else
        free(p);
}

static void inner_data(struct net_conn_user *u, struct rk_str in)
{
    struct edge_pump *p = rk_container_of(u, struct edge_pump, inner_user);

    copy(p->inner, p->outer, in);
}

static void inner_drained(struct net_conn_user *u)
{
    struct edge_pump *p = rk_container_of(u, struct edge_pump, inner_user);

    if (p->outer)
        net_conn_resume(p->outer);
}

static void inner_closed(struct net_conn_user *u, const struct rk_err *why)
{
    struct edge_pump *p = rk_container_of(u, struct edge_pump, inner_user);
    struct edge_loop *el = p->el;

    (void)why;
    p->inner = NULL;
    if (p->outer)
        net_conn_finish(p->outer, EDGE_FINISH_MS);
    else
        free(p);
    edge_loop_less(el);
}

static const struct net_conn_ops outer_ops = {NULL, outer_data, outer_drained, outer_closed};
static const struct net_conn_ops inner_ops = {NULL, inner_data, inner_drained, inner_closed};

void edge_pump_start(struct edge_conn *c, struct rk_str in)
{
    struct edge *e = c->el->edge;
    struct edge_pump *p;
    struct rk_err err;
    int sv[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv)) {
        edge_conn_drop(c, "no socket pair");
        return;
    }
    p = rk_calloc(1, sizeof *p);
    p->el = c->el;
    p->outer = c->conn;
    p->outer_user.ops = &outer_ops;
    p->inner_user.ops = &inner_ops;
    if (net_conn_adopt(c->el->loop, sv[0], &c->peer, NULL, &p->inner_user, &p->inner, &err)) {
        (void)close(sv[1]);
        free(p);
        edge_conn_drop(c, err.msg);
        return;
    }
    c->el->n_open++;
    c->state = EC_PUMP;
    rk_metric_add(e->stats.http1, 1);
    net_conn_set_user(c->conn, &p->outer_user);
    if (e->take(e->h1, sv[1], &c->peer, true, &err)) {
        net_conn_close(p->inner); /* inner_closed ends the outer one */
        return;
    }
    net_conn_send(p->inner, in);
}
