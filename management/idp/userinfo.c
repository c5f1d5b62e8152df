/* SPDX-License-Identifier: BSD-3-Clause */
/* The userinfo endpoint (OpenID Connect Core 5.3): what a token of ours says about its person, as
 * long as that person may sign in and the login behind it was not ended. */
#include "config.h"

#include "management/idp/userinfo.h"

#include <jansson.h>
#include <stdlib.h>

#include "management/identity/local_users.h"
#include "management/identity/logins.h"
#include "management/idp/base.h"
#include "management/idp/identity.h"
#include "management/idp/reply.h"

static enum rk_code unauthorized(struct http_resp *resp)
{
    http_resp_header(resp, "WWW-Authenticate", RK_STR("Bearer error=\"invalid_token\""));
    return idp_oauth_error(resp, 401, "invalid_token", "the access token is not valid");
}

/* What ends a login ends its tokens here, too; a store in trouble says nothing about them. */
static enum rk_code still_good(struct http_req *req, struct db *db, json_t *claims,
                               struct local_user *u, struct rk_err *err)
{
    struct rk_str sub = jwt_text(claims, "sub");
    int64_t gen = json_integer_value(json_object_get(claims, JWT_CLAIM_GEN));
    enum rk_code rc = logins_check(db, req->mem, sub, gen, err);

    return rc ? rc : idp_identity(req, db, sub, u, NULL, err);
}

enum rk_code idp_userinfo(struct http_req *req, struct http_resp *resp, struct db *db,
                          struct rk_err *err)
{
    static const char *const SHOWN[] = {"sub", "email", "email_verified", "name",
                                        "preferred_username"};
    struct idp *i = idp_of(req);
    struct jwt_issuer by = idp_issuer(i);
    struct local_user u;
    struct rk_str header, scheme, token;
    struct jwt t;
    json_t *o;
    char *text;
    enum rk_code rc;

    if (!http_req_header(req, "Authorization", &header) ||
        !rk_str_cut(header, ' ', &scheme, &token) || !rk_str_ieq(scheme, RK_STR("Bearer")) ||
        jwt_verify(&by, 1, req->mem, token, idp_now_us(i) / 1000000, &t, NULL, err))
        return unauthorized(resp);
    rc = still_good(req, db, t.claims, &u, err);
    if (rc) {
        jwt_done(&t);
        return rc == RK_NOT_FOUND || rc == RK_UNAUTHENTICATED ? unauthorized(resp) : rc;
    }
    o = json_object();
    for (size_t k = 0; k < RK_ARRAY_LEN(SHOWN); k++) {
        json_t *v = json_object_get(t.claims, SHOWN[k]);

        if (v)
            (void)json_object_set(o, SHOWN[k], v);
    }
    text = json_dumps(o, JSON_COMPACT);
    rk_buf_addz(&resp->body, text);
    free(text);
    json_decref(o);
    jwt_done(&t);
    http_resp_header(resp, "Cache-Control", RK_STR("no-store"));
    return RK_OK;
}
