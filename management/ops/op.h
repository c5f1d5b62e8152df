/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every operation on an account needs: the caller, a snapshot, memory, a database connection.
 * An operation is plain blocking C on a store thread: check the input, check the role, then change
 * things inside mgmt_mutate. REST and gRPC call the same operations.
 *
 * Order of checks as the official server: form of the input, permission, existence and references.
 */
#ifndef MGMT_OPS_OP_H
#define MGMT_OPS_OP_H

#include "management/domain/activity.h"
#include "management/domain/permission.h"
#include "management/engine/engine.h"
#include "management/snapshot/snapshot.h"

struct op { /* open; one request of one caller */
    struct mgmt *m;
    struct db *db;               /* of this store thread; NULL where only the snapshot is read */
    struct rk_arena *mem;        /* results live here */
    const struct snapshot *snap; /* one reference, dropped by op_done */
    const struct user *user;     /* the caller, in snap */
    struct actor actor;
    unsigned char *needs; /* [PERM_MODULES]: what op_may has granted; op_mutate asks again */
    /* Not NULL: nothing is changed. One op_mutate tells here what it would do (mgmt_try), and snap
     * shows it afterwards; a second one is refused. The caller's, who calls mgmt_trial_done. */
    struct mgmt_trial *trial;
    bool for_good; /* with a trial: one op_mutate_only is done, and tells there what it did */
    /* A part of a trial for somebody who may see all of it: op_may grants everything. */
    bool pretend;
    struct tx *tx; /* not NULL: this is a part of that mutation, which op_mutate runs in */
};

/** A caller's context: takes over the reference to snap. user_id must be in snap (RK_NOT_FOUND). */
enum rk_code op_init(struct op *op, struct mgmt *m, struct db *db, struct rk_arena *mem,
                     const struct snapshot *snap, struct rk_str user_id,
                     struct rk_err *err) RK_MUST;
void op_done(struct op *op); /* for RK_CLEANUP too */

static inline struct rk_str op_account(const struct op *op)
{
    return op->user->account_id;
}

/** perm_check for the caller, on the snapshot that the caller holds. What was granted is asked
 * again inside op_mutate. */
enum rk_code op_may(const struct op *op, enum perm_module m, enum perm_op what,
                    struct rk_err *err) RK_MUST;

/** Run fn on the caller's account (mgmt_mutate), then take the snapshot that shows it. What fn gets
 *  from tx->snap or tx_get ends with fn: results are copied with entity_dup inside it.
 *
 *  The snapshot that op_may looked at may be old by the time that fn runs: another mutation may
 * have blocked the caller or taken the role away. So the caller is looked up again first, all that
 *  op_may granted is checked again, and tx->actor->user is who the caller is now.
 *  Errors: fn's own; RK_FORBIDDEN (gone, blocked, or without the right by now). */
enum rk_code op_mutate(struct op *op, mgmt_fn *fn, void *arg, struct rk_err *err) RK_MUST;

/** The same with MUT_… flags and without taking the new snapshot. */
enum rk_code op_mutate_only(struct op *op, uint32_t flags, mgmt_fn *fn, void *arg,
                            struct rk_err *err) RK_MUST;

/** Take the account's current snapshot; what was lent from the old one must not be used after. */
enum rk_code op_refresh(struct op *op, struct rk_err *err) RK_MUST;

/* One key of an event's meta. */
struct op_kv {
    const char *key;
    struct rk_str value;
};

/** JSON object of texts for tx_event. arena */
struct rk_str op_meta(struct rk_arena *mem, const struct op_kv *kv, size_t n);
#define META(mem, ...)                                                                             \
    op_meta((mem), (const struct op_kv[]){__VA_ARGS__},                                            \
            sizeof((const struct op_kv[]){__VA_ARGS__}) / sizeof(struct op_kv))

static inline struct rk_str op_bool(bool b)
{
    return b ? RK_STR("true") : RK_STR("false");
}

/** A time as metas have it: RFC 3339. arena */
struct rk_str op_time(struct rk_arena *mem, int64_t unix_us);

/** Texts as people read a list: "a, b". arena */
struct rk_str op_list_text(struct rk_arena *mem, const struct str_list *l);

/** New list with one more text; without all texts equal to s. Shared texts. arena */
struct str_list str_list_plus(struct rk_arena *mem, const struct str_list *l, struct rk_str s);
struct str_list str_list_minus(struct rk_arena *mem, const struct str_list *l, struct rk_str s);

/** Deep copy. arena */
struct str_list str_list_dup(struct rk_arena *mem, const struct str_list *l);

/** Fully qualified name of a peer: label, dot, domain. arena */
struct rk_str op_fqdn(struct rk_arena *mem, const struct snapshot *s, const struct peer *p);

#endif
