/* SPDX-License-Identifier: BSD-3-Clause */
/* See doctor_ways.h. */
#include "config.h"

#include "server/doctor_ways.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/http/curl_dl.h"

enum { LIMIT_MS = 10000 };

/* One empty message: flag, length. */
static const char NO_MESSAGE[5];

static size_t drop(char *p, size_t size, size_t n, void *arg)
{
    (void)p;
    (void)arg;
    return size * n;
}

/* The handshake is all that is wanted: what follows it would not end. */
static size_t upgraded(char *p, size_t size, size_t n, void *arg)
{
    bool *yes = arg;

    if (rk_str_starts(rk_str_of(p, size * n), RK_STR("HTTP/1.1 101")))
        *yes = true;
    return *yes && size * n <= 2 ? 0 : size * n; /* the empty line ends the head */
}

static CURL *begin(const char *url, const char *ca)
{
    CURL *c = curl.easy_init();

    if (!c)
        return NULL;
    (void)curl.easy_setopt(c, CURLOPT_URL, url);
    (void)curl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl.easy_setopt(c, CURLOPT_PROXY, "");
    (void)curl.easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)LIMIT_MS);
    (void)curl.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    (void)curl.easy_setopt(c, CURLOPT_WRITEFUNCTION, drop);
    if (ca)
        (void)curl.easy_setopt(c, CURLOPT_CAINFO, ca);
    return c;
}

enum rk_code doctor_try_grpc(const char *url, const char *ca, struct rk_err *err)
{
    bool clear = strncmp(url, "https://", 8) != 0;
    struct curl_slist *headers;
    char to[600];
    long version = 0, status = 0;
    CURLcode rc;
    CURL *c;

    (void)snprintf(to, sizeof to, "%s/management.ManagementService/GetServerKey", url);
    if (curl_dl_load(err))
        return RK_UNAVAILABLE;
    c = begin(to, ca);
    if (!c)
        return rk_fail(err, RK_UNAVAILABLE, "HTTP client");
    headers = curl.slist_append(NULL, "Content-Type: application/grpc");
    headers = curl.slist_append(headers, "TE: trailers");
    (void)curl.easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    (void)curl.easy_setopt(
        c, CURLOPT_HTTP_VERSION,
        (long)(clear ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : CURL_HTTP_VERSION_2TLS));
    (void)curl.easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)sizeof NO_MESSAGE);
    (void)curl.easy_setopt(c, CURLOPT_POSTFIELDS, NO_MESSAGE);
    rc = curl.easy_perform(c);
    (void)curl.easy_getinfo(c, CURLINFO_HTTP_VERSION, &version);
    (void)curl.easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    curl.easy_cleanup(c);
    curl.slist_free_all(headers);
    if (rc != CURLE_OK)
        return rk_fail(err, RK_UNAVAILABLE, "%s: %s", url, curl.easy_strerror(rc));
    if (version != CURL_HTTP_VERSION_2_0)
        return rk_fail(err, RK_UNAVAILABLE, "%s does not speak HTTP/2, which gRPC needs", url);
    if (status != 200)
        return rk_fail(err, RK_UNAVAILABLE, "a gRPC call is answered with HTTP status %ld", status);
    return RK_OK;
}

enum rk_code doctor_try_websocket(const char *url, const char *path, const char *ca,
                                  struct rk_err *err)
{
    struct curl_slist *headers;
    char to[600];
    bool yes = false;
    long status = 0;
    CURLcode rc;
    CURL *c;

    (void)snprintf(to, sizeof to, "%s%s", url, path);
    if (curl_dl_load(err))
        return RK_UNAVAILABLE;
    c = begin(to, ca);
    if (!c)
        return rk_fail(err, RK_UNAVAILABLE, "HTTP client");
    headers = curl.slist_append(NULL, "Connection: Upgrade");
    headers = curl.slist_append(headers, "Upgrade: websocket");
    headers = curl.slist_append(headers, "Sec-WebSocket-Version: 13");
    headers = curl.slist_append(headers, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==");
    (void)curl.easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    (void)curl.easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl.easy_setopt(c, CURLOPT_HEADERFUNCTION, upgraded);
    (void)curl.easy_setopt(c, CURLOPT_HEADERDATA, &yes);
    rc = curl.easy_perform(c);
    (void)curl.easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    curl.easy_cleanup(c);
    curl.slist_free_all(headers);
    if (yes)
        return RK_OK;
    if (!status)
        return rk_fail(err, RK_UNAVAILABLE, "%s: %s", to, curl.easy_strerror(rc));
    return rk_fail(err, RK_UNAVAILABLE, "%s answers a WebSocket with HTTP status %ld", to, status);
}
