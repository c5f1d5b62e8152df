/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/x/health: how this server is, for those who may read its settings. What the health pages of
 * the operators say, and what only the account knows. */
#include "config.h"

#include "management/engine/presence.h"
#include "management/rest/handlers.h"

static void put_machines(const struct op *op, struct rk_buf *out)
{
    int64_t all = 0, connected = 0;
    const struct peer *p;

    for (struct snap_iter it = snap_iter(op->snap, ENT_PEER); (p = snap_next(&it)) != NULL;) {
        all++;
        connected += presence_of(op->m, p).connected;
    }
    json_put_key_obj(out, "machines");
    json_put_key_int(out, "all", all);
    json_put_key_int(out, "connected", connected);
    json_put_obj_end(out);
}

enum rk_code rest_health(struct http_req *req, struct http_resp *resp, struct db *db,
                         struct rk_err *err)
{
    const struct op *op = op_of(req);
    struct rest *r = rest_of(req);
    enum rk_code rc = op_may(op, PERM_SETTINGS, PERM_READ, err);

    (void)db;
    if (rc)
        return rc;
    http_resp_header(resp, "Cache-Control", RK_STR("no-store"));
    json_put_obj(&resp->body);
    json_put_key_str(&resp->body, "version", rk_str_z(r->o.version));
    put_machines(op, &resp->body);
    json_put_key_bool(&resp->body, "traffic_events", r->o.traffic != NULL);
    if (r->o.health)
        r->o.health->put(r->o.health, &resp->body);
    json_put_obj_end(&resp->body);
    return answer_done(resp);
}
