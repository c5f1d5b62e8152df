/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by h1.c (requests, start and stop) and h1_conn.c (connections and their places) only. */
#ifndef RK_HTTP_H1_PRIV_H
#define RK_HTTP_H1_PRIV_H

#include <microhttpd.h>
#include <pthread.h>

#include "lib/base/list.h"
#include "lib/base/map.h"
#include "lib/http/h1.h"
#include "lib/http/h1_upgrade.h"

struct h1_conn { /* one per socket; guarded by http_h1.lock but for what never changes */
    struct http_h1 *h;
    struct rk_list link; /* in http_h1.conns */
    int fd;
    bool https;
    struct rk_addr peer;
    char key_bytes[16];
    struct rk_str key;     /* of by_addr; empty: not counted by address */
    int64_t since_mono_ms; /* start, begin or end of a request */
    bool begun;            /* the first bytes of a request are there, or come at once */
    bool busy;             /* a complete request is with us: no deadline */
    bool sending;          /* … whose answer is on its way since since_mono_ms */
    bool known;            /* a request on it has shown who sends it */
    bool counted;          /* in n_conns and by_addr; not once its place was given away */
};

struct http_h1 {
    struct http_h1_opts o;
    const struct http_h1_upgrade *upgrade; /* lent or NULL; set before the first connection */
    struct MHD_Daemon *daemon;

    pthread_mutex_t lock; /* conns, by_addr, by_fd, n_busy, stopping */
    pthread_cond_t changed;
    struct rk_list conns;
    struct h1_conn **by_fd; /* conns by descriptor, for the time between hand-over and start */
    size_t n_fd;
    struct rk_map by_addr; /* address or /64 → struct addr_count */
    size_t n_conns;
    size_t n_busy; /* requests between their end and that of their answer */
    bool stopping;
    pthread_t reaper;
    bool reaper_runs;

    struct rk_metric *m_conns, *m_evicted;
};

/** MHD_NotifyConnectionCallback: ties socket and struct h1_conn together, and ends both. */
void h1_conn_notify(void *arg, struct MHD_Connection *mhd, void **socket_context,
                    enum MHD_ConnectionNotificationCode what);

/** A request on c (may be NULL) begins, or has ended. */
void h1_conn_begun(struct h1_conn *c, bool on);

/** The answer of the request on c (may be NULL) begins to leave. known: it took credentials, and
 *  lasts. */
void h1_conn_sending(struct h1_conn *c, bool known);

/** The thread that closes connections whose request does not come (arg: struct http_h1). */
void *h1_conn_reap(void *arg);

/** Shut all sockets. Lock held. */
void h1_conn_shut_all(struct http_h1 *h);
void h1_conn_done(struct http_h1 *h); /* after MHD has stopped */

#endif
