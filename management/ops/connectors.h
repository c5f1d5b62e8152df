/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on external identity providers, with roles and events. Store thread. */
#ifndef MGMT_OPS_CONNECTORS_H
#define MGMT_OPS_CONNECTORS_H

#include "management/identity/connectors.h"
#include "management/ops/op.h"

/** Create (id empty) or change: empty texts keep what is stored. *out echoes the input with its id.
 *  The issuer is asked over the network. Errors: RK_INVALID, RK_FORBIDDEN, RK_NOT_FOUND. */
enum rk_code connector_save(struct op *op, struct rk_str id, const struct idp_connector *in,
                            struct idp_connector *out, struct rk_err *err) RK_MUST;

enum rk_code connector_delete(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

#endif
