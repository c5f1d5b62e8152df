/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on setup keys. Store thread. No map changes, so no push. */
#ifndef MGMT_OPS_SETUP_KEYS_H
#define MGMT_OPS_SETUP_KEYS_H

#include "lib/base/id.h"
#include "management/ops/op.h"

/* A hundred years: more would not fit the times that clients parse. */
#define SETUP_KEY_EXPIRES_MAX_S ((int64_t)100 * 366 * 86400)

struct setup_key_new { /* open; borrowed for the call */
    struct rk_str name;
    struct rk_str type;   /* "reusable" or "one-off" */
    int64_t expires_in_s; /* 0: never */
    struct str_list auto_groups;
    int64_t usage_limit; /* 0: none */
    bool ephemeral;
    bool allow_extra_dns_labels;
};

/** Make a key; *plain is its only showing (in op->mem). Errors: RK_INVALID, RK_FORBIDDEN. */
enum rk_code setup_key_create(struct op *op, const struct setup_key_new *in,
                              const struct setup_key **out, struct rk_str *plain,
                              struct rk_err *err) RK_MUST;

/** Revoke and change groups; *out is the new state. Errors: RK_INVALID (a group, un-revoking),
 *  RK_FORBIDDEN, RK_NOT_FOUND. */
enum rk_code setup_key_update(struct op *op, struct rk_str id, bool revoked,
                              const struct str_list *auto_groups, const struct setup_key **out,
                              struct rk_err *err) RK_MUST;

enum rk_code setup_key_delete(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

#endif
