/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers of the HTTP server; see reply.h. */
#include "config.h"

#include "lib/http/reply.h"

#include "lib/http/gzip.h"
#include "lib/json/json.h"

/* Methods a preflight may ask for, as the official server's CORS layer allows them. */
#define PREFLIGHT_METHODS                                                                          \
    (1u << HTTP_HEAD | 1u << HTTP_GET | 1u << HTTP_POST | 1u << HTTP_PUT | 1u << HTTP_PATCH |      \
     1u << HTTP_DELETE)

enum {
    FAILED_LOG_MS = 60000, /* one line in this time for what fails temporarily */
    LOG_PATH_MAX = 256,
    LOG_SEGMENT_MAX = 24, /* above the 20 characters of an id, below any token */
};

static void cors(const struct http_req *req, struct http_resp *resp)
{
    struct rk_str origin;

    http_resp_header(resp, "Vary", RK_STR("Origin"));
    if (http_req_header(req, "Origin", &origin))
        http_resp_header(resp, "Access-Control-Allow-Origin", RK_STR("*"));
}

static bool has_header(const struct http_resp *resp, const char *name)
{
    for (size_t i = 0; i < resp->n_headers; i++)
        if (rk_str_ieq(resp->headers[i].name, rk_str_z(name)))
            return true;
    return false;
}

void http_reply_finish(const struct http_req *req, struct http_resp *resp)
{
    if (!resp->status)
        resp->status = 200;
    if (resp->status == 503 && !has_header(resp, "Retry-After"))
        http_resp_header(resp, "Retry-After", RK_STR("2"));
    if (req->route && req->route->flags & HTTP_CORS)
        cors(req, resp);
    http_resp_header(resp, "X-Request-Id", rk_str_z(req->id));
    if (!resp->content_type)
        resp->content_type = HTTP_JSON;
    if (*resp->content_type)
        http_resp_header(resp, "Content-Type", rk_str_z(resp->content_type));
}

/* Invitations and other secrets stand in paths: what is as long as one of them is not shown. */
struct rk_str http_reply_log_path(const struct http_req *req)
{
    struct rk_buf b;
    struct rk_str rest = req->path, seg, text;
    bool more = true;

    rk_buf_init(&b, LOG_PATH_MAX);
    while (more && !b.full) {
        more = rk_str_cut(rest, '/', &seg, &rest);
        if (seg.n > LOG_SEGMENT_MAX)
            rk_buf_addz(&b, "{...}");
        else
            rk_buf_add(&b, seg);
        if (more)
            rk_buf_addc(&b, '/');
    }
    text = rk_arena_dup(req->mem, rk_buf_str(&b));
    rk_buf_done(&b);
    return text;
}

void http_reply_log_failure(struct rk_log *log, const struct http_req *req,
                            const struct rk_err *err)
{
    static struct rk_log_gate gate;
    enum rk_log_level level = rk_log_failure_level(log, err);
    char peer[RK_ADDR_TEXT];

    (void)rk_addr_format(&req->peer, peer);
    if (level == RK_WARN) { /* one of many */
        rk_log_every(&gate, FAILED_LOG_MS, log, level, "http request failed",
                     kv_z("request", req->id), kv_z("peer", peer),
                     kv_str("path", http_reply_log_path(req)), KV_ERR(err));
        return;
    }
    rk_log(log, level == RK_INFO ? RK_DEBUG : level, "http request failed",
           kv_z("request", req->id), kv_z("peer", peer),
           kv_z("method", http_method_name(req->method)), kv_str("path", http_reply_log_path(req)),
           KV_ERR(err));
}

void http_reply_status(struct http_resp *resp, unsigned status, const char *text)
{
    resp->status = status;
    resp->content_type = HTTP_JSON;
    rk_buf_clear(&resp->body);
    json_put_obj(&resp->body);
    json_put_key_str(&resp->body, "message", rk_str_z(text));
    json_put_key_int(&resp->body, "code", status);
    json_put_obj_end(&resp->body);
    rk_buf_addc(&resp->body, '\n');
}

bool http_reply_compressible(const struct http_resp *resp)
{
    const char *type = resp->content_type ? resp->content_type : HTTP_JSON;

    return resp->body.n >= HTTP_GZIP_MIN_BYTES && !resp->body.full &&
           !has_header(resp, "Content-Encoding") &&
           (strncmp(type, "application/json", 16) == 0 || strncmp(type, "text/", 5) == 0);
}

static struct rk_str allow_text(const struct http_req *req, unsigned allow)
{
    struct rk_str s = RK_STR("OPTIONS");

    for (unsigned m = HTTP_GET; m < HTTP_OPTIONS; m++)
        if (allow & 1u << m)
            s = rk_arena_printf(req->mem, "%.*s, %s", RK_STR_ARG(s),
                                http_method_name((enum http_method)m));
    return s;
}

static void preflight(const struct http_req *req, struct http_resp *resp, struct rk_str wanted)
{
    enum http_method m = http_method_parse(wanted);
    struct rk_str text;

    http_resp_header(resp, "Vary", RK_STR("Origin"));
    http_resp_header(resp, "Vary", RK_STR("Access-Control-Request-Method"));
    http_resp_header(resp, "Vary", RK_STR("Access-Control-Request-Headers"));
    if (!http_req_header(req, "Origin", &text) || !(PREFLIGHT_METHODS & 1u << m))
        return;
    http_resp_header(resp, "Access-Control-Allow-Origin", RK_STR("*"));
    http_resp_header(resp, "Access-Control-Allow-Methods", wanted);
    if (http_req_header(req, "Access-Control-Request-Headers", &text) && text.n)
        http_resp_header(resp, "Access-Control-Allow-Headers", text);
}

void http_reply_options(const struct http_router *router, struct http_req *req,
                        struct http_resp *resp, unsigned allow)
{
    const struct http_route *any = http_router_any(router, req);
    struct rk_str wanted;

    resp->status = 204;
    resp->content_type = "";
    if (any && any->flags & HTTP_CORS &&
        http_req_header(req, "Access-Control-Request-Method", &wanted)) {
        preflight(req, resp, wanted);
        return;
    }
    http_resp_header(resp, "Allow", allow_text(req, allow));
    if (any && any->flags & HTTP_CORS)
        cors(req, resp);
}

/* API clients ask for JSON, and read nothing else also when a path is wrong; browsers do not. */
static bool asks_for_json(const struct http_req *req)
{
    struct rk_str accept;

    return http_req_header(req, "Accept", &accept) &&
           rk_str_find(accept, RK_STR("application/json")) < accept.n;
}

void http_reply_not_found(const struct http_req *req, struct http_resp *resp,
                          const char *api_prefix)
{
    if ((api_prefix && rk_str_starts(req->path, rk_str_z(api_prefix))) || asks_for_json(req)) {
        http_reply_status(resp, 404, "no such path");
        cors(req, resp);
        return;
    }
    resp->status = 404;
    resp->content_type = HTTP_TEXT;
    http_resp_header(resp, "X-Content-Type-Options", RK_STR("nosniff"));
    rk_buf_addz(&resp->body, "404 page not found\n");
}

void http_reply_not_allowed(const struct http_req *req, struct http_resp *resp, unsigned allow)
{
    http_reply_status(resp, 405, "this path does not take this method");
    http_resp_header(resp, "Allow", allow_text(req, allow));
}
