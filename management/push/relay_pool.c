/* SPDX-License-Identifier: BSD-3-Clause */
/* Relays of all living processes: see relay_pool.h. */
#include "config.h"

#include "management/push/relay_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/num.h"
#include "management/engine/cluster.h"
#include "management/push/hub.h"
#include "management/push/servers.h"

#define LOOK_MS      1000
#define POOL_MAX     64 /* relays of others; more processes than one database is for */
#define LOG_EVERY_MS 3600000

struct known {     /* a relay that a process announced */
    char *address; /* owned */
    int64_t seen_ms;
};

struct relay_pool {
    struct mgmt *m;
    struct hub *hub;
    struct servers *servers;
    pthread_t thread;
    pthread_mutex_t lock; /* guards stop */
    pthread_cond_t wake;  /* monotonic clock */
    bool stop;
    /* its thread */
    struct known known[POOL_MAX];
    size_t n;
    struct rk_log_gate same_gate;
};

static const struct cluster_node *self_of(const struct cluster_nodes *nodes)
{
    for (size_t i = 0; i < nodes->n; i++)
        if (nodes->v[i].self)
            return &nodes->v[i];
    return NULL;
}

static void seen(struct relay_pool *p, struct rk_str address, int64_t now_ms)
{
    for (size_t i = 0; i < p->n; i++)
        if (rk_str_eqz(address, p->known[i].address)) {
            p->known[i].seen_ms = now_ms;
            return;
        }
    if (p->n < POOL_MAX)
        p->known[p->n++] = (struct known){rk_str_dupz(address), now_ms};
}

static void forget_old(struct relay_pool *p, int64_t now_ms)
{
    for (size_t i = p->n; i-- > 0;)
        if (now_ms - p->known[i].seen_ms > RELAY_POOL_KEEP_MS) {
            free(p->known[i].address);
            p->known[i] = p->known[--p->n];
        }
}

/* Peers on relays of one address believe that they are on the same one. */
static void same_address(struct relay_pool *p, const struct cluster_node *other)
{
    rk_log_every(&p->same_gate, LOG_EVERY_MS, mgmt_log(p->m), RK_WARN,
                 "another process announces our relay's address: give each its own "
                 "(server.x.relayAddress)",
                 kv_str("relay", other->relay), kv_str("host", other->host));
}

static void look(struct relay_pool *p)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct cluster_nodes nodes = cluster_list(p->m, mem);
    const struct cluster_node *self = self_of(&nodes);
    struct rk_str list[POOL_MAX];
    int64_t now_ms = rk_mono_ms();

    for (size_t i = 0; self && i < nodes.n; i++) {
        const struct cluster_node *n = &nodes.v[i];

        if (n->self || !n->relay.n || !rk_str_eq(n->secret_check, self->secret_check))
            continue; /* its tokens would not be taken there */
        if (rk_str_eq(n->relay, self->relay))
            same_address(p, n);
        seen(p, n->relay, now_ms);
    }
    forget_old(p, now_ms);
    for (size_t i = 0; i < p->n; i++)
        list[i] = rk_str_z(p->known[i].address);
    if (servers_relays_set(p->servers, list, p->n)) {
        rk_log(mgmt_log(p->m), RK_INFO, "relays changed", kv_i64("of_others", (int64_t)p->n));
        hub_servers_changed(p->hub);
    }
}

static bool rest(struct relay_pool *p)
{
    struct timespec end;
    bool stop;

    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += LOOK_MS / 1000;
    (void)pthread_mutex_lock(&p->lock);
    while (!p->stop && pthread_cond_timedwait(&p->wake, &p->lock, &end) == 0)
        ;
    stop = p->stop;
    (void)pthread_mutex_unlock(&p->lock);
    return stop;
}

static void *pool_main(void *arg)
{
    struct relay_pool *p = arg;

    do
        look(p);
    while (!rest(p));
    return NULL;
}

static void pool_free(struct relay_pool *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->known[i].address);
    (void)pthread_cond_destroy(&p->wake);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

enum rk_code relay_pool_start(struct mgmt *m, struct hub *hub, struct servers *servers,
                              struct relay_pool **out, struct rk_err *err)
{
    struct relay_pool *p;
    pthread_condattr_t attr;

    *out = NULL;
    if (!mgmt_is_shared(m))
        return RK_OK;
    p = rk_calloc(1, sizeof *p);
    p->m = m;
    p->hub = hub;
    p->servers = servers;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&p->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (pthread_create(&p->thread, NULL, pool_main, p)) {
        pool_free(p);
        return rk_fail(err, RK_UNAVAILABLE, "cannot start a thread");
    }
    *out = p;
    return RK_OK;
}

void relay_pool_stop(struct relay_pool *p)
{
    if (!p)
        return;
    (void)pthread_mutex_lock(&p->lock);
    p->stop = true;
    (void)pthread_cond_signal(&p->wake);
    (void)pthread_mutex_unlock(&p->lock);
    (void)pthread_join(p->thread, NULL);
    pool_free(p);
}
