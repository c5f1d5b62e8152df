/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The password form. Whoever guesses learns nothing from text or time: an unknown name costs the
 * same hash as a wrong password, and the limits count names that do not exist, too.
 */
#include "config.h"

#include "management/idp/login.h"

#include "lib/crypto/pwhash.h"
#include "management/identity/local_users.h"
#include "management/idp/base.h"
#include "management/idp/limits.h"
#include "management/idp/login_done.h"
#include "management/idp/page_forms.h"
#include "management/idp/pages.h"
#include "management/idp/request.h"
#include "management/idp/second.h"

static const char WRONG[] = "Email or password is wrong.";
static const char TOO_MANY[] = "Too many attempts. Wait a minute and try again.";

/* An imported or cheaper hash is exchanged while the password is at hand. */
static void improve(struct http_req *req, struct db *db, struct local_user *u,
                    struct rk_str password)
{
    struct idp *i = idp_of(req);
    struct local_users l = {db, mgmt_vault(i->m), req->mem};
    char hash[PWHASH_TEXT_MAX + 1];
    struct rk_err err = {0};

    if (!pwhash_is_stale(PWHASH_COST_DEFAULT, u->pw_hash))
        return;
    if (pwhash_make(PWHASH_COST_DEFAULT, password, hash, &err) ||
        local_user_set_password(&l, u->subject, rk_str_z(hash), u->changed_at_us, &err))
        rk_log(i->log, RK_WARN, "a password hash stays as it is", KV_ERR(&err));
}

/* RK_UNAUTHENTICATED: no such pair, always after the same work. */
static enum rk_code check(struct http_req *req, struct db *db, struct rk_str login,
                          struct rk_str password, struct local_user *u, struct rk_err *err)
{
    struct local_users l = {db, mgmt_vault(idp_of(req)->m), req->mem};
    enum rk_code rc = local_user_by_email(&l, login, u, err);

    if (rc == RK_NOT_FOUND || password.n > PWHASH_PASSWORD_MAX) {
        pwhash_burn(PWHASH_COST_DEFAULT, rk_str_sub(password, 0, PWHASH_PASSWORD_MAX));
        return rk_fail(err, RK_UNAUTHENTICATED, "no such user");
    }
    rc = rc ? rc : pwhash_verify(u->pw_hash, password, err);
    if (rc == RK_OK)
        improve(req, db, u, password);
    return rc;
}

static enum rk_code second_or_done(struct http_req *req, struct http_resp *resp, struct db *db,
                                   const struct idp_request *r, const struct local_user *u,
                                   struct rk_err *err)
{
    bool second;
    enum rk_code rc = idp_second_needed(req, db, u, &second, err);

    if (rc)
        return rc;
    return second ? idp_second_ask(req, resp, r, u, err) : idp_login_done(req, resp, db, r, u, err);
}

enum rk_code idp_login(struct http_req *req, struct http_resp *resp, struct db *db,
                       struct rk_err *err)
{
    struct idp *i = idp_of(req);
    struct idp_request r;
    struct rk_str login = {0}, password = {0};
    struct local_user u;
    struct idp_try t;
    bool bad = false;
    enum rk_code rc;

    if (idp_request_open(req, "request", &r, err) || r.subject.n ||
        (r.what != IDP_FOR_AUTH && r.what != IDP_FOR_DEVICE))
        return idp_page_stale(req, resp);
    if (!idp_param(req->mem, req->body, "login", &login, &bad) ||
        !idp_param(req->mem, req->body, "password", &password, &bad) || !login.n || !password.n)
        return idp_page_login(req, resp, db, &r, 400, "Enter email and password.", RK_STR(""), err);
    if (i->local_auth_disabled)
        return idp_page_login(req, resp, db, &r, 403,
                              "Signing in by password is switched off here.", login, err);
    if (idp_try_begin(req, login, &t, err)) {
        static struct rk_log_gate gate; /* anybody can do it */

        rk_log_every(&gate, IDP_LOG_EVERY_MS, i->log, RK_WARN, "too many login attempts",
                     kv_z("request", req->id));
        return idp_page_login(req, resp, db, &r, 429, TOO_MANY, login, err);
    }
    rc = check(req, db, login, password, &u, err);
    if (rc == RK_UNAUTHENTICATED) {
        rk_log(i->log, RK_INFO, "login refused", kv_z("request", req->id));
        return idp_page_login(req, resp, db, &r, 401, WRONG, login, err);
    }
    if (rc == RK_OK)
        idp_try_right(req, &t);
    return rc ? rc : second_or_done(req, resp, db, &r, &u, err);
}
