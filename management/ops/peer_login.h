/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enrolment and login of agents (the RPCs Login, ExtendAuthSession and Logout). Texts of errors are
 * the ones that agents and operators know; codes are what rpc_fail maps for them.
 */
#ifndef MGMT_OPS_PEER_LOGIN_H
#define MGMT_OPS_PEER_LOGIN_H

#include "management/engine/engine.h"
#include "management/ops/report_gate.h"
#include "management/snapshot/snapshot.h"

struct peer_login_req {           /* open; borrowed for the call */
    struct rk_str key;            /* WireGuard public key, canonical base64 text */
    struct rk_str setup_key;      /* as the agent sent it; empty: none */
    struct rk_str user_id;        /* of a validated JWT; empty: none. Wins over a setup key. */
    const struct peer_meta *meta; /* stored at registration only */
    struct rk_str ssh_key;        /* empty: keeps the stored one */
    struct str_list extra_dns_labels;
    struct peer_location location;
    struct report_gate *gate; /* the machine's budget of changes; NULL: none */
};

struct peer_login_res {          /* open; release with peer_login_done */
    const struct snapshot *snap; /* one reference; shows the peer */
    uint32_t index;              /* of the peer in snap */
    const struct peer *peer;     /* in snap */
    bool registered;             /* was unknown before */
};

/**
 * Log a peer in, or register it when its key is unknown. Store thread; a login that changes nothing
 * is answered from memory.
 * Errors: RK_UNAUTHENTICATED (no credential; another user's peer), RK_FORBIDDEN (login expired,
 * user blocked or pending), RK_NOT_FOUND (setup key or user unknown), RK_PRECONDITION (key used up
 * meanwhile, peer registered meanwhile, extra labels not allowed), RK_INVALID (labels, host name,
 * texts), RK_UNAVAILABLE, RK_INTERNAL (no free address).
 */
enum rk_code peer_login(struct mgmt *m, struct db *db, const struct peer_login_req *req,
                        struct peer_login_res *out, struct rk_err *err) RK_MUST;
void peer_login_done(struct peer_login_res *res); /* for RK_CLEANUP too */

/* The same without keeping a thread while the enrolment waits for its commit: hundreds can then
 * share one. Embed it; all of it and what req points to stays the operation's until done. */
struct peer_login_job {
    struct peer_login_req req;              /* in */
    void (*done)(struct peer_login_job *j); /* called on a lane thread: hand over and return */
    struct peer_login_res res; /* out: the caller's to release when err.code is RK_OK */
    struct rk_err err;
    bool asks;      /* out: the key is unknown and nothing was offered, as agents ask first */
    struct mgmt *m; /* private from here */
    struct mgmt_mutation mut;
    struct actor actor;
    struct rk_str account_id, key_id;
    char account_text[64], key_text[64];
};

/** Store thread. true: done will be called (or was). false: it is over, see j->err and j->res; done
 *  is not called. */
bool peer_login_begin(struct mgmt *m, struct db *db, struct peer_login_job *j);

/** Extend the session of a user's peer: *expires_at_us is the new deadline. Store thread.
 *  Errors: RK_FORBIDDEN (no user), RK_NOT_FOUND (no such peer), RK_PRECONDITION (expiration is off
 *  for the account or the peer), RK_UNAUTHENTICATED (another user's peer). */
enum rk_code peer_session_extend(struct mgmt *m, struct db *db, struct rk_str peer_key,
                                 struct rk_str user_id, int64_t *expires_at_us,
                                 struct rk_err *err) RK_MUST;

#endif
