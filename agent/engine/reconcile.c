/* SPDX-License-Identifier: BSD-3-Clause */
/* Device and host are compared with what they should be, again and again. */
#include "config.h"

#include "agent/engine/engine_priv.h"

/* How often, and when the device did not take something. */
#define RECONCILE_MS      30000
#define RECONCILE_SOON_MS 2000

static void reconcile(void *arg)
{
    struct engine *e = arg;
    struct rk_err err = {0};
    int64_t next_ms = RECONCILE_MS;
    size_t fixed = 0;

    if (e->phase != ENGINE_RUNNING)
        return;
    if (peers_reconcile(e->peers, &fixed, &err)) {
        rk_log(e->log, RK_WARN, "interface is not checked", KV_ERR(&err));
        next_ms = RECONCILE_SOON_MS;
    } else if (fixed) {
        rk_log(e->log, RK_WARN, "peers of the interface were changed by somebody, corrected",
               kv_i64("peers", (int64_t)fixed));
    }
    host_check(e->host);
    rk_timer_start(e->o.loop, &e->timer, next_ms, reconcile, e);
}

void engine_reconcile_start(struct engine *e)
{
    rk_timer_start(e->o.loop, &e->timer, RECONCILE_MS, reconcile, e);
}

void engine_reconcile_soon(struct engine *e)
{
    if (e->phase == ENGINE_RUNNING)
        rk_timer_start(e->o.loop, &e->timer, RECONCILE_SOON_MS, reconcile, e);
}
