/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of the service; see traffic.h. */
#include "config.h"

#include "management/traffic/traffic.h"

#include <stdlib.h>

#include "lib/grpc/server.h"
#include "management/push/flow_token.h"
#include "management/store/migrate.h"
#include "management/traffic/impl.h"

const char *traffic_url(struct rk_arena *mem, const char *store_url)
{
    return db_url_is_pg(store_url) ? store_url : rk_arena_printf(mem, "%s.traffic", store_url).p;
}

static bool is_away(void *arg)
{
    return mgmt_store_age_ms(arg) > 0;
}

/* PostgreSQL is the engine's: while that knows that it is away nobody waits for it. */
static enum rk_code open_both(const struct traffic_opts *t, struct db **writer, struct db **reader,
                              struct rk_err *err)
{
    struct db_opts o = {.url = t->url,
                        .writer = true,
                        .name = "rookery traffic",
                        .away = db_url_is_pg(t->url) ? is_away : NULL,
                        .away_arg = t->mgmt};
    enum rk_code rc = db_open(writer, &o, err);
    if (rc == RK_OK)
        rc = store_migrate_traffic(*writer, err);
    o.writer = false;
    o.existing = true;
    if (rc == RK_OK)
        rc = db_open(reader, &o, err);
    return rc;
}

static void waiting_metric(void *arg, struct rk_buf *out)
{
    const struct traffic *t = arg;

    rk_buf_printf(out,
                  "# HELP rookery_traffic_events_waiting Traffic events that came and are not "
                  "stored yet.\n# TYPE rookery_traffic_events_waiting gauge\n"
                  "rookery_traffic_events_waiting %zu\n",
                  traffic_writer_waiting(t->writer));
}

static void make_metrics(struct traffic *t, struct rk_metrics *m)
{
    t->stored = rk_metric_counter(m, "rookery_traffic_events_total", NULL,
                                  "Traffic events of agents that were stored.");
    t->refused = rk_metric_counter(m, "rookery_traffic_events_refused_total", NULL,
                                   "Traffic events that could not be read, or that nobody wants.");
    rk_metrics_collect(m, waiting_metric, t);
}

enum rk_code traffic_open(const struct traffic_opts *o, struct traffic **out, struct rk_err *err)
{
    struct traffic_writer_opts w = {
        .keep_days = o->keep_days, .keep_rows = o->keep_rows, .log = mgmt_log(o->mgmt)};
    struct traffic *t = rk_calloc(1, sizeof *t);
    enum rk_code rc;

    t->m = o->mgmt;
    t->addresses_only = o->addresses_only;
    flow_token_key(o->store_key, &t->token_key);
    (void)pthread_mutex_init(&t->lock, NULL);
    rc = open_both(o, &w.db, &t->reader, err);
    if (rc)
        db_close(w.db);
    else
        rc = traffic_writer_new(&w, &t->writer, err);
    if (rc) {
        traffic_free(t);
        return rk_wrap(err, "the store of traffic events");
    }
    make_metrics(t, o->metrics);
    *out = t;
    return RK_OK;
}

enum rk_code traffic_attach(struct traffic *t, struct edge *e, struct rk_err *err)
{
    return edge_add_grpc(e, TRAFFIC_METHODS, TRAFFIC_N_METHODS, t, err);
}

void traffic_stop(struct traffic *t)
{
    traffic_writer_stop(t->writer);
}

void traffic_free(struct traffic *t)
{
    if (!t)
        return;
    traffic_writer_free(t->writer);
    db_close(t->reader);
    rk_key_wipe(&t->token_key);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}
