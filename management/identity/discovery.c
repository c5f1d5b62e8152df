/* SPDX-License-Identifier: BSD-3-Clause */
/* Discovery documents; see discovery.h. */
#include "config.h"

#include "management/identity/discovery.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/http/client.h"

#define TIMEOUT_MS 10000
#define URL_MAX    2048 /* bytes of a URL that anybody uses */
#define KEEP_MS    300000
#define KEPT_MAX   64 /* documents; an instance has a handful of providers */
#define TENANT     "{tenantid}"

struct kept {
    char *issuer, *text;
    size_t n;
    int64_t until_ms;
};

struct disco_cache {
    pthread_mutex_t lock; /* guards all of it */
    struct kept v[KEPT_MAX];
    size_t next; /* to be replaced when all are in use */
};

struct disco_cache *disco_cache_new(void)
{
    struct disco_cache *c = rk_calloc(1, sizeof *c);

    (void)pthread_mutex_init(&c->lock, NULL);
    return c;
}

void disco_cache_free(struct disco_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < KEPT_MAX; i++) {
        free(c->v[i].issuer);
        free(c->v[i].text);
    }
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

static bool look(struct disco_cache *c, struct rk_arena *mem, struct rk_str issuer,
                 struct rk_str *text)
{
    bool found = false;

    if (!c)
        return false;
    (void)pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < KEPT_MAX && !found; i++) {
        const struct kept *k = &c->v[i];

        found = k->issuer && rk_str_eqz(issuer, k->issuer) && rk_mono_ms() < k->until_ms;
        if (found)
            *text = rk_arena_dup(mem, rk_str_of(k->text, k->n));
    }
    (void)pthread_mutex_unlock(&c->lock);
    return found;
}

static void keep(struct disco_cache *c, struct rk_str issuer, struct rk_str text)
{
    struct kept *k = NULL;

    if (!c)
        return;
    (void)pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < KEPT_MAX && !k; i++)
        if (c->v[i].issuer && rk_str_eqz(issuer, c->v[i].issuer))
            k = &c->v[i];
    if (!k)
        k = &c->v[c->next++ % KEPT_MAX];
    free(k->issuer);
    free(k->text);
    *k = (struct kept){rk_str_dupz(issuer), rk_str_dupz(text), text.n, rk_mono_ms() + KEEP_MS};
    (void)pthread_mutex_unlock(&c->lock);
}

/* ---- the document */

static struct rk_str text_of(const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);

    return rk_str_of(json_string_value(v), json_string_length(v));
}

static bool lists(const json_t *o, const char *name, const char *word)
{
    const json_t *l = json_object_get(o, name);

    for (size_t i = 0; i < json_array_size(l); i++)
        if (rk_str_eqz(rk_str_z(json_string_value(json_array_get(l, i))), word))
            return true;
    return false;
}

/* "https://host/common/v2.0" where the document says "https://host/{tenantid}/v2.0". */
static bool is_shared_tenant(struct rk_str said, struct rk_str issuer)
{
    size_t at = rk_str_find(said, RK_STR(TENANT));
    struct rk_str before = rk_str_sub(said, 0, at), after, word;

    if (at == said.n || !rk_str_starts(issuer, before))
        return false;
    after = rk_str_sub(said, at + strlen(TENANT), said.n);
    if (!rk_str_ends(issuer, after) || issuer.n < before.n + after.n)
        return false;
    word = rk_str_sub(issuer, before.n, issuer.n - before.n - after.n);
    return rk_str_eqz(word, "common") || rk_str_eqz(word, "organizations") ||
           rk_str_eqz(word, "consumers");
}

const char *disco_issuer_of(const struct disco *d, struct rk_arena *mem, struct rk_str tenant)
{
    struct rk_str said = rk_str_z(d->issuer);
    size_t at = rk_str_find(said, RK_STR(TENANT));

    if (!d->tenants || at == said.n)
        return d->issuer;
    return rk_arena_printf(mem, "%.*s%.*s%s", RK_STR_ARG(rk_str_sub(said, 0, at)),
                           RK_STR_ARG(tenant), d->issuer + at + strlen(TENANT))
        .p;
}

/* Discovery 1.0: client_secret_basic where nothing is said. */
static void auth_methods(const json_t *doc, struct disco *d)
{
    const char *name = "token_endpoint_auth_methods_supported";

    d->basic = lists(doc, name, "client_secret_basic");
    d->post = lists(doc, name, "client_secret_post");
    if (!d->basic && !d->post)
        d->basic = true;
}

enum rk_code disco_parse(struct rk_arena *mem, struct rk_str text, struct rk_str issuer,
                         struct disco *out, struct rk_err *err)
{
    json_t *doc = json_loadb(text.p, text.n, 0, NULL);
    struct rk_str said = rk_arena_dup(mem, text_of(doc, "issuer"));
    struct disco d = {
        .issuer = rk_arena_dupz(mem, said),
        .auth = rk_arena_dupz(mem, text_of(doc, "authorization_endpoint")),
        .token = rk_arena_dupz(mem, text_of(doc, "token_endpoint")),
        .keys = rk_arena_dupz(mem, text_of(doc, "jwks_uri")),
        .userinfo = rk_arena_dupz(mem, text_of(doc, "userinfo_endpoint")),
        .sends_iss =
            json_is_true(json_object_get(doc, "authorization_response_iss_parameter_supported")),
        .groups_scope = lists(doc, "scopes_supported", "groups"),
        .offline_scope = lists(doc, "scopes_supported", "offline_access"),
        .tenants = is_shared_tenant(said, issuer),
    };

    auth_methods(doc, &d);
    json_decref(doc);
    if (!rk_str_eq(said, issuer) && !d.tenants)
        return rk_fail(err, RK_INVALID,
                       "issuer mismatch: the discovery document names \"%.*s\", expected \"%.*s\"",
                       RK_STR_ARG(rk_str_sub(said, 0, 100)),
                       RK_STR_ARG(rk_str_sub(issuer, 0, 100)));
    *out = d;
    return RK_OK;
}

enum rk_code disco_check_login(const struct disco *d, struct rk_err *err)
{
    const char *lacks = !*d->auth    ? "authorization_endpoint"
                        : !*d->token ? "token_endpoint"
                        : !*d->keys  ? "jwks_uri"
                                     : NULL;

    return lacks
               ? rk_fail(err, RK_INVALID, "the discovery document of %s lacks %s", d->issuer, lacks)
               : RK_OK;
}

static bool url_ok(struct rk_str url)
{
    struct rk_str host;

    if (rk_str_istarts(url, RK_STR("https://")))
        host = rk_str_sub(url, 8, url.n);
    else if (rk_str_istarts(url, RK_STR("http://")))
        host = rk_str_sub(url, 7, url.n);
    else
        return false;
    for (size_t i = 0; i < url.n; i++)
        if ((unsigned char)url.p[i] <= ' ' || (unsigned char)url.p[i] >= 0x7f)
            return false;
    return host.n && host.p[0] != '/' && url.n <= URL_MAX;
}

enum rk_code disco_get(struct disco_cache *cache, struct rk_arena *mem, struct rk_str issuer,
                       struct disco *out, struct rk_err *err)
{
    struct rk_str base = issuer, text;
    struct http_fetch f = {.timeout_ms = TIMEOUT_MS};
    struct http_fetched got;
    enum rk_code rc;

    if (!url_ok(issuer))
        return rk_fail(err, RK_INVALID, "the issuer must be a valid URL");
    if (look(cache, mem, issuer, &text))
        return disco_parse(mem, text, issuer, out, err);
    while (rk_str_ends(base, RK_STR("/")))
        base.n--;
    f.url = rk_arena_printf(mem, "%.*s/.well-known/openid-configuration", RK_STR_ARG(base)).p;
    rc = http_fetch(&f, mem, &got, err);
    if (rc)
        return rk_wrap(err, "the issuer is unreachable");
    if (got.status != 200)
        return rk_fail(err, RK_UNAVAILABLE, "the issuer answers %u to its discovery", got.status);
    rc = disco_parse(mem, got.body, issuer, out, err);
    if (rc == RK_OK)
        keep(cache, issuer, got.body);
    return rc;
}
