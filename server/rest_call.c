/* SPDX-License-Identifier: BSD-3-Clause */
/* REST calls of the command line tool over libcurl; see rest_call.h. */
#include "config.h"

#include "server/rest_call.h"

#include <stdlib.h>

#include "lib/http/curl_dl.h"

enum { ANSWER_MAX = 4 * 1024 * 1024, TIMEOUT_MS = 10000 };

void rest_target_of(struct rk_arena *mem, const struct server_config *c, struct rest_target *out)
{
    struct rk_str listen = c->listen_address, host = listen;
    size_t colon = listen.n;

    while (colon > 0 && listen.p[colon - 1] != ':')
        colon--;
    host.n = colon ? colon - 1 : 0;
    if (!host.n || rk_str_eqz(host, "0.0.0.0") || rk_str_eqz(host, "[::]"))
        host = RK_STR("127.0.0.1");
    *out = (struct rest_target){
        .base = c->exposed_address,
        .connect_to = rk_arena_printf(mem, "%.*s:%.*s", RK_STR_ARG(host),
                                      RK_STR_ARG(rk_str_sub(listen, colon, listen.n))),
        .ca_file = c->tls_cert,
    };
    /* behind a proxy that ends TLS our own port is clear text */
    if (!c->tls_cert.n && rk_str_starts(out->base, RK_STR("https://")))
        out->base = rk_arena_printf(mem, "http://%.*s", RK_STR_ARG(rk_str_sub(out->base, 8, 512)));
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct rk_buf *b = arg;

    rk_buf_add(b, rk_str_of(p, size * n));
    return b->full ? 0 : size * n;
}

struct call {
    CURL *curl;
    struct curl_slist *headers, *connect_to;
    char *url, *ca;
    struct rk_buf *answer;
};

static void call_done(struct call *c)
{
    if (c->curl) {
        curl.slist_free_all(c->headers);
        curl.slist_free_all(c->connect_to);
        curl.easy_cleanup(c->curl);
    }
    free(c->url);
    free(c->ca);
}

static void call_prepare(struct call *c, const struct rest_target *t, const char *method,
                         struct rk_str header, struct rk_str body)
{
    char line[600];

    if (t->connect_to.n) {
        (void)snprintf(line, sizeof line, "::%.*s", RK_STR_ARG(t->connect_to));
        c->connect_to = curl.slist_append(NULL, line);
        (void)curl.easy_setopt(c->curl, CURLOPT_CONNECT_TO, c->connect_to);
    }
    c->headers = curl.slist_append(NULL, "Content-Type: application/json");
    if (header.n) {
        (void)snprintf(line, sizeof line, "%.*s", RK_STR_ARG(header));
        c->headers = curl.slist_append(c->headers, line);
        explicit_bzero(line, sizeof line);
    }
    (void)curl.easy_setopt(c->curl, CURLOPT_URL, c->url);
    (void)curl.easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl.easy_setopt(c->curl, CURLOPT_PROXY, "");
    (void)curl.easy_setopt(c->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl.easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    (void)curl.easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
    (void)curl.easy_setopt(c->curl, CURLOPT_TIMEOUT_MS,
                           (long)(t->timeout_ms ? t->timeout_ms : TIMEOUT_MS));
    (void)curl.easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl.easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl.easy_setopt(c->curl, CURLOPT_WRITEDATA, c->answer);
    if (t->ca_file.n) {
        c->ca = rk_str_dupz(t->ca_file);
        (void)curl.easy_setopt(c->curl, CURLOPT_CAINFO, c->ca);
    }
    if (body.p) {
        (void)curl.easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE, (long)body.n);
        (void)curl.easy_setopt(c->curl, CURLOPT_POSTFIELDS, body.p);
    }
}

enum rk_code rest_call_text(const struct rest_target *t, const char *method, const char *path,
                            struct rk_str header, struct rk_str body, long *status,
                            struct rk_buf *out, struct rk_err *err)
{
    RK_CLEANUP(call_done) struct call c = {.answer = out};
    CURLcode rc;
    size_t len;

    if (curl_dl_load(err))
        return RK_UNAVAILABLE;
    c.curl = curl.easy_init();
    if (!c.curl)
        return rk_fail(err, RK_INTERNAL, "HTTP client");
    len = t->base.n + strlen(path) + 1;
    c.url = rk_malloc(len);
    (void)snprintf(c.url, len, "%.*s%s", RK_STR_ARG(t->base), path);
    call_prepare(&c, t, method, header, body);
    rc = curl.easy_perform(c.curl);
    if (rc != CURLE_OK && out->full)
        return rk_fail(err, RK_LIMIT, "%s %s: the answer is larger than %zu bytes", method, c.url,
                       out->max);
    if (rc != CURLE_OK)
        return rk_fail(err, RK_UNAVAILABLE, "%s %s at %.*s: %s", method, c.url,
                       RK_STR_ARG(t->connect_to), curl.easy_strerror(rc));
    (void)curl.easy_getinfo(c.curl, CURLINFO_RESPONSE_CODE, status);
    return RK_OK;
}

enum rk_code rest_call(const struct rest_target *t, const char *method, const char *path,
                       struct rk_str header, const json_t *body, long *status, json_t **answer,
                       struct rk_err *err)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct rk_buf out;
    enum rk_code rc;

    rk_buf_init(&out, ANSWER_MAX);
    rc = rest_call_text(t, method, path, header, text ? rk_str_z(text) : (struct rk_str){0}, status,
                        &out, err);
    if (rc == RK_OK)
        *answer = out.n ? json_loadb(out.p, out.n, JSON_DECODE_ANY, NULL) : NULL;
    free(text);
    rk_buf_done(&out);
    return rc;
}

const char *rest_error_text(const json_t *answer)
{
    const char *text = json_string_value(json_object_get(answer, "message"));

    return text ? text : "no reason given";
}
