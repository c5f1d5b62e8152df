/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on enrolled peers; see peers.h. */
#include "config.h"

#include "management/ops/peers.h"

#include "management/netmap/netmap.h"

#define META_KEYS_MAX 16

struct save {
    struct rk_arena *mem;
    struct rk_str id;
    const struct peer_update *in;
};

struct rk_str peer_event_meta(struct rk_arena *mem, const struct snapshot *s, const struct peer *p,
                              const struct op_kv *more, size_t n_more)
{
    char ip[RK_ADDR_TEXT], ip6[RK_ADDR_TEXT], from[RK_ADDR_TEXT];
    struct op_kv kv[META_KEYS_MAX] = {
        {"name", p->name},
        {"fqdn", op_fqdn(mem, s, p)},
        {"ip", rk_ip_format(&p->ip, ip)},
        {"created_at", op_time(mem, p->created_at_us)},
        {"location_city_name", p->location.city_name},
        {"location_country_code", p->location.country_code},
        {"location_geo_name_id",
         rk_arena_printf(mem, "%llu", (unsigned long long)p->location.geoname_id)},
        {"location_connection_ip", p->location.connection_ip.family
                                       ? rk_ip_format(&p->location.connection_ip, from)
                                       : RK_STR("")},
    };
    size_t n = 8;

    if (p->ip6.family)
        kv[n++] = (struct op_kv){"ipv6", rk_ip_format(&p->ip6, ip6)};
    for (size_t i = 0; i < n_more && n < META_KEYS_MAX; i++)
        kv[n++] = more[i];
    return op_meta(mem, kv, n);
}

/* ---- reading */

enum rk_code peer_scope_of(const struct op *op, enum peer_scope *out, struct rk_err *err)
{
    const struct user *u = op->user;
    struct rk_err why = {0};

    *out = PEERS_ALL;
    if (!op_may(op, PERM_PEERS, PERM_READ, &why))
        return RK_OK;
    if (perm_check_active(u, NULL) || !perm_role_known(u->role))
        return rk_fail(err, why.code, "%s", why.msg);
    *out = perm_is_restricted(u, snap_settings(op->snap)->regular_users_view_blocked) ? PEERS_NONE
                                                                                      : PEERS_OWN;
    return RK_OK;
}

/* Some peer of the caller has p in its map. */
static bool reached_by_own(const struct op *op, const struct peer *p)
{
    uint32_t target = snap_index_of(op->snap, p->id);
    const struct bits *all = snap_peers(op->snap);
    struct netmap_opts opts = {.now_us = mgmt_now_us(op->m)};
    bool found = false;
    struct bits seen = {0};

    for (BITS_EACH(i, all)) {
        if (!rk_str_eq(snap_peer_at(op->snap, i)->user_id, op->user->id))
            continue;
        netmap_accessible(op->snap, i, &opts, &seen);
        found = bits_has(&seen, target);
        if (found)
            break;
    }
    bits_done(&seen);
    return found;
}

enum rk_code peer_get(const struct op *op, struct rk_str id, const struct peer **out,
                      struct rk_err *err)
{
    const struct peer *p = snap_peer(op->snap, id);
    enum peer_scope scope;
    enum rk_code rc = peer_scope_of(op, &scope, err);

    if (rc)
        return rc;
    if (!p ||
        (scope != PEERS_ALL && !rk_str_eq(p->user_id, op->user->id) && !reached_by_own(op, p)))
        return rk_fail(err, RK_NOT_FOUND, "peer not found: %.*s", RK_STR_ARG(id));
    if (p->proxy_embedded)
        return rk_fail(err, RK_INVALID, "not allowed to read peer");
    *out = p;
    return RK_OK;
}

/* ---- update */

static enum rk_code set_ip(struct tx *tx, struct peer *p, struct rk_str text, struct rk_err *err)
{
    const struct account *a = snap_account(tx->snap);
    char range[RK_ADDR_TEXT];
    struct rk_ip ip;
    uint32_t other;

    if (rk_ip_parse(text, &ip, NULL))
        return rk_fail(err, RK_INVALID, "invalid IP address %.*s", RK_STR_ARG(text));
    if (rk_ip_eq(&ip, &p->ip))
        return RK_OK;
    if (ip.family != 4 || !rk_prefix_contains(&a->net4, &ip))
        return rk_fail(err, RK_INVALID, "IP %.*s is not within the account network range %s",
                       RK_STR_ARG(text), rk_prefix_format(&a->net4, range).p);
    other = snap_index_by_ip(tx->snap, &ip);
    if (other != SNAP_NO_PEER)
        return rk_fail(err, RK_INVALID, "IP %.*s is already assigned to peer %.*s",
                       RK_STR_ARG(text), RK_STR_ARG(snap_peer_at(tx->snap, other)->id));
    p->ip = ip;
    return RK_OK;
}

static bool in_ipv6_group(struct tx *tx, const struct peer *p)
{
    const struct str_list *on = &snap_settings(tx->snap)->ipv6_groups;

    for (size_t i = 0; i < on->n; i++)
        if (tx_group_has_peer(tx, on->v[i], p->id))
            return true;
    return false;
}

static enum rk_code set_ip6(struct tx *tx, struct peer *p, struct rk_str text, struct rk_err *err)
{
    const struct account *a = snap_account(tx->snap);
    char range[RK_ADDR_TEXT];
    struct rk_ip ip;
    uint32_t other;

    if (rk_ip_parse(text, &ip, NULL) || ip.family != 6 || rk_ip_unmap(&ip).family != 6)
        return rk_fail(err, RK_INVALID, "invalid IPv6 address %.*s", RK_STR_ARG(text));
    if (rk_ip_eq(&ip, &p->ip6))
        return RK_OK;
    if (!a->net6.ip.family)
        return rk_fail(err, RK_PRECONDITION, "IPv6 is not configured for this account");
    if (!rk_prefix_contains(&a->net6, &ip))
        return rk_fail(err, RK_INVALID, "IP %.*s is not within the account IPv6 range %s",
                       RK_STR_ARG(text), rk_prefix_format(&a->net6, range).p);
    if (!in_ipv6_group(tx, p))
        return rk_fail(err, RK_PRECONDITION, "peer is not in any IPv6-enabled group");
    other = snap_index_by_ip(tx->snap, &ip);
    if (other != SNAP_NO_PEER)
        return rk_fail(err, RK_INVALID, "IPv6 %.*s is already assigned to peer %.*s",
                       RK_STR_ARG(text), RK_STR_ARG(snap_peer_at(tx->snap, other)->name));
    p->ip6 = ip;
    return RK_OK;
}

static bool label_free(struct tx *tx, struct rk_str label, const struct peer *p)
{
    uint32_t i = snap_index_by_label(tx->snap, label);

    return i == SNAP_NO_PEER || rk_str_eq(snap_peer_at(tx->snap, i)->id, p->id);
}

static enum rk_code rename_peer(struct tx *tx, struct rk_arena *mem, struct peer *p,
                                struct rk_str name, struct rk_err *err)
{
    struct rk_str label;
    enum rk_code rc = peer_dns_label(mem, name, NULL, &label, err);

    if (!rc && !label_free(tx, label, p))
        rc = peer_dns_label(mem, name, &p->ip, &label, err);
    if (rc)
        return rc;
    if (!label_free(tx, label, p))
        return rk_fail(err, RK_INVALID, "the DNS label %.*s is taken", RK_STR_ARG(label));
    p->name = name;
    p->dns_label = label;
    return RK_OK;
}

static enum rk_code check_switches(const struct peer *p, const struct peer_update *in,
                                   struct rk_err *err)
{
    if (peer_is_sso(p))
        return RK_OK;
    if (p->login_expiration_enabled != in->login_expiration_enabled)
        return rk_fail(err, RK_PRECONDITION,
                       "this peer hasn't been added with the SSO login, therefore the login "
                       "expiration can't be updated");
    if (p->inactivity_expiration_enabled != in->inactivity_expiration_enabled)
        return rk_fail(err, RK_PRECONDITION,
                       "this peer hasn't been added with the SSO login, therefore the inactivity "
                       "expiration can't be updated");
    return RK_OK;
}

/* The target of these events is the peer's address, as the official server writes it. */
static enum rk_code switch_event(struct tx *tx, struct rk_arena *mem, const struct peer *p,
                                 bool before, bool after, int on, int off, struct rk_err *err)
{
    char ip[RK_ADDR_TEXT];

    if (before == after)
        return RK_OK;
    return tx_event(tx, after ? on : off, rk_arena_dup(mem, rk_ip_format(&p->ip, ip)),
                    peer_event_meta(mem, tx->snap, p, NULL, 0), err);
}

static enum rk_code update_events(struct tx *tx, struct rk_arena *mem, const struct peer *old,
                                  const struct peer *p, struct rk_err *err)
{
    char text[RK_ADDR_TEXT];
    enum rk_code rc = RK_OK;

    if (!rk_ip_eq(&old->ip, &p->ip)) {
        struct op_kv more = {"old_ip", rk_ip_format(&old->ip, text)};

        rc = tx_event(tx, ACT_PEER_IP_UPDATE, p->id, peer_event_meta(mem, tx->snap, p, &more, 1),
                      err);
    }
    if (!rc)
        rc = switch_event(tx, mem, p, old->ssh_enabled, p->ssh_enabled, ACT_PEER_SSH_ENABLE,
                          ACT_PEER_SSH_DISABLE, err);
    if (!rc && peer_is_validated(old) != peer_is_validated(p))
        rc = tx_event(tx, peer_is_validated(p) ? ACT_PEER_APPROVE : ACT_PEER_APPROVAL_REVOKE, p->id,
                      peer_event_meta(mem, tx->snap, p, NULL, 0), err);
    if (!rc && !rk_str_eq(old->name, p->name))
        rc = tx_event(tx, ACT_PEER_RENAME, p->id, peer_event_meta(mem, tx->snap, p, NULL, 0), err);
    if (!rc)
        rc = switch_event(tx, mem, p, old->login_expiration_enabled, p->login_expiration_enabled,
                          ACT_PEER_LOGIN_EXPIRATION_ENABLE, ACT_PEER_LOGIN_EXPIRATION_DISABLE, err);
    if (!rc)
        rc = switch_event(tx, mem, p, old->inactivity_expiration_enabled,
                          p->inactivity_expiration_enabled, ACT_PEER_INACTIVITY_EXPIRATION_ENABLE,
                          ACT_PEER_INACTIVITY_EXPIRATION_DISABLE, err);
    return rc;
}

static enum rk_code update_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct peer *old = tx_get(tx, ENT_PEER, s->id);
    struct peer *p = rk_new(s->mem, struct peer);
    enum rk_code rc;

    if (!old || old->proxy_embedded)
        return rk_fail(err, RK_NOT_FOUND, "peer not found: %.*s", RK_STR_ARG(s->id));
    *p = *old;
    rc = check_switches(old, s->in, err);
    if (!rc && s->in->ip.p)
        rc = set_ip(tx, p, s->in->ip, err);
    if (!rc && s->in->ip6.p)
        rc = set_ip6(tx, p, s->in->ip6, err);
    if (!rc && !rk_str_eq(old->name, s->in->name))
        rc = rename_peer(tx, s->mem, p, s->in->name, err);
    if (rc)
        return rc;
    p->ssh_enabled = s->in->ssh_enabled;
    p->login_expiration_enabled = s->in->login_expiration_enabled;
    p->inactivity_expiration_enabled = s->in->inactivity_expiration_enabled;
    if (s->in->approval_required != TRI_UNSET)
        p->status.requires_approval = s->in->approval_required == TRI_TRUE;
    rc = tx_put(tx, ENT_PEER, p, err);
    return rc ? rc : update_events(tx, s->mem, old, p, err);
}

enum rk_code peer_update(struct op *op, struct rk_str id, const struct peer_update *in,
                         struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id, .in = in};
    enum rk_code rc = op_may(op, PERM_PEERS, PERM_UPDATE, err);

    return rc ? rc : op_mutate(op, update_tx, &s, err);
}

/* ---- delete, expire */

enum rk_code peer_check_unused(const struct snapshot *s, const struct peer *p, bool for_cleanup,
                               struct rk_err *err)
{
    struct snap_iter services = snap_iter(s, ENT_SERVICE), routers = snap_iter(s, ENT_ROUTER);
    const struct service *v;
    const struct router *r;

    while ((v = snap_next(&services)) != NULL)
        for (size_t i = 0; i < v->n_targets; i++)
            if (rk_str_eqz(v->targets[i].target_type, "peer") &&
                rk_str_eq(v->targets[i].target_id, p->id))
                return rk_fail(err, RK_PRECONDITION, "peer %.*s is in use by proxy %.*s",
                               RK_STR_ARG(p->id), RK_STR_ARG(v->id));
    while (!for_cleanup && (r = snap_next(&routers)) != NULL)
        if (rk_str_eq(r->peer, p->id))
            return rk_fail(err, RK_PRECONDITION, "peer is linked to a network router: %.*s",
                           RK_STR_ARG(r->id));
    return RK_OK;
}

static bool names_peer(const struct resource_ref *r, const struct peer *p)
{
    return r->type == RESOURCE_PEER && rk_str_eq(r->id, p->id);
}

static bool policy_names_peer(const struct policy *pol, const struct peer *p)
{
    for (size_t i = 0; i < pol->n_rules; i++)
        if (names_peer(&pol->rules[i].source_resource, p) ||
            names_peer(&pol->rules[i].destination_resource, p))
            return true;
    return false;
}

enum rk_code peer_delete_tx(struct tx *tx, struct rk_arena *mem, const struct peer *p,
                            struct rk_err *err)
{
    bool quiet = p->proxy_embedded || rk_str_eqz(p->meta.kernel, "wasm");
    struct snap_iter it = snap_iter(tx->snap, ENT_POLICY);
    const struct policy *pol;
    enum rk_code rc = RK_OK;

    while (!rc && (pol = snap_next(&it)) != NULL) {
        if (!policy_names_peer(pol, p) || !tx_get(tx, ENT_POLICY, pol->id))
            continue;
        rc = tx_event(tx, ACT_POLICY_DELETE, p->id, META(mem, {"name", pol->name}), err);
        if (!rc)
            rc = tx_del(tx, ENT_POLICY, pol->id, err);
    }
    if (!rc && !quiet)
        rc = tx_event(tx, ACT_USER_PEER_DELETE, p->id, peer_event_meta(mem, tx->snap, p, NULL, 0),
                      err);
    return rc ? rc : tx_del(tx, ENT_PEER, p->id, err);
}

enum rk_code peer_expire_tx(struct tx *tx, struct rk_arena *mem, const struct peer *p,
                            const char *reason, struct rk_err *err)
{
    struct op_kv more = {"reason", rk_str_z(reason)};
    struct peer *now;
    enum rk_code rc;

    if (p->status.login_expired)
        return RK_OK;
    now = rk_new(mem, struct peer);
    *now = *p;
    now->status.login_expired = true;
    now->status.connected = false;
    rc = tx_put(tx, ENT_PEER, now, err);
    return rc ? rc
              : tx_event_by(tx, p->user_id, ACT_PEER_LOGIN_EXPIRE, p->id,
                            peer_event_meta(mem, tx->snap, p, &more, 1), err);
}

static enum rk_code delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct peer *p = tx_get(tx, ENT_PEER, s->id);
    enum rk_code rc;

    if (!p || p->proxy_embedded)
        return rk_fail(err, RK_NOT_FOUND, "peer not found: %.*s", RK_STR_ARG(s->id));
    rc = peer_check_unused(tx->snap, p, false, err);
    return rc ? rc : peer_delete_tx(tx, s->mem, p, err);
}

enum rk_code peer_delete(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id};
    enum rk_code rc = op_may(op, PERM_PEERS, PERM_DELETE, err);

    return rc ? rc : op_mutate(op, delete_tx, &s, err);
}
