/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits of guessing. Only what fails is counted, and nobody is locked out by the mistakes of
 * others: the tight limit is per name and address together; wider ones stop who tries many names
 * from one address, or one name from many addresses. A browser that has signed in as this name
 * before has an allowance of its own (a sealed cookie) and is under none of these.
 *
 * A try takes its tokens before the outcome is known and gives them back when it was right, so that
 * many tries at a time cannot pass together.
 */
#include "config.h"

#include "management/idp/limits.h"

#include <ctype.h>

#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/vault.h"
#include "management/idp/base.h"
#include "management/idp/reply.h"
#include "management/idp/request.h"

#define COOKIE_CONTEXT RK_STR("idp.browser")
#define COOKIE_LIFE_S  (180 * 24 * 3600)

/* An IPv6 subscriber has a /64. */
static struct rk_str address_of(const struct http_req *req)
{
    return rk_str_of(req->peer.ip.b, req->peer.ip.family == 6 ? 8 : 4);
}

static struct rk_str lower(struct rk_arena *mem, struct rk_str s)
{
    struct rk_str l = rk_arena_dup(mem, s);

    for (size_t k = 0; k < l.n; k++)
        ((char *)(uintptr_t)l.p)[k] = (char)tolower((unsigned char)l.p[k]);
    return l;
}

/* The cookie: hash of the name, a blank, a random text that tells browsers apart. */
static bool browser_of(struct http_req *req, struct rk_str who, struct rk_str *id)
{
    struct rk_str cookie, sealed, text, name;
    uint8_t raw[1024];
    size_t n;

    if (!http_req_cookie(req, IDP_COOKIE_BROWSER, &cookie) ||
        rk_base64url_decode(cookie, raw, sizeof raw, &n, NULL))
        return false;
    sealed = rk_str_of(raw, n);
    if (!rk_str_utf8_ok(sealed) ||
        vault_open(mgmt_vault(idp_of(req)->m), req->mem, COOKIE_CONTEXT, sealed, &text, NULL))
        return false;
    (void)rk_str_cut(text, ' ', &name, id);
    return rk_secret_str_eq(name, idp_hash(req->mem, lower(req->mem, who))) && id->n;
}

enum rk_code idp_browser_known(struct http_req *req, struct http_resp *resp, struct rk_str who,
                               struct rk_err *err)
{
    struct rk_str id, sealed, text;
    enum rk_code rc;

    if (!who.n || browser_of(req, who, &id))
        return RK_OK;
    text = RK_CAT(req->mem, idp_hash(req->mem, lower(req->mem, who)), RK_STR(" "),
                  idp_secret(req->mem));
    rc = vault_seal(mgmt_vault(idp_of(req)->m), req->mem, COOKIE_CONTEXT, text, &sealed, err);
    if (rc == RK_OK)
        idp_cookie_set(req, resp, IDP_COOKIE_BROWSER, rk_base64url_encode(req->mem, sealed),
                       COOKIE_LIFE_S);
    return rc;
}

static void add(struct idp_try *t, struct rk_ratelimit *limit, struct rk_str key)
{
    t->limit[t->n] = limit;
    t->key[t->n++] = key;
}

enum rk_code idp_try_begin(struct http_req *req, struct rk_str who, struct idp_try *t,
                           struct rk_err *err)
{
    struct idp *i = idp_of(req);
    struct rk_arena *mem = req->mem;
    struct rk_str address = address_of(req), name, browser;
    size_t taken = 0;
    bool ok = true;

    *t = (struct idp_try){0};
    if (who.n && browser_of(req, who, &browser)) {
        add(t, i->by_browser, idp_hash(mem, browser));
    } else {
        name = idp_hash(mem, lower(mem, who)); /* one size of key */
        if (who.n) {
            add(t, i->by_pair, RK_CAT(mem, name, address));
            add(t, i->by_name, name);
        }
        add(t, i->by_address, rk_arena_dup(mem, address));
    }
    (void)pthread_mutex_lock(&i->lock);
    for (; taken < t->n && ok; taken++)
        ok = rk_ratelimit_take(t->limit[taken], t->key[taken], rk_mono_ms());
    for (size_t k = 0; !ok && k + 1 < taken; k++) /* a refused try costs nothing else */
        rk_ratelimit_give(t->limit[k], t->key[k]);
    (void)pthread_mutex_unlock(&i->lock);
    if (ok)
        return RK_OK;
    t->n = 0;
    return rk_fail(err, RK_LIMIT, "too many attempts");
}

void idp_try_right(struct http_req *req, const struct idp_try *t)
{
    struct idp *i = idp_of(req);

    (void)pthread_mutex_lock(&i->lock);
    for (size_t k = 0; k < t->n; k++)
        rk_ratelimit_give(t->limit[k], t->key[k]);
    (void)pthread_mutex_unlock(&i->lock);
}

bool idp_may_make_code(struct http_req *req)
{
    struct idp *i = idp_of(req);
    bool ok;

    (void)pthread_mutex_lock(&i->lock);
    ok = rk_ratelimit_take(i->by_code, address_of(req), rk_mono_ms());
    (void)pthread_mutex_unlock(&i->lock);
    return ok;
}
