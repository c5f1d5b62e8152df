/* SPDX-License-Identifier: BSD-3-Clause */
/* From the official server's identity provider and activity store: second factors, other
 * providers, names of users that were deleted. */
#ifndef RK_SERVER_IMPORT_IDP_H
#define RK_SERVER_IMPORT_IDP_H

#include "server/import_row.h"

struct vault;

/** The secret of a user's authenticator app, base32; empty: none that was confirmed. arena */
struct rk_str imp_totp(struct imp *im, const struct foreign_table *identities,
                       struct rk_str user_id);

/** Providers with their secrets, under their ids. *n: how many. */
enum rk_code imp_connectors(struct imp *im, struct foreign *idp, struct db *db,
                            const struct vault *vault, size_t *n, struct rk_err *err) RK_MUST;

/** What the activity log calls users that are gone. */
enum rk_code imp_deleted_users(struct imp *im, struct foreign *events, struct db *db,
                               const struct vault *vault, size_t *n, struct rk_err *err) RK_MUST;

#endif
