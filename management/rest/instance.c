/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/instance and /api/setup: the first owner. */
#include "config.h"

#include "lib/base/num.h"
#include "lib/crypto/pwhash.h"
#include "lib/crypto/secret.h"
#include "management/identity/local_users.h"
#include "management/ops/accounts.h"
#include "management/ops/tokens.h"
#include "management/rest/handlers.h"
#include "management/rest/tried.h"
#include "schema/openapi.h"

/* Another process may have set the server up, so "not yet" is looked up anew. */
static enum rk_code setup_required(struct rest *r, struct db *db, struct rk_arena *mem, bool *out,
                                   struct rk_err *err)
{
    struct str_list ids = {0};
    enum rk_code rc;

    *out = false;
    if (!r->o.embedded_idp || r->setup_done)
        return RK_OK;
    rc = mgmt_account_ids(r->o.m, db, mem, &ids, err);
    if (!rc && ids.n)
        r->setup_done = true;
    *out = !r->setup_done;
    return rc;
}

enum rk_code rest_instance_get(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    bool required;
    enum rk_code rc = setup_required(rest_of(req), db, req->mem, &required, err);

    if (rc)
        return rc;
    json_put_obj(&resp->body);
    json_put_key_bool(&resp->body, "setup_required", required);
    json_put_obj_end(&resp->body);
    return answer_done(resp);
}

/* Newer versions are not asked for: this server calls nobody that the admin did not name. */
enum rk_code rest_instance_version(struct http_req *req, struct http_resp *resp, struct db *db,
                                   struct rk_err *err)
{
    (void)db;
    (void)err;
    json_put_obj(&resp->body);
    json_put_key_str(&resp->body, "management_current_version", rk_str_z(rest_of(req)->o.version));
    json_put_key_bool(&resp->body, "management_update_available", false);
    json_put_obj_end(&resp->body);
    return answer_done(resp);
}

struct setup {
    struct rk_str email, password, name;
    bool create_pat;
    struct json_opt_int pat_expire_in;
};

static const struct json_field SETUP[] = {
    JSON_FIELD(struct setup, email, JSON_STR),
    JSON_FIELD(struct setup, password, JSON_STR),
    JSON_FIELD(struct setup, name, JSON_STR),
    JSON_FIELD(struct setup, create_pat, JSON_BOOL),
    JSON_FIELD(struct setup, pat_expire_in, JSON_OPT_INT),
};

bool rest_public_limit(struct http_req *req)
{
    struct rest *r = rest_of(req);
    bool ok;

    pthread_mutex_lock(&r->lock);
    ok = rk_ratelimit_take(r->public_limit, rk_str_of(req->peer.ip.b, sizeof req->peer.ip.b),
                           rk_mono_ms());
    pthread_mutex_unlock(&r->lock);
    return ok;
}

/* Whoever reaches a new server first must also know the secret that its admin was shown. */
static enum rk_code check_token(struct http_req *req, struct rk_err *err)
{
    const char *want = rest_of(req)->o.setup_token;
    struct rk_str got;

    if (!want || !*want)
        return RK_OK;
    if (!http_req_header(req, "X-Setup-Token", &got))
        return rk_fail(err, RK_UNAUTHENTICATED,
                       "the first owner is made with the setup token: run \"rookery setup\" on "
                       "the server, or send the token as header X-Setup-Token");
    if (!rest_public_limit(req))
        return rk_fail(err, RK_LIMIT, "rate limit exceeded, please try again later");
    if (!rk_secret_str_eq(got, rk_str_z(want)))
        return rk_fail(err, RK_UNAUTHENTICATED, "the setup token is wrong");
    return RK_OK;
}

static enum rk_code check_setup(const struct setup *in, bool with_pat, struct rk_err *err)
{
    if (with_pat && in->pat_expire_in.set &&
        (in->pat_expire_in.v < PAT_DAYS_MIN || in->pat_expire_in.v > PAT_DAYS_MAX))
        return rk_fail(err, RK_INVALID, "pat_expire_in must be between %d and %d", PAT_DAYS_MIN,
                       PAT_DAYS_MAX);
    if (!in->email.n)
        return rk_fail(err, RK_INVALID, "email is required");
    if (!idp_email_ok(in->email))
        return rk_fail(err, RK_INVALID, "invalid email format");
    if (!in->name.n)
        return rk_fail(err, RK_INVALID, "name is required");
    if (!in->password.n)
        return rk_fail(err, RK_INVALID, "password is required");
    return idp_password_check(in->password, err);
}

static enum rk_code make_owner(struct http_req *req, struct db *db, const struct setup *in,
                               struct rk_str *user_id, struct rk_err *err)
{
    struct rest *r = rest_of(req);
    struct local_users l = {db, mgmt_vault(r->o.m), req->mem};
    struct local_user u = {.id = rk_uuid_new(req->mem),
                           .email = in->email,
                           .name = in->name,
                           .created_at_us = mgmt_now_us(r->o.m)};
    char hash[PWHASH_TEXT_MAX + 1];
    enum rk_code rc = pwhash_make(PWHASH_COST_DEFAULT, in->password, hash, err);

    if (rc)
        return rc;
    u.pw_hash = rk_str_z(hash);
    u.subject = idp_subject_encode(req->mem, u.id, RK_STR(IDP_LOCAL_CONNECTOR));
    *user_id = u.subject;
    return local_user_insert(&l, &u, err);
}

static enum rk_code make_account(struct http_req *req, const struct setup *in,
                                 struct rk_str user_id, struct rk_str *plain, struct rk_err *err)
{
    struct rest *r = rest_of(req);
    struct account_new a = {.domain = rk_str_z(r->o.account_domain),
                            .category = DOMAIN_PRIVATE,
                            .primary = true,
                            .owner_id = user_id,
                            .owner_name = in->name,
                            .owner_email = in->email,
                            .owner_is_here = true};
    struct pat pat;
    struct rk_str id;

    if (in->create_pat && r->o.setup_pat) {
        *plain = token_build(req->mem, user_id, RK_STR("setup-token"),
                             in->pat_expire_in.set ? in->pat_expire_in.v : 1, user_id,
                             mgmt_now_us(r->o.m), &pat);
        a.pat = &pat;
    }
    return account_create(r->o.m, req->mem, &a, &id, err);
}

static enum rk_code run_setup(struct http_req *req, struct db *db, const struct setup *in,
                              struct rk_str *user_id, struct rk_str *plain, struct rk_err *err)
{
    struct rest *r = rest_of(req);
    struct local_users l = {db, mgmt_vault(r->o.m), req->mem};
    bool required;
    enum rk_code rc = setup_required(r, db, req->mem, &required, err);

    if (rc)
        return rc;
    if (!required)
        return rk_fail(err, RK_PRECONDITION, "setup already completed");
    rc = make_owner(req, db, in, user_id, err);
    if (rc)
        return rc;
    rc = make_account(req, in, *user_id, plain, err);
    if (rc) {
        if (local_user_delete(&l, *user_id, NULL))
            rk_log(r->o.log, RK_WARN, "a half set up owner stays", kv_str("user", *user_id));
        return rc == RK_EXISTS ? rk_fail(err, RK_PRECONDITION, "setup already completed") : rc;
    }
    r->setup_done = true;
    rk_log(r->o.log, RK_INFO, "set up", kv_str("owner", *user_id));
    return RK_OK;
}

enum rk_code rest_setup(struct http_req *req, struct http_resp *resp, struct db *db,
                        struct rk_err *err)
{
    struct rest *r = rest_of(req);
    struct setup in = {0};
    struct rk_str user_id, plain = {0};
    bool trial;
    enum rk_code rc = rest_wants_trial(req, &trial, err);

    if (rc)
        return rc;
    http_resp_header(resp, "Cache-Control", RK_STR("no-store"));
    if (BODY(req, SETUP, &in, err))
        return rk_wrap(err, "invalid request body");
    if (r->setup_done)
        return rk_fail(err, RK_PRECONDITION, "setup already completed");
    if (!r->o.embedded_idp)
        return rk_fail(err, RK_PRECONDITION,
                       "setup needs the embedded identity provider, which is switched off");
    rc = check_token(req, err);
    if (!rc)
        rc = check_setup(&in, in.create_pat && r->o.setup_pat, err);
    if (!rc)
        rc = run_setup(req, db, &in, &user_id, &plain, err);
    if (rc)
        return rc;
    json_put_obj(&resp->body);
    json_put_key_str(&resp->body, "user_id", user_id);
    json_put_key_str(&resp->body, "email", in.email);
    if (plain.n)
        json_put_key_str(&resp->body, "personal_access_token", plain);
    json_put_obj_end(&resp->body);
    return answer_done(resp);
}

enum rk_code rest_openapi(struct http_req *req, struct http_resp *resp, struct db *db,
                          struct rk_err *err)
{
    (void)req;
    (void)db;
    (void)err;
    resp->content_type = "application/json";
    http_resp_header(resp, "Cache-Control", RK_STR("max-age=3600"));
    rk_buf_add(&resp->body, rk_str_of(SCHEMA_OPENAPI, SCHEMA_OPENAPI_SIZE));
    return answer_done(resp);
}
