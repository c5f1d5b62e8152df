/* SPDX-License-Identifier: BSD-3-Clause */
/* Encoders and answers that several resources share; see handlers.h. */
#include "config.h"

#include "management/rest/handlers.h"

enum rk_code answer_done(struct http_resp *resp)
{
    rk_buf_addc(&resp->body, '\n');
    return RK_OK;
}

enum rk_code answer_empty(struct http_resp *resp)
{
    rk_buf_add(&resp->body, RK_STR("{}\n"));
    return RK_OK;
}

void put_strs(struct rk_buf *b, const struct str_list *l)
{
    jw_arr(b);
    for (size_t i = 0; i < l->n; i++)
        jw_str(b, l->v[i]);
    jw_arr_end(b);
}

void put_strs_or_null(struct rk_buf *b, const struct str_list *l)
{
    if (l->v)
        put_strs(b, l);
    else
        jw_null(b);
}

void put_group_min(struct rk_buf *b, const struct snapshot *s, const struct group *g,
                   bool with_issued)
{
    jw_obj(b);
    jw_kstr(b, "id", g->id);
    jw_kstr(b, "name", g->name);
    jw_kint(b, "peers_count", (int64_t)snap_group_size(s, g->id));
    jw_kint(b, "resources_count", (int64_t)g->n_resources);
    if (with_issued)
        jw_kstr(b, "issued", rk_str_z(issued_by_text(g->issued)));
    jw_obj_end(b);
}

void put_ref(struct rk_buf *b, const struct resource_ref *r)
{
    jw_obj(b);
    jw_kstr(b, "id", r->id);
    jw_kstr(b, "type", rk_str_z(resource_type_text(r->type)));
    jw_obj_end(b);
}

static char *put_byte(char *p, unsigned v)
{
    if (v >= 100)
        *p++ = (char)('0' + v / 100);
    if (v >= 10)
        *p++ = (char)('0' + v / 10 % 10);
    *p++ = (char)('0' + v % 10);
    return p;
}

void put_ip(struct rk_buf *b, const struct rk_ip *ip)
{
    char text[RK_ADDR_TEXT], *p = text;

    if (ip->family != 4) {
        jw_plain(b, rk_ip_format(ip, text));
        return;
    }
    for (int i = 0; i < 4; i++) { /* thousands of times per list */
        if (i)
            *p++ = '.';
        p = put_byte(p, ip->b[i]);
    }
    jw_plain(b, rk_str_of(text, (size_t)(p - text)));
}

void put_prefix(struct rk_buf *b, const struct rk_prefix *p)
{
    char text[RK_ADDR_TEXT];

    jw_plain(b, rk_prefix_format(p, text));
}

enum rk_code answer_rows(struct http_req *req, struct http_resp *resp, enum entity_kind kind,
                         put_row *put)
{
    struct snap_iter it = snap_iter(op_of(req)->snap, kind);
    const void *row;

    jw_arr(&resp->body);
    while ((row = snap_next(&it)) != NULL)
        put(req, &resp->body, row);
    jw_arr_end(&resp->body);
    return answer_done(resp);
}
