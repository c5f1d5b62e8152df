/* SPDX-License-Identifier: BSD-3-Clause */
/* Name and address from the issuer; see userinfo.h. */
#include "config.h"

#include "management/identity/userinfo.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/base/ratelimit.h"
#include "lib/http/client.h"
#include "management/identity/discovery.h"

#define TIMEOUT_MS  5000
#define PEOPLE_MAX  20000
#define AGAIN_MILLI 1 /* thousandths of a question a second and person: one in 17 minutes */

struct userinfo {
    struct rk_log *log;
    struct disco_cache *discovery;
    pthread_mutex_t lock;       /* guards the next one */
    struct rk_ratelimit *asked; /* by issuer and person */
};

struct userinfo *userinfo_new(struct rk_log *log)
{
    struct userinfo *u = rk_calloc(1, sizeof *u);

    u->log = log;
    u->discovery = disco_cache_new();
    (void)pthread_mutex_init(&u->lock, NULL);
    u->asked = rk_ratelimit_new(PEOPLE_MAX, AGAIN_MILLI, 1);
    return u;
}

void userinfo_free(struct userinfo *u)
{
    if (!u)
        return;
    disco_cache_free(u->discovery);
    rk_ratelimit_free(u->asked);
    (void)pthread_mutex_destroy(&u->lock);
    free(u);
}

static struct rk_str text_of(const json_t *claims, const char *name)
{
    const json_t *v = json_object_get(claims, name);

    return rk_str_of(json_string_value(v), json_string_length(v));
}

static bool may_ask(struct userinfo *u, struct rk_arena *mem, const char *issuer,
                    struct rk_str subject)
{
    struct rk_str key = rk_arena_printf(mem, "%s %.*s", issuer, RK_STR_ARG(subject));
    bool ok;

    (void)pthread_mutex_lock(&u->lock);
    ok = rk_ratelimit_take(u->asked, key, rk_mono_ms());
    (void)pthread_mutex_unlock(&u->lock);
    return ok;
}

static enum rk_code ask(struct userinfo *u, struct rk_arena *mem, const char *issuer,
                        struct rk_str token, json_t **out, struct rk_err *err)
{
    struct http_fetch f = {.timeout_ms = TIMEOUT_MS, .bearer = rk_arena_dupz(mem, token)};
    struct http_fetched got = {0};
    struct disco d;
    enum rk_code rc = disco_get(u->discovery, mem, rk_str_z(issuer), &d, err);

    *out = NULL;
    if (rc || !*d.userinfo)
        return rc;
    f.url = d.userinfo;
    rc = http_fetch(&f, mem, &got, err);
    if (rc)
        return rc;
    *out = got.status == 200 ? json_loadb(got.body.p, got.body.n, 0, NULL) : NULL;
    if (json_is_object(*out))
        return RK_OK;
    json_decref(*out);
    *out = NULL;
    return rk_fail(err, RK_UNAVAILABLE, "the userinfo endpoint answers %u", got.status);
}

void userinfo_fill(struct userinfo *u, struct rk_arena *mem, const char *issuer,
                   struct rk_str token, json_t *claims)
{
    static const char *const WANTED[] = {"email", "name", "preferred_username"};
    struct rk_str subject = text_of(claims, "sub");
    struct rk_err why = {0};
    json_t *more;

    if ((text_of(claims, "email").n && text_of(claims, "name").n) || !subject.n ||
        !may_ask(u, mem, issuer, subject))
        return;
    if (ask(u, mem, issuer, token, &more, &why)) {
        rk_log(u->log, RK_INFO, "the token's issuer does not say who its user is",
               kv_z("issuer", issuer), KV_ERR(&why));
        return;
    }
    for (size_t i = 0; i < RK_ARRAY_LEN(WANTED) && rk_str_eq(text_of(more, "sub"), subject); i++)
        if (!text_of(claims, WANTED[i]).n && text_of(more, WANTED[i]).n)
            (void)json_object_set(claims, WANTED[i], json_object_get(more, WANTED[i]));
    json_decref(more);
}
