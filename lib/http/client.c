/* SPDX-License-Identifier: BSD-3-Clause */
/* One HTTP request on libcurl; see client.h. */
#include "config.h"

#include "lib/http/client.h"

#include <string.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/num.h"
#include "lib/http/curl_dl.h"

#define TIMEOUT_MS 10000L
#define MAX_BYTES  ((size_t)1 << 20)

struct answer {
    struct rk_buf body;
    int64_t max_age_s, date_unix_s;
};

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct answer *a = arg;

    rk_buf_add(&a->body, rk_str_of(p, size * n));
    return a->body.full ? 0 : size * n; /* a short count ends the transfer */
}

/* RFC 9110 section 5.6.7, the form that is sent; 0 for another. */
static int64_t date_of(struct rk_str text)
{
    char buf[64];
    struct tm t = {0};

    if (text.n >= sizeof buf)
        return 0;
    memcpy(buf, text.p, text.n);
    buf[text.n] = '\0';
    return strptime(buf, "%a, %d %b %Y %H:%M:%S GMT", &t) ? (int64_t)timegm(&t) : 0;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct answer *a = arg;
    struct rk_str line = rk_str_of(p, size * n), part, rest, name, value;

    if (rk_str_istarts(line, RK_STR("date:")))
        a->date_unix_s = date_of(rk_str_trim(rk_str_sub(line, 5, line.n)));
    if (!rk_str_istarts(line, RK_STR("cache-control:")))
        return size * n;
    rest = rk_str_sub(line, 14, line.n);
    while (rest.n) {
        (void)rk_str_cut(rest, ',', &part, &rest);
        (void)rk_str_cut(rk_str_trim(part), '=', &name, &value);
        if (rk_str_ieq(name, RK_STR("max-age")) &&
            rk_parse_i64(value, 0, INT64_MAX / 2, &a->max_age_s, NULL))
            a->max_age_s = -1;
    }
    return size * n;
}

static enum rk_code curl_code(CURLcode c)
{
    switch ((int)c) {
    case CURLE_OPERATION_TIMEDOUT:
        return RK_TIMEOUT;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return RK_INVALID;
    case CURLE_WRITE_ERROR:
        return RK_LIMIT;
    default:
        return RK_UNAVAILABLE;
    }
}

static void prepare(CURL *c, const struct http_fetch *f, struct answer *a,
                    struct curl_slist **headers, struct rk_arena *mem)
{
    (void)curl.easy_setopt(c, CURLOPT_URL, f->url);
    (void)curl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    (void)curl.easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl.easy_setopt(c, CURLOPT_TIMEOUT_MS, f->timeout_ms ? f->timeout_ms : TIMEOUT_MS);
    (void)curl.easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl.easy_setopt(c, CURLOPT_WRITEDATA, a);
    (void)curl.easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl.easy_setopt(c, CURLOPT_HEADERDATA, a);
    if (f->ca_file)
        (void)curl.easy_setopt(c, CURLOPT_CAINFO, f->ca_file);
    if (f->form.p) {
        (void)curl.easy_setopt(c, CURLOPT_POSTFIELDS, f->form.p);
        (void)curl.easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->form.n);
    }
    if (f->put.p) {
        (void)curl.easy_setopt(c, CURLOPT_POSTFIELDS, f->put.p);
        (void)curl.easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->put.n);
        (void)curl.easy_setopt(c, CURLOPT_CUSTOMREQUEST, "PUT");
        *headers = curl.slist_append(*headers, "Content-Type: application/octet-stream");
    }
    if (f->json.p) {
        (void)curl.easy_setopt(c, CURLOPT_POSTFIELDS, f->json.p);
        (void)curl.easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->json.n);
        *headers = curl.slist_append(*headers, "Content-Type: application/json");
    }
    if (f->insecure) {
        (void)curl.easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl.easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (f->header)
        *headers = curl.slist_append(*headers, f->header);
    if (f->user) {
        (void)curl.easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        (void)curl.easy_setopt(c, CURLOPT_USERNAME, f->user);
        (void)curl.easy_setopt(c, CURLOPT_PASSWORD, f->password ? f->password : "");
    }
    *headers = curl.slist_append(*headers, "Accept: application/json");
    if (f->bearer)
        *headers = curl.slist_append(*headers,
                                     rk_arena_printf(mem, "Authorization: Bearer %s", f->bearer).p);
    (void)curl.easy_setopt(c, CURLOPT_HTTPHEADER, *headers);
}

enum rk_code http_fetch(const struct http_fetch *f, struct rk_arena *mem, struct http_fetched *out,
                        struct rk_err *err)
{
    struct answer a = {.max_age_s = -1};
    struct curl_slist *headers = NULL;
    char why[CURL_ERROR_SIZE] = "";
    long status = 0;
    CURLcode rc;
    CURL *c;

    if (curl_dl_load(err))
        return RK_UNAVAILABLE;
    c = curl.easy_init();
    if (!c)
        return rk_fail(err, RK_UNAVAILABLE, "no memory for a request");
    rk_buf_init(&a.body, f->max_bytes ? f->max_bytes : MAX_BYTES);
    (void)curl.easy_setopt(c, CURLOPT_ERRORBUFFER, why);
    prepare(c, f, &a, &headers, mem);
    rc = curl.easy_perform(c);
    (void)curl.easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    curl.slist_free_all(headers);
    curl.easy_cleanup(c);
    if (rc == CURLE_OK)
        *out = (struct http_fetched){(unsigned)status, rk_arena_dup(mem, rk_buf_str(&a.body)),
                                     a.max_age_s, a.date_unix_s};
    rk_buf_done(&a.body);
    return rc == CURLE_OK
               ? RK_OK
               : rk_fail(err, curl_code(rc), "%s: %s", f->url, *why ? why : curl.easy_strerror(rc));
}
