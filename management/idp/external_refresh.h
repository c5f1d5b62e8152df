/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether an external provider still knows a person. */
#ifndef MGMT_IDP_EXTERNAL_REFRESH_H
#define MGMT_IDP_EXTERNAL_REFRESH_H

#include "management/idp/base.h"

/** Ask the provider whether it still knows the person, with the refresh token that it gave.
 *  *gone: it does not, and all logins were ended. Errors: RK_UNAVAILABLE (ask again later). */
enum rk_code idp_external_still(struct http_req *req, struct db *db, struct rk_str subject,
                                bool *gone, struct rk_err *err) RK_MUST;

#endif
