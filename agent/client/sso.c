/* SPDX-License-Identifier: BSD-3-Clause */
/* The device flow; see sso.h. */
#include "config.h"

#include "agent/client/sso.h"

#include <time.h>

#include "agent/client/sso_priv.h"
#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/http/client.h"

#define GRANT        "urn:ietf:params:oauth:grant-type:device_code"
#define ANSWER_MAX   ((size_t)256 << 10)
#define INTERVAL_MAX 60
#define LIFE_MAX     3600
#define SLOWER_S     5 /* RFC 8628 3.5 */
#define FAILURES_MAX 5 /* transport failures in a row that are borne */
#define CLAIMS_MAX   16384

struct rk_str sso_text(const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);

    return rk_str_of(json_string_value(v), json_string_length(v));
}

json_t *sso_flow_json(const Management__ProviderConfig *p, struct rk_str ca_file)
{
    json_t *redirects = json_array();

    for (size_t i = 0; i < p->n_redirecturls; i++)
        (void)json_array_append_new(redirects, json_string(p->redirecturls[i]));
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s%, s:s, s:o, s:i}", "client_id",
                     p->clientid, "client_secret", p->clientsecret, "audience", p->audience,
                     "device_url", p->deviceauthendpoint, "token_url", p->tokenendpoint, "scope",
                     p->scope, "use_id_token", (int)p->useidtoken, "ca_file",
                     ca_file.n ? ca_file.p : "", ca_file.n, "authorize_url",
                     p->authorizationendpoint, "redirect_urls", redirects, "login_flag",
                     p->disablepromptlogin ? 2 : (int)p->loginflag);
}

struct rk_str sso_add(struct rk_arena *mem, struct rk_str form, const char *name,
                      struct rk_str value)
{
    if (!value.n)
        return form;
    return RK_CAT(mem, form, rk_str_z(form.n ? "&" : ""), rk_str_z(name), RK_STR("="),
                  rk_percent_encode(mem, value));
}

/* *out is the caller's reference. */
enum rk_code sso_post(struct rk_arena *mem, const json_t *flow, const char *url_name,
                      struct rk_str form, unsigned *status, json_t **out, struct rk_err *err)
{
    struct rk_str url = sso_text(flow, url_name), ca = sso_text(flow, "ca_file");
    struct http_fetch f = {.url = rk_arena_dupz(mem, url),
                           .form = form,
                           .max_bytes = ANSWER_MAX,
                           .ca_file = ca.n ? rk_arena_dupz(mem, ca) : NULL};
    struct http_fetched got = {0};
    enum rk_code rc = http_fetch(&f, mem, &got, err);

    if (rc)
        return rk_wrap(err, "identity provider");
    *status = got.status;
    *out = json_loadb(got.body.p, got.body.n, 0, NULL);
    if (!json_is_object(*out)) {
        json_decref(*out);
        return rk_fail(err, RK_UNAVAILABLE, "identity provider answers %u without JSON",
                       got.status);
    }
    return RK_OK;
}

static void wait_s(int64_t s)
{
    struct timespec ts = {.tv_sec = (time_t)s};

    while (nanosleep(&ts, &ts))
        ;
}

/* The claims of a token, not verified: that is management's. Owned; NULL. */
static json_t *claims_of(struct rk_arena *mem, struct rk_str token)
{
    struct rk_str head, body, rest, sig;
    uint8_t *raw;
    size_t n;

    if (!rk_str_cut(token, '.', &head, &rest) || !rk_str_cut(rest, '.', &body, &sig) ||
        body.n > CLAIMS_MAX)
        return NULL;
    raw = rk_arena_alloc(mem, body.n + 1);
    if (rk_base64url_decode(body, raw, body.n, &n, NULL))
        return NULL;
    return json_loadb((const char *)raw, n, 0, NULL);
}

struct rk_str sso_email(struct rk_arena *mem, struct rk_str token)
{
    json_t *claims = claims_of(mem, token);
    struct rk_str email = rk_arena_dup(mem, sso_text(claims, "email"));

    json_decref(claims);
    return email;
}

/* Management would refuse it anyway, but with a less helpful text. */
static bool is_for(struct rk_arena *mem, struct rk_str token, struct rk_str audience)
{
    json_t *claims = claims_of(mem, token), *aud, *one;
    bool ok;
    size_t i;

    aud = json_object_get(claims, "aud");
    ok = rk_str_eq(sso_text(claims, "aud"), audience);
    json_array_foreach (aud, i, one) {
        ok = ok || (json_is_string(one) && rk_str_eqz(audience, json_string_value(one)));
    }
    json_decref(claims);
    return ok;
}

enum rk_code sso_take_token(struct rk_arena *mem, const json_t *flow, const json_t *answer,
                            struct rk_str *token, struct rk_err *err)
{
    const char *name =
        json_is_true(json_object_get(flow, "use_id_token")) ? "id_token" : "access_token";
    struct rk_str audience = sso_text(flow, "audience");

    *token = rk_arena_dup(mem, sso_text(answer, name));
    if (!token->n)
        return rk_fail(err, RK_BAD_REQUEST, "identity provider sent no %s", name);
    /* providers without audiences name the client */
    if (!is_for(mem, *token, audience.n ? audience : sso_text(flow, "client_id")))
        return rk_fail(err, RK_BAD_REQUEST, "identity provider sent a token for somebody else");
    return RK_OK;
}

struct wait {
    struct rk_arena *mem;
    const json_t *flow;
    struct rk_str device_code;
    int64_t interval_s, until_ms;
    unsigned failures;
};

/* One poll. *again: not yet. */
static enum rk_code poll(struct wait *w, bool *again, struct rk_str *token, struct rk_err *err)
{
    struct rk_str form = RK_STR("grant_type=" GRANT), error, why;
    unsigned status;
    json_t *a = NULL;
    enum rk_code rc;

    form = sso_add(w->mem, form, "device_code", w->device_code);
    form = sso_add(w->mem, form, "client_id", sso_text(w->flow, "client_id"));
    form = sso_add(w->mem, form, "client_secret", sso_text(w->flow, "client_secret"));
    rc = sso_post(w->mem, w->flow, "token_url", form, &status, &a, err);
    if (rc) {
        *again = ++w->failures < FAILURES_MAX;
        return rc;
    }
    w->failures = 0;
    error = sso_text(a, "error");
    why = sso_text(a, "error_description");
    *again = rk_str_eqz(error, "authorization_pending") || rk_str_eqz(error, "slow_down");
    if (rk_str_eqz(error, "slow_down"))
        w->interval_s += SLOWER_S;
    if (*again)
        rc = rk_fail(err, RK_TIMEOUT, "nobody has answered");
    else if (rk_str_eqz(error, "expired_token"))
        rc = rk_fail(err, RK_TIMEOUT, "the login has expired, try again");
    else if (error.n)
        rc = rk_fail(err, RK_FORBIDDEN, "login refused: %.*s", RK_STR_ARG(why.n ? why : error));
    else
        rc = sso_take_token(w->mem, w->flow, a, token, err);
    json_decref(a);
    return rc;
}

static int64_t number_of(const json_t *o, const char *name, int64_t fallback, int64_t max)
{
    const json_t *v = json_object_get(o, name);

    return json_is_integer(v) ? rk_max_i64(1, rk_min_i64(json_integer_value(v), max)) : fallback;
}

static enum rk_code begin(struct wait *w, struct sso_user *u, struct rk_err *err)
{
    struct rk_str form = RK_STR(""), code, url;
    struct sso_prompt p;
    unsigned status;
    json_t *a = NULL;
    enum rk_code rc;

    form = sso_add(w->mem, form, "client_id", sso_text(w->flow, "client_id"));
    form = sso_add(w->mem, form, "audience", sso_text(w->flow, "audience"));
    form = sso_add(w->mem, form, "scope", sso_text(w->flow, "scope"));
    rc = sso_post(w->mem, w->flow, "device_url", form, &status, &a, err);
    if (rc)
        return rc;
    code = sso_text(a, "user_code");
    url = sso_text(a, "verification_uri_complete");
    p = (struct sso_prompt){url.n ? url : sso_text(a, "verification_uri"), code};
    w->device_code = rk_arena_dup(w->mem, sso_text(a, "device_code"));
    w->interval_s = number_of(a, "interval", 5, INTERVAL_MAX);
    w->until_ms = rk_mono_ms() + number_of(a, "expires_in", 300, LIFE_MAX) * 1000;
    if (status != 200 || !w->device_code.n || !p.url.n)
        rc = rk_fail(err, RK_BAD_REQUEST, "identity provider starts no device login: %.*s",
                     RK_STR_ARG(sso_text(a, "error_description")));
    else
        u->show(u, &p);
    json_decref(a);
    return rc;
}

enum rk_code sso_device(struct rk_arena *mem, const json_t *flow, struct sso_user *u,
                        struct rk_str *token, struct rk_err *err)
{
    struct wait w = {.mem = mem, .flow = flow};
    bool again = true;
    enum rk_code rc = begin(&w, u, err);

    while (rc == RK_OK && again) {
        wait_s(w.interval_s);
        rc = poll(&w, &again, token, err);
        if (rc && again && rk_mono_ms() < w.until_ms)
            rc = RK_OK;
        else
            break;
    }
    return rc;
}
