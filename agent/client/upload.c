/* SPDX-License-Identifier: BSD-3-Clause */
/* The upload service; see upload.h. */
#include "config.h"

#include "agent/client/upload.h"

#include <jansson.h>

#include "lib/base/enc.h"
#include "lib/crypto/hash.h"
#include "lib/http/client.h"

#define CONTENT_MAX ((size_t)50 << 20) /* what the official service takes */
#define TIMEOUT_MS  120000
#define OK          200

static enum rk_code check_url(const struct upload_opts *o, struct rk_str url, const char *what,
                              struct rk_err *err)
{
    if (rk_str_istarts(url, RK_STR("https://")) ||
        (o->insecure && rk_str_istarts(url, RK_STR("http://"))))
        return RK_OK;
    return rk_fail(err, RK_INVALID,
                   "%s \"%.*s\" is not https: the bundle would go in clear text "
                   "(--upload-bundle-insecure allows it)",
                   what, RK_STR_ARG(rk_str_sub(url, 0, 100)));
}

static enum rk_code get_address(struct rk_arena *mem, const struct upload_opts *o,
                                struct rk_str *url, struct rk_str *key, struct rk_err *err)
{
    uint8_t digest[HASH_SHA256_SIZE];
    struct http_fetch f = {.insecure = o->insecure, .header = "x-nb-client: netbird"};
    struct http_fetched got = {0};
    json_t *v;
    enum rk_code rc;

    hash_sha256(o->management_url, digest);
    f.url = rk_arena_printf(mem, "%.*s%sid=%s", RK_STR_ARG(o->service),
                            rk_str_find_c(o->service, '?') < o->service.n ? "&" : "?",
                            rk_hex_encode(mem, rk_str_of((const char *)digest, sizeof digest)).p)
                .p;
    rc = http_fetch(&f, mem, &got, err);
    if (rc)
        return rk_wrap(err, "upload service");
    v = json_loadb(got.body.p ? got.body.p : "", got.body.n, 0, NULL);
    *url = rk_arena_dup(mem, rk_str_z(json_string_value(json_object_get(v, "URL"))));
    *key = rk_arena_dup(mem, rk_str_z(json_string_value(json_object_get(v, "Key"))));
    json_decref(v);
    if (got.status != OK || !url->n)
        return rk_fail(err, RK_BAD_REQUEST,
                       "upload service %.*s answers %u and names no address to upload to",
                       RK_STR_ARG(o->service), got.status);
    return RK_OK;
}

enum rk_code upload(struct rk_arena *mem, const struct upload_opts *o, struct rk_str *key,
                    struct rk_err *err)
{
    struct http_fetch f = {.put = o->content, .insecure = o->insecure, .timeout_ms = TIMEOUT_MS};
    struct http_fetched got = {0};
    struct rk_str url, name;
    enum rk_code rc = check_url(o, o->service, "upload service", err);

    if (rc == RK_OK && o->content.n > CONTENT_MAX)
        rc = rk_fail(err, RK_LIMIT, "the bundle has more than %zu MiB", CONTENT_MAX >> 20);
    if (rc == RK_OK)
        rc = get_address(mem, o, &url, &name, err);
    if (rc == RK_OK)
        rc = check_url(o, url, "the address to upload to", err);
    if (rc)
        return rc;
    f.url = rk_arena_dupz(mem, url);
    rc = http_fetch(&f, mem, &got, err);
    if (rc)
        return rk_wrap(err, "upload");
    if (got.status != OK)
        return rk_fail(err, RK_UNAVAILABLE, "the upload is refused with status %u", got.status);
    *key = name;
    return RK_OK;
}
