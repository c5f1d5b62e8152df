/* SPDX-License-Identifier: BSD-3-Clause */
/* Prometheus text metrics; see metrics.h. */
#include "config.h"

#include "lib/base/metrics.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/err.h"

enum kind { COUNTER, GAUGE, HISTOGRAM };
enum { MAX_BOUNDS = 16, MAX_COLLECTORS = 8 };

struct rk_metric {
    struct rk_metric *next;
    const char *name, *labels, *help; /* literals of the caller */
    enum kind kind;
    _Atomic int64_t value; /* sum for histograms */
    int64_t scale;         /* value and bounds are in this part of the unit: 1, 1000, 1000000 */
    size_t n_bounds;
    int64_t bounds[MAX_BOUNDS];
    _Atomic int64_t buckets[MAX_BOUNDS + 1];
};

struct collector {
    rk_metrics_writer *write;
    void *arg;
};

struct rk_metrics {
    pthread_mutex_t lock; /* guards the rest while registering and writing */
    struct rk_metric *first, **last;
    struct collector collectors[MAX_COLLECTORS];
    size_t n_collectors;
};

struct rk_metrics *rk_metrics_new(void)
{
    struct rk_metrics *m = rk_calloc(1, sizeof *m);

    (void)pthread_mutex_init(&m->lock, NULL);
    m->last = &m->first;
    return m;
}

void rk_metrics_free(struct rk_metrics *m)
{
    if (!m)
        return;
    while (m->first) {
        struct rk_metric *x = m->first;

        m->first = x->next;
        free(x);
    }
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static struct rk_metric *add(struct rk_metrics *m, enum kind kind, const char *name,
                             const char *labels, const char *help)
{
    struct rk_metric *x;

    if (!m)
        return NULL;
    (void)pthread_mutex_lock(&m->lock);
    for (x = m->first; x; x = x->next)
        if (strcmp(x->name, name) == 0 && same_text(x->labels, labels))
            break;
    if (!x) {
        x = rk_calloc(1, sizeof *x);
        x->kind = kind;
        x->name = name;
        x->labels = labels;
        x->help = help;
        *m->last = x;
        m->last = &x->next;
    }
    (void)pthread_mutex_unlock(&m->lock);
    return x;
}

struct rk_metric *rk_metric_counter(struct rk_metrics *m, const char *name, const char *labels,
                                    const char *help)
{
    return add(m, COUNTER, name, labels, help);
}

struct rk_metric *rk_metric_gauge(struct rk_metrics *m, const char *name, const char *labels,
                                  const char *help)
{
    return add(m, GAUGE, name, labels, help);
}

static struct rk_metric *histogram(struct rk_metrics *m, const char *name, const char *labels,
                                   const char *help, const int64_t *bounds, size_t n, int64_t scale)
{
    struct rk_metric *x = add(m, HISTOGRAM, name, labels, help);

    if (x && !x->n_bounds) {
        for (size_t i = 0; i < n && i < MAX_BOUNDS; i++)
            x->bounds[i] = bounds[i];
        x->scale = scale;
        x->n_bounds = n > MAX_BOUNDS ? MAX_BOUNDS : n;
    }
    return x;
}

struct rk_metric *rk_metric_histogram(struct rk_metrics *m, const char *name, const char *labels,
                                      const char *help, const int64_t *bounds, size_t n)
{
    return histogram(m, name, labels, help, bounds, n, 1);
}

struct rk_metric *rk_metric_histogram_milli(struct rk_metrics *m, const char *name,
                                            const char *labels, const char *help,
                                            const int64_t *bounds, size_t n)
{
    return histogram(m, name, labels, help, bounds, n, 1000);
}

struct rk_metric *rk_metric_histogram_micro(struct rk_metrics *m, const char *name,
                                            const char *labels, const char *help,
                                            const int64_t *bounds, size_t n)
{
    return histogram(m, name, labels, help, bounds, n, 1000000);
}

void rk_metric_add(struct rk_metric *c, int64_t v)
{
    if (c)
        atomic_fetch_add_explicit(&c->value, v, memory_order_relaxed);
}

void rk_metric_set(struct rk_metric *g, int64_t v)
{
    if (g)
        atomic_store_explicit(&g->value, v, memory_order_relaxed);
}

void rk_metric_observe(struct rk_metric *h, int64_t v)
{
    size_t i = 0;

    if (!h)
        return;
    while (i < h->n_bounds && v > h->bounds[i])
        i++;
    atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->value, v, memory_order_relaxed);
}

int64_t rk_metric_value(const struct rk_metric *c)
{
    return c ? atomic_load_explicit(&c->value, memory_order_relaxed) : 0;
}

/* v as decimal text, in the unit of the metric. */
static const char *number(const struct rk_metric *x, int64_t v, char buf[48])
{
    int n;

    if (x->scale <= 1) {
        (void)snprintf(buf, 48, "%lld", (long long)v);
        return buf;
    }
    n = snprintf(buf, 48, "%lld.%0*lld", (long long)(v / x->scale), x->scale == 1000 ? 3 : 6,
                 (long long)(v % x->scale));
    while (n > 1 && buf[n - 1] == '0')
        buf[--n] = '\0';
    if (buf[n - 1] == '.')
        buf[n - 1] = '\0';
    return buf;
}

static void write_histogram(const struct rk_metric *x, struct rk_buf *out)
{
    const char *sep = x->labels ? "," : "", *labels = x->labels ? x->labels : "";
    int64_t total = 0;
    char text[48];

    for (size_t i = 0; i <= x->n_bounds; i++) {
        total += x->buckets[i];
        rk_buf_printf(out, "%s_bucket{%s%sle=\"%s\"} %lld\n", x->name, labels, sep,
                      i < x->n_bounds ? number(x, x->bounds[i], text) : "+Inf", (long long)total);
    }
    rk_buf_printf(out, x->labels ? "%s_sum{%s} %s\n" : "%s_sum%s %s\n", x->name, labels,
                  number(x, x->value, text));
    rk_buf_printf(out, x->labels ? "%s_count{%s} %lld\n" : "%s_count%s %lld\n", x->name, labels,
                  (long long)total);
}

/* All series of one name stand together, as the format demands: written at its first. */
static bool is_first_of_name(const struct rk_metrics *m, const struct rk_metric *x)
{
    for (const struct rk_metric *y = m->first; y != x; y = y->next)
        if (strcmp(y->name, x->name) == 0)
            return false;
    return true;
}

void rk_metrics_collect(struct rk_metrics *m, rk_metrics_writer *write, void *arg)
{
    if (!m)
        return;
    (void)pthread_mutex_lock(&m->lock);
    assert(m->n_collectors < MAX_COLLECTORS);
    m->collectors[m->n_collectors++] = (struct collector){write, arg};
    (void)pthread_mutex_unlock(&m->lock);
}

void rk_metrics_uncollect(struct rk_metrics *m, rk_metrics_writer *write, void *arg)
{
    if (!m)
        return;
    (void)pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n_collectors; i++)
        if (m->collectors[i].write == write && m->collectors[i].arg == arg)
            m->collectors[i--] = m->collectors[--m->n_collectors];
    (void)pthread_mutex_unlock(&m->lock);
}

void rk_metrics_write(const struct rk_metrics *m, struct rk_buf *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    pthread_mutex_t *lock = &((struct rk_metrics *)(uintptr_t)m)->lock;

    (void)pthread_mutex_lock(lock);
    for (const struct rk_metric *x = m->first; x; x = x->next) {
        if (!is_first_of_name(m, x))
            continue;
        rk_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", x->name, x->help, x->name,
                      types[x->kind]);
        for (const struct rk_metric *y = x; y; y = y->next) {
            if (strcmp(y->name, x->name) != 0)
                continue;
            if (y->kind == HISTOGRAM)
                write_histogram(y, out);
            else if (y->labels)
                rk_buf_printf(out, "%s{%s} %lld\n", y->name, y->labels, (long long)y->value);
            else
                rk_buf_printf(out, "%s %lld\n", y->name, (long long)y->value);
        }
    }
    for (size_t i = 0; i < m->n_collectors; i++)
        m->collectors[i].write(m->collectors[i].arg, out);
    (void)pthread_mutex_unlock(lock);
}
