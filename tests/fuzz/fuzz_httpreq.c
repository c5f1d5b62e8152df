/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz what handlers read of a request: path (router), query, form, cookies and headers. The input
 * is lines: path, query, then header lines "name:value".
 */
#include "config.h"

#include "lib/http/gzip.h"
#include "lib/http/path.h"
#include "lib/http/router.h"
#include "tests/fuzz/fuzz.h"

#define MAX_HEADERS 20

static enum rk_code nothing(struct http_req *req, struct http_resp *resp, struct db *db,
                            struct rk_err *err)
{
    (void)req;
    (void)resp;
    (void)db;
    (void)err;
    return RK_OK;
}

static const struct http_route ROUTES[] = {
    {HTTP_GET, "/api/users", nothing, 0, NULL},
    {HTTP_GET, "/api/users/invites/{token}", nothing, 0, NULL},
    {HTTP_GET, "/api/users/{userId}/tokens/{tokenId}", nothing, 0, NULL},
    {HTTP_GET, "/static/{path...}", nothing, 0, NULL},
    {HTTP_GET, "/", nothing, 0, NULL},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct http_router *router = http_router_new();
    struct http_header headers[MAX_HEADERS];
    struct http_req req = {.method = HTTP_GET, .headers = headers, .mem = mem};
    struct rk_str in = rk_str_of(data, size), line, name, value;
    size_t pos = 0;

    http_router_add(router, ROUTES, RK_ARRAY_LEN(ROUTES));
    (void)rk_str_cut(in, '\n', &req.path, &in);
    (void)rk_str_cut(in, '\n', &req.query, &in);
    while (in.n && req.n_headers < MAX_HEADERS) {
        (void)rk_str_cut(in, '\n', &line, &in);
        (void)rk_str_cut(line, ':', &name, &value);
        headers[req.n_headers++] = (struct http_header){name, value};
    }
    if (http_path_take(mem, &req.path, req.query, &value) == HTTP_PATH_MOVE)
        FUZZ_CHECK(value.n && value.p[0] == '/' && (value.n == 1 || value.p[1] != '/'));
    if (http_router_find(router, &req, NULL) == HTTP_MATCH)
        FUZZ_CHECK(req.route && req.n_params <= HTTP_MAX_PARAMS);
    (void)http_router_any(router, &req);
    (void)http_req_query(&req, "name", &value);
    while (http_form_next(mem, req.query, &pos, &name, &value))
        FUZZ_CHECK(name.n + value.n <= req.query.n);
    (void)http_req_cookie(&req, "session", &value);
    if (http_req_header(&req, "Accept-Encoding", &value))
        (void)http_gzip_wanted(value);
    http_router_free(router);
    rk_arena_free(mem);
    return 0;
}
