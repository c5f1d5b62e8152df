/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of struct peers, for agent/engine/peers*.c only. */
#ifndef RK_AGENT_ENGINE_PEERS_PRIV_H
#define RK_AGENT_ENGINE_PEERS_PRIV_H

#include "agent/engine/early.h"
#include "agent/engine/peers.h"
#include "agent/wg/peers.h"
#include "lib/base/arena.h"
#include "lib/base/map.h"

/* One remote peer of the current map. */
struct peer {
    struct peer_conn_user user;
    struct peers *table;
    struct rk_key key;
    struct peer_conn *conn;
    char *fqdn;
    char *version;
    struct rk_prefix *allowed; /* its own overlay addresses */
    size_t n_allowed;
};

/* A peer that is shown but not connected. */
struct offline_peer {
    struct rk_key key;
    char *fqdn;
    char *ip;
};

struct peers {
    struct peers_opts o;
    struct peers_user *user;
    bool stopped;

    struct wg_device_user wg_user;
    struct wg_device *dev;
    bool dev_open;
    struct wg_peers *wg;        /* what the device shall hold */
    struct rk_arena *stats_mem; /* wiping: a picture of the device, up to a tenth of a second old */
    struct wg_state stats;
    struct rk_map stats_by_key;
    int64_t stats_at_ms;

    struct peer_conn_env *env; /* lent */
    bool v6;
    struct rk_map by_key; /* key bytes → struct peer */
    struct early early;
    struct offline_peer *offline;
    size_t n_offline;
};

static inline struct rk_str peers_key(const struct rk_key *k)
{
    return rk_str_of(k->b, sizeof k->b);
}

/* peers_device.c: what a connection asks of the device; flushed at once. A failed flush tells the
 * owner (refused). */
enum rk_code peers_wg_set(struct peer *p, const struct rk_addr *endpoint, uint16_t keepalive_s,
                          struct rk_err *err) RK_MUST;
enum rk_code peers_wg_forget(struct peer *p, struct rk_err *err) RK_MUST;
void peers_wg_remove(struct peer *p);
/** false: not readable now. */
bool peers_wg_stats(struct peer *p, struct peer_conn_wg_stats *out);

#endif
