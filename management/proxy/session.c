/* SPDX-License-Identifier: BSD-3-Clause */
/* Session tokens of visitors: JWTs signed with the service's Ed25519 key; see impl.h. */
#include "config.h"

#include "lib/base/enc.h"
#include "lib/crypto/sign.h"
#include "lib/json/json.h"
#include "lib/json/pull.h"
#include "management/proxy/impl.h"

#define ISSUER    "netbird-management"
#define TOKEN_MAX 65536 /* bytes; a name of a group is short, and there may be hundreds */

static void put_list(struct rk_buf *b, const struct str_list *l)
{
    json_put_arr(b);
    for (size_t i = 0; i < l->n; i++)
        json_put_str(b, l->v[i]);
    json_put_arr_end(b);
}

static void put_claims(struct rk_buf *b, const struct service *svc, const struct proxy_session *in,
                       int64_t now_s)
{
    json_put_obj(b);
    json_put_key_str(b, "iss", RK_STR(ISSUER));
    json_put_key_str(b, "sub", in->subject);
    json_put_key_arr(b, "aud");
    json_put_str(b, svc->domain);
    json_put_arr_end(b);
    json_put_key_int(b, "exp", now_s + PROXY_SESSION_S);
    json_put_key_int(b, "nbf", now_s);
    json_put_key_int(b, "iat", now_s);
    json_put_key_str(b, "method", in->method);
    if (in->email.n)
        json_put_key_str(b, "email", in->email);
    if (in->groups.n) {
        json_put_key(b, "groups");
        put_list(b, &in->groups);
        json_put_key(b, "group_names");
        put_list(b, &in->group_names);
    }
    json_put_obj_end(b);
}

enum rk_code proxy_session_make(struct rk_arena *mem, const struct service *svc,
                                const struct proxy_session *in, int64_t now_us, struct rk_str *out,
                                struct rk_err *err)
{
    uint8_t key[SIGN_PRIVATE_SIZE], sig[SIGN_SIZE];
    struct rk_buf claims;
    struct rk_str head;
    size_t n;

    if (rk_base64_decode(svc->session_private, key, sizeof key, &n, NULL) || n != sizeof key)
        return rk_fail(err, RK_INTERNAL, "service %.*s has no key for sessions",
                       RK_STR_ARG(svc->id));
    rk_buf_init(&claims, TOKEN_MAX);
    put_claims(&claims, svc, in, now_us / 1000000);
    head = RK_CAT(mem, rk_base64url_encode(mem, RK_STR("{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}")),
                  RK_STR("."), rk_base64url_encode(mem, rk_str_of(claims.p, claims.n)));
    n = claims.full;
    rk_buf_done(&claims);
    sign_make(key, head, sig);
    rk_secret_wipe(key, sizeof key);
    if (n)
        return rk_fail(err, RK_LIMIT, "the visitor is in too many groups for a session token");
    *out = RK_CAT(mem, head, RK_STR("."), rk_base64url_encode(mem, rk_str_of(sig, sizeof sig)));
    return RK_OK;
}

struct claims {
    struct rk_str sub, iss;
    int64_t exp;
    bool aud;
};

static void read_claims(struct json_pull *r, struct rk_str domain, struct claims *c)
{
    struct rk_str key;

    json_pull_enter(r, '{');
    while (json_pull_key(r, &key)) {
        if (rk_str_eqz(key, "sub")) {
            c->sub = json_pull_str(r);
        } else if (rk_str_eqz(key, "iss")) {
            c->iss = json_pull_str(r);
        } else if (rk_str_eqz(key, "exp")) {
            c->exp = json_pull_i64(r);
        } else if (rk_str_eqz(key, "aud")) {
            json_pull_enter(r, '[');
            while (json_pull_item(r))
                if (rk_str_eq(json_pull_str(r), domain))
                    c->aud = true;
        } else {
            json_pull_skip(r);
        }
    }
}

enum rk_code proxy_session_read(struct rk_arena *mem, const struct service *svc,
                                struct rk_str token, int64_t now_us, struct rk_str *subject,
                                struct rk_err *err)
{
    uint8_t key[SIGN_PUBLIC_SIZE], sig[SIGN_SIZE];
    struct rk_str head, rest, body, signature;
    struct claims c = {0};
    struct json_pull r;
    uint8_t *text;
    size_t n;

    if (token.n > TOKEN_MAX || !rk_str_cut(token, '.', &head, &rest) ||
        !rk_str_cut(rest, '.', &body, &signature) ||
        rk_base64_decode(svc->session_public, key, sizeof key, &n, NULL) || n != sizeof key ||
        rk_base64url_decode(signature, sig, sizeof sig, &n, NULL) || n != sizeof sig ||
        !sign_verify(key, rk_str_of(token.p, head.n + 1 + body.n), sig))
        return rk_fail(err, RK_UNAUTHENTICATED, "the session is not one of this service");
    text = rk_arena_alloc(mem, body.n + 1);
    if (rk_base64url_decode(body, text, body.n, &n, NULL))
        return rk_fail(err, RK_UNAUTHENTICATED, "the session is no JWT");
    r = json_pull_of(rk_str_of(text, n), mem);
    read_claims(&r, svc->domain, &c);
    if (!json_pull_done(&r) || !c.sub.n || !c.aud || !rk_str_eqz(c.iss, ISSUER) ||
        c.exp <= now_us / 1000000)
        return rk_fail(err, RK_UNAUTHENTICATED, "the session has expired or is for another name");
    *subject = c.sub;
    return RK_OK;
}
