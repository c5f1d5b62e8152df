/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests and responses as data; see msg.h. */
#include "config.h"

#include "lib/http/msg.h"

#include <stdlib.h>

#include "lib/base/enc.h"
#include "lib/json/json.h"

static const char *const METHODS[] = {
    [HTTP_OTHER] = "OTHER",   [HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",
    [HTTP_POST] = "POST",     [HTTP_PUT] = "PUT",         [HTTP_PATCH] = "PATCH",
    [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
};

enum http_method http_method_parse(struct rk_str s)
{
    for (unsigned m = HTTP_GET; m < RK_ARRAY_LEN(METHODS); m++)
        if (rk_str_eqz(s, METHODS[m]))
            return (enum http_method)m;
    return HTTP_OTHER;
}

const char *http_method_name(enum http_method m)
{
    return (unsigned)m < RK_ARRAY_LEN(METHODS) ? METHODS[m] : METHODS[HTTP_OTHER];
}

bool http_req_header(const struct http_req *req, const char *name, struct rk_str *out)
{
    struct rk_str want = rk_str_z(name);

    for (size_t i = 0; i < req->n_headers; i++)
        if (rk_str_ieq(req->headers[i].name, want)) {
            *out = rk_str_trim(req->headers[i].value);
            return true;
        }
    return false;
}

bool http_form_next(struct rk_arena *mem, struct rk_str form, size_t *pos, struct rk_str *name,
                    struct rk_str *value)
{
    while (*pos < form.n) {
        struct rk_str pair, rest, k, v;

        (void)rk_str_cut(rk_str_sub(form, *pos, form.n), '&', &pair, &rest);
        *pos += pair.n + 1;
        if (!pair.n)
            continue;
        if (!rk_str_cut(pair, '=', &k, &v))
            v = RK_STR("");
        if (rk_percent_decode(mem, k, true, name, NULL) ||
            rk_percent_decode(mem, v, true, value, NULL))
            continue;
        return true;
    }
    return false;
}

bool http_req_query(const struct http_req *req, const char *name, struct rk_str *out)
{
    struct rk_str k, v, want = rk_str_z(name);
    size_t pos = 0;

    while (http_form_next(req->mem, req->query, &pos, &k, &v))
        if (rk_str_eq(k, want)) {
            *out = v;
            return true;
        }
    return false;
}

bool http_req_cookie(const struct http_req *req, const char *name, struct rk_str *out)
{
    struct rk_str want = rk_str_z(name);

    for (size_t i = 0; i < req->n_headers; i++) {
        struct rk_str rest = req->headers[i].value, pair, k, v;

        if (!rk_str_ieq(req->headers[i].name, RK_STR("cookie")))
            continue;
        while (rest.n) {
            (void)rk_str_cut(rest, ';', &pair, &rest);
            if (!rk_str_cut(rk_str_trim(pair), '=', &k, &v) || !rk_str_eq(k, want))
                continue;
            if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
                v = rk_str_sub(v, 1, v.n - 2);
            *out = v;
            return true;
        }
    }
    return false;
}

void http_resp_header(struct http_resp *resp, const char *name, struct rk_str value)
{
    if (resp->n_headers == HTTP_RESP_MAX_HEADERS)
        abort(); /* a handler of ours adds headers without end */
    resp->headers[resp->n_headers++] = (struct http_header){rk_str_z(name), value};
}

unsigned http_status_of(enum rk_code code)
{
    static const uint16_t STATUS[RK_CODE_COUNT] = {
        [RK_OK] = 200,          [RK_BAD_REQUEST] = 400,
        [RK_INVALID] = 422,     [RK_UNAUTHENTICATED] = 401,
        [RK_FORBIDDEN] = 403,   [RK_NOT_FOUND] = 404,
        [RK_EXISTS] = 409,      [RK_PRECONDITION] = 412,
        [RK_LIMIT] = 429,       [RK_TIMEOUT] = 504,
        [RK_UNAVAILABLE] = 503, [RK_CANCELLED] = 499,
        [RK_INTERNAL] = 500,
    };

    return (unsigned)code < RK_CODE_COUNT ? STATUS[code] : 500;
}

void http_resp_error(struct http_resp *resp, const struct rk_err *err)
{
    enum rk_code code = err->code ? err->code : RK_INTERNAL;
    char text[sizeof err->msg];
    struct rk_str msg = rk_str_z(err->msg);

    if (code == RK_INTERNAL) {
        msg = RK_STR("internal server error");
    } else if (code == RK_UNAVAILABLE) {
        msg = RK_STR("service temporarily unavailable");
    } else if (code != RK_BAD_REQUEST) {
        for (size_t i = 0; i < msg.n; i++)
            text[i] = (char)(msg.p[i] >= 'A' && msg.p[i] <= 'Z' ? msg.p[i] + 32 : msg.p[i]);
        msg = rk_str_of(text, msg.n);
    }
    resp->status = http_status_of(code);
    resp->content_type = HTTP_JSON;
    rk_buf_clear(&resp->body);
    resp->body.full = false; /* a body that grew too large is replaced by the error */
    json_put_obj(&resp->body);
    json_put_key_str(&resp->body, "message", msg);
    json_put_key_int(&resp->body, "code", resp->status);
    json_put_obj_end(&resp->body);
    rk_buf_addc(&resp->body, '\n');
}
