/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The agent network is another product. Dashboards ask for it all the same,
 * so its paths answer as a server that has none of its objects: lists are empty, objects are
 * not found, and nothing can be made. One row of routes.c per path says which.
 */
#include "config.h"

#include "management/rest/absent.h"

#include "lib/base/num.h"
#include "management/rest/handlers.h"

#define PAGE_SIZE     50
#define PAGE_SIZE_MAX 100

/* A wrong number counts as none, as with the official server. */
static int64_t query_int(const struct http_req *req, const char *name, int64_t otherwise)
{
    struct rk_str text;
    int64_t v;

    if (!http_req_query(req, name, &text) || rk_parse_i64(text, 1, INT32_MAX, &v, NULL))
        return otherwise;
    return v;
}

static void put_page(const struct http_req *req, struct rk_buf *b)
{
    int64_t size = query_int(req, "page_size", PAGE_SIZE);

    json_put_obj(b);
    json_put_key_arr(b, "data");
    json_put_arr_end(b);
    json_put_key_int(b, "page", query_int(req, "page", 1));
    json_put_key_int(b, "page_size", rk_min_i64(size, PAGE_SIZE_MAX));
    json_put_key_int(b, "total_records", 0);
    json_put_key_int(b, "total_pages", 0);
    json_put_obj_end(b);
}

/* What the official server shows before the agent network is set up. */
static void put_agent_settings(struct rk_buf *b)
{
    json_put_obj(b);
    json_put_key_str(b, "endpoint", RK_STR(""));
    json_put_key_str(b, "proxy_address", RK_STR(""));
    json_put_key_bool(b, "dedicated", false);
    json_put_key_bool(b, "enable_log_collection", true);
    json_put_key_bool(b, "enable_prompt_collection", false);
    json_put_key_bool(b, "redact_pii", false);
    json_put_key_int(b, "access_log_retention_days", 30);
    json_put_obj_end(b);
}

enum rk_code rest_absent(struct http_req *req, struct http_resp *resp, struct db *db,
                         struct rk_err *err)
{
    static const struct json_field any[1] = {{0}};
    const struct absent *a = req->route->arg;
    int unused;
    enum rk_code rc = RK_OK;

    (void)db;
    if (a->has_body) /* it must be JSON, as everywhere */
        rc = json_body_read(req->mem, req->body, any, 0, &unused, err);
    if (!rc && a->module != PERM_MODULES)
        rc = op_may(op_of(req), a->module, a->op, err);
    if (rc)
        return rc;
    switch (a->answer) {
    case ABSENT_LIST:
        json_put_arr(&resp->body);
        json_put_arr_end(&resp->body);
        return answer_done(resp);
    case ABSENT_PAGE:
        put_page(req, &resp->body);
        return answer_done(resp);
    case ABSENT_AGENT_SETTINGS:
        put_agent_settings(&resp->body);
        return answer_done(resp);
    case ABSENT_NOT_FOUND:
        return rk_fail(err, RK_NOT_FOUND, "%s: %.*s not found", a->text, RK_STR_ARG(param(req, 0)));
    case ABSENT_NO_SETTINGS:
        return rk_fail(err, RK_NOT_FOUND, "agent network settings not found");
    case ABSENT_REFUSED:
        return rk_fail(err, RK_PRECONDITION, "%s", a->text);
    }
    return RK_INTERNAL;
}

/* Return of a browser from the login of a proxied service: no such login was ever started. */
enum rk_code rest_proxy_callback(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    (void)req;
    (void)db;
    (void)err;
    resp->status = 400;
    resp->content_type = HTTP_TEXT;
    rk_buf_addz(&resp->body, "Invalid state parameter\n");
    return RK_OK;
}
