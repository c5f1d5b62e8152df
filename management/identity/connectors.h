/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * External identity providers as connectors of the embedded one: table idp_connector. They belong
 * to the whole instance, not to an account. Store thread.
 */
#ifndef MGMT_IDP_CONNECTORS_H
#define MGMT_IDP_CONNECTORS_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "management/domain/types.h"
#include "management/store/db.h"

struct vault;

struct idp_connector {  /* open; arena */
    struct rk_str id;   /* "<type>-<xid>", a bare xid for "oidc" */
    struct rk_str type; /* "oidc", "google", … */
    struct rk_str name;
    struct rk_str issuer; /* empty for types with one of their own */
    struct rk_str client_id;
    struct rk_str secret; /* plain here, sealed in the database */
    int64_t created_at_us;
};

struct idp_connector_list {
    struct idp_connector *v;
    size_t n;
};

struct idp_connectors { /* open; what each call needs */
    struct db *db;
    const struct vault *vault;
    struct rk_arena *mem;
};

bool idp_connector_type_ok(struct rk_str type);
/** The type has an issuer of its own (google, microsoft). */
bool idp_connector_type_fixed(struct rk_str type);

enum rk_code idp_connectors_list(struct idp_connectors *c, struct idp_connector_list *out,
                                 struct rk_err *err) RK_MUST;
/** RK_NOT_FOUND. */
enum rk_code idp_connector_get(struct idp_connectors *c, struct rk_str id,
                               struct idp_connector *out, struct rk_err *err) RK_MUST;
enum rk_code idp_connector_insert(struct idp_connectors *c, const struct idp_connector *in,
                                  struct rk_err *err) RK_MUST;
/** All but id, type and creation time. */
enum rk_code idp_connector_update(struct idp_connectors *c, const struct idp_connector *in,
                                  struct rk_err *err) RK_MUST;
enum rk_code idp_connector_delete(struct idp_connectors *c, struct rk_str id,
                                  struct rk_err *err) RK_MUST;

/** Ask the issuer's discovery document whether it is what it says. Blocks for up to 10 s.
 *  Errors: RK_INVALID with the reason. */
enum rk_code idp_issuer_check(struct rk_arena *mem, struct rk_str issuer,
                              struct rk_err *err) RK_MUST;

#endif
