/* SPDX-License-Identifier: BSD-3-Clause */
/* Logging out, by the person or by an application (OpenID Connect RP-Initiated Logout 1.0). */
#include "config.h"

#include "management/idp/logout.h"

#include "management/idp/base.h"
#include "management/idp/pages.h"
#include "management/idp/reply.h"
#include "management/idp/request.h"
#include "management/idp/session.h"

/* A form or link of another site must not log anybody out. */
static bool from_elsewhere(const struct http_req *req)
{
    struct rk_str site;

    return http_req_header(req, "Sec-Fetch-Site", &site) && rk_str_eqz(site, "cross-site");
}

static bool hint_ok(struct http_req *req, struct rk_str token)
{
    struct jwt_issuer by = idp_issuer(idp_of(req));
    struct jwt t;

    if (jwt_verify(&by, 1, req->mem, token, JWT_ANY_TIME, &t, NULL, NULL))
        return false;
    jwt_done(&t);
    return true;
}

enum rk_code idp_logout(struct http_req *req, struct http_resp *resp, struct db *db,
                        struct rk_err *err)
{
    const struct idp *i = idp_of(req);
    struct rk_str from = req->method == HTTP_POST ? req->body : req->query;
    struct rk_str hint = {0}, to = {0}, state = {0};
    bool bad = false, hinted;
    enum rk_code rc = RK_OK;

    /* longer than other parameters: a whole token */
    size_t pos = 0;
    struct rk_str k, v;

    while (http_form_next(req->mem, from, &pos, &k, &v))
        if (rk_str_eqz(k, "id_token_hint"))
            hint = v;
    (void)idp_param(req->mem, from, "post_logout_redirect_uri", &to, &bad);
    (void)idp_param(req->mem, from, "state", &state, &bad);
    hinted = hint.n && hint_ok(req, hint);
    if (hinted || !from_elsewhere(req))
        rc = idp_session_end(req, resp, db, err);
    if (rc)
        return rc;
    if (!hinted || !to.n || bad)
        return idp_redirect(req, resp, RK_STR("/"));
    if (!idp_list_has(&i->clients[IDP_DASHBOARD].logout_redirects, to) &&
        !idp_list_has(&i->clients[IDP_CONSOLE].logout_redirects, to))
        return idp_page_trouble(req, resp, 400, NULL, "Signed out",
                                "The address to go on to is not registered for the application.");
    if (state.n)
        to = idp_uri_with(req->mem, to, "state", state);
    return idp_redirect(req, resp, to);
}

/* Where a provider sends people after its own logout. */
enum rk_code idp_logged_out(struct http_req *req, struct http_resp *resp, struct db *db,
                            struct rk_err *err)
{
    (void)db;
    (void)err;
    return idp_redirect(req, resp, RK_STR("/"));
}
