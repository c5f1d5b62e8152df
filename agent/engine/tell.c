/* SPDX-License-Identifier: BSD-3-Clause */
/* What an engine tells its owner; called by all of its parts. */
#include "config.h"

#include "agent/engine/engine_priv.h"

void engine_changed(struct engine *e)
{
    if (e->phase == ENGINE_RUNNING)
        e->user->ops->changed(e->user);
}

void engine_end(struct engine *e, const struct rk_err *why)
{
    if (e->phase != ENGINE_RUNNING || e->over)
        return;
    e->over = true;
    events_add(e->o.events, EVENT_ERROR, EVENT_CONNECTIVITY, "disconnected: %s", why->msg);
    rk_log(e->log, RK_INFO, "engine cannot go on", KV_ERR(why));
    e->user->ops->ended(e->user, why);
}
