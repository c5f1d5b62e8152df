/* SPDX-License-Identifier: BSD-3-Clause */
/* Serving the console; see console.h. */
#include "config.h"

#include "management/console/console.h"

#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/enc.h"
#include "lib/crypto/hash.h"
#include "lib/http/gzip.h"
#include "management/console/assets.h"

#define N_ROUTES   4
#define SHELL_MAX  (64 * 1024)
#define ETAG_BYTES 12 /* of the digest */

/* Only this server, no code or style inside of pages, in nobody's frame. */
static const char POLICY[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

struct console {
    struct rk_arena *mem;
    struct rk_str shell, shell_gzip, etag;
    struct http_route routes[N_ROUTES];
};

static struct console *console_of(const struct http_req *req)
{
    return (struct console *)(uintptr_t)req->route->arg;
}

/* ---- the page, made once */

static void add_escaped(struct rk_buf *out, const char *text)
{
    for (; text && *text; text++) {
        switch (*text) {
        case '&':
            rk_buf_addz(out, "&amp;");
            break;
        case '<':
            rk_buf_addz(out, "&lt;");
            break;
        case '"':
            rk_buf_addz(out, "&quot;");
            break;
        default:
            rk_buf_addc(out, *text);
        }
    }
}

static void fill_in(struct rk_buf *out, struct rk_str shell, const struct console_opts *o)
{
    const struct {
        struct rk_str mark;
        const char *value;
    } marks[] = {
        {RK_STR("@ISSUER@"), o->issuer},
        {RK_STR("@CLIENT@"), o->client},
        {RK_STR("@NAME@"), o->name},
        {RK_STR("@VERSION@"), o->version},
    };

    for (size_t i = 0; i < shell.n;) {
        struct rk_str rest = rk_str_sub(shell, i, shell.n);
        size_t k = 0;

        while (k < RK_ARRAY_LEN(marks) && !rk_str_starts(rest, marks[k].mark))
            k++;
        if (k < RK_ARRAY_LEN(marks)) {
            add_escaped(out, marks[k].value);
            i += marks[k].mark.n;
        } else {
            rk_buf_addc(out, shell.p[i++]);
        }
    }
}

static struct rk_str etag_of(struct rk_arena *mem, struct rk_str body)
{
    uint8_t digest[HASH_SHA256_SIZE];

    hash_sha256(body, digest);
    return RK_CAT(mem, RK_STR("\""), rk_base64url_encode(mem, rk_str_of(digest, ETAG_BYTES)),
                  RK_STR("\""));
}

static void make_shell(struct console *c, const struct console_opts *o)
{
    struct rk_buf b;

    rk_buf_init(&b, SHELL_MAX);
    fill_in(&b, rk_str_z(CONSOLE_SHELL), o);
    c->shell = rk_arena_dup(c->mem, rk_buf_str(&b));
    c->etag = etag_of(c->mem, c->shell);
    if (http_gzip(&b))
        c->shell_gzip = rk_arena_dup(c->mem, rk_buf_str(&b));
    rk_buf_done(&b);
}

/* ---- answers */

static bool wants_gzip(const struct http_req *req)
{
    struct rk_str accept;

    return http_req_header(req, "Accept-Encoding", &accept) && http_gzip_wanted(accept);
}

/* If-None-Match (RFC 9110 section 13.1.2): a list, compared weakly. */
static bool has_it(const struct http_req *req, struct rk_str etag)
{
    struct rk_str list, one;
    bool more;

    if (!http_req_header(req, "If-None-Match", &list))
        return false;
    do {
        more = rk_str_cut(list, ',', &one, &list);
        one = rk_str_trim(one);
        if (rk_str_starts(one, RK_STR("W/")))
            one = rk_str_sub(one, 2, one.n);
        if (rk_str_eq(one, etag) || rk_str_eqz(one, "*"))
            return true;
    } while (more);
    return false;
}

static void answer(const struct http_req *req, struct http_resp *resp, struct rk_str etag,
                   struct rk_str plain, struct rk_str gzip)
{
    bool small = gzip.n && wants_gzip(req);

    http_resp_header(resp, "ETag", etag);
    http_resp_header(resp, "Vary", RK_STR("Accept-Encoding"));
    http_resp_header(resp, "X-Content-Type-Options", RK_STR("nosniff"));
    if (has_it(req, etag)) {
        resp->status = 304;
        resp->content_type = "";
        return;
    }
    if (small)
        http_resp_header(resp, "Content-Encoding", RK_STR("gzip"));
    rk_buf_add(&resp->body, small ? gzip : plain);
}

static enum rk_code page(struct http_req *req, struct http_resp *resp, struct db *db,
                         struct rk_err *err)
{
    const struct console *c = console_of(req);

    (void)db;
    (void)err;
    resp->content_type = HTTP_HTML;
    http_resp_header(resp, "Cache-Control", RK_STR("no-cache"));
    http_resp_header(resp, "Content-Security-Policy", rk_str_z(POLICY));
    http_resp_header(resp, "Referrer-Policy", RK_STR("same-origin"));
    http_resp_header(resp, "X-Frame-Options", RK_STR("DENY"));
    http_resp_header(resp, "Permissions-Policy",
                     RK_STR("camera=(), microphone=(), geolocation=(), payment=(), usb=()"));
    answer(req, resp, c->etag, c->shell, c->shell_gzip);
    return RK_OK;
}

static enum rk_code file(struct http_req *req, struct http_resp *resp, struct db *db,
                         struct rk_err *err)
{
    struct rk_str name = req->params[0];

    if (rk_str_find_c(name, '.') == name.n) /* a page of the console, not a file */
        return page(req, resp, db, err);
    for (size_t i = 0; i < CONSOLE_N_ASSETS; i++) {
        const struct console_asset *a = &CONSOLE_ASSETS[i];

        if (!rk_str_eqz(name, a->name))
            continue;
        resp->content_type = a->type;
        http_resp_header(resp, "Cache-Control", RK_STR("public, max-age=31536000, immutable"));
        answer(req, resp, rk_str_z(a->etag), rk_str_of(a->plain, a->plain_n),
               rk_str_of(a->gzip, a->gzip_n));
        return RK_OK;
    }
    resp->status = 404; /* of another version: the page has to be loaded again */
    resp->content_type = HTTP_TEXT;
    http_resp_header(resp, "Cache-Control", RK_STR("no-store"));
    rk_buf_addz(&resp->body, "404 no such file\n");
    return RK_OK;
}

/* ---- life */

struct console *console_new(const struct console_opts *opts)
{
    struct console *c = rk_calloc(1, sizeof *c);

    c->mem = rk_arena_new(0);
    make_shell(c, opts);
    return c;
}

void console_attach(struct console *c, struct http_router *router)
{
    const unsigned flags = HTTP_PUBLIC | HTTP_INLINE;

    c->routes[0] = (struct http_route){HTTP_GET, "/", page, flags, c};
    c->routes[1] = (struct http_route){HTTP_GET, "/console", page, flags, c};
    c->routes[2] = (struct http_route){HTTP_GET, "/console/", page, flags, c};
    c->routes[3] = (struct http_route){HTTP_GET, "/console/{file...}", file, flags, c};
    http_router_add(router, c->routes, N_ROUTES);
}

void console_free(struct console *c)
{
    if (!c)
        return;
    rk_arena_free(c->mem);
    free(c);
}
