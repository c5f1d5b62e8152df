/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The second factor of local users, where the account demands one: a code of an authenticator app.
 * Who has none yet sets it up at the first login; the secret is kept in the sealed form until a
 * code shows that the app has it.
 */
#include "config.h"

#include "lib/base/num.h"
#include "lib/crypto/vault.h"
#include "management/idp/idp_impl.h"
#include "management/idp/totp.h"
#include "management/snapshot/snapshot.h"

enum rk_code idp_second_needed(struct http_req *req, struct db *db, const struct local_user *u,
                               bool *out, struct rk_err *err)
{
    const struct snapshot *snap = NULL;
    enum rk_code rc = mgmt_snapshot_of_user(idp_of(req)->m, db, u->subject, &snap, err);

    *out = false;
    if (rc == RK_NOT_FOUND)
        return RK_OK; /* in no account yet: its rules cannot be known */
    if (rc)
        return rc;
    *out = snap_settings(snap)->local_mfa;
    snap_unref(snap);
    return RK_OK;
}

enum rk_code idp_second_ask(struct http_req *req, struct http_resp *resp,
                            const struct idp_request *r, const struct local_user *u,
                            struct rk_err *err)
{
    struct idp_request next = *r;

    next.subject = u->subject;
    if (!u->totp.n)
        next.secret = totp_secret_new(req->mem);
    return idp_page_totp(req, resp, &next, 200, NULL, u->email, err);
}

static bool may_try(struct http_req *req, struct rk_str subject)
{
    struct idp *i = idp_of(req);
    struct rk_str key =
        idp_hash(req->mem, rk_arena_printf(req->mem, "second/%.*s", RK_STR_ARG(subject)));
    bool ok;

    (void)pthread_mutex_lock(&i->lock);
    ok = rk_ratelimit_take(i->by_name, key, rk_mono_ms());
    (void)pthread_mutex_unlock(&i->lock);
    return ok;
}

/* *ok: the code fits, and nobody has used it before. */
static enum rk_code check(struct http_req *req, struct db *db, const struct idp_request *r,
                          const struct local_user *u, struct rk_str code, bool *ok,
                          struct rk_err *err)
{
    struct idp *i = idp_of(req);
    struct local_users l = {db, mgmt_vault(i->m), req->mem};
    bool enrol = !u->totp.n;
    int64_t step;

    *ok =
        totp_check(enrol ? r->secret : u->totp, code, idp_now_us(i) / 1000000, u->totp_last, &step);
    if (!*ok)
        return RK_OK;
    if (!enrol)
        return local_user_use_totp(&l, u->subject, step, ok, err);
    rk_log(i->log, RK_INFO, "second factor set up", kv_str("user", u->subject));
    return local_user_set_totp(&l, u->subject, r->secret, step, err);
}

enum rk_code idp_second(struct http_req *req, struct http_resp *resp, struct db *db,
                        struct rk_err *err)
{
    struct idp *i = idp_of(req);
    struct local_users l = {db, mgmt_vault(i->m), req->mem};
    struct idp_request r;
    struct local_user u;
    struct rk_str code = {0};
    bool bad = false, ok = false;
    enum rk_code rc;

    if (idp_request_open(req, "request", &r, err) || !r.subject.n)
        return idp_page_end(req, resp, 403, 'n', "This page is too old",
                            "Go back to the application and sign in again.");
    rc = local_user_by_subject(&l, r.subject, &u, err);
    if (rc == RK_NOT_FOUND || (rc == RK_OK && !u.totp.n && !r.secret.n))
        return idp_page_end(req, resp, 403, 'n', "This page is too old",
                            "Go back to the application and sign in again.");
    if (rc)
        return rc;
    if (idp_try_address(req, err) || !may_try(req, r.subject)) {
        rk_log(i->log, RK_WARN, "too many login attempts", kv_z("request", req->id));
        return idp_page_totp(req, resp, &r, 429, "Too many attempts. Wait a minute and try again.",
                             u.email, err);
    }
    if (idp_param(req->mem, req->body, "totp", &code, &bad))
        rc = check(req, db, &r, &u, code, &ok, err);
    if (rc)
        return rc;
    if (!ok)
        return idp_page_totp(req, resp, &r, 401, "This code is wrong or was used before.", u.email,
                             err);
    r.subject = r.secret = RK_STR("");
    return idp_login_done(req, resp, db, &r, &u, err);
}
