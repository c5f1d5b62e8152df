/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * POST {"events":[…]} to a URL; any 2xx means that they are taken. With a secret each request says
 *
 *   X-Rookery-Signature: t=UNIX SECONDS,v1=HEX(HMAC-SHA256(secret, t "." body))
 *
 * so that the receiver can tell who sent it, and when.
 */
#include "config.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/crypto/hmac.h"
#include "lib/crypto/secret.h"
#include "lib/http/client.h"
#include "lib/net/addr.h"
#include "management/export/receiver.h"

#define BODY_MAX ((size_t)16 << 20)

struct webhook {
    struct receiver r;
    char *url;
    struct rk_str secret; /* owned */
};

static const char *signature(const struct webhook *w, struct rk_arena *mem, struct rk_str body)
{
    struct rk_str t = rk_arena_printf(mem, "%lld", (long long)(rk_unix_ms() / 1000));
    uint8_t mac[HMAC_SHA256_SIZE];

    if (!w->secret.n)
        return NULL;
    hmac_sha256(w->secret, RK_CAT(mem, t, RK_STR("."), body), mac);
    return RK_CAT(mem, RK_STR("X-Rookery-Signature: t="), t, RK_STR(",v1="),
                  rk_hex_encode(mem, rk_str_of(mac, sizeof mac)))
        .p;
}

/* Answers that say nothing of what was sent. */
static bool is_not_now(unsigned status)
{
    return status == 408 || status == 425 || status == 429 || (status >= 502 && status <= 504);
}

/* Errors without the URL: its path or query may be what the receiver knows us by. */
static enum rk_code post(const struct webhook *w, struct rk_arena *mem, struct rk_str body,
                         struct rk_err *err)
{
    struct http_fetch f = {.url = w->url, .json = body, .header = signature(w, mem, body)};
    struct http_fetched got;
    struct rk_err why = {0};
    enum rk_code rc = http_fetch(&f, mem, &got, &why);
    struct rk_str text = rk_str_z(why.msg), url = rk_str_z(w->url);

    if (rc) {
        if (rk_str_starts(text, url))
            text = rk_str_sub(text, url.n, text.n);
        else if (rk_str_starts(url, text)) /* cut off */
            text = RK_STR("");
        return rk_fail(err, rc, "the webhook%.*s", RK_STR_ARG(text));
    }
    return got.status >= 200 && got.status <= 299
               ? RK_OK
               : rk_fail(err, is_not_now(got.status) ? RK_UNAVAILABLE : RK_PRECONDITION,
                         "the webhook answers %u", got.status);
}

static enum rk_code webhook_bring(struct receiver *r, struct rk_arena *mem,
                                  const struct export_line *v, size_t n, struct rk_err *err)
{
    struct webhook *w = rk_container_of(r, struct webhook, r);
    struct rk_buf body;
    enum rk_code rc;

    rk_buf_init(&body, BODY_MAX);
    rk_buf_addz(&body, "{\"events\":[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            rk_buf_addc(&body, ',');
        rk_buf_add(&body, v[i].json);
    }
    rk_buf_addz(&body, "]}");
    rc = body.full ? rk_fail(err, RK_PRECONDITION, "a batch of events is too long")
                   : post(w, mem, rk_buf_str(&body), err);
    rk_buf_done(&body);
    return rc;
}

static void webhook_free(struct receiver *r)
{
    struct webhook *w = rk_container_of(r, struct webhook, r);

    rk_secret_wipe((void *)(uintptr_t)w->secret.p, w->secret.n);
    free((void *)(uintptr_t)w->secret.p);
    free(w->url);
    free(w);
}

enum rk_code receiver_webhook(const char *url, struct rk_str secret, struct receiver **out,
                              struct rk_err *err)
{
    struct rk_str u = rk_str_z(url);
    struct webhook *w;
    enum rk_code rc = rk_url_check(u, err);

    if (rc)
        return rc;
    w = rk_calloc(1, sizeof *w);
    w->r = (struct receiver){webhook_bring, webhook_free};
    w->url = rk_str_dupz(u);
    w->secret = rk_str_of(rk_memdup(secret.p, secret.n), secret.n);
    *out = &w->r;
    return RK_OK;
}
