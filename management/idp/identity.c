/* SPDX-License-Identifier: BSD-3-Clause */
/* Who a subject is: a local user, or somebody whom an external provider described. */
#include "config.h"

#include "management/idp/identity.h"

#include "management/identity/external_users.h"
#include "management/identity/local_users.h"
#include "management/idp/base.h"

enum rk_code idp_identity(struct http_req *req, struct db *db, struct rk_str subject,
                          struct local_user *u, struct rk_str *groups, struct rk_err *err)
{
    struct local_users l = {db, mgmt_vault(idp_of(req)->m), req->mem};
    struct external_user x;
    struct rk_str id, realm;
    enum rk_code rc;

    if (groups)
        *groups = RK_STR("");
    if (!idp_subject_decode(req->mem, subject, &id, &realm) ||
        rk_str_eqz(realm, IDP_LOCAL_CONNECTOR))
        return idp_of(req)->local_auth_disabled
                   ? rk_fail(err, RK_NOT_FOUND, "local users may not sign in")
                   : local_user_by_subject(&l, subject, u, err);
    rc = external_user_get(&l, subject, &x, err);
    if (rc)
        return rc;
    *u = x.user;
    if (groups)
        *groups = x.groups;
    return RK_OK;
}

enum rk_code idp_external_get(struct http_req *req, struct db *db, struct rk_str subject,
                              struct external_user *out, struct rk_err *err)
{
    struct local_users l = {db, mgmt_vault(idp_of(req)->m), req->mem};

    return external_user_get(&l, subject, out, err);
}

enum rk_code idp_external_put(struct http_req *req, struct db *db, const struct external_user *x,
                              struct rk_err *err)
{
    struct local_users l = {db, mgmt_vault(idp_of(req)->m), req->mem};

    return external_user_put(&l, x, idp_now_us(idp_of(req)), err);
}
