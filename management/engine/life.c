/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening and closing the engine: store, lanes, keeper; see engine.h. Nothing below calls it. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/id.h"
#include "lib/base/num.h"
#include "management/engine/cluster_impl.h"
#include "management/engine/engine_impl.h"
#include "management/engine/keeper.h"
#include "management/engine/news.h"
#include "management/engine/presence_impl.h"
#include "management/store/migrate.h"

#define DNS_DOMAIN_DEFAULT "netbird.selfhosted"
#define LANES_PG           2

static enum rk_code lane_start(struct mgmt *m, struct rk_err *err)
{
    struct lane *l = &m->lanes[m->n_lanes];
    struct db_opts o = mgmt_db_opts(m);
    enum rk_code rc;

    o.writer = true;
    rc = db_open(&l->db, &o, err);
    if (rc)
        return rc;
    db_set_lazy(l->db, true);
    l->m = m;
    l->mem = rk_arena_new(0);
    rk_list_init(&l->queue);
    (void)pthread_mutex_init(&l->lock, NULL);
    (void)pthread_cond_init(&l->wake, NULL);
    if (pthread_create(&l->thread, NULL, mgmt_lane_main, l)) {
        db_close(l->db);
        rk_arena_free(l->mem);
        return rk_fail(err, RK_UNAVAILABLE, "cannot start a thread");
    }
    m->n_lanes++;
    return RK_OK;
}

static void lane_stop(struct lane *l)
{
    (void)pthread_mutex_lock(&l->lock);
    l->stop = true;
    (void)pthread_cond_signal(&l->wake);
    (void)pthread_mutex_unlock(&l->lock);
    (void)pthread_join(l->thread, NULL);
    (void)pthread_cond_destroy(&l->wake);
    (void)pthread_mutex_destroy(&l->lock);
    db_close(l->db);
    rk_arena_free(l->mem);
}

/* Whoever asks waits for no lane: its lock is held for moments only. */
static void waiting_metric(void *arg, struct rk_buf *out)
{
    struct mgmt *m = arg;

    rk_buf_printf(out,
                  "# HELP rookery_store_changes_waiting Changes that wait for their turn to be "
                  "stored, those of the transaction that runs not counted.\n"
                  "# TYPE rookery_store_changes_waiting gauge\n");
    for (size_t i = 0; i < m->n_lanes; i++) {
        struct lane *l = &m->lanes[i];
        size_t n;

        (void)pthread_mutex_lock(&l->lock);
        n = l->n_queued;
        (void)pthread_mutex_unlock(&l->lock);
        rk_buf_printf(out, "rookery_store_changes_waiting{lane=\"%zu\"} %zu\n", i, n);
    }
}

static enum rk_code store_prepare(struct mgmt *m, struct rk_err *err)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct db_opts o = {.url = m->opts.store_url};
    enum rk_code rc = db_open(&db, &o, err); /* the one that may make the file */

    return rc ? rc : store_migrate(db, err);
}

enum rk_code mgmt_open(struct mgmt **out, const struct mgmt_opts *opts, struct rk_err *err)
{
    struct mgmt *m = rk_calloc(1, sizeof *m);
    size_t lanes = db_url_is_pg(opts->store_url) ? (opts->lanes ? opts->lanes : LANES_PG) : 1;
    enum rk_code rc;

    m->opts = *opts;
    m->shared = db_url_is_pg(opts->store_url);
    m->opts.store_url = rk_str_dupz(rk_str_z(opts->store_url));
    m->opts.dns_domain =
        rk_str_dupz(rk_str_z(opts->dns_domain ? opts->dns_domain : DNS_DOMAIN_DEFAULT));
    if (!m->opts.now_us)
        m->opts.now_us = rk_unix_us;
    (void)pthread_rwlock_init(&m->lock, NULL);
    rk_map_init(&m->accounts, true);
    rk_list_init(&m->observers);
    (void)pthread_mutex_init(&m->chores_lock, NULL);
    rk_list_init(&m->chores);
    rk_xid(m->node);
    (void)snprintf(m->connection_name, sizeof m->connection_name, "rookery %s", m->node);
    presences_new(m);
    rc = db_lock_take(m->opts.store_url, &m->file, err);
    if (rc == RK_OK)
        rc = store_prepare(m, err);
    if (rc == RK_OK)
        rc = db_lock_hold(m->file, err);
    while (rc == RK_OK && m->n_lanes < lanes && m->n_lanes < LANES_MAX)
        rc = lane_start(m, err);
    if (rc == RK_OK)
        rc = cluster_start(m, err);
    if (rc == RK_OK)
        rc = keeper_start(&m->keeper, m, err);
    if (rc == RK_OK)
        rc = news_start(&m->news, m, err);
    if (rc) {
        mgmt_close(m);
        return rc;
    }
    if (m->opts.metrics)
        rk_metrics_collect(m->opts.metrics, waiting_metric, m);
    *out = m;
    return RK_OK;
}

void mgmt_close(struct mgmt *m)
{
    size_t pos = 0;
    struct rk_str key;
    void *value;

    if (!m)
        return;
    if (m->opts.metrics)
        rk_metrics_uncollect(m->opts.metrics, waiting_metric, m);
    news_stop(m->news);
    keeper_stop(m->keeper); /* flushes presence, and needs the lanes */
    cluster_stop(m);
    m->closing = true;
    for (size_t i = 0; i < m->n_lanes; i++)
        lane_stop(&m->lanes[i]);
    while (rk_map_next(&m->accounts, &pos, &key, &value)) {
        struct acct *a = value;
        char *id = (char *)(uintptr_t)a->id.p;

        snap_unref(a->snap);
        (void)rk_map_del(&m->accounts, key);
        free(id);
        free(a);
    }
    rk_map_done(&m->accounts);
    presences_free(m);
    cluster_free(m);
    db_lock_free(m->file);
    (void)pthread_mutex_destroy(&m->chores_lock);
    (void)pthread_rwlock_destroy(&m->lock);
    free((char *)(uintptr_t)m->opts.store_url);
    free((char *)(uintptr_t)m->opts.dns_domain);
    free(m);
}
