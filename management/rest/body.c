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
    json_put_arr(b);
    for (size_t i = 0; i < l->n; i++)
        json_put_str(b, l->v[i]);
    json_put_arr_end(b);
}

void put_strs_or_null(struct rk_buf *b, const struct str_list *l)
{
    if (l->v)
        put_strs(b, l);
    else
        json_put_null(b);
}

void put_group_min(struct rk_buf *b, const struct snapshot *s, const struct group *g,
                   bool with_issued)
{
    json_put_obj(b);
    json_put_key_str(b, "id", g->id);
    json_put_key_str(b, "name", g->name);
    json_put_key_int(b, "peers_count", (int64_t)snap_group_size(s, g->id));
    json_put_key_int(b, "resources_count", (int64_t)g->n_resources);
    if (with_issued)
        json_put_key_str(b, "issued", rk_str_z(issued_by_text(g->issued)));
    json_put_obj_end(b);
}

void put_ref(struct rk_buf *b, const struct resource_ref *r)
{
    json_put_obj(b);
    json_put_key_str(b, "id", r->id);
    json_put_key_str(b, "type", rk_str_z(resource_type_text(r->type)));
    json_put_obj_end(b);
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
        json_put_plain(b, rk_ip_format(ip, text));
        return;
    }
    for (int i = 0; i < 4; i++) { /* thousands of times per list */
        if (i)
            *p++ = '.';
        p = put_byte(p, ip->b[i]);
    }
    json_put_plain(b, rk_str_of(text, (size_t)(p - text)));
}

void put_prefix(struct rk_buf *b, const struct rk_prefix *p)
{
    char text[RK_ADDR_TEXT];

    json_put_plain(b, rk_prefix_format(p, text));
}

enum rk_code answer_rows(struct http_req *req, struct http_resp *resp, enum entity_kind kind,
                         put_row *put)
{
    struct snap_iter it = snap_iter(op_of(req)->snap, kind);
    const void *row;

    json_put_arr(&resp->body);
    while ((row = snap_next(&it)) != NULL)
        put(req, &resp->body, row);
    json_put_arr_end(&resp->body);
    return answer_done(resp);
}
