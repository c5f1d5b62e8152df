/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connections of the HTTP/1.1 server and their places. When all are taken a new one gets the
 * place of one that does nothing with it: first of strangers, the longest idle one before others,
 * so that who holds places open keeps nobody out.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/http/h1_priv.h"

enum {
    REAP_EVERY_S = 1,
    TIGHT_SEND_MS = 4000, /* for an answer to leave while memory is short */
    FRESH_MS = 2000,      /* a request that has begun is left alone for so long */
};

struct addr_count {
    size_t n;
};

/* ---- places */

/* Lock held. */
static void count_out(struct h1_conn *c)
{
    struct http_h1 *h = c->h;
    struct addr_count *n = c->key.n ? rk_map_get(&h->by_addr, c->key) : NULL;

    if (!c->counted)
        return;
    c->counted = false;
    if (n && --n->n == 0)
        free(rk_map_del(&h->by_addr, c->key));
    h->n_conns--;
    rk_metric_set(h->m_conns, (int64_t)h->n_conns);
}

/* How willingly we give the place of c to another one: the higher the sooner, 0 not at all. */
static int64_t worth_evicting(const struct h1_conn *c, int64_t now)
{
    int64_t age = now - c->since_mono_ms;

    if (c->busy || !c->counted || (c->begun && age < FRESH_MS))
        return 0;
    return age + 1 + (c->known ? 0 : (int64_t)1 << 40) + (c->begun ? 0 : (int64_t)1 << 41);
}

/* Lock held. key empty: of any address. */
static bool evict(struct http_h1 *h, struct rk_str key)
{
    int64_t now = rk_mono_ms(), best = 0;
    struct h1_conn *victim = NULL;

    RK_LIST_FOR_EACH (it, &h->conns) {
        struct h1_conn *c = rk_container_of(it, struct h1_conn, link);
        int64_t worth = !key.n || rk_str_eq(c->key, key) ? worth_evicting(c, now) : 0;

        if (worth > best) {
            best = worth;
            victim = c;
        }
    }
    if (!victim)
        return false;
    count_out(victim); /* it is as good as gone; MHD closes it when it sees the end */
    (void)shutdown(victim->fd, SHUT_RDWR);
    rk_metric_add(h->m_evicted, 1);
    return true;
}

/* Lock held. */
static enum rk_code count_in(struct h1_conn *c, struct rk_err *err)
{
    struct http_h1 *h = c->h;
    struct addr_count *n = c->key.n ? rk_map_get(&h->by_addr, c->key) : NULL;

    if (h->stopping)
        return rk_fail(err, RK_CANCELLED, "server is stopping");
    if (n && n->n >= h->o.max_per_address && !evict(h, c->key))
        return rk_fail(err, RK_LIMIT, "%zu HTTP connections from one address", n->n);
    if (h->n_conns >= h->o.max_connections && !evict(h, (struct rk_str){0}))
        return rk_fail(err, RK_LIMIT, "%zu HTTP connections are open already", h->n_conns);
    c->counted = true;
    h->n_conns++;
    rk_metric_set(h->m_conns, (int64_t)h->n_conns);
    if (!c->key.n)
        return RK_OK;
    n = rk_map_get(&h->by_addr, c->key); /* again: evict may have freed it */
    if (!n) {
        n = rk_calloc(1, sizeof *n);
        (void)rk_map_put(&h->by_addr, c->key, n);
    }
    n->n++;
    return RK_OK;
}

/* ---- life */

/* Lock held. */
static void by_fd_set(struct http_h1 *h, int fd, struct h1_conn *c)
{
    size_t i = (size_t)fd, n = h->n_fd ? h->n_fd : 64;

    if (i >= h->n_fd) {
        while (n <= i)
            n *= 2;
        h->by_fd = rk_realloc(h->by_fd, n, sizeof *h->by_fd);
        memset(h->by_fd + h->n_fd, 0, (n - h->n_fd) * sizeof *h->by_fd);
        h->n_fd = n;
    }
    h->by_fd[i] = c;
}

static void conn_drop(struct h1_conn *c)
{
    struct http_h1 *h = c->h;

    pthread_mutex_lock(&h->lock);
    rk_list_remove(&c->link);
    if ((size_t)c->fd < h->n_fd && h->by_fd[c->fd] == c)
        h->by_fd[c->fd] = NULL;
    count_out(c);
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    free(c);
}

static enum rk_code conn_new(struct http_h1 *h, int fd, const struct rk_addr *peer, bool https,
                             struct h1_conn **out, struct rk_err *err)
{
    struct h1_conn *c = rk_calloc(1, sizeof *c);
    enum rk_code rc;

    *c = (struct h1_conn){.h = h, .fd = fd, .https = https, .peer = *peer};
    c->since_mono_ms = rk_mono_ms();
    c->begun = true; /* the edge has seen them */
    if (!http_proxies_trust(&h->o.trusted, &peer->ip))
        c->key = http_addr_key(peer, c->key_bytes);
    pthread_mutex_lock(&h->lock);
    rc = count_in(c, err);
    if (rc == RK_OK) {
        rk_list_push_back(&h->conns, &c->link);
        by_fd_set(h, fd, c);
        pthread_cond_broadcast(&h->changed); /* the reaper may sleep for want of connections */
    }
    pthread_mutex_unlock(&h->lock);
    if (rc)
        free(c);
    else
        *out = c;
    return rc;
}

enum rk_code http_h1_take_fd(struct http_h1 *h, int fd, const struct rk_addr *peer, bool https,
                             struct rk_err *err)
{
    struct sockaddr_storage sa;
    socklen_t sa_len = sizeof sa;
    struct h1_conn *c;
    enum rk_code rc = conn_new(h, fd, peer, https, &c, err);

    if (rc) {
        close(fd);
        return rc;
    }
    /* the family tells MHD whether TCP options make sense on this socket */
    if (getsockname(fd, (struct sockaddr *)&sa, &sa_len) != 0)
        sa_len = rk_addr_to_sa(peer, &sa);
    if (MHD_add_connection(h->daemon, fd, (struct sockaddr *)&sa, sa_len) == MHD_YES)
        return RK_OK;
    /* MHD has closed fd; its start notification did not run, or its end has run already */
    pthread_mutex_lock(&h->lock);
    if ((size_t)fd < h->n_fd && h->by_fd[fd] == c) {
        pthread_mutex_unlock(&h->lock);
        conn_drop(c);
    } else {
        pthread_mutex_unlock(&h->lock);
    }
    return rk_fail(err, RK_LIMIT, "the HTTP server takes no more connections");
}

void h1_conn_notify(void *arg, struct MHD_Connection *mhd, void **socket_context,
                    enum MHD_ConnectionNotificationCode what)
{
    struct http_h1 *h = arg;
    const union MHD_ConnectionInfo *info;

    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*socket_context)
            conn_drop(*socket_context);
        *socket_context = NULL;
        return;
    }
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    pthread_mutex_lock(&h->lock);
    if (info && (size_t)info->connect_fd < h->n_fd) {
        *socket_context = h->by_fd[info->connect_fd];
        h->by_fd[info->connect_fd] = NULL;
    }
    pthread_mutex_unlock(&h->lock);
}

void h1_conn_begun(struct h1_conn *c, bool on)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->h->lock);
    if (!on || !c->begun) /* the first request of a connection began with it */
        c->since_mono_ms = rk_mono_ms();
    c->begun = on;
    pthread_mutex_unlock(&c->h->lock);
}

void h1_conn_sending(struct h1_conn *c, bool known)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->h->lock);
    c->sending = true;
    c->known |= known;
    c->since_mono_ms = rk_mono_ms();
    pthread_mutex_unlock(&c->h->lock);
}

/* ---- deadlines and the end */

/* Too late. lock held. */
static bool overdue(const struct h1_conn *c, int64_t now, bool tight)
{
    int64_t request_ms = 1000 * (int64_t)c->h->o.request_timeout_s;
    int64_t idle_ms = 1000 * (int64_t)c->h->o.idle_timeout_s + request_ms;
    int64_t age = now - c->since_mono_ms;

    if (c->busy) /* MHD itself ends those that take nothing at all */
        return tight && c->sending && !c->known && age > TIGHT_SEND_MS;
    return age > (c->begun ? request_ms : idle_ms);
}

void *h1_conn_reap(void *arg)
{
    struct http_h1 *h = arg;
    bool tight;

    pthread_mutex_lock(&h->lock);
    while (!h->stopping) {
        struct timespec ts;
        int64_t now;

        if (!h->n_conns) {
            pthread_cond_wait(&h->changed, &h->lock);
            continue;
        }
        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        ts.tv_sec += REAP_EVERY_S;
        while (!h->stopping && pthread_cond_timedwait(&h->changed, &h->lock, &ts) != ETIMEDOUT)
            ;
        now = rk_mono_ms();
        tight = http_dispatch_tight(h->o.dispatch);
        RK_LIST_FOR_EACH (it, &h->conns) {
            struct h1_conn *c = rk_container_of(it, struct h1_conn, link);

            /* MHD then sees the end and closes it */
            if (overdue(c, now, tight))
                (void)shutdown(c->fd, SHUT_RDWR);
        }
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

void h1_conn_shut_all(struct http_h1 *h)
{
    RK_LIST_FOR_EACH (it, &h->conns)
        (void)shutdown(rk_container_of(it, struct h1_conn, link)->fd, SHUT_RDWR);
}

void h1_conn_done(struct http_h1 *h)
{
    struct rk_str key;
    size_t pos = 0;
    void *value;

    while (rk_map_next(&h->by_addr, &pos, &key, &value))
        free(value);
    rk_map_done(&h->by_addr);
    free(h->by_fd);
}
