/* SPDX-License-Identifier: BSD-3-Clause */
/* The pages of the identity provider: plain HTML that needs no script. Everything that comes from
 * outside goes through esc(). */
#include "config.h"

#include "management/idp/idp_impl.h"

#include <qrencode.h>

#include "lib/base/enc.h"
#include "management/identity/connectors.h"

static const char STYLE[] =
    ":root{color-scheme:light dark;--bg:#f3f5f8;--card:#fff;--text:#16202e;--soft:#5b6878;"
    "--line:#d5dce6;--main:#c2410c;--main2:#9a3412;--bad:#b42318;--badbg:#fef3f2;--good:#067647}"
    "@media(prefers-color-scheme:dark){:root{--bg:#0e131b;--card:#171e29;--text:#e8edf4;"
    "--soft:#9aa8ba;--line:#2b3646;--main:#f97316;--main2:#fb8c3c;--bad:#fda29b;--badbg:#3a1512;"
    "--good:#47cd89}}"
    "*{box-sizing:border-box}html,body{height:100%}"
    "body{margin:0;background:var(--bg);color:var(--text);font:16px/1.5 system-ui,-apple-system,"
    "'Segoe UI',Roboto,Cantarell,sans-serif;display:grid;place-items:center;padding:24px}"
    "main{width:100%;max-width:400px;background:var(--card);border:1px solid var(--line);"
    "border-radius:14px;padding:32px;box-shadow:0 8px 30px rgba(16,24,40,.08)}"
    ".brand{display:flex;align-items:center;gap:10px;font-weight:650;color:var(--soft);"
    "margin-bottom:20px}"
    ".mark{width:28px;height:28px;border-radius:8px;background:var(--main);display:inline-block;"
    "position:relative}"
    ".mark:after{content:'';position:absolute;inset:8px;border-radius:50%;background:var(--card)}"
    "h1{font-size:1.45rem;line-height:1.25;margin:0 0 6px}p{margin:0 0 20px;color:var(--soft)}"
    "label{display:block;font-weight:560;margin:0 0 6px}"
    "input[type=email],input[type=text],input[type=password]{width:100%;font:inherit;color:inherit;"
    "background:transparent;border:1px solid var(--line);border-radius:9px;padding:11px 13px;"
    "margin:0 0 16px}"
    "input.code{font-family:ui-monospace,monospace;font-size:1.5rem;letter-spacing:.14em;"
    "text-align:center;text-transform:uppercase}"
    "input:focus-visible,button:focus-visible{outline:3px solid var(--main);outline-offset:2px}"
    "button{width:100%;font:inherit;font-weight:600;border-radius:9px;padding:12px 14px;"
    "cursor:pointer;border:1px solid var(--main);background:var(--main);color:#fff}"
    "button:hover{background:var(--main2);border-color:var(--main2)}"
    "button.other{margin-top:10px;background:transparent;color:var(--text);"
    "border-color:var(--line)}"
    ".problem{background:var(--badbg);color:var(--bad);border-radius:9px;padding:11px 13px;"
    "margin:0 0 18px}"
    ".big{font-family:ui-monospace,monospace;font-size:1.6rem;letter-spacing:.14em;"
    "text-align:center;color:var(--text);border:1px dashed var(--line);border-radius:9px;"
    "padding:12px}"
    ".qr{display:block;width:220px;height:220px;margin:0 auto 16px;background:#fff;"
    "border-radius:9px}.key{font-family:ui-monospace,monospace;overflow-wrap:anywhere;"
    "text-align:center;color:var(--text)}"
    "a.button{display:block;margin-top:10px;padding:11px 14px;border:1px solid var(--line);"
    "border-radius:9px;text-align:center;font-weight:600;color:var(--text);text-decoration:none}"
    "a.button:hover{border-color:var(--main)}"
    ".icon{font-size:2.4rem;line-height:1;margin:0 0 10px}.y{color:var(--good)}.n{color:var(--bad)}"
    "footer{margin-top:22px;font-size:.83rem;color:var(--soft)}";

enum rk_code idp_style(struct http_req *req, struct http_resp *resp, struct db *db,
                       struct rk_err *err)
{
    (void)req;
    (void)db;
    (void)err;
    resp->content_type = "text/css; charset=utf-8";
    http_resp_header(resp, "Cache-Control", RK_STR("public, max-age=3600"));
    http_resp_header(resp, "X-Content-Type-Options", RK_STR("nosniff"));
    rk_buf_addz(&resp->body, STYLE);
    return RK_OK;
}

static void esc(struct rk_buf *b, struct rk_str s)
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
                                     "default-src 'none'; style-src 'self'; base-uri 'none'; "
                                     "frame-ancestors 'none'; form-action 'self'%s%.*s",
                                     form_to.n ? " " : "", RK_STR_ARG(form_to)));
    http_resp_header(resp, "X-Frame-Options", RK_STR("DENY"));
    http_resp_header(resp, "X-Content-Type-Options", RK_STR("nosniff"));
    http_resp_header(resp, "Referrer-Policy", RK_STR("no-referrer"));
}

static void begin(struct http_req *req, struct rk_buf *b, const char *title)
{
    rk_buf_printf(b,
                  "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                  "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                  "<meta name=\"robots\" content=\"noindex\"><title>%s</title>"
                  "<link rel=\"stylesheet\" href=\"%s/static/style.css\"></head><body><main>"
                  "<div class=\"brand\"><span class=\"mark\" aria-hidden=\"true\"></span>"
                  "Rookery</div>",
                  title, idp_of(req)->path);
}

static void end(struct rk_buf *b, const char *foot)
{
    if (foot)
        rk_buf_printf(b, "<footer>%s</footer>", foot);
    rk_buf_addz(b, "</main></body></html>\n");
}

static void problem_line(struct rk_buf *b, const char *problem)
{
    if (!problem)
        return;
    rk_buf_addz(b, "<div class=\"problem\" role=\"alert\">");
    esc(b, rk_str_z(problem));
    rk_buf_addz(b, "</div>");
}

static void form(struct http_req *req, struct rk_buf *b, const char *action, struct rk_str sealed)
{
    rk_buf_printf(b, "<form method=\"post\" action=\"%s%s\">", idp_of(req)->path, action);
    rk_buf_addz(b, "<input type=\"hidden\" name=\"request\" value=\"");
    esc(b, sealed);
    rk_buf_addz(b, "\">");
}

/* "https://host:port" of a URI. */
static struct rk_str origin_of(struct rk_str uri)
{
    size_t at = rk_str_find(uri, RK_STR("://"));
    struct rk_str rest = rk_str_sub(uri, at + 3, uri.n);

    return rk_str_sub(uri, 0, at + 3 + rk_str_find_c(rest, '/'));
}

/* Links, not forms: form-action would have to name every provider. */
static void connector_links(struct http_req *req, struct rk_buf *b,
                            const struct idp_connector_list *l, struct rk_str sealed)
{
    for (size_t i = 0; i < l->n; i++) {
        rk_buf_printf(
            b, "<a class=\"button\" id=\"connector-%zu\" href=\"%s/auth/external?connector=", i,
            idp_of(req)->path);
        esc(b, rk_percent_encode(req->mem, l->v[i].id));
        rk_buf_addz(b, "&amp;request=");
        esc(b, rk_percent_encode(req->mem, sealed));
        rk_buf_addz(b, "\">Continue with ");
        esc(b, l->v[i].name);
        rk_buf_addz(b, "</a>");
    }
}

static void password_form(struct http_req *req, struct rk_buf *b, struct rk_str sealed,
                          struct rk_str login)
{
    form(req, b, "/login", sealed);
    rk_buf_addz(b, "<label for=\"login\">Email</label><input type=\"email\" id=\"login\" "
                   "name=\"login\" autocomplete=\"username\" required maxlength=\"254\" "
                   "spellcheck=\"false\" value=\"");
    esc(b, login);
    rk_buf_printf(b,
                  "\"%s><label for=\"password\">Password</label><input type=\"password\" "
                  "id=\"password\" name=\"password\" autocomplete=\"current-password\" required "
                  "maxlength=\"128\"%s><button type=\"submit\" id=\"submit\">Sign in</button>"
                  "</form>",
                  login.n ? "" : " autofocus", login.n ? " autofocus" : "");
}

enum rk_code idp_page_login(struct http_req *req, struct http_resp *resp, struct db *db,
                            const struct idp_request *r, unsigned status, const char *problem,
                            struct rk_str login, struct rk_err *err)
{
    struct rk_buf *b = &resp->body;
    struct idp_connectors t = {db, mgmt_vault(idp_of(req)->m), req->mem};
    struct idp_connector_list others = {0};
    struct rk_str sealed;
    enum rk_code rc = idp_request_seal(req, resp, r, &sealed, err);

    if (rc == RK_OK)
        rc = idp_connectors_list(&t, &others, err);
    if (rc)
        return rc;
    resp->status = status;
    idp_page_headers(req, resp, r->what == IDP_FOR_AUTH ? origin_of(r->redirect_uri) : RK_STR(""));
    begin(req, b, "Sign in");
    rk_buf_addz(b, "<h1>Sign in</h1><p>");
    rk_buf_addz(b, r->what == IDP_FOR_AUTH ? "Use your account to continue."
                                           : "Sign in to connect your device.");
    rk_buf_addz(b, "</p>");
    problem_line(b, problem);
    if (!idp_of(req)->local_auth_disabled)
        password_form(req, b, sealed, login);
    connector_links(req, b, &others, sealed);
    end(b, NULL);
    return RK_OK;
}

enum rk_code idp_page_code(struct http_req *req, struct http_resp *resp, unsigned status,
                           const char *problem, struct rk_str code, struct rk_str login_hint,
                           struct rk_err *err)
{
    struct idp_request r = {.what = IDP_FOR_CODE, .login_hint = login_hint};
    struct rk_buf *b = &resp->body;
    struct rk_str sealed;
    enum rk_code rc = idp_request_seal(req, resp, &r, &sealed, err);

    if (rc)
        return rc;
    resp->status = status;
    idp_page_headers(req, resp, RK_STR(""));
    begin(req, b, "Connect a device");
    rk_buf_addz(b, "<h1>Connect a device</h1><p>Enter the code that your device shows.</p>");
    problem_line(b, problem);
    form(req, b, "/device", sealed);
    rk_buf_addz(b, "<label for=\"user_code\">Code</label><input class=\"code\" type=\"text\" "
                   "id=\"user_code\" name=\"user_code\" autocomplete=\"off\" autocapitalize="
                   "\"characters\" spellcheck=\"false\" required maxlength=\"16\" "
                   "placeholder=\"XXXX-XXXX\" autofocus value=\"");
    esc(b, code);
    rk_buf_addz(b, "\"><button type=\"submit\" id=\"submit\">Continue</button></form>");
    end(b, "Go on only if you have started this on a device of your own.");
    return RK_OK;
}

enum rk_code idp_page_confirm(struct http_req *req, struct http_resp *resp,
                              const struct idp_request *r, struct rk_str who, struct rk_err *err)
{
    struct rk_buf *b = &resp->body;
    struct rk_str sealed;
    enum rk_code rc = idp_request_seal(req, resp, r, &sealed, err);

    if (rc)
        return rc;
    idp_page_headers(req, resp, RK_STR(""));
    begin(req, b, "Connect this device?");
    rk_buf_addz(b, "<h1>Connect this device?</h1><p>It will join the network as ");
    esc(b, who);
    rk_buf_addz(b, ". Its screen must show this code:</p><p class=\"big\">");
    esc(b, r->user_code);
    rk_buf_addz(b, "</p>");
    form(req, b, "/device/confirm", sealed);
    rk_buf_addz(b, "<button type=\"submit\" name=\"answer\" value=\"allow\" id=\"allow\">Connect"
                   "</button><button class=\"other\" type=\"submit\" name=\"answer\" "
                   "value=\"deny\" id=\"deny\">Refuse</button></form>");
    end(b, "If somebody sent you here, refuse.");
    return RK_OK;
}

#define QR_EDGE 4 /* modules of white around it, as scanners want */

/* One path of an inline SVG: needs no image, so the CSP stays closed. */
static void qr(struct rk_buf *b, const char *text)
{
    QRcode *q = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);

    if (!q)
        return; /* the text is below it */
    rk_buf_printf(b,
                  "<svg class=\"qr\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"QR code\">"
                  "<path fill=\"#000\" d=\"",
                  q->width + 2 * QR_EDGE, q->width + 2 * QR_EDGE);
    for (int y = 0; y < q->width; y++)
        for (int x = 0; x < q->width; x++)
            if (q->data[y * q->width + x] & 1)
                rk_buf_printf(b, "M%d %dh1v1h-1z", x + QR_EDGE, y + QR_EDGE);
    rk_buf_addz(b, "\"/></svg>");
    QRcode_free(q);
}

static void secret_lines(struct http_req *req, struct rk_buf *b, struct rk_str secret,
                         struct rk_str email)
{
    struct rk_str host = rk_str_z(idp_of(req)->base), uri;

    host = rk_str_sub(host, rk_str_find(host, RK_STR("://")) + 3, host.n);
    uri = rk_arena_printf(req->mem, "otpauth://totp/%.*s:%.*s?secret=%.*s&issuer=%.*s",
                          RK_STR_ARG(rk_percent_encode(req->mem, host)),
                          RK_STR_ARG(rk_percent_encode(req->mem, email)), RK_STR_ARG(secret),
                          RK_STR_ARG(rk_percent_encode(req->mem, host)));
    rk_buf_addz(b, "<p>Your organisation asks for a second factor. Scan this with an "
                   "authenticator app, or enter the key by hand.</p>");
    qr(b, uri.p);
    rk_buf_addz(b, "<p class=\"key\" id=\"secret\">");
    esc(b, secret);
    rk_buf_addz(b, "</p>");
}

enum rk_code idp_page_totp(struct http_req *req, struct http_resp *resp,
                           const struct idp_request *r, unsigned status, const char *problem,
                           struct rk_str email, struct rk_err *err)
{
    struct rk_buf *b = &resp->body;
    struct rk_str sealed;
    enum rk_code rc = idp_request_seal(req, resp, r, &sealed, err);

    if (rc)
        return rc;
    resp->status = status;
    idp_page_headers(req, resp, r->what == IDP_FOR_AUTH ? origin_of(r->redirect_uri) : RK_STR(""));
    begin(req, b, "Second factor");
    rk_buf_addz(b, r->secret.n ? "<h1>Set up your second factor</h1>"
                               : "<h1>Second factor</h1><p>Enter the code that your authenticator "
                                 "app shows.</p>");
    if (r->secret.n)
        secret_lines(req, b, r->secret, email);
    problem_line(b, problem);
    form(req, b, "/totp/verify", sealed);
    rk_buf_addz(b, "<label for=\"totp\">Code</label><input class=\"code\" type=\"text\" "
                   "id=\"totp\" name=\"totp\" inputmode=\"numeric\" autocomplete="
                   "\"one-time-code\" pattern=\"[0-9]{6}\" maxlength=\"6\" required autofocus>"
                   "<button type=\"submit\" id=\"submit\">Continue</button></form>");
    end(b, NULL);
    return RK_OK;
}

enum rk_code idp_page_end(struct http_req *req, struct http_resp *resp, unsigned status, char icon,
                          const char *title, const char *text)
{
    struct rk_buf *b = &resp->body;

    resp->status = status;
    idp_page_headers(req, resp, RK_STR(""));
    begin(req, b, title);
    rk_buf_printf(b, "<div class=\"icon %c\" aria-hidden=\"true\">%s</div><h1>%s</h1><p>", icon,
                  icon == 'y' ? "&#10003;" : "&#10005;", title);
    esc(b, rk_str_z(text));
    rk_buf_addz(b, "</p>");
    end(b, NULL);
    return RK_OK;
}
