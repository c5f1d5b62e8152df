/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /api/events/network-traffic: who talked to whom. Names are looked up when the list is read; what
 * is gone by then is shown by its address.
 */
#include "config.h"

#include <netinet/in.h>

#include "lib/base/enc.h"
#include "management/ops/users.h"
#include "management/rest/handlers.h"
#include "management/rest/query.h"
#include "management/traffic/read.h"

#define PAGE_DEFAULT 1000

static const char *const TYPES[] = {"TYPE_UNKNOWN", "TYPE_START", "TYPE_END", "TYPE_DROP"};
static const char *const DIRECTIONS[] = {"DIRECTION_UNKNOWN", "INGRESS", "EGRESS"};
static const char *const CONNECTIONS[] = {"P2P", "ROUTED"};
static const char *const ENDS[] = {"UNKNOWN",         "PEER", "HOST_RESOURCE", "SUBNET_RESOURCE",
                                   "DOMAIN_RESOURCE", "ROUTE"};

/* ---- names */

/* What stands at an end: a machine, a resource or a route, as far as it is still there. */
struct named {
    const struct peer *peer;
    struct rk_str name;
};

static struct named name_of(const struct snapshot *s, const struct traffic_end *e)
{
    const struct resource *r = e->id.n ? snap_find(s, ENT_RESOURCE, e->id) : NULL;
    const struct route *route = e->id.n && !r ? snap_find(s, ENT_ROUTE, e->id) : NULL;
    const struct peer *p = e->type == TRAFFIC_PEER ? snap_peer(s, e->id) : NULL;

    return (struct named){p, p ? p->name : r ? r->name : route ? route->net_id : e->ip};
}

/* ---- the filter */

static bool has(struct rk_str text, struct rk_str part)
{
    for (size_t i = 0; i + part.n <= text.n; i++)
        if (rk_str_ieq(rk_str_sub(text, i, part.n), part))
            return true;
    return false;
}

struct search {
    const struct snapshot *snap;
    struct rk_str text;
};

static bool end_has(const struct search *s, const struct traffic_end *e)
{
    return has(e->ip, s->text) || has(name_of(s->snap, e).name, s->text);
}

static bool is_found(void *arg, const struct traffic_row *r)
{
    const struct search *s = arg;
    const struct user *u = r->user_id.n ? snap_user(s->snap, r->user_id) : NULL;

    return (u && (has(u->email, s->text) || has(user_shown_name(u), s->text))) ||
           end_has(s, &r->source) || end_has(s, &r->dest);
}

/* One of a few words; absent: any. */
static enum rk_code query_word(struct http_req *req, const char *name, const char *const *words,
                               size_t n, int64_t *out, struct rk_err *err)
{
    struct rk_str text, all = RK_STR("");

    *out = TRAFFIC_ANY;
    if (!http_req_query(req, name, &text) || !text.n)
        return RK_OK;
    for (size_t i = 0; i < n; i++) {
        if (rk_str_eqz(text, words[i])) {
            *out = (int64_t)i;
            return RK_OK;
        }
        all = RK_CAT(req->mem, all, i ? RK_STR(", ") : RK_STR(""), rk_str_z(words[i]));
    }
    return rk_fail(err, RK_INVALID, "%s must be one of %.*s", name, RK_STR_ARG(all));
}

static enum rk_code read_words(struct http_req *req, struct traffic_filter *f, struct rk_err *err)
{
    enum rk_code rc = query_word(req, "type", TYPES, RK_ARRAY_LEN(TYPES), &f->type, err);

    if (!rc)
        rc = query_word(req, "connection_type", CONNECTIONS, RK_ARRAY_LEN(CONNECTIONS), &f->routed,
                        err);
    return rc ? rc
              : query_word(req, "direction", DIRECTIONS, RK_ARRAY_LEN(DIRECTIONS), &f->direction,
                           err);
}

static enum rk_code read_filter(struct http_req *req, struct traffic_filter *f, int64_t *page,
                                struct rk_err *err)
{
    enum rk_code rc;

    *f = (struct traffic_filter){
        .protocol = TRAFFIC_ANY, .until_us = INT64_MAX, .limit = PAGE_DEFAULT};
    *page = 1;
    (void)http_req_query(req, "user_id", &f->user_id);
    (void)http_req_query(req, "reporter_id", &f->reporter);
    (void)http_req_query(req, "source_id", &f->source_id);
    (void)http_req_query(req, "destination_id", &f->dest_id);
    rc = read_words(req, f, err);
    if (!rc)
        rc = query_int(req, "protocol", 0, UINT8_MAX, &f->protocol, err);
    if (!rc)
        rc = query_time(req, "start_date", &f->since_us, err);
    if (!rc)
        rc = query_time(req, "end_date", &f->until_us, err);
    if (!rc)
        rc = query_int(req, "page_size", 1, TRAFFIC_PAGE_MAX, &f->limit, err);
    if (!rc)
        rc = query_int(req, "page", 1, INT64_C(1) << 40, page, err);
    f->offset = (*page - 1) * f->limit;
    return rc;
}

/* ---- the answer */

static void put_end(struct http_req *req, struct rk_buf *b, const struct traffic_row *r,
                    const struct traffic_end *e)
{
    struct named n = name_of(op_of(req)->snap, e);
    bool port = e->port && (r->protocol == IPPROTO_TCP || r->protocol == IPPROTO_UDP ||
                            r->protocol == IPPROTO_SCTP);

    json_put_obj(b);
    json_put_key_str(b, "id", e->id);
    json_put_key_plain(b, "type",
                       rk_str_z(ENDS[(size_t)e->type < RK_ARRAY_LEN(ENDS) ? e->type : 0]));
    json_put_key_str(b, "name", n.name);
    json_put_key_obj(b, "geo_location");
    json_put_key_str(b, "city_name", n.peer ? n.peer->location.city_name : RK_STR(""));
    json_put_key_str(b, "country_code", n.peer ? n.peer->location.country_code : RK_STR(""));
    json_put_obj_end(b);
    json_put_key(b, "os");
    if (n.peer)
        json_put_str(b, n.peer->meta.os);
    else
        json_put_null(b);
    json_put_key_plain(
        b, "address",
        !port ? e->ip
        : rk_str_find_c(e->ip, ':') < e->ip.n
            ? rk_arena_printf(req->mem, "[%.*s]:%lld", RK_STR_ARG(e->ip), (long long)e->port)
            : rk_arena_printf(req->mem, "%.*s:%lld", RK_STR_ARG(e->ip), (long long)e->port));
    json_put_key(b, "dns_label");
    if (n.peer)
        json_put_str(b, n.peer->dns_label);
    else
        json_put_null(b);
    json_put_obj_end(b);
}

static void put_owner(struct http_req *req, struct rk_buf *b, const struct traffic_row *r)
{
    const struct snapshot *s = op_of(req)->snap;
    const struct user *u = r->user_id.n ? snap_user(s, r->user_id) : NULL;
    const struct policy *p = r->policy_id.n ? snap_policy(s, r->policy_id) : NULL;

    json_put_key_obj(b, "user");
    json_put_key_str(b, "id", r->user_id);
    json_put_key_str(b, "email", u ? u->email : RK_STR(""));
    json_put_key_str(b, "name", u ? user_shown_name(u) : RK_STR(""));
    json_put_obj_end(b);
    json_put_key_obj(b, "policy");
    json_put_key_str(b, "id", r->policy_id);
    json_put_key_str(b, "name", p ? p->name : RK_STR(""));
    json_put_obj_end(b);
}

static void put_counts(struct rk_buf *b, const struct traffic_row *r)
{
    bool icmp = r->protocol == IPPROTO_ICMP || r->protocol == IPPROTO_ICMPV6;

    json_put_key_obj(b, "icmp");
    json_put_key_int(b, "type", icmp ? r->source.port : 0);
    json_put_key_int(b, "code", icmp ? r->dest.port : 0);
    json_put_obj_end(b);
    json_put_key_int(b, "protocol", r->protocol);
    json_put_key_plain(b, "direction", rk_str_z(DIRECTIONS[r->direction]));
    json_put_key_int(b, "rx_bytes", r->n.rx_bytes);
    json_put_key_int(b, "rx_packets", r->n.rx_packets);
    json_put_key_int(b, "tx_bytes", r->n.tx_bytes);
    json_put_key_int(b, "tx_packets", r->n.tx_packets);
    json_put_key_int(b, "num_of_starts", r->n.starts);
    json_put_key_int(b, "num_of_ends", r->n.ends);
    json_put_key_int(b, "num_of_drops", r->n.drops);
    json_put_key_time(b, "window_start", r->window_start_us);
    json_put_key_time(b, "window_end", r->window_end_us);
    json_put_key_time(b, "receive_timestamp", r->received_us);
}

static void put_flow(struct http_req *req, struct rk_buf *b, const struct traffic_flow *f)
{
    const struct traffic_row *r = &f->r;

    json_put_obj(b);
    json_put_key_plain(b, "id", rk_hex_encode(req->mem, r->event_id));
    json_put_key_plain(b, "flow_id", rk_hex_encode(req->mem, r->flow_id));
    json_put_key_str(b, "reporter_id", r->reporter);
    json_put_key(b, "source");
    put_end(req, b, r, &r->source);
    json_put_key(b, "destination");
    put_end(req, b, r, &r->dest);
    put_owner(req, b, r);
    put_counts(b, r);
    json_put_key_arr(b, "events");
    for (size_t i = 0; i < f->n_happened; i++) {
        json_put_obj(b);
        json_put_key_plain(b, "type", rk_str_z(TYPES[f->happened[i].type]));
        json_put_key_time(b, "timestamp", f->happened[i].at_us);
        json_put_obj_end(b);
    }
    json_put_arr_end(b);
    json_put_obj_end(b);
}

enum rk_code rest_events_traffic(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    struct traffic *t = rest_of(req)->o.traffic;
    struct search search = {.snap = op_of(req)->snap};
    struct traffic_filter f;
    struct traffic_flow *flows = NULL;
    int64_t page, total = 0;
    size_t n = 0;
    enum rk_code rc = op_may(op_of(req), PERM_EVENTS, PERM_READ, err);

    (void)db;
    if (!rc)
        rc = read_filter(req, &f, &page, err);
    if (rc)
        return rc;
    if (http_req_query(req, "search", &search.text) && search.text.n) {
        f.wanted = is_found;
        f.arg = &search;
    }
    if (t)
        rc = traffic_list(t, op_account(op_of(req)), &f, req->mem, &flows, &n, &total, err);
    if (rc)
        return rc;
    json_put_obj(&resp->body);
    json_put_key_arr(&resp->body, "data");
    for (size_t i = 0; i < n; i++)
        put_flow(req, &resp->body, &flows[i]);
    json_put_arr_end(&resp->body);
    json_put_key_int(&resp->body, "page", page);
    json_put_key_int(&resp->body, "page_size", f.limit);
    json_put_key_int(&resp->body, "total_records", total);
    json_put_key_int(&resp->body, "total_pages", (total + f.limit - 1) / f.limit);
    json_put_obj_end(&resp->body);
    return answer_done(resp);
}
