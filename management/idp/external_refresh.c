/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Refresh through to the provider: where it gave a refresh token at the login, it is asked with it
 * before we refresh, so that whoever was dismissed there is out here, too. Providers may exchange
 * the token at each use and end everything when an old one comes again, so two requests about one
 * person wait for each other.
 */
#include "config.h"

#include "management/idp/external_refresh.h"

#include "lib/base/enc.h"
#include "lib/crypto/hash.h"
#include "management/identity/connectors.h"
#include "management/identity/discovery.h"
#include "management/identity/external_users.h"
#include "management/identity/local_users.h"
#include "management/identity/logins.h"
#include "management/idp/base.h"
#include "management/idp/external_token.h"
#include "management/idp/identity.h"

static pthread_mutex_t *lock_of(struct idp *i, struct rk_str subject)
{
    uint8_t digest[HASH_SHA256_SIZE];

    hash_sha256(subject, digest);
    return &i->external[digest[0] % IDP_EXTERNAL_LOCKS];
}

static enum rk_code end_tx(struct db *db, void *arg, struct rk_err *err)
{
    const struct rk_str *subject = arg;

    return logins_end(db, *subject, err);
}

static enum rk_code end_all(struct http_req *req, struct db *db, struct rk_str subject,
                            struct external_user *x, struct rk_err *err)
{
    enum rk_code rc;

    rk_log(idp_of(req)->log, RK_INFO, "the identity provider ended a person's login",
           kv_str("user", subject));
    x->refresh = RK_STR("");
    rc = idp_external_put(req, db, x, err);
    return rc ? rc : db_tx(db, end_tx, &subject, err);
}

static enum rk_code provider_of(struct http_req *req, struct db *db, struct rk_str subject,
                                struct idp_provider *out, struct rk_err *err)
{
    struct idp *i = idp_of(req);
    struct idp_connectors t = {db, mgmt_vault(i->m), req->mem};
    struct rk_str id, realm;
    enum rk_code rc = idp_subject_decode(req->mem, subject, &id, &realm)
                          ? idp_connector_by_realm(&t, realm, &out->c, err)
                          : rk_fail(err, RK_NOT_FOUND, "no such user");

    return rc ? rc : disco_get(i->discovery, req->mem, idp_connector_issuer(&out->c), &out->d, err);
}

/* What the provider says today; without an ID token all stays as it was. */
static enum rk_code take(struct http_req *req, struct db *db, const struct idp_provider *p,
                         const struct idp_answer *a, struct rk_str subject, struct external_user *x,
                         struct rk_err *err)
{
    struct external_user now = *x;
    enum rk_code rc = RK_OK;

    if (a->id_token.n)
        rc = idp_provider_person(req, p, a, RK_STR(""), &now, err);
    if (rc == RK_OK && !rk_str_eq(now.user.subject, subject))
        rc = rk_fail(err, RK_UNAVAILABLE, "the provider answered for another person");
    if (rc)
        return rc;
    now.refresh = a->refresh_token.n ? a->refresh_token : x->refresh;
    return idp_external_put(req, db, &now, err);
}

static enum rk_code ask(struct http_req *req, struct db *db, struct rk_str subject, bool *gone,
                        struct rk_err *err)
{
    struct rk_arena *mem = req->mem;
    struct external_user x;
    struct idp_provider p = {0};
    struct idp_answer a = {0};
    struct rk_str form;
    enum rk_code rc = idp_external_get(req, db, subject, &x, err);

    if (rc == RK_NOT_FOUND || (rc == RK_OK && !x.refresh.n))
        return RK_OK; /* no way to ask, or nobody: the refresh itself finds out */
    if (rc == RK_OK)
        rc = provider_of(req, db, subject, &p, err);
    if (rc)
        return rc;
    form = RK_CAT(mem, RK_STR("grant_type=refresh_token&refresh_token="),
                  rk_percent_encode(mem, x.refresh));
    rc = idp_provider_post(req, &p, form, &a, err);
    if (rc)
        return rc;
    if (rk_str_eqz(a.error, "invalid_grant")) {
        *gone = true;
        return end_all(req, db, subject, &x, err);
    }
    if (a.status != 200) /* trouble with us or there, not with the person */
        return rk_fail(err, RK_UNAVAILABLE, "the provider answers %u to a refresh: %.*s", a.status,
                       RK_STR_ARG(rk_str_sub(a.error, 0, 100)));
    return take(req, db, &p, &a, subject, &x, err);
}

enum rk_code idp_external_still(struct http_req *req, struct db *db, struct rk_str subject,
                                bool *gone, struct rk_err *err)
{
    pthread_mutex_t *lock = lock_of(idp_of(req), subject);
    enum rk_code rc;

    *gone = false;
    (void)pthread_mutex_lock(lock);
    rc = ask(req, db, subject, gone, err);
    (void)pthread_mutex_unlock(lock);
    if (rc == RK_OK || rc == RK_UNAVAILABLE || rc == RK_TIMEOUT)
        return rc;
    return rk_fail(err, RK_UNAVAILABLE, "the identity provider cannot be asked: %s",
                   err ? rk_arena_dupz(req->mem, rk_str_z(err->msg)) : "");
}
