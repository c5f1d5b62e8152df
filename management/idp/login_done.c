/* SPDX-License-Identifier: BSD-3-Clause */
/* Where every way to sign in ends (password, second factor, external provider): a session, and on
 * with what the browser came for. Above authorize.c and device.c, below the forms. */
#include "config.h"

#include "management/idp/login_done.h"

#include "management/identity/local_users.h"
#include "management/idp/authorize.h"
#include "management/idp/base.h"
#include "management/idp/device.h"
#include "management/idp/limits.h"
#include "management/idp/session.h"

enum rk_code idp_login_done(struct http_req *req, struct http_resp *resp, struct db *db,
                            const struct idp_request *r, const struct local_user *u,
                            struct rk_err *err)
{
    struct idp_session s = {.subject = u->subject,
                            .auth_time_s = idp_now_us(idp_of(req)) / 1000000,
                            .gen = u->gen,
                            .user = *u};
    enum rk_code rc = idp_session_start(req, resp, db, u, err);

    if (rc == RK_OK)
        rc = idp_browser_known(req, resp, u->email, err);
    if (rc)
        return rc;
    return r->what == IDP_FOR_AUTH ? idp_grant_code(req, resp, db, r, &s, err)
                                   : idp_device_ask(req, resp, db, r, &s, err);
}
