/* SPDX-License-Identifier: BSD-3-Clause */
/* The frame of the identity provider's pages, and those that end something or say what went wrong.
 * Plain HTML; everything that comes from outside goes through page_esc(). */
#include "config.h"

#include "management/idp/pages.h"

#include "lib/base/enc.h"
#include "management/idp/base.h"
#include "management/idp/reply.h"
#include "management/idp/request.h"

#define BACK_MAX 2000 /* bytes of an address that a cookie holds */

void page_esc(struct rk_buf *b, struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        switch (s.p[i]) {
        case '<':
            rk_buf_addz(b, "&lt;");
            break;
        case '>':
            rk_buf_addz(b, "&gt;");
            break;
        case '&':
            rk_buf_addz(b, "&amp;");
            break;
        case '"':
            rk_buf_addz(b, "&quot;");
            break;
        case '\'':
            rk_buf_addz(b, "&#39;");
            break;
        default:
            rk_buf_addc(b, s.p[i]);
        }
}

void idp_page_headers(struct http_req *req, struct http_resp *resp, struct rk_str form_to)
{
    resp->content_type = HTTP_HTML;
    http_resp_header(resp, "Cache-Control", RK_STR("no-store"));
    /* Browsers apply form-action to where the answer of a form redirects, too. */
    http_resp_header(resp, "Content-Security-Policy",
                     rk_arena_printf(req->mem,
                                     "default-src 'none'; style-src 'self'; script-src 'self'; "
                                     "base-uri 'none'; frame-ancestors 'none'; form-action "
                                     "'self'%s%.*s",
                                     form_to.n ? " " : "", RK_STR_ARG(form_to)));
    http_resp_header(resp, "X-Frame-Options", RK_STR("DENY"));
    http_resp_header(resp, "X-Content-Type-Options", RK_STR("nosniff"));
    http_resp_header(resp, "Referrer-Policy", RK_STR("no-referrer"));
}

/* "host:port" of our address. */
static struct rk_str host_of(const struct idp *i)
{
    struct rk_str base = rk_str_z(i->base);

    return rk_str_sub(base, rk_str_find(base, RK_STR("://")) + 3, base.n);
}

struct rk_str page_host(const struct http_req *req)
{
    return host_of(idp_of(req));
}

/* Which server this is: people type passwords here. */
void page_begin(struct http_req *req, struct rk_buf *b, const char *title)
{
    const struct idp *i = idp_of(req);

    rk_buf_printf(b,
                  "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                  "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                  "<meta name=\"robots\" content=\"noindex\"><title>%s - ",
                  title);
    page_esc(b, rk_str_z(i->server_name));
    rk_buf_printf(b,
                  "</title><link rel=\"stylesheet\" href=\"%s/static/style.css\">"
                  "<script src=\"%s/static/page.js\" defer></script></head><body><main>"
                  "<div class=\"brand\"><span class=\"mark\" aria-hidden=\"true\"></span><span "
                  "id=\"server\">",
                  i->path, i->path);
    page_esc(b, rk_str_z(i->server_name));
    rk_buf_addz(b, " <small>");
    page_esc(b, host_of(i));
    rk_buf_addz(b, "</small></span></div>");
}

void page_end(struct rk_buf *b, const char *foot)
{
    if (foot)
        rk_buf_printf(b, "<footer>%s</footer>", foot);
    rk_buf_addz(b, "</main></body></html>\n");
}

void page_problem(struct rk_buf *b, const char *problem)
{
    if (!problem)
        return;
    rk_buf_addz(b, "<div class=\"problem\" role=\"alert\">");
    page_esc(b, rk_str_z(problem));
    rk_buf_addz(b, "</div>");
}

void page_form(struct http_req *req, struct rk_buf *b, const char *action, struct rk_str sealed)
{
    rk_buf_printf(b, "<form method=\"post\" action=\"%s%s\">", idp_of(req)->path, action);
    rk_buf_addz(b, "<input type=\"hidden\" name=\"request\" value=\"");
    page_esc(b, sealed);
    rk_buf_addz(b, "\">");
}

/* ---- ways back */

#define ENC(s) rk_percent_encode(req->mem, (s))

static struct rk_str add(struct http_req *req, struct rk_str to, const char *name,
                         struct rk_str value)
{
    return value.n ? idp_uri_with(req->mem, to, name, value) : to;
}

struct rk_str idp_page_start(struct http_req *req, const struct idp_request *r)
{
    const char *path = idp_of(req)->path;
    struct rk_str to;

    if (r->what == IDP_FOR_AUTH || r->what == IDP_FOR_CONSENT) {
        to = rk_arena_printf(req->mem, "%s/auth?response_type=code", path);
        to = add(req, to, "client_id", r->client_id);
        to = add(req, to, "redirect_uri", r->redirect_uri);
        to = add(req, to, "scope", r->scope);
        to = add(req, to, "state", r->state);
        to = add(req, to, "nonce", r->nonce);
        to = add(req, to, "code_challenge", r->challenge);
        if (r->challenge.n)
            to = add(req, to, "code_challenge_method", RK_STR("S256"));
    } else {
        to = add(req, rk_arena_printf(req->mem, "%s/device", path), "user_code", r->user_code);
    }
    return add(req, to, "login_hint", r->login_hint);
}

void page_remember(struct http_req *req, struct http_resp *resp, const struct idp_request *r)
{
    struct rk_str to = idp_page_start(req, r);

    if (to.n <= BACK_MAX)
        idp_cookie_set(req, resp, IDP_COOKIE_BACK, to, IDP_REQUEST_LIFE_S);
}

/* Only to pages of ours that begin something. */
static bool way_back(struct http_req *req, struct rk_str *to)
{
    const char *path = idp_of(req)->path;

    return http_req_cookie(req, IDP_COOKIE_BACK, to) && to->n <= BACK_MAX &&
           (rk_str_starts(*to, rk_arena_printf(req->mem, "%s/auth?", path)) ||
            rk_str_starts(*to, rk_arena_printf(req->mem, "%s/device", path)));
}

enum rk_code idp_page_back(struct http_req *req, struct http_resp *resp, struct db *db,
                           struct rk_err *err)
{
    struct rk_str to;

    (void)db;
    (void)err;
    if (rk_str_ends(req->path, RK_STR("/device/confirm")))
        return idp_redirect(req, resp, rk_arena_printf(req->mem, "%s/device", idp_of(req)->path));
    if (way_back(req, &to))
        return idp_redirect(req, resp, to);
    return idp_page_trouble(req, resp, 400, NULL, "Nothing to sign in to",
                            "This address belongs to a form. Begin in the application or program "
                            "that you want to use.");
}

/* ---- last pages */

static void headline(struct http_req *req, struct http_resp *resp, unsigned status, char icon,
                     const char *title, const char *text)
{
    struct rk_buf *b = &resp->body;

    resp->status = status;
    idp_page_headers(req, resp, RK_STR(""));
    page_begin(req, b, title);
    rk_buf_printf(b, "<div class=\"icon %c\" aria-hidden=\"true\">%s</div><h1>%s</h1><p>", icon,
                  icon == 'y' ? "&#10003;" : "&#10005;", title);
    page_esc(b, rk_str_z(text));
    rk_buf_addz(b, "</p>");
}

enum rk_code idp_page_end(struct http_req *req, struct http_resp *resp, unsigned status, char icon,
                          const char *title, const char *text)
{
    headline(req, resp, status, icon, title, text);
    page_end(&resp->body, NULL);
    return RK_OK;
}

enum rk_code idp_page_trouble(struct http_req *req, struct http_resp *resp, unsigned status,
                              const struct idp_request *r, const char *title, const char *text)
{
    struct rk_buf *b = &resp->body;
    struct rk_str to;

    headline(req, resp, status, 'n', title, text);
    rk_buf_addz(b, "<a class=\"button\" id=\"on\" href=\"");
    if (r || way_back(req, &to)) {
        page_esc(b, r ? idp_page_start(req, r) : to);
        rk_buf_addz(b, "\">Try again</a>");
    } else {
        page_esc(b, rk_str_z(idp_of(req)->base));
        rk_buf_addz(b, "/\">Go to the dashboard</a>");
    }
    page_end(b, rk_arena_printf(req->mem, "Request <code>%s</code>: the server's log has this id.",
                                req->id)
                    .p);
    return RK_OK;
}

enum rk_code idp_page_stale(struct http_req *req, struct http_resp *resp)
{
    static struct rk_log_gate gate; /* anybody can do it */

    rk_log_every(&gate, IDP_LOG_EVERY_MS, idp_of(req)->log, RK_INFO,
                 "a form was too old, used before, or of another browser",
                 kv_z("request", req->id));
    return idp_page_trouble(req, resp, 403, NULL, "This page is too old",
                            "It was open for long, was used before, or belongs to another browser. "
                            "Begin again, or go back to the application or device.");
}
