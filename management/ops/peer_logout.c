/* SPDX-License-Identifier: BSD-3-Clause */
/* See peer_logout.h. */
#include "config.h"

#include "management/ops/peer_logout.h"

#include "management/domain/permission.h"
#include "management/ops/peers.h"

static enum rk_code logout_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct rk_str *id = arg;
    const struct peer *p = tx_get(tx, ENT_PEER, *id);
    const struct user *u;

    if (!p)
        return rk_fail(err, RK_NOT_FOUND, "peer not found");
    if (p->user_id.n) { /* as of now: who owned it may have lost the right meanwhile */
        u = tx_get(tx, ENT_USER, p->user_id);
        if (!u)
            return rk_fail(err, RK_FORBIDDEN, "permission denied");
        if (perm_check(u, PERM_PEERS, PERM_DELETE, err))
            return RK_FORBIDDEN;
    }
    if (peer_check_unused(tx->snap, p, false, err))
        return RK_PRECONDITION;
    return peer_delete_tx(tx, tx->mem, p, err);
}

enum rk_code peer_logout(struct mgmt *m, struct db *db, struct rk_str peer_key, struct rk_err *err)
{
    struct actor actor = ACTOR_SYSTEM;
    const struct snapshot *snap;
    const struct peer *p;
    struct rk_str id;
    enum rk_code rc = mgmt_snapshot_of_peer(m, db, peer_key, &snap, err);

    if (rc)
        return rc;
    p = snap_peer_at(snap, snap_index_by_key(snap, peer_key));
    if (!p) {
        snap_unref(snap);
        return rk_fail(err, RK_NOT_FOUND, "peer not found");
    }
    id = p->id;
    if (p->user_id.n)
        actor = (struct actor){.id = p->user_id, .user = snap_user(snap, p->user_id)};
    rc = mgmt_mutate(m, snap_account(snap)->id, &actor, 0, logout_tx, &id, err);
    snap_unref(snap);
    return rc;
}
