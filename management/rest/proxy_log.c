/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/events/proxy: who visited services. As at the official server, what is no value of a
 * parameter is as if it were not there. */
#include "config.h"

#include "lib/base/num.h"
#include "management/ops/proxy_log.h"
#include "management/ops/users.h"
#include "management/rest/handlers.h"
#include "management/rest/query.h"

#define PAGE_SIZE     50
#define PAGE_SIZE_MAX 100

static struct rk_str text_of(struct http_req *req, const char *name)
{
    struct rk_str s = {0};

    return http_req_query(req, name, &s) ? s : RK_STR("");
}

static int64_t number_of(struct http_req *req, const char *name, int64_t min, int64_t otherwise)
{
    int64_t v = otherwise;

    return query_int(req, name, min, INT32_MAX, &v, NULL) ? otherwise : v;
}

static int64_t time_of(struct http_req *req, const char *name)
{
    int64_t v = 0;

    return query_time(req, name, &v, NULL) ? 0 : v;
}

static bool holds(struct rk_str s, struct rk_str part)
{
    for (size_t i = 0; part.n && i + part.n <= s.n; i++)
        if (rk_str_ieq(rk_str_sub(s, i, part.n), part))
            return true;
    return false;
}

/* The first user with a part of the e-mail address or the name; empty: none. */
static struct rk_str user_with(const struct snapshot *s, struct rk_str email, struct rk_str name)
{
    const struct user *u;

    for (struct snap_iter it = snap_iter(s, ENT_USER); (u = snap_next(&it)) != NULL;)
        if (holds(u->email, email) || holds(user_shown_name(u), name))
            return u->id;
    return RK_STR("");
}

static struct proxy_log_filter filter_of(struct http_req *req, int64_t *page)
{
    const struct snapshot *s = op_of(req)->snap;
    struct rk_str status = text_of(req, "status"), user;
    struct proxy_log_filter f = {.source_ip = text_of(req, "source_ip"),
                                 .host = text_of(req, "host"),
                                 .user_id = text_of(req, "user_id"),
                                 .method = text_of(req, "method"),
                                 .path = text_of(req, "path"),
                                 .search = text_of(req, "search"),
                                 .status_code = number_of(req, "status_code", 1, 0),
                                 .since_us = time_of(req, "start_date"),
                                 .until_us = time_of(req, "end_date"),
                                 .sort = text_of(req, "sort_by"),
                                 .ascending = rk_str_eqz(text_of(req, "sort_order"), "asc"),
                                 .limit = number_of(req, "page_size", 1, PAGE_SIZE)};

    f.success = rk_str_eqz(status, "success") ? 1 : rk_str_eqz(status, "failed") ? 2 : 0;
    f.search_user = user_with(s, f.search, f.search);
    user = user_with(s, text_of(req, "user_email"), text_of(req, "user_name"));
    if (user.n)
        f.user_id = user;
    f.limit = rk_min_i64(f.limit, PAGE_SIZE_MAX);
    *page = number_of(req, "page", 1, 1);
    f.offset = (*page - 1) * f.limit;
    return f;
}

static void put_text(struct rk_buf *b, const char *key, struct rk_str s)
{
    if (!s.n)
        return;
    json_put_key_n(b, key, strlen(key));
    json_put_str(b, s);
}

static void put_entry(struct rk_buf *b, const struct proxy_log *e)
{
    json_put_obj(b);
    json_put_key_str(b, "id", e->id);
    json_put_key_str(b, "service_id", e->service_id);
    json_put_key_time(b, "timestamp", e->at_us);
    json_put_key_str(b, "method", e->method);
    json_put_key_str(b, "host", e->host);
    json_put_key_str(b, "path", e->path);
    json_put_key_int(b, "duration_ms", e->duration_ms);
    json_put_key_int(b, "status_code", e->status_code);
    put_text(b, "source_ip", e->source_ip);
    put_text(b, "reason", e->reason);
    put_text(b, "user_id", e->user_id);
    put_text(b, "auth_method_used", e->auth_method);
    put_text(b, "country_code", e->country);
    put_text(b, "city_name", e->city);
    put_text(b, "subdivision_code", e->subdivision);
    json_put_key_int(b, "bytes_upload", e->bytes_upload);
    json_put_key_int(b, "bytes_download", e->bytes_download);
    put_text(b, "protocol", e->protocol);
    if (e->metadata.n) {
        json_put_key(b, "metadata");
        json_put_raw(b, e->metadata);
    }
    json_put_obj_end(b);
}

enum rk_code rest_proxy_log(struct http_req *req, struct http_resp *resp, struct db *db,
                            struct rk_err *err)
{
    struct rk_buf *b = &resp->body;
    struct proxy_log_page l;
    int64_t page;
    struct proxy_log_filter f = filter_of(req, &page);
    enum rk_code rc = proxy_log_read(op_of(req), &f, &l, err);

    (void)db;
    if (rc)
        return rc;
    json_put_obj(b);
    json_put_key_arr(b, "data");
    for (size_t i = 0; i < l.n; i++)
        put_entry(b, &l.v[i]);
    json_put_arr_end(b);
    json_put_key_int(b, "page", page);
    json_put_key_int(b, "page_size", f.limit);
    json_put_key_int(b, "total_records", l.total);
    json_put_key_int(b, "total_pages", (l.total + f.limit - 1) / f.limit);
    json_put_obj_end(b);
    return answer_done(resp);
}
