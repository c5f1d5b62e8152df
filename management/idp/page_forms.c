/* SPDX-License-Identifier: BSD-3-Clause */
/* The pages with forms: signing in, codes, consent, second factor. They say which server this is,
 * which program asks, and what to do when something is forgotten or lost. */
#include "config.h"

#include "management/idp/page_forms.h"

#include <qrencode.h>

#include "lib/base/enc.h"
#include "management/identity/connectors.h"
#include "management/idp/base.h"
#include "management/idp/pages.h"
#include "management/idp/request.h"

/* "https://host:port" of a URI. */
static struct rk_str origin_of(struct rk_str uri)
{
    size_t at = rk_str_find(uri, RK_STR("://"));
    struct rk_str rest = rk_str_sub(uri, at + 3, uri.n);

    return rk_str_sub(uri, 0, at + 3 + rk_str_find_c(rest, '/'));
}

static struct rk_str form_to(const struct idp_request *r)
{
    return r->what == IDP_FOR_AUTH || r->what == IDP_FOR_CONSENT ? origin_of(r->redirect_uri)
                                                                 : RK_STR("");
}

/* Which program asks, in words. */
static void who_asks(struct http_req *req, struct rk_buf *b, const struct idp_request *r)
{
    if (rk_str_eqz(r->client_id, IDP_CLIENT_CLI)) {
        rk_buf_addz(b, "<strong id=\"client\">The agent on this computer</strong>");
    } else if (r->what == IDP_FOR_AUTH) {
        rk_buf_addz(b, "<strong id=\"client\">The dashboard</strong>");
    } else {
        rk_buf_addz(b, "<strong id=\"client\">A device</strong>");
    }
    rk_buf_addz(b, " wants to sign in at <strong>");
    page_esc(b, page_host(req));
    rk_buf_addz(b, "</strong>.");
}

static void help(struct http_req *req, struct rk_buf *b, const char *question, const char *answer)
{
    const char *own = idp_of(req)->help_text;

    rk_buf_printf(b, "<details id=\"help\"><summary>%s</summary><p>", question);
    page_esc(b, rk_str_z(*own ? own : answer));
    rk_buf_addz(b, "</p></details>");
}

/* ---- signing in */

/* Links, not forms: form-action would have to name every provider. */
static void connector_links(struct http_req *req, struct rk_buf *b,
                            const struct idp_connector_list *l, struct rk_str sealed)
{
    for (size_t i = 0; i < l->n; i++) {
        rk_buf_printf(
            b, "<a class=\"button\" id=\"connector-%zu\" href=\"%s/auth/external?connector=", i,
            idp_of(req)->path);
        page_esc(b, rk_percent_encode(req->mem, l->v[i].id));
        rk_buf_addz(b, "&amp;request=");
        page_esc(b, rk_percent_encode(req->mem, sealed));
        rk_buf_addz(b, "\">Continue with ");
        page_esc(b, l->v[i].name);
        rk_buf_addz(b, "</a>");
    }
}

static void password_form(struct http_req *req, struct rk_buf *b, struct rk_str sealed,
                          struct rk_str login)
{
    page_form(req, b, "/login", sealed);
    rk_buf_addz(b, "<label for=\"login\">Email</label><input type=\"email\" id=\"login\" "
                   "name=\"login\" autocomplete=\"username\" required maxlength=\"254\" "
                   "spellcheck=\"false\" value=\"");
    page_esc(b, login);
    rk_buf_printf(b,
                  "\"%s><label for=\"password\">Password</label><input type=\"password\" "
                  "id=\"password\" name=\"password\" autocomplete=\"current-password\" required "
                  "maxlength=\"128\"%s><button type=\"button\" class=\"plain\" "
                  "data-show=\"password\" aria-pressed=\"false\" hidden>Show password</button>"
                  "<button type=\"submit\" id=\"submit\">Sign in</button></form>",
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
    idp_page_headers(req, resp, form_to(r));
    page_remember(req, resp, r);
    page_begin(req, b, "Sign in");
    rk_buf_addz(b, "<h1>Sign in</h1><p>");
    who_asks(req, b, r);
    rk_buf_addz(b, "</p>");
    page_problem(b, problem);
    if (!idp_of(req)->local_auth_disabled)
        password_form(req, b, sealed, login);
    connector_links(req, b, &others, sealed);
    help(
        req, b, "Forgot your password, or cannot sign in?",
        "Passwords cannot be looked up. Ask whoever runs this server, or invited you, to set a new "
        "one.");
    page_end(b, NULL);
    return RK_OK;
}

/* ---- devices */

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
    page_begin(req, b, "Connect a device");
    rk_buf_addz(b, "<h1>Connect a device</h1><p>Enter the code that your device shows.</p>");
    page_problem(b, problem);
    page_form(req, b, "/device", sealed);
    rk_buf_addz(b, "<label for=\"user_code\">Code</label><input class=\"code\" type=\"text\" "
                   "id=\"user_code\" name=\"user_code\" autocomplete=\"off\" autocapitalize="
                   "\"characters\" spellcheck=\"false\" required maxlength=\"16\" "
                   "placeholder=\"XXXX-XXXX\" autofocus value=\"");
    page_esc(b, code);
    rk_buf_addz(b, "\"><button type=\"submit\" id=\"submit\">Continue</button></form>");
    page_end(b, "Go on only if you have started this on a device of your own.");
    return RK_OK;
}

static void answers(struct rk_buf *b, const char *yes)
{
    rk_buf_printf(b,
                  "<button type=\"submit\" name=\"answer\" value=\"allow\" id=\"allow\">%s"
                  "</button><button class=\"other\" type=\"submit\" name=\"answer\" "
                  "value=\"deny\" id=\"deny\">Refuse</button><button class=\"other\" "
                  "type=\"submit\" name=\"answer\" value=\"other\" id=\"other\">Not you? Sign in "
                  "as somebody else</button></form>",
                  yes);
}

enum rk_code idp_page_confirm(struct http_req *req, struct http_resp *resp,
                              const struct idp_request *r, struct rk_str who, struct rk_err *err)
{
    bool device = r->what == IDP_FOR_CONFIRM;
    struct rk_buf *b = &resp->body;
    struct rk_str sealed;
    enum rk_code rc = idp_request_seal(req, resp, r, &sealed, err);

    if (rc)
        return rc;
    idp_page_headers(req, resp, form_to(r));
    page_remember(req, resp, r);
    page_begin(req, b, device ? "Connect this device?" : "Sign in the agent?");
    if (device) {
        rk_buf_addz(b, "<h1>Connect this device?</h1><p>It will join the network as <strong>");
        page_esc(b, who);
        rk_buf_addz(b, "</strong>. Its screen must show this code:</p><p class=\"big\">");
        page_esc(b, r->user_code);
        rk_buf_addz(b, "</p>");
    } else {
        rk_buf_addz(b, "<h1>Sign in the agent?</h1><p>");
        who_asks(req, b, r);
        rk_buf_addz(b, " This computer would join the network as <strong>");
        page_esc(b, who);
        rk_buf_addz(b, "</strong>. The answer goes to <code>");
        page_esc(b, r->redirect_uri);
        rk_buf_addz(b, "</code>.</p>");
    }
    page_form(req, b, device ? "/device/confirm" : "/consent", sealed);
    answers(b, device ? "Connect" : "Sign in");
    page_end(b, device ? "If somebody sent you here, refuse."
                       : "If you have not just started the agent, refuse.");
    return RK_OK;
}

/* ---- second factor */

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

static void copy_button(struct rk_buf *b, struct rk_str text, const char *label)
{
    rk_buf_addz(b, "<button type=\"button\" class=\"plain\" hidden data-copy=\"");
    page_esc(b, text);
    rk_buf_printf(b, "\">%s</button>", label);
}

/* Groups of four, for people who type it; apps ignore the blanks. */
static void secret_groups(struct rk_buf *b, struct rk_str secret)
{
    rk_buf_addz(b, "<p class=\"key\" id=\"secret\">");
    for (size_t k = 0; k < secret.n; k += 4) {
        if (k)
            rk_buf_addc(b, ' ');
        page_esc(b, rk_str_sub(secret, k, 4));
    }
    rk_buf_addz(b, "</p>");
}

static void secret_lines(struct http_req *req, struct rk_buf *b, struct rk_str secret,
                         struct rk_str email)
{
    struct rk_str host = rk_percent_encode(req->mem, page_host(req)), uri;

    uri = rk_arena_printf(req->mem, "otpauth://totp/%.*s:%.*s?secret=%.*s&issuer=%.*s",
                          RK_STR_ARG(host), RK_STR_ARG(rk_percent_encode(req->mem, email)),
                          RK_STR_ARG(secret), RK_STR_ARG(host));
    rk_buf_addz(b, "<p>Your organisation asks for a second factor. Scan this with an "
                   "authenticator app, or enter the key by hand.</p>");
    qr(b, uri.p);
    rk_buf_addz(b, "<a class=\"button\" id=\"otpauth\" href=\"");
    page_esc(b, uri);
    rk_buf_addz(b, "\">On this phone: open the authenticator app</a><br>");
    secret_groups(b, secret);
    copy_button(b, secret, "Copy the key");
}

static void recovery_lines(struct rk_buf *b, struct rk_str codes)
{
    struct rk_str rest = codes, one;

    rk_buf_addz(b, "<p>Keep these recovery codes in a safe place. Each signs you in once on a day "
                   "without the app. They are not shown again.</p><ul class=\"codes\" "
                   "id=\"recovery\">");
    while (rest.n) {
        (void)rk_str_cut(rest, ' ', &one, &rest);
        rk_buf_addz(b, "<li><code>");
        page_esc(b, one);
        rk_buf_addz(b, "</code></li>");
    }
    rk_buf_addz(b, "</ul>");
    copy_button(b, codes, "Copy the codes");
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
    idp_page_headers(req, resp, form_to(r));
    page_begin(req, b, "Second factor");
    rk_buf_addz(b, r->secret.n ? "<h1>Set up your second factor</h1>"
                               : "<h1>Second factor</h1><p>Enter the code that your authenticator "
                                 "app shows, or one of your recovery codes.</p>");
    if (r->secret.n) {
        secret_lines(req, b, r->secret, email);
        recovery_lines(b, r->recovery);
    }
    page_problem(b, problem);
    page_form(req, b, "/totp/verify", sealed);
    rk_buf_printf(b,
                  "<label for=\"totp\">%s</label><input class=\"code\" type=\"text\" "
                  "id=\"totp\" name=\"totp\"%s autocomplete=\"one-time-code\" "
                  "autocapitalize=\"characters\" spellcheck=\"false\" maxlength=\"16\" required "
                  "autofocus><button type=\"submit\" id=\"submit\">Continue</button></form>",
                  r->secret.n ? "Code that the app shows now" : "Code",
                  r->secret.n ? " inputmode=\"numeric\"" : "");
    if (!r->secret.n)
        help(req, b, "Lost your phone?",
             "A recovery code signs you in and lets you set up another app. Without one, ask "
             "whoever runs this server to reset your second factor.");
    page_end(b, NULL);
    return RK_OK;
}
