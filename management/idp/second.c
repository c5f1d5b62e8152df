/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The second factor of local users, where the account demands one: a code of an authenticator app.
 * Who has none yet sets it up at the first login; the secret is kept in the sealed form until a
 * code shows that the app has it.
 */
#include "config.h"

#include "management/idp/second.h"

#include "lib/base/num.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/vault.h"
#include "management/identity/local_users.h"
#include "management/idp/base.h"
#include "management/idp/limits.h"
#include "management/idp/login_done.h"
#include "management/idp/page_forms.h"
#include "management/idp/pages.h"
#include "management/idp/request.h"
#include "management/idp/totp.h"
#include "management/snapshot/snapshot.h"

#define RECOVERY_CODES 10
#define RECOVERY_LEN   10 /* characters, without the dash */

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

/* Ten codes with blanks between: 50 bits each. */
static struct rk_str new_recovery(struct rk_arena *mem)
{
    static const char ALPHABET[] =
        "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"; /* nothing that looks alike */
    char text[RECOVERY_CODES * (RECOVERY_LEN + 2)];
    size_t n = 0;

    for (int k = 0; k < RECOVERY_CODES; k++) {
        for (int c = 0; c < RECOVERY_LEN; c++) {
            if (c == RECOVERY_LEN / 2)
                text[n++] = '-';
            text[n++] = ALPHABET[rk_secret_random_below(32)];
        }
        text[n++] = ' ';
    }
    return rk_arena_dup(mem, rk_str_of(text, n - 1));
}

/* As it is hashed: capitals without blanks and dashes. Empty: cannot be a recovery code. */
static struct rk_str tidy(struct rk_arena *mem, struct rk_str in)
{
    char c[RECOVERY_LEN];
    size_t n = 0;

    for (size_t k = 0; k < in.n; k++) {
        char up = (char)(in.p[k] >= 'a' && in.p[k] <= 'z' ? in.p[k] - 32 : in.p[k]);

        if (up == '-' || up == ' ')
            continue;
        if (n == RECOVERY_LEN)
            return RK_STR("");
        c[n++] = up;
    }
    return n == RECOVERY_LEN ? rk_arena_dup(mem, rk_str_of(c, n)) : RK_STR("");
}

static struct rk_str hashes_of(struct rk_arena *mem, struct rk_str codes)
{
    struct rk_str one, out = RK_STR("");

    while (codes.n) {
        (void)rk_str_cut(codes, ' ', &one, &codes);
        one = idp_hash(mem, tidy(mem, one));
        out = out.n ? RK_CAT(mem, out, RK_STR(" "), one) : one;
    }
    return out;
}

/* The form shows a new secret, which will take the place of the present one. */
static enum rk_code ask_set_up(struct http_req *req, struct http_resp *resp,
                               const struct idp_request *r, const struct local_user *u,
                               struct rk_err *err)
{
    struct idp_request next = *r;

    next.secret = totp_secret_new(req->mem);
    next.recovery = new_recovery(req->mem);
    next.replaces = idp_hash(req->mem, u->totp);
    return idp_page_totp(req, resp, &next, 200, NULL, u->email, err);
}

enum rk_code idp_second_ask(struct http_req *req, struct http_resp *resp,
                            const struct idp_request *r, const struct local_user *u,
                            struct rk_err *err)
{
    struct idp_request next = *r;

    next.subject = u->subject;
    next.gen = rk_arena_printf(req->mem, "%lld", (long long)u->gen);
    return u->totp.n ? idp_page_totp(req, resp, &next, 200, NULL, u->email, err)
                     : ask_set_up(req, resp, &next, u, err);
}

static struct rk_str limit_name(struct http_req *req, struct rk_str subject)
{
    return rk_arena_printf(req->mem, "second/%.*s", RK_STR_ARG(subject));
}

/* *ok: the code fits, and nobody has used it before. */
static enum rk_code check(struct http_req *req, struct db *db, const struct idp_request *r,
                          const struct local_user *u, struct rk_str code, bool *ok,
                          struct rk_err *err)
{
    struct idp *i = idp_of(req);
    struct local_users l = {db, mgmt_vault(i->m), req->mem};
    bool enrol = r->secret.n > 0;
    int64_t step;

    *ok = totp_check(enrol ? r->secret : u->totp, code, idp_now_us(i) / 1000000,
                     enrol ? 0 : u->totp_last, &step);
    if (!*ok)
        return enrol ? RK_OK : local_user_totp_failed(&l, u->subject, err);
    if (!enrol)
        return local_user_use_totp(&l, u->subject, step, ok, err);
    rk_log(i->log, RK_INFO, "second factor set up", kv_str("user", u->subject));
    return local_user_set_totp(&l, u->subject, r->secret, step, hashes_of(req->mem, r->recovery),
                               err);
}

/* A recovery code lets in who has lost the phone, and asks for another one at once. */
static enum rk_code recover(struct http_req *req, struct db *db, const struct idp_request *r,
                            const struct local_user *u, struct rk_str code, bool *ok,
                            struct rk_err *err)
{
    struct local_users l = {db, mgmt_vault(idp_of(req)->m), req->mem};
    enum rk_code rc;

    *ok = false;
    if (r->secret.n || !code.n)
        return RK_OK;
    rc = local_user_use_recovery(&l, u, idp_hash(req->mem, code), ok, err);
    if (*ok)
        rk_log(idp_of(req)->log, RK_INFO, "recovery code used", kv_str("user", u->subject));
    return rc;
}

/* Does the form still fit the user: the same logins, the same second factor? */
static bool fits(struct http_req *req, const struct idp_request *r, const struct local_user *u)
{
    int64_t gen;

    if (rk_parse_i64(r->gen, 0, INT64_MAX, &gen, NULL) || gen != u->gen)
        return false;
    return r->secret.n ? rk_secret_str_eq(r->replaces, idp_hash(req->mem, u->totp)) : u->totp.n > 0;
}

static enum rk_code wrong(struct http_req *req, struct http_resp *resp, const struct idp_request *r,
                          const struct local_user *u, struct rk_err *err)
{
    return idp_page_totp(req, resp, r, 401, "This code is wrong or was used before.", u->email,
                         err);
}

enum rk_code idp_second(struct http_req *req, struct http_resp *resp, struct db *db,
                        struct rk_err *err)
{
    struct idp *i = idp_of(req);
    struct local_users l = {db, mgmt_vault(i->m), req->mem};
    struct idp_request r;
    struct local_user u;
    struct idp_try t;
    struct rk_str code = {0}, recovery;
    bool bad = false, ok = false, locked;
    enum rk_code rc;

    if (idp_request_open(req, "request", &r, err) || !r.subject.n)
        return idp_page_stale(req, resp);
    rc = local_user_by_subject(&l, r.subject, &u, err);
    if (rc == RK_NOT_FOUND || (rc == RK_OK && !fits(req, &r, &u)))
        return idp_page_stale(req, resp);
    if (rc)
        return rc;
    if (idp_try_begin(req, limit_name(req, r.subject), &t, err)) {
        static struct rk_log_gate gate; /* anybody can do it */

        rk_log_every(&gate, IDP_LOG_EVERY_MS, i->log, RK_WARN, "too many login attempts",
                     kv_z("request", req->id));
        return idp_page_totp(req, resp, &r, 429, "Too many attempts. Wait a minute and try again.",
                             u.email, err);
    }
    if (!idp_param(req->mem, req->body, "totp", &code, &bad))
        return wrong(req, resp, &r, &u, err);
    recovery = tidy(req->mem, code);
    rc = recover(req, db, &r, &u, recovery, &ok, err);
    if (rc == RK_OK && ok) {
        idp_try_right(req, &t);
        return ask_set_up(req, resp, &r, &u, err);
    }
    locked = u.totp_fails >= LOCAL_TOTP_FAILS_MAX;
    if (rc == RK_OK && !locked)
        rc = check(req, db, &r, &u, code, &ok, err);
    if (rc)
        return rc;
    if (locked)
        return idp_page_totp(
            req, resp, &r, 403,
            "Too many wrong codes in a row: the authenticator app is locked. Use a "
            "recovery code, or ask for the second factor to be reset.",
            u.email, err);
    if (!ok)
        return wrong(req, resp, &r, &u, err);
    idp_try_right(req, &t);
    r.subject = r.gen = r.secret = r.recovery = r.replaces = RK_STR("");
    return idp_login_done(req, resp, db, &r, &u, err);
}
