/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an agent reports about itself when it opens a Sync stream or calls SyncMeta: whether it may,
 * and what of it is stored. Most reports say nothing new, so everything that decides this is pure
 * and can run on a loop; only a change needs the store.
 */
#ifndef MGMT_OPS_PEER_SYNC_H
#define MGMT_OPS_PEER_SYNC_H

#include "management/engine/engine.h"
#include "management/snapshot/snapshot.h"

struct places;      /* management/engine/places.h */
struct report_gate; /* management/ops/report_gate.h */

struct peer_report {              /* open; borrowed for the call */
    struct rk_str key;            /* WireGuard key, canonical text */
    const struct peer_meta *meta; /* NULL or an empty record: not sent, nothing changes */
    struct rk_ip connection_ip;   /* family 0: unknown, keeps the stored one */
    const struct places *places;  /* a known address without a place is news, too; NULL: not */
    struct report_gate *gate;     /* the machine's budget; NULL: none */
};

/** May this peer hold a stream? Errors: RK_FORBIDDEN with the text that agents know (blocked owner,
 *  login expired). Any thread. */
enum rk_code peer_may_sync(const struct snapshot *s, const struct peer *p, int64_t now_us,
                           struct rk_err *err) RK_MUST;

/** Nothing in it but perhaps flags, capabilities and the message version. Any thread. */
bool peer_meta_is_empty(const struct peer_meta *m);

/** The peer as it is after the report; false when nothing changes (then *out is p). Addresses and
 *  files are compared without their order. *out borrows from both. Any thread. */
bool peer_merge_report(const struct peer *p, const struct peer_report *r, struct peer *out);

/* A report on its way into the store. Open; embed it, it is the lane's until done(). */
struct peer_sync_job {
    const struct peer_report *report; /* in: lives until done() */
    void (*done)(
        struct peer_sync_job *job); /* in: lane thread, exactly once: hand over and return */
    struct rk_err err;              /* out */
    struct mgmt_mutation mut;       /* private */
    struct actor actor;             /* private */
    struct rk_arena *mem;           /* private */
    struct rk_str peer_id;          /* private */
};

/** Begin to store a report that peer_merge_report finds new for p, without waiting, so that many
 *  share a commit. Any thread. s and p need not outlive the call.
 *  Errors: RK_LIMIT, RK_CANCELLED: then done is not called. */
enum rk_code peer_sync_begin(struct mgmt *m, const struct snapshot *s, const struct peer *p,
                             struct peer_sync_job *job, struct rk_err *err) RK_MUST;

/** Store the report if it says anything new. The serial stays: who sees the change in a map gets it
 *  by the push of the commit. Store thread.
 *  Errors: RK_NOT_FOUND (no such peer), those of peer_may_sync, RK_UNAVAILABLE; RK_LIMIT when it is
 *  news that the machine's budget does not allow: nothing is stored. */
enum rk_code peer_sync(struct mgmt *m, struct db *db, const struct peer_report *r,
                       struct rk_err *err) RK_MUST;

#endif
