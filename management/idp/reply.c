/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers that are no pages: redirects, errors of OAuth, cookies. */
#include "config.h"

#include "management/idp/reply.h"

#include <jansson.h>
#include <stdlib.h>

#include "management/idp/base.h"

enum rk_code idp_redirect(struct http_req *req, struct http_resp *resp, struct rk_str to)
{
    (void)req;
    resp->status = 303; /* a POST becomes a GET */
    resp->content_type = "";
    http_resp_header(resp, "Location", to);
    http_resp_header(resp, "Cache-Control", RK_STR("no-store"));
    http_resp_header(resp, "Referrer-Policy", RK_STR("no-referrer"));
    return RK_OK;
}

enum rk_code idp_oauth_error(struct http_resp *resp, unsigned status, const char *error,
                             const char *why)
{
    json_t *o = json_pack("{s:s, s:s}", "error", error, "error_description", why ? why : "");
    char *text = json_dumps(o, JSON_COMPACT);

    resp->status = status;
    rk_buf_addz(&resp->body, text);
    free(text);
    json_decref(o);
    http_resp_header(resp, "Cache-Control", RK_STR("no-store"));
    http_resp_header(resp, "Pragma", RK_STR("no-cache"));
    return RK_OK;
}

void idp_cookie_set(struct http_req *req, struct http_resp *resp, const char *name,
                    struct rk_str value, int64_t max_age_s)
{
    const struct idp *i = idp_of(req);

    http_resp_header(resp, "Set-Cookie",
                     rk_arena_printf(req->mem,
                                     "%s=%.*s; Path=%s; Max-Age=%lld; HttpOnly; SameSite=Lax%s",
                                     name, RK_STR_ARG(value), i->path, (long long)max_age_s,
                                     i->https || req->https ? "; Secure" : ""));
}
