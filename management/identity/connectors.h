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
    /* The connector's part of its users' subjects: the id, and another text after the issuer was
     * changed, so that nobody of the new one is taken for somebody of the old one. */
    struct rk_str realm;
    /* Its answers may come to <issuer>/callback. One connector has this at a time; the others have
     * an address of their own, <issuer>/callback/<id>, so that a provider cannot pass off an answer
     * that was meant for another one (RFC 9700 4.4). */
    bool shared_callback;
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
/** The type has an issuer of its own (google). Microsoft's tokens name the tenant as their issuer.
 */
bool idp_connector_type_fixed(struct rk_str type);
/** Where the provider is: its issuer, or that of the type. */
struct rk_str idp_connector_issuer(const struct idp_connector *c);

enum rk_code idp_connectors_list(struct idp_connectors *c, struct idp_connector_list *out,
                                 struct rk_err *err) RK_MUST;
/** RK_NOT_FOUND. */
enum rk_code idp_connector_get(struct idp_connectors *c, struct rk_str id,
                               struct idp_connector *out, struct rk_err *err) RK_MUST;
/** By the connector's part of a subject. RK_NOT_FOUND. */
enum rk_code idp_connector_by_realm(struct idp_connectors *c, struct rk_str realm,
                                    struct idp_connector *out, struct rk_err *err) RK_MUST;
/** Gets the shared callback when nobody else has it. */
enum rk_code idp_connector_insert(struct idp_connectors *c, const struct idp_connector *in,
                                  struct rk_err *err) RK_MUST;
/** All but id, type, creation time and callback. */
enum rk_code idp_connector_update(struct idp_connectors *c, const struct idp_connector *in,
                                  struct rk_err *err) RK_MUST;
enum rk_code idp_connector_delete(struct idp_connectors *c, struct rk_str id,
                                  struct rk_err *err) RK_MUST;

#endif
