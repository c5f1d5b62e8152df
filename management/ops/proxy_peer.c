/* SPDX-License-Identifier: BSD-3-Clause */
/* See proxy_peer.h. */
#include "config.h"

#include "management/ops/proxy_peer.h"

#include "lib/base/id.h"
#include "management/ops/peer_insert.h"

struct make {
    struct rk_arena *mem;
    struct rk_str key, cluster;
};

static enum rk_code make_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct make *k = arg;
    const struct peer *there = snap_peer_at(tx->snap, snap_index_by_key(tx->snap, k->key));
    const struct group *all = snap_group_all(tx->snap);
    struct rk_str all_id = all ? all->id : RK_STR("");
    struct str_list groups = {&all_id, all ? 1 : 0};
    struct peer *p = rk_new(k->mem, struct peer);
    enum rk_code rc;

    if (there && there->proxy_embedded && rk_str_eq(there->proxy_cluster, k->cluster))
        return RK_OK;
    if (there)
        return rk_fail(err, RK_EXISTS, "a machine has this WireGuard key");
    *p = (struct peer){.id = rk_xid_new(k->mem),
                       .account_id = tx->account_id,
                       .key = k->key,
                       .last_login_us = tx->now_us,
                       .created_at_us = tx->now_us,
                       .ephemeral = true,
                       .proxy_embedded = true,
                       .proxy_cluster = k->cluster,
                       .meta = {.goos = RK_STR("proxy"), .os = RK_STR("proxy")},
                       .status.last_seen_us = tx->now_us};
    p->name = RK_CAT(k->mem, RK_STR("proxy-"), rk_xid_new(k->mem));
    p->meta.hostname = p->name;
    rc = peer_insert(tx, p, &groups, err);
    if (!rc && all)
        rc = tx_group_add_peer(tx, all->id, p->id, err);
    return rc;
}

enum rk_code proxy_peer_create(struct mgmt *m, struct rk_arena *mem, struct rk_str account_id,
                               struct rk_str key, struct rk_str cluster, struct rk_err *err)
{
    struct make k = {.mem = mem, .key = key, .cluster = cluster};

    return mgmt_mutate(m, account_id, &ACTOR_SYSTEM, 0, make_tx, &k, err);
}
