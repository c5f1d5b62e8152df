/* SPDX-License-Identifier: BSD-3-Clause */
/* See report_gate.h. */
#include "config.h"

#include "management/ops/report_gate.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/base/ratelimit.h"

#define MACHINES_MAX  100000 /* budgets that are remembered; who reports most is */
#define ROW_BYTES     1500   /* names of members, other columns, the row's hash */
#define ADDRESS_BYTES 60     /* {"ip":"…","mac":"…"} */
#define FILE_BYTES    50
#define KEYS_MAX      4096

struct report_gate {
    pthread_mutex_t lock; /* guards budgets */
    struct rk_ratelimit *budgets, *enrolments;
};

struct report_gate *report_gate_new(void)
{
    struct report_gate *g = rk_calloc(1, sizeof *g);

    (void)pthread_mutex_init(&g->lock, NULL);
    g->budgets =
        rk_ratelimit_new(MACHINES_MAX, REPORT_KIB_PER_HOUR * 1000 / 3600, REPORT_BURST_KIB);
    g->enrolments = rk_ratelimit_new(KEYS_MAX, ENROL_PER_HOUR * 1000 / 3600, ENROL_BURST);
    return g;
}

void report_gate_free(struct report_gate *g)
{
    if (!g)
        return;
    rk_ratelimit_free(g->budgets);
    rk_ratelimit_free(g->enrolments);
    (void)pthread_mutex_destroy(&g->lock);
    free(g);
}

bool report_gate_take(struct report_gate *g, struct rk_str peer_key, size_t bytes)
{
    bool ok;

    if (!g)
        return true;
    (void)pthread_mutex_lock(&g->lock);
    ok = rk_ratelimit_take_n(g->budgets, peer_key, rk_mono_ms(), (int64_t)(bytes >> 10) + 1);
    (void)pthread_mutex_unlock(&g->lock);
    return ok;
}

bool report_gate_enrol(struct report_gate *g, struct rk_str setup_key_id)
{
    bool ok;

    if (!g)
        return true;
    (void)pthread_mutex_lock(&g->lock);
    ok = rk_ratelimit_take_n(g->enrolments, setup_key_id, rk_mono_ms(), 1);
    (void)pthread_mutex_unlock(&g->lock);
    return ok;
}

size_t report_bytes(const struct peer_meta *m)
{
    size_t n = ROW_BYTES;

    if (!m)
        return n;
    n += m->hostname.n + m->kernel.n + m->platform.n + m->os.n + m->os_version.n + m->version.n +
         m->ui_version.n + m->kernel_version.n + m->serial_number.n + m->product_name.n +
         m->manufacturer.n + m->env_cloud.n + m->env_platform.n;
    for (size_t i = 0; i < m->n_addresses; i++)
        n += ADDRESS_BYTES + m->addresses[i].mac.n;
    for (size_t i = 0; i < m->n_files; i++)
        n += FILE_BYTES + m->files[i].path.n;
    return n;
}
