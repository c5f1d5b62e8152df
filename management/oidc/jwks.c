/* SPDX-License-Identifier: BSD-3-Clause */
/* Key sets, and those of external issuers kept for a while; see jwks.h. */
#include "config.h"

#include "management/oidc/jwks.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/arena.h"
#include "lib/base/num.h"
#include "lib/http/client.h"

#define FETCH_TIMEOUT_MS 10000
#define FETCH_MAX        ((size_t)256 << 10) /* bytes of a key set or discovery document */

/* ---- text */

static struct rk_str text_of(const json_t *obj, const char *name)
{
    const json_t *v = json_object_get(obj, name);

    return rk_str_of(json_string_value(v), json_string_length(v));
}

void jwks_found_done(struct jwks_found *f)
{
    for (size_t i = 0; i < f->n; i++)
        jwk_unref(f->v[i]);
    f->n = 0;
}

/* RFC 7517 4.2, 4.3: said to be for something else than signatures. */
static bool is_for_others(const json_t *k)
{
    const json_t *ops = json_object_get(k, "key_ops");
    struct rk_str use = text_of(k, "use");
    bool verify = false;

    for (size_t i = 0; i < json_array_size(ops); i++)
        verify |= rk_str_eqz(rk_str_z(json_string_value(json_array_get(ops, i))), "verify");
    return (use.n && !rk_str_eqz(use, "sig")) || (json_is_array(ops) && !verify);
}

static bool key_of(const json_t *k, struct jwk **out)
{
    struct rk_str kty = text_of(k, "kty"), x = text_of(k, "x"), n = text_of(k, "n");
    struct rk_str cert = rk_str_z(json_string_value(json_array_get(json_object_get(k, "x5c"), 0)));

    if (rk_str_eqz(kty, "RSA") && n.n)
        return jwk_of_rsa(n, text_of(k, "e"), out, NULL) == RK_OK;
    if (rk_str_eqz(kty, "EC") && x.n)
        return jwk_of_ec(text_of(k, "crv"), x, text_of(k, "y"), out, NULL) == RK_OK;
    if (rk_str_eqz(kty, "OKP"))
        return jwk_of_okp(text_of(k, "crv"), x, out, NULL) == RK_OK;
    return cert.n && jwk_of_x5c(cert, out, NULL) == RK_OK;
}

/* False: nothing that we can check a signature with. */
static bool take(const json_t *k, struct jwks_key *out)
{
    struct rk_str kid = text_of(k, "kid"), alg = text_of(k, "alg");
    struct jwks_key key = {.only_alg = alg.n > 0};

    if (kid.n > JWKS_KID_MAX || is_for_others(k) || (alg.n && !jwk_alg_parse(alg, &key.alg)) ||
        !key_of(k, &key.key))
        return false;
    key.kid = rk_str_dupz(kid);
    *out = key;
    return true;
}

enum rk_code jwks_parse(struct rk_str json, struct jwks_set *out, struct rk_err *err)
{
    json_t *doc = json_loadb(json.p, json.n, 0, NULL);
    const json_t *keys = json_object_get(doc, "keys");
    struct jwks_set s = {0};

    if (!json_is_array(keys)) {
        json_decref(doc);
        return rk_fail(err, RK_BAD_REQUEST, "not a JSON web key set");
    }
    for (size_t i = 0; i < json_array_size(keys) && s.n < JWKS_KEYS_MAX; i++)
        s.n += take(json_array_get(keys, i), &s.v[s.n]);
    json_decref(doc);
    *out = s;
    return RK_OK;
}

void jwks_set_done(struct jwks_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->v[i].kid);
        jwk_unref(s->v[i].key);
    }
    s->n = 0;
}

static void pick(const struct jwks_set *s, struct rk_str kid, bool any, enum jwk_alg alg,
                 struct jwks_found *out)
{
    for (size_t i = 0; i < s->n && out->n < JWKS_TRY_MAX; i++) {
        const struct jwks_key *k = &s->v[i];

        if ((any || rk_str_eqz(kid, k->kid)) && jwk_fits(k->key, alg) &&
            (!k->only_alg || k->alg == alg))
            out->v[out->n++] = jwk_ref(k->key);
    }
}

bool jwks_set_find(const struct jwks_set *s, struct rk_str kid, enum jwk_alg alg,
                   struct jwks_found *out)
{
    *out = (struct jwks_found){0};
    pick(s, kid, !kid.n, alg, out);
    if (!out->n && kid.n)
        pick(s, RK_STR(""), false, alg, out);
    return out->n > 0;
}

/* ---- an external issuer */

struct jwks_remote {
    struct jwks_source source;
    char *issuer, *keys_url, *ca_file;
    struct rk_log *log;
    int64_t (*now_ms)(void);
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t fetched;
    pthread_t fetcher;       /* asks the issuer, so that no other thread has to wait for it */
    bool fetching, joinable; /* it does so now; it has been started */
    struct rk_err why;       /* the last fetch failed */
    struct jwks_set set;
    bool asked;             /* tried_ms is valid */
    int64_t tried_ms;       /* last fetch, successful or not */
    int64_t fresh_until_ms; /* of the set */
};

static enum rk_code get(struct jwks_remote *r, struct rk_arena *mem, const char *url,
                        struct http_fetched *out, struct rk_err *err)
{
    struct http_fetch f = {
        .url = url, .timeout_ms = FETCH_TIMEOUT_MS, .max_bytes = FETCH_MAX, .ca_file = r->ca_file};
    enum rk_code rc = http_fetch(&f, mem, out, err);

    if (rc == RK_OK && out->status != 200)
        rc = rk_fail(err, RK_UNAVAILABLE, "%s answers %u", url, out->status);
    return rc;
}

/* The address of the keys, from the issuer's discovery document. */
static enum rk_code keys_url(struct jwks_remote *r, struct rk_arena *mem, const char **out,
                             struct rk_err *err)
{
    struct rk_str base = rk_str_z(r->issuer);
    struct http_fetched got;
    json_t *doc;
    enum rk_code rc;

    *out = r->keys_url;
    if (*r->keys_url)
        return RK_OK;
    while (rk_str_ends(base, RK_STR("/")))
        base.n--;
    rc = get(r, mem,
             rk_arena_printf(mem, "%.*s/.well-known/openid-configuration", RK_STR_ARG(base)).p,
             &got, err);
    if (rc)
        return rc;
    doc = json_loadb(got.body.p, got.body.n, 0, NULL);
    if (!rk_str_eqz(text_of(doc, "issuer"), r->issuer))
        rc = rk_fail(err, RK_UNAVAILABLE, "the discovery document of %s names another issuer",
                     r->issuer);
    else if (!text_of(doc, "jwks_uri").n)
        rc = rk_fail(err, RK_UNAVAILABLE, "the discovery document of %s names no keys", r->issuer);
    else
        *out = rk_arena_dupz(mem, text_of(doc, "jwks_uri"));
    json_decref(doc);
    return rc;
}

static enum rk_code fetch(struct jwks_remote *r, struct jwks_set *set, int64_t *age_ms,
                          struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct http_fetched got = {0};
    const char *url;
    enum rk_code rc = keys_url(r, mem, &url, err);

    if (rc == RK_OK)
        rc = get(r, mem, url, &got, err);
    if (rc == RK_OK)
        rc = jwks_parse(got.body, set, err);
    if (rc)
        return rk_fail(err, RK_UNAVAILABLE, "keys of the token issuer: %s",
                       err ? rk_arena_dupz(mem, rk_str_z(err->msg)) : "");
    *age_ms = got.max_age_s < 0 ? 0 : rk_min_i64(got.max_age_s, JWKS_AGE_MAX_MS / 1000) * 1000;
    *age_ms = rk_max_i64(*age_ms, JWKS_AGE_MIN_MS);
    return RK_OK;
}

/* Locked. The cached keys, and whether asking the issuer is due and allowed. */
static bool look(struct jwks_remote *r, struct rk_str kid, enum jwk_alg alg, struct jwks_found *out,
                 bool *ask)
{
    int64_t now = r->now_ms();
    bool found = jwks_set_find(&r->set, kid, alg, out);

    *ask = !r->fetching && (!found || now >= r->fresh_until_ms) &&
           (!r->asked || now - r->tried_ms >= JWKS_REFRESH_MIN_MS);
    return found;
}

static void *fetch_main(void *arg)
{
    struct jwks_remote *r = arg;
    struct jwks_set fresh = {0}, old = {0};
    struct rk_err why = {0};
    int64_t age = 0;

    if (fetch(r, &fresh, &age, &why))
        rk_log(r->log, RK_WARN, "the old keys stay in use", KV_ERR(&why));
    (void)pthread_mutex_lock(&r->lock);
    r->asked = true;
    r->tried_ms = r->now_ms();
    r->why = why;
    if (!why.code) {
        old = r->set;
        r->set = fresh;
        r->fresh_until_ms = r->tried_ms + age;
    }
    r->fetching = false;
    (void)pthread_cond_broadcast(&r->fetched);
    (void)pthread_mutex_unlock(&r->lock);
    jwks_set_done(&old);
    return NULL;
}

/* Locked. */
static void start_fetch(struct jwks_remote *r)
{
    if (r->joinable)
        (void)pthread_join(r->fetcher, NULL); /* it is at its end: it does not fetch any more */
    r->fetching = r->joinable = pthread_create(&r->fetcher, NULL, fetch_main, r) == 0;
    if (!r->fetching)
        (void)rk_fail(&r->why, RK_UNAVAILABLE, "no thread to ask the token issuer");
}

/* Locked. Until the fetch under way is over, but not for long: the issuer may be slow, and who
 * waits here may be a stranger with a token that he made up. */
static void await_fetch(struct jwks_remote *r)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += JWKS_WAIT_S;
    while (r->fetching && pthread_cond_timedwait(&r->fetched, &r->lock, &until) == 0)
        ;
}

static enum rk_code remote_find(struct jwks_source *s, struct rk_str kid, enum jwk_alg alg,
                                struct jwks_found *out, struct rk_err *err)
{
    struct jwks_remote *r = rk_container_of(s, struct jwks_remote, source);
    struct rk_err why;
    bool ask, found;

    (void)pthread_mutex_lock(&r->lock);
    found = look(r, kid, alg, out, &ask);
    if (ask)
        start_fetch(r);
    /* one waits for what he has caused; all do at first, when nobody has a key */
    if (ask || (!found && !r->asked)) {
        jwks_found_done(out);
        await_fetch(r);
        found = look(r, kid, alg, out, &ask);
    }
    why = r->why;
    if (r->fetching)
        (void)rk_fail(&why, RK_UNAVAILABLE, "the keys of the token issuer are being fetched");
    (void)pthread_mutex_unlock(&r->lock);
    if (found)
        return RK_OK;
    return why.code ? rk_fail(err, RK_UNAVAILABLE, "%s", why.msg)
                    : rk_fail(err, RK_UNAUTHENTICATED, "the token's key is not known");
}

struct jwks_remote *jwks_remote_new(const struct jwks_remote_opts *o)
{
    struct jwks_remote *r = rk_calloc(1, sizeof *r);

    r->source.find = remote_find;
    r->issuer = rk_str_dupz(rk_str_z(o->issuer));
    r->keys_url = rk_str_dupz(rk_str_z(o->keys_url));
    r->ca_file = o->ca_file ? rk_str_dupz(rk_str_z(o->ca_file)) : NULL;
    r->log = o->log;
    r->now_ms = o->now_ms ? o->now_ms : rk_mono_ms;
    (void)pthread_cond_init(&r->fetched, NULL);
    (void)pthread_mutex_init(&r->lock, NULL);
    return r;
}

void jwks_remote_free(struct jwks_remote *r)
{
    if (!r)
        return;
    if (r->joinable)
        (void)pthread_join(r->fetcher, NULL);
    jwks_set_done(&r->set);
    (void)pthread_cond_destroy(&r->fetched);
    (void)pthread_mutex_destroy(&r->lock);
    free(r->issuer);
    free(r->keys_url);
    free(r->ca_file);
    free(r);
}

struct jwks_source *jwks_remote_source(struct jwks_remote *r)
{
    return &r->source;
}
