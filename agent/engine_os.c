/* SPDX-License-Identifier: BSD-3-Clause */
/* What an engine needs of the host beside its device: policy rules, routes. */
#include "config.h"

#include "agent/engine_priv.h"
#include "agent/os/route.h"

static bool custom_routing(const struct engine *e)
{
    return e->o.marks && !e->o.daemon->disable_custom_routing &&
           !e->o.profile->settings.disable_client_routes;
}

enum rk_code engine_os_up(struct engine *e, struct rk_err *err RK_UNUSED)
{
    struct rk_err why = {0};

    if (!custom_routing(e))
        return RK_OK;
    state_set(e->o.state, STATE_ROUTES, json_pack("{s:i}", "table", (int)ROUTE_TABLE_OVERLAY));
    (void)!route_flush(e->o.route, ROUTE_TABLE_OVERLAY, NULL);
    /* without rules the overlay itself still works, only routed networks do not */
    if (rule_overlay_install(e->o.route, &why))
        rk_log(e->log, RK_WARN, "no policy rules, networks behind peers are not reached",
               KV_ERR(&why));
    else
        e->routes_on = true;
    return RK_OK;
}

enum rk_code engine_os_apply(struct engine *e RK_UNUSED,
                             const Management__NetworkMap *map RK_UNUSED,
                             struct rk_err *err RK_UNUSED)
{
    return RK_OK;
}

void engine_os_down(struct engine *e)
{
    struct rk_err err = {0};

    if (!state_get(e->o.state, STATE_ROUTES))
        return;
    if (route_flush(e->o.route, ROUTE_TABLE_OVERLAY, &err) || rule_overlay_remove(e->o.route, &err))
        rk_log(e->log, RK_WARN, "routes are not all removed", KV_ERR(&err));
    else
        state_set(e->o.state, STATE_ROUTES, NULL);
    e->routes_on = false;
}
