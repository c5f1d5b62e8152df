/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct wg_peers: which peers the device shall have, and what it was last told. The engine writes
 * wishes (peer, allowed addresses, endpoint); wg_peers_flush turns the difference into one change
 * of the device, and wg_peers_reconcile compares with what the device really has, by sort and
 * sweep, and heals it (peers of others go, lost ones come back, allowed addresses move home).
 *
 * A peer's endpoint is sent only when the wish changes: WireGuard follows a roaming peer by itself.
 * An allowed prefix belongs to one peer, as in WireGuard: the last wish wins. Loop thread.
 */
#ifndef RK_AGENT_WG_PEERS_H
#define RK_AGENT_WG_PEERS_H

#include "agent/wg/device.h"

struct wg_peers;

struct wg_peers *wg_peers_new(void);
void wg_peers_free(struct wg_peers *t); /* accepts NULL */

/** The peer shall exist, with this pre-shared key (NULL: none) and keepalive. Keeps its allowed
 *  addresses and endpoint when it is there already. */
void wg_peers_put(struct wg_peers *t, const struct rk_key *peer, const struct rk_key *psk,
                  int keepalive_s);
void wg_peers_remove(struct wg_peers *t, const struct rk_key *peer);
bool wg_peers_has(const struct wg_peers *t, const struct rk_key *peer);

/** Send to this address. The same address again is sent again, since the peer may have roamed in
 *  between. Unknown peers are ignored. */
void wg_peers_endpoint(struct wg_peers *t, const struct rk_key *peer, const struct rk_addr *to);

/** Remove and add again without endpoint, so that the session is forgotten and the peer only
 *  answered. */
void wg_peers_forget(struct wg_peers *t, const struct rk_key *peer);

/** Traffic for a prefix (host bits are cleared) goes to this peer; it is taken from any other. */
void wg_peers_allow(struct wg_peers *t, const struct rk_key *peer, const struct rk_prefix *p);
void wg_peers_disallow(struct wg_peers *t, const struct rk_key *peer, const struct rk_prefix *p);

/** Tell the device what changed since the last flush. On an error everything is wished again by the
 *  next flush. */
enum rk_code wg_peers_flush(struct wg_peers *t, struct wg_device *d, struct rk_err *err) RK_MUST;

/** Compare with the device's own picture and correct it. *fixed tells how many peers were wrong. */
enum rk_code wg_peers_reconcile(struct wg_peers *t, struct wg_device *d, size_t *fixed,
                                struct rk_err *err) RK_MUST;

/** The pure core of both, for tests: what must change so that a device in the state `have` (peers
 *  in any order) fulfils the wishes. arena */
void wg_peers_diff(struct wg_peers *t, const struct wg_state *have, struct rk_arena *mem,
                   struct wg_change *out);

#endif
