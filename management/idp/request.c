/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parameters, the client that asks, secrets, and the sealed request of a form. The browser gets a
 * random cookie; the sealed request holds its hash. A form that another site makes a browser send
 * lacks one of both, and a request that was seen elsewhere does not fit this browser.
 */
#include "config.h"

#include "management/idp/request.h"

#include <jansson.h>
#include <stdlib.h>

#include "lib/base/enc.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/vault.h"
#include "management/idp/base.h"
#include "management/idp/reply.h"

#define SEAL_CONTEXT RK_STR("idp.request")

static const char SQL_USE[] =
    "INSERT INTO used_token (hash, expires_at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING";

bool idp_param(struct rk_arena *mem, struct rk_str form, const char *name, struct rk_str *out,
               bool *bad)
{
    struct rk_str k, v, want = rk_str_z(name);
    bool found = false;
    size_t pos = 0;

    while (http_form_next(mem, form, &pos, &k, &v)) {
        if (!rk_str_eq(k, want))
            continue;
        if (found || v.n > IDP_PARAM_MAX || !rk_str_utf8_ok(v) || (v.n && memchr(v.p, 0, v.n)))
            *bad = true;
        *out = v;
        found = true;
    }
    return found && !*bad;
}

bool idp_has_word(struct rk_str list, const char *word)
{
    struct rk_str one;

    while (list.n) {
        (void)rk_str_cut(list, ' ', &one, &list);
        if (rk_str_eqz(one, word))
            return true;
    }
    return false;
}

struct rk_str idp_uri_with(struct rk_arena *mem, struct rk_str uri, const char *name,
                           struct rk_str value)
{
    return RK_CAT(mem, uri, rk_str_find_c(uri, '?') < uri.n ? RK_STR("&") : RK_STR("?"),
                  rk_str_z(name), RK_STR("="), rk_percent_encode(mem, value));
}

struct rk_str idp_secret(struct rk_arena *mem)
{
    uint8_t raw[32];
    struct rk_str s;

    rk_secret_random(raw, sizeof raw);
    s = rk_base64url_encode(mem, rk_str_of(raw, sizeof raw));
    rk_secret_wipe(raw, sizeof raw);
    return s;
}

struct rk_str idp_hash(struct rk_arena *mem, struct rk_str secret)
{
    return hash_sha256_base64_new(mem, secret);
}

/* Our clients are public, so their secret is empty wherever they send it. */
const struct idp_client *idp_client_of(struct http_req *req)
{
    struct rk_str header, scheme, text, id = {0}, secret = {0}, plain;
    bool bad = false;
    uint8_t raw[512];
    size_t n;

    if (http_req_header(req, "Authorization", &header)) {
        if (!rk_str_cut(header, ' ', &scheme, &text) || !rk_str_ieq(scheme, RK_STR("Basic")) ||
            rk_base64_decode(text, raw, sizeof raw, &n, NULL))
            return NULL;
        (void)rk_str_cut(rk_arena_dup(req->mem, rk_str_of(raw, n)), ':', &id, &secret);
        if (rk_percent_decode(req->mem, id, true, &plain, NULL))
            return NULL;
        id = plain;
    } else {
        (void)idp_param(req->mem, req->body, "client_id", &id, &bad);
        (void)idp_param(req->mem, req->body, "client_secret", &secret, &bad);
    }
    return bad || secret.n ? NULL : idp_client(idp_of(req), id);
}

/* The browser's form cookie, made where it has none. */
static struct rk_str form_cookie(struct http_req *req, struct http_resp *resp)
{
    struct rk_str c;

    if (!http_req_cookie(req, IDP_COOKIE_FORM, &c) || c.n != IDP_SECRET_LEN) {
        c = idp_secret(req->mem);
        idp_cookie_set(req, resp, IDP_COOKIE_FORM, c, IDP_SESSION_LIFE_S);
    }
    return c;
}

static const struct {
    const char *key;
    size_t at;
} FIELDS[] = {
    {"client", offsetof(struct idp_request, client_id)},
    {"uri", offsetof(struct idp_request, redirect_uri)},
    {"state", offsetof(struct idp_request, state)},
    {"scope", offsetof(struct idp_request, scope)},
    {"nonce", offsetof(struct idp_request, nonce)},
    {"challenge", offsetof(struct idp_request, challenge)},
    {"hint", offsetof(struct idp_request, login_hint)},
    {"code", offsetof(struct idp_request, user_code)},
    {"subject", offsetof(struct idp_request, subject)},
    {"gen", offsetof(struct idp_request, gen)},
    {"secret", offsetof(struct idp_request, secret)},
    {"recovery", offsetof(struct idp_request, recovery)},
    {"replaces", offsetof(struct idp_request, replaces)},
    {"connector", offsetof(struct idp_request, connector)},
    {"ext_callback", offsetof(struct idp_request, ext_callback)},
    {"ext_nonce", offsetof(struct idp_request, ext_nonce)},
    {"ext_verifier", offsetof(struct idp_request, ext_verifier)},
    {"ext_realm", offsetof(struct idp_request, ext_realm)},
};

static struct rk_str *field_of(struct idp_request *r, size_t k)
{
    return (struct rk_str *)(void *)((char *)r + FIELDS[k].at);
}

enum rk_code idp_request_seal(struct http_req *req, struct http_resp *resp,
                              const struct idp_request *r, struct rk_str *out, struct rk_err *err)
{
    const struct idp *i = idp_of(req);
    struct idp_request copy = *r;
    struct rk_str cookie = idp_hash(req->mem, form_cookie(req, resp));
    json_t *o =
        json_pack("{s:i, s:I, s:s}", "what", (int)r->what, "until",
                  (json_int_t)(idp_now_us(i) / 1000000 + IDP_REQUEST_LIFE_S), "cookie", cookie.p);
    char *text;
    enum rk_code rc;

    for (size_t k = 0; k < RK_ARRAY_LEN(FIELDS); k++) {
        const struct rk_str *f = field_of(&copy, k);

        if (f->n)
            (void)json_object_set_new(o, FIELDS[k].key, json_stringn(f->p, f->n));
    }
    text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    rc = vault_seal(mgmt_vault(i->m), req->mem, SEAL_CONTEXT, rk_str_z(text), out, err);
    free(text);
    return rc;
}

static bool read_request(const struct idp *i, struct rk_arena *mem, struct rk_str text,
                         struct rk_str cookie, struct idp_request *r)
{
    json_t *o = json_loadb(text.p, text.n, 0, NULL);
    struct rk_str bound = jwt_text(o, "cookie");
    bool ok = json_integer_value(json_object_get(o, "until")) >= idp_now_us(i) / 1000000 &&
              rk_secret_str_eq(bound, idp_hash(mem, cookie));

    *r = (struct idp_request){0};
    switch (json_integer_value(json_object_get(o, "what"))) {
    case IDP_FOR_AUTH:
        r->what = IDP_FOR_AUTH;
        break;
    case IDP_FOR_CODE:
        r->what = IDP_FOR_CODE;
        break;
    case IDP_FOR_DEVICE:
        r->what = IDP_FOR_DEVICE;
        break;
    case IDP_FOR_CONFIRM:
        r->what = IDP_FOR_CONFIRM;
        break;
    case IDP_FOR_CONSENT:
        r->what = IDP_FOR_CONSENT;
        break;
    default:
        ok = false;
    }
    for (size_t k = 0; k < RK_ARRAY_LEN(FIELDS); k++)
        *field_of(r, k) = rk_arena_dup(mem, jwt_text(o, FIELDS[k].key));
    json_decref(o);
    return ok;
}

enum rk_code idp_request_open(struct http_req *req, const char *name, struct idp_request *out,
                              struct rk_err *err)
{
    const struct idp *i = idp_of(req);
    struct rk_str from = req->method == HTTP_POST ? req->body : req->query;
    struct rk_str sealed, text, cookie, k;
    size_t pos = 0;
    bool found = false;

    while (!found && http_form_next(req->mem, from, &pos, &k, &sealed))
        found = rk_str_eqz(k, name);
    if (!found || !http_req_cookie(req, IDP_COOKIE_FORM, &cookie) ||
        vault_open(mgmt_vault(i->m), req->mem, SEAL_CONTEXT, sealed, &text, NULL) ||
        !read_request(i, req->mem, text, cookie, out))
        return rk_fail(err, RK_FORBIDDEN, "the form is too old or from another browser");
    return RK_OK;
}

enum rk_code idp_first_use(struct http_req *req, struct db *db, struct rk_str sealed, bool *first,
                           struct rk_err *err)
{
    int64_t until = idp_now_us(idp_of(req)) / 1000000 + IDP_REQUEST_LIFE_S, n = 0;
    enum rk_code rc =
        db_exec(db, err, &n, SQL_USE, DB_ARGS(db_text(idp_hash(req->mem, sealed)), db_i64(until)));

    *first = rc == RK_OK && n == 1;
    return rc;
}
