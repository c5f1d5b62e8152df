/* SPDX-License-Identifier: BSD-3-Clause */
/* Network maps and their parts as bytes; see netmap.h. */
#include "config.h"

#include "management/netmap/netmap.h"

#include "management/netmap/dnsview.h"
#include "management/netmap/firewall.h"
#include "management/netmap/routes.h"
#include "management/netmap/sshauth.h"
#include "management/netmap/streams.h"
#include "management/netmap/view.h"
#include "management/snapshot/pb.h"

enum { /* fields of NetworkMap */
       MAP_SERIAL = 1,
       MAP_PEER_CONFIG = 2,
       MAP_PEERS_EMPTY = 4,
       MAP_DNS = 6,
       MAP_FIREWALL_EMPTY = 9,
       MAP_ROUTES_FIREWALL_EMPTY = 11,
};

/* ---- PeerConfig */

static void put_jwt(const struct netmap_jwt *jwt, struct rk_buf *out)
{
    size_t msg;

    if (jwt->issuer.n == 0)
        return;
    msg = pb_begin(out, 3);
    pb_str(out, 1, jwt->issuer);
    pb_str(out, 2, jwt->audience);
    pb_str(out, 3, jwt->keys_location);
    for (size_t i = 0; i < jwt->audiences.n; i++)
        pb_str_always(out, 5, jwt->audiences.v[i]);
    pb_end(out, msg);
}

static void put_ssh_config(const struct view *v, bool by_policy, struct rk_buf *out)
{
    size_t msg = pb_begin(out, 3);

    if (v->p->ssh_enabled || by_policy) {
        pb_bool(out, 1, true);
        put_jwt(&v->opts->jwt, out);
    }
    pb_end(out, msg);
}

static void put_address(const struct view *v, struct rk_buf *out)
{
    struct rk_prefix addr = {.ip = v->p->ip, .bits = snap_account(v->s)->net4.bits};
    char text[RK_ADDR_TEXT];

    pb_str(out, 1, rk_prefix_format(&addr, text));
}

static void put_address6(const struct view *v, struct rk_buf *out)
{
    const struct rk_prefix *net = &snap_account(v->s)->net6;
    uint8_t raw[17];

    if (!v->ip6 || net->ip.family != 6)
        return;
    memcpy(raw, v->p->ip6.b, 16);
    raw[16] = net->bits;
    pb_str(out, 9, rk_str_of(raw, sizeof raw));
}

static void put_fqdn(const struct view *v, struct rk_buf *out)
{
    struct rk_str domain = snap_dns_domain(v->s);

    if (domain.n == 0)
        return;
    pb_tag(out, 4, PB_LEN);
    pb_varint(out, v->p->dns_label.n + 1 + domain.n);
    rk_buf_add(out, v->p->dns_label);
    rk_buf_addc(out, '.');
    rk_buf_add(out, domain);
}

/* Self routes to a domain that a reverse-proxy service targets. */
static bool must_resolve(const struct view *v)
{
    const struct plan *pl = v->s->plan;

    for (uint32_t i = 0; i < pl->n_resources; i++)
        if (pl->resources[i].proxied &&
            view_routes_network(v, &pl->networks[pl->resources[i].network]))
            return true;
    return false;
}

static void put_auto_update(const struct settings *st, struct rk_buf *out)
{
    size_t msg = pb_begin(out, 8);

    /* agents take an empty version for an error */
    pb_str(out, 1, st->auto_update_version.n ? st->auto_update_version : RK_STR("disabled"));
    pb_bool(out, 2, st->auto_update_always);
    pb_end(out, msg);
}

static void put_peer_config(const struct view *v, bool ssh_by_policy, struct rk_buf *out)
{
    const struct settings *st = snap_settings(v->s);

    put_address(v, out);
    put_ssh_config(v, ssh_by_policy, out);
    put_fqdn(v, out);
    pb_bool(out, 5,
            st->routing_peer_dns_resolution || v->p->proxy_embedded ||
                (v->validated && must_resolve(v)));
    pb_bool(out, 6, st->lazy_connection);
    put_auto_update(st, out);
    put_address6(v, out);
}

void netmap_encode_peer_config(const struct snapshot *s, uint32_t index,
                               const struct netmap_opts *opts, bool ssh_by_policy,
                               struct rk_buf *out)
{
    struct view v;

    if (view_init(&v, s, index, opts))
        put_peer_config(&v, ssh_by_policy, out);
    view_done(&v);
}

bool netmap_ssh_by_policy(const struct snapshot *s, uint32_t index, const struct netmap_opts *opts)
{
    struct view v;
    bool on = false;

    if (view_init(&v, s, index, opts)) {
        view_find_hits(&v);
        on = view_ssh(&v);
    }
    view_done(&v);
    return on;
}

/* ---- the map */

void netmap_encode_deleted(const struct snapshot *s, struct rk_buf *out)
{
    size_t msg;

    pb_uint(out, MAP_SERIAL, s->serial);
    pb_bool(out, MAP_PEERS_EMPTY, true);
    msg = pb_begin(out, MAP_DNS);
    pb_int(out, 4, netmap_forwarder_port(s));
    pb_end(out, msg);
    pb_bool(out, MAP_FIREWALL_EMPTY, true);
    pb_bool(out, MAP_ROUTES_FIREWALL_EMPTY, true);
}

/* Offline entries are those of the online list under another field number. */
static void put_offline(const struct view *v, enum stream_kind k, struct rk_buf *out)
{
    struct bits one = {0};

    for (BITS_EACH(i, &v->offline)) {
        size_t at = out->n;

        bits_set(&one, i);
        streams_put(v->s, k, &one, out);
        bits_unset(&one, i);
        if (!out->full && out->n > at)
            out->p[at] = 7 << 3 | PB_LEN;
    }
    bits_done(&one);
}

static void put_map(struct view *v, struct rk_buf *out)
{
    enum stream_kind k = v->ip6 ? STREAM_REMOTE6 : STREAM_REMOTE;
    size_t msg, before;

    pb_uint(out, MAP_SERIAL, v->s->serial);
    msg = pb_begin(out, MAP_PEER_CONFIG);
    put_peer_config(v, view_ssh(v), out);
    pb_end(out, msg);
    before = out->n;
    streams_put(v->s, k, &v->connect, out);
    pb_bool(out, MAP_PEERS_EMPTY, out->n == before);
    routes_put(v, out);
    dnsview_put(v, out);
    put_offline(v, k, out);
    pb_bool(out, MAP_FIREWALL_EMPTY, !firewall_put(v, out));
    pb_bool(out, MAP_ROUTES_FIREWALL_EMPTY, !routes_put_firewall(v, out));
    if (v->validated)
        sshauth_put(v, v->opts->user_claim, out);
}

void netmap_encode(const struct snapshot *s, uint32_t index, const struct netmap_opts *opts,
                   struct rk_buf *out)
{
    struct view v;

    if (view_init(&v, s, index, opts)) {
        view_select(&v);
        put_map(&v, out);
    } else {
        netmap_encode_deleted(s, out);
    }
    view_done(&v);
}

void netmap_accessible(const struct snapshot *s, uint32_t index, const struct netmap_opts *opts,
                       struct bits *out)
{
    struct view v;

    bits_clear(out);
    if (view_init(&v, s, index, opts)) {
        view_select(&v);
        bits_or(out, &v.connect);
        bits_or(out, &v.offline);
    }
    view_done(&v);
}

/* ---- process checks */

static bool has_source_group(const struct view *v, const struct policy *p)
{
    for (size_t i = 0; i < p->n_rules; i++)
        for (size_t k = 0; p->rules[i].enabled && k < p->rules[i].sources.n; k++)
            if (snap_is_member(v->s, p->rules[i].sources.v[k], v->self))
                return true;
    return false;
}

static struct str_list paths_of(const struct posture *c, struct rk_arena *mem)
{
    struct str_list l = {.v = rk_new_n(mem, struct rk_str, c->n_processes * 3 + 1)};

    for (size_t i = 0; i < c->n_processes; i++) {
        const struct check_process *p = &c->processes[i];

        if (p->linux_path.n)
            l.v[l.n++] = p->linux_path;
        if (p->mac_path.n)
            l.v[l.n++] = p->mac_path;
        if (p->windows_path.n)
            l.v[l.n++] = p->windows_path;
    }
    return l;
}

struct str_list *netmap_checks(const struct snapshot *s, uint32_t index, struct rk_arena *mem,
                               size_t *n)
{
    static const struct netmap_opts NONE = {0};
    struct str_list *list = NULL;
    struct bits taken = {0};
    struct view v;
    size_t cap = 0;

    *n = 0;
    if (s->failing->n == 0 || !view_init(&v, s, index, &NONE))
        return NULL;
    for (uint32_t i = 0; i < s->plan->n_policies; i++) {
        const struct plan_policy *p = &s->plan->policies[i];

        if (p->n_checks > 0 && has_source_group(&v, p->p))
            for (uint32_t k = 0; k < p->n_checks; k++)
                bits_set(&taken, p->checks[k]);
    }
    for (BITS_EACH(i, &taken)) {
        const struct posture *c = row_entity(s->failing->check[i].row);

        if (!c->has_process)
            continue;
        list = rk_arena_grow(mem, list, *n, &cap, sizeof *list);
        list[(*n)++] = paths_of(c, mem);
    }
    bits_done(&taken);
    view_done(&v);
    return list;
}
