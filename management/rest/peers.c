/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/peers */
#include "config.h"

#include "management/ops/peers.h"

#include "lib/base/num.h"
#include "management/engine/presence.h"
#include "management/netmap/netmap.h"
#include "management/ops/temporary.h"
#include "management/rest/handlers.h"

bool peer_visible(const struct op *op, const struct peer *p)
{
    if (p->proxy_embedded)
        return false;
    if (perm_of_user(op->user, PERM_PEERS) & PERM_READ)
        return true;
    return rk_str_eq(p->user_id, op->user->id) &&
           !perm_is_restricted(op->user, snap_settings(op->snap)->regular_users_view_blocked);
}

static void put_flags(struct rk_buf *b, uint32_t flags)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } FLAGS[] = {
        {"rosenpass_enabled", PEER_FLAG_ROSENPASS},
        {"rosenpass_permissive", PEER_FLAG_ROSENPASS_PERMISSIVE},
        {"server_ssh_allowed", PEER_FLAG_SERVER_SSH_ALLOWED},
        {"disable_client_routes", PEER_FLAG_NO_CLIENT_ROUTES},
        {"disable_server_routes", PEER_FLAG_NO_SERVER_ROUTES},
        {"disable_dns", PEER_FLAG_NO_DNS},
        {"disable_firewall", PEER_FLAG_NO_FIREWALL},
        {"block_lan_access", PEER_FLAG_BLOCK_LAN},
        {"block_inbound", PEER_FLAG_BLOCK_INBOUND},
        {"lazy_connection_enabled", PEER_FLAG_LAZY_CONNECTION},
    };

    json_put_key_obj(b, "local_flags");
    for (size_t i = 0; i < RK_ARRAY_LEN(FLAGS); i++) {
        json_put_key_n(b, FLAGS[i].name, strlen(FLAGS[i].name));
        json_put_bool(b, flags & FLAGS[i].bit);
    }
    json_put_obj_end(b);
}

/* A list names the same few groups over and over: their text is made once. */
#define TEXTS_MAX 256

struct shown {
    struct http_req *req;
    const struct snapshot *snap;
    struct rk_str domain;
    struct {
        const struct group *group;
        struct rk_str json;
    } texts[TEXTS_MAX]; /* by address of the group */
};

static struct shown *shown_new(struct http_req *req)
{
    struct shown *s = rk_new(req->mem, struct shown);

    s->req = req;
    s->snap = op_of(req)->snap;
    s->domain = snap_dns_domain(s->snap);
    return s;
}

static void put_group(struct shown *s, struct rk_buf *b, const struct group *g)
{
    size_t slot = ((uintptr_t)g >> 4) % TEXTS_MAX, from;

    if (s->texts[slot].group == g) {
        json_put_raw(b, s->texts[slot].json);
        return;
    }
    from = b->n;
    put_group_min(b, s->snap, g, false);
    if (b->full)
        return;
    from += b->p[from] == ','; /* which is not part of the text */
    s->texts[slot].group = g;
    s->texts[slot].json = rk_arena_dup(s->req->mem, rk_str_of(b->p + from, b->n - from));
}

static void put_groups(struct shown *s, struct rk_buf *b, const struct peer *p)
{
    const struct group **groups;
    size_t n;

    groups = snap_peer_groups(s->snap, snap_index_of(s->snap, p->id), s->req->mem, &n);
    json_put_key(b, "groups");
    if (!n) {
        json_put_null(b);
        return;
    }
    json_put_arr(b);
    for (size_t i = 0; i < n; i++)
        put_group(s, b, groups[i]);
    json_put_arr_end(b);
}

static void put_labels(struct rk_buf *b, struct rk_str domain, const struct peer *p)
{
    json_put_key(b, "dns_label");
    if (domain.n)
        json_put_joined(b, p->dns_label, '.', domain);
    else
        json_put_str(b, p->dns_label);
    json_put_key_arr(b, "extra_dns_labels");
    for (size_t i = 0; i < p->extra_dns_labels.n; i++)
        if (domain.n)
            json_put_joined(b, p->extra_dns_labels.v[i], '.', domain);
        else
            json_put_str(b, p->extra_dns_labels.v[i]);
    json_put_arr_end(b);
}

static void put_system(struct rk_buf *b, const struct peer *p)
{
    const struct peer_meta *m = &p->meta;

    json_put_key(b, "os");
    json_put_joined(b, m->os, ' ', m->os_version.n ? m->os_version : m->core);
    json_put_key_str(b, "kernel_version", m->kernel_version);
    json_put_key_str(b, "version", m->version);
    json_put_key_str(b, "ui_version", m->ui_version);
    json_put_key_str(b, "hostname", m->hostname);
    json_put_key_str(b, "serial_number", m->serial_number);
    put_flags(b, m->flags);
}

static void put_place(struct rk_buf *b, const struct peer_location *l)
{
    json_put_key(b, "connection_ip");
    if (l->connection_ip.family)
        put_ip(b, &l->connection_ip);
    else
        json_put_plain(b, RK_STR("<nil>")); /* the official server's text for "unknown" */
    json_put_key_int(b, "geoname_id", (int64_t)l->geoname_id);
    json_put_key_str(b, "country_code", l->country_code);
    json_put_key_str(b, "city_name", l->city_name);
}

static void put_addresses(struct rk_buf *b, const struct peer *p)
{
    json_put_key(b, "ip");
    put_ip(b, &p->ip);
    if (p->ip6.family) {
        json_put_key(b, "ipv6");
        put_ip(b, &p->ip6);
    }
}

static void put_presence(struct mgmt *m, struct rk_buf *b, const struct peer *p)
{
    struct presence now = presence_of(m, p);

    json_put_key_bool(b, "connected", now.connected);
    json_put_key_time(b, "last_seen", now.last_seen_us);
}

static void put_peer_members(struct shown *s, struct rk_buf *b, const struct peer *p)
{
    json_put_key_str(b, "id", p->id);
    json_put_key_str(b, "name", p->name);
    put_addresses(b, p);
    put_presence(op_of(s->req)->m, b, p);
    put_system(b, p);
    put_place(b, &p->location);
    put_groups(s, b, p);
    put_labels(b, s->domain, p);
    json_put_key_bool(b, "ssh_enabled", p->ssh_enabled);
    json_put_key_str(b, "user_id", p->user_id);
    json_put_key_bool(b, "login_expiration_enabled", p->login_expiration_enabled);
    json_put_key_bool(b, "login_expired", p->status.login_expired);
    json_put_key_time(b, "last_login", p->last_login_us);
    json_put_key_bool(b, "inactivity_expiration_enabled", p->inactivity_expiration_enabled);
    json_put_key_bool(b, "approval_required", !peer_is_validated(p));
    if (!peer_is_validated(p))
        json_put_key_str(b, "disapproval_reason", RK_STR(""));
    json_put_key_bool(b, "ephemeral", p->ephemeral);
    json_put_key_time(b, "created_at", p->created_at_us);
}

static bool contains_nocase(struct rk_str s, struct rk_str what)
{
    for (size_t i = 0; i + what.n <= s.n; i++)
        if (rk_str_ieq(rk_str_sub(s, i, what.n), what))
            return true;
    return false;
}

static bool ip_contains(const struct peer *p, struct rk_str what)
{
    char a[RK_ADDR_TEXT], b[RK_ADDR_TEXT];

    return contains_nocase(rk_ip_format(&p->ip, a), what) ||
           contains_nocase(rk_ip_format(&p->ip6, b), what);
}

enum rk_code rest_peers_list(struct http_req *req, struct http_resp *resp, struct db *db,
                             struct rk_err *err)
{
    const struct op *op = op_of(req);
    const struct bits *all = snap_peers(op->snap);
    struct shown *s = shown_new(req);
    struct rk_str name = {0}, ip = {0};
    enum peer_scope scope;
    enum rk_code rc = peer_scope_of(op, &scope, err);

    (void)db;
    if (rc)
        return rc;
    if (scope == PEERS_ALL) { /* filters of others are ignored */
        (void)http_req_query(req, "name", &name);
        (void)http_req_query(req, "ip", &ip);
    }
    json_put_arr(&resp->body);
    for (BITS_EACH(i, all)) {
        const struct peer *p = snap_peer_at(op->snap, i);

        if (!peer_visible(op, p) || (name.n && !contains_nocase(p->name, name)) ||
            (ip.n && !ip_contains(p, ip)))
            continue;
        json_put_obj(&resp->body);
        put_peer_members(s, &resp->body, p);
        json_put_key_int(&resp->body, "accessible_peers_count",
                         0); /* counted by its own endpoint */
        json_put_obj_end(&resp->body);
    }
    json_put_arr_end(&resp->body);
    return answer_done(resp);
}

static enum rk_code answer_peer(struct http_req *req, struct http_resp *resp, const struct peer *p)
{
    json_put_obj(&resp->body);
    put_peer_members(shown_new(req), &resp->body, p);
    json_put_obj_end(&resp->body);
    return answer_done(resp);
}

enum rk_code rest_peers_get(struct http_req *req, struct http_resp *resp, struct db *db,
                            struct rk_err *err)
{
    const struct peer *p;
    enum rk_code rc = peer_get(op_of(req), param(req, 0), &p, err);

    (void)db;
    return rc ? rc : answer_peer(req, resp, p);
}

struct update_in {
    struct peer_update u;
    struct json_opt_bool approval_required;
};

static const struct json_field UPDATE[] = {
    JSON_FIELD_AS(struct update_in, u.name, "name", JSON_STR),
    JSON_FIELD_AS(struct update_in, u.ssh_enabled, "ssh_enabled", JSON_BOOL),
    JSON_FIELD_AS(struct update_in, u.login_expiration_enabled, "login_expiration_enabled",
                  JSON_BOOL),
    JSON_FIELD_AS(struct update_in, u.inactivity_expiration_enabled,
                  "inactivity_expiration_enabled", JSON_BOOL),
    JSON_FIELD(struct update_in, approval_required, JSON_OPT_BOOL),
    JSON_FIELD_AS(struct update_in, u.ip, "ip", JSON_STR),
    JSON_FIELD_AS(struct update_in, u.ip6, "ipv6", JSON_STR),
};

enum rk_code rest_peers_update(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    struct update_in in = {0};
    const struct peer *p;
    enum rk_code rc = BODY(req, UPDATE, &in, err);

    (void)db;
    if (in.approval_required.set)
        in.u.approval_required = in.approval_required.v ? TRI_TRUE : TRI_FALSE;
    if (!rc)
        rc = peer_update(op_of(req), param(req, 0), &in.u, err);
    if (rc)
        return rc;
    p = snap_peer(op_of(req)->snap, param(req, 0));
    return p ? answer_peer(req, resp, p)
             : rk_fail(err, RK_NOT_FOUND, "peer not found: %.*s", RK_STR_ARG(param(req, 0)));
}

enum rk_code rest_peers_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    enum rk_code rc = peer_delete(op_of(req), param(req, 0), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}

static void put_accessible(struct http_req *req, struct rk_buf *b, const struct peer *p)
{
    struct rk_str domain = snap_dns_domain(op_of(req)->snap);

    json_put_obj(b);
    json_put_key_str(b, "id", p->id);
    json_put_key_str(b, "name", p->name);
    put_addresses(b, p);
    json_put_key(b, "dns_label");
    json_put_joined(b, p->dns_label, '.', domain);
    json_put_key_str(b, "user_id", p->user_id);
    json_put_key_str(b, "os", p->meta.os);
    json_put_key_str(b, "country_code", p->location.country_code);
    json_put_key_str(b, "city_name", p->location.city_name);
    json_put_key_int(b, "geoname_id", (int64_t)p->location.geoname_id);
    put_presence(op_of(req)->m, b, p);
    json_put_obj_end(b);
}

/* Peers in the map first, those whose login has expired behind them. */
static void put_all_accessible(struct http_req *req, struct rk_buf *b, uint32_t index)
{
    const struct op *op = op_of(req);
    struct netmap_opts opts = {.now_us = mgmt_now_us(op->m)};
    struct bits seen = {0};

    netmap_accessible(op->snap, index, &opts, &seen);
    for (int expired = 0; expired < 2; expired++)
        for (BITS_EACH(i, &seen)) {
            const struct peer *p = snap_peer_at(op->snap, i);

            if (p && peer_offline_in_maps(p, snap_settings(op->snap), opts.now_us) == expired)
                put_accessible(req, b, p);
        }
    bits_done(&seen);
}

enum rk_code rest_peers_accessible(struct http_req *req, struct http_resp *resp, struct db *db,
                                   struct rk_err *err)
{
    const struct op *op = op_of(req);
    const struct peer *p = snap_peer(op->snap, param(req, 0));
    enum peer_scope scope;
    enum rk_code rc = peer_scope_of(op, &scope, err);

    (void)db;
    if (rc)
        return rc;
    if (scope == PEERS_OWN && !p)
        return rk_fail(err, RK_NOT_FOUND, "peer not found: %.*s", RK_STR_ARG(param(req, 0)));
    json_put_arr(&resp->body);
    if (p && (scope == PEERS_ALL || (scope == PEERS_OWN && rk_str_eq(p->user_id, op->user->id))))
        put_all_accessible(req, &resp->body, snap_index_of(op->snap, p->id));
    json_put_arr_end(&resp->body);
    return answer_done(resp);
}

static const struct json_field TEMPORARY[] = {
    JSON_FIELD(struct temporary_input, name, JSON_STR),
    JSON_FIELD_AS(struct temporary_input, key, "wg_pub_key", JSON_STR),
    JSON_FIELD(struct temporary_input, rules, JSON_STRS),
};

enum rk_code rest_peers_temporary(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    struct temporary_input in = {0};
    struct rk_str id;
    enum rk_code rc = BODY(req, TEMPORARY, &in, err);

    (void)db;
    if (!rc)
        rc = temporary_access(op_of(req), param(req, 0), &in, &id, err);
    if (rc)
        return rc;
    json_put_obj(&resp->body);
    json_put_key_str(&resp->body, "id", id);
    json_put_key_str(&resp->body, "name", in.name);
    json_put_key(&resp->body, "rules");
    put_strs_or_null(&resp->body, &in.rules);
    json_put_obj_end(&resp->body);
    return answer_done(resp);
}
