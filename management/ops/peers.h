/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on enrolled peers. Store thread. Enrolment itself is in peer_login. */
#ifndef MGMT_OPS_PEERS_H
#define MGMT_OPS_PEERS_H

#include "management/domain/settings.h"
#include "management/ops/op.h"

struct peer_update { /* open; replaces all of it */
    struct rk_str name;
    bool ssh_enabled;
    bool login_expiration_enabled;
    bool inactivity_expiration_enabled;
    struct rk_str ip;  /* p NULL: stays */
    struct rk_str ip6; /* p NULL: stays */
    enum tristate
        approval_required; /* TRI_UNSET: stays; false lets a waiting peer in, true shuts it out */
};

/** All or nothing. Errors: RK_FORBIDDEN, RK_NOT_FOUND, RK_INVALID (address, name),
 *  RK_PRECONDITION (switches of a peer without SSO, IPv6 off). */
enum rk_code peer_update(struct op *op, struct rk_str id, const struct peer_update *in,
                         struct rk_err *err) RK_MUST;

/** Delete a peer with the policies that name it. Errors: RK_FORBIDDEN, RK_NOT_FOUND,
 *  RK_PRECONDITION (a router or a service needs it). */
enum rk_code peer_delete(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

/** RK_PRECONDITION when a service target or (unless for_cleanup) a network router is this peer. */
enum rk_code peer_check_unused(const struct snapshot *s, const struct peer *p, bool for_cleanup,
                               struct rk_err *err) RK_MUST;

/** Inside a mutation: the deletion with its events, without checks. For user deletion, logout and
 *  clean-up. mem lives until the mutation is done. */
enum rk_code peer_delete_tx(struct tx *tx, struct rk_arena *mem, const struct peer *p,
                            struct rk_err *err) RK_MUST;

/** Inside a mutation: flag peers of a user as login-expired, with events. reason as clients know it
 *  ("blocked owner account"). */
enum rk_code peer_expire_tx(struct tx *tx, struct rk_arena *mem, const struct peer *p,
                            const char *reason, struct rk_err *err) RK_MUST;

/** Meta of peer events with up to n more keys. arena */
struct rk_str peer_event_meta(struct rk_arena *mem, const struct snapshot *s, const struct peer *p,
                              const struct op_kv *more, size_t n_more);

/** What the caller may see of a list of peers. Errors: RK_FORBIDDEN (blocked, unknown role). */
enum peer_scope { PEERS_ALL, PEERS_OWN, PEERS_NONE };
enum rk_code peer_scope_of(const struct op *op, enum peer_scope *out, struct rk_err *err) RK_MUST;

/** One peer for a caller: all with peers.read; else own ones and those that own ones can reach.
 *  Errors: RK_NOT_FOUND, also where the caller has no access; RK_INVALID (a reverse proxy's). */
enum rk_code peer_get(const struct op *op, struct rk_str id, const struct peer **out,
                      struct rk_err *err) RK_MUST;

#endif
