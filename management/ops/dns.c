/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on DNS; see dns.h. */
#include "config.h"

#include "management/ops/dns.h"

#include "lib/base/id.h"
#include "management/ops/domains.h"

#define NS_NAME_MAX   40 /* characters */
#define NS_MAX        3
#define ZONE_NAME_MAX 255 /* bytes */

struct save {
    struct rk_arena *mem;
    struct rk_str id, zone_id;
    const struct ns_group_input *ns;
    struct nameserver *servers;
    const struct str_list *disabled;
    const struct zone_input *zone;
    const struct record_input *record;
    enum record_type type;
    const void *out;
};

/* ---- nameserver groups */

static enum rk_code read_server(const struct nameserver_input *in, struct nameserver *out,
                                struct rk_err *err)
{
    struct rk_str ip = in->ip;

    if (ip.n > 2 && ip.p[0] == '[' && ip.p[ip.n - 1] == ']')
        ip = rk_str_sub(ip, 1, ip.n - 2);
    *out = (struct nameserver){.ns_type = 1, .port = in->port};
    if (rk_ip_parse(ip, &out->ip, NULL) || !rk_str_ieq(in->ns_type, RK_STR("udp")) ||
        in->port < 1 || in->port > 65535)
        return rk_fail(err, RK_INVALID, "invalid NS servers format");
    return RK_OK;
}

static enum rk_code check_ns_domains(struct rk_arena *mem, const struct ns_group_input *in,
                                     struct rk_err *err)
{
    struct rk_str ascii;

    if (!in->primary && !in->domains.n)
        return rk_fail(err, RK_INVALID,
                       "nameserver group primary status is false and domains are "
                       "empty, it should be primary or have at least one domain");
    if (in->primary && in->domains.n)
        return rk_fail(err, RK_INVALID,
                       "nameserver group primary status is true and domains are "
                       "not empty, you should set either primary or domain");
    if (in->primary && in->search_domains)
        return rk_fail(err, RK_INVALID,
                       "nameserver group primary status is true and search "
                       "domains is enabled, you should not set search domains "
                       "for primary nameservers");
    for (size_t i = 0; i < in->domains.n; i++) {
        struct rk_str d = in->domains.v[i];

        if (rk_str_ends(d, RK_STR(".")))
            d.n--;
        if (dns_name_to_ascii(mem, d, false, &ascii, NULL))
            return rk_fail(err, RK_INVALID, "nameserver group got an invalid domain: %.*s",
                           RK_STR_ARG(in->domains.v[i]));
    }
    return RK_OK;
}

static size_t characters(struct rk_str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static enum rk_code check_ns_group(struct tx *tx, const struct save *s, struct rk_err *err)
{
    struct snap_iter it = snap_iter(tx->snap, ENT_NS_GROUP);
    const struct ns_group *o;
    enum rk_code rc = check_ns_domains(s->mem, s->ns, err);

    if (rc)
        return rc;
    if (!s->ns->name.n || characters(s->ns->name) > NS_NAME_MAX)
        return rk_fail(err, RK_INVALID, "nameserver group name should be between 1 and %d",
                       NS_NAME_MAX);
    while ((o = snap_next(&it)) != NULL)
        if (rk_str_eq(o->name, s->ns->name) && !rk_str_eq(o->id, s->id))
            return rk_fail(err, RK_INVALID, "nameserver group with name %.*s already exist",
                           RK_STR_ARG(o->name));
    if (!s->ns->n_servers || s->ns->n_servers > NS_MAX)
        return rk_fail(err, RK_INVALID, "the list of nameservers should be 1 or %d, got %zu",
                       NS_MAX, s->ns->n_servers);
    if (!s->ns->groups.n)
        return rk_fail(err, RK_INVALID, "the list of group IDs should not be empty");
    for (size_t i = 0; i < s->ns->groups.n; i++) {
        if (!s->ns->groups.v[i].n)
            return rk_fail(err, RK_INVALID, "group ID should not be empty string");
        if (!tx_get(tx, ENT_GROUP, s->ns->groups.v[i]))
            return rk_fail(err, RK_INVALID, "group id %.*s not found",
                           RK_STR_ARG(s->ns->groups.v[i]));
    }
    return RK_OK;
}

static enum rk_code ns_group_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct ns_group *old = s->id.n ? tx_get(tx, ENT_NS_GROUP, s->id) : NULL;
    struct ns_group *g = rk_new(s->mem, struct ns_group);
    enum rk_code rc;

    if (s->id.n && !old)
        return rk_fail(err, RK_NOT_FOUND, "nameserver group: %.*s not found", RK_STR_ARG(s->id));
    rc = check_ns_group(tx, s, err);
    if (rc)
        return rc;
    *g = (struct ns_group){.id = old ? old->id : rk_xid_new(s->mem),
                           .account_id = tx->account_id,
                           .public_id = old ? old->public_id : rk_xid_new(s->mem),
                           .name = s->ns->name,
                           .description = s->ns->description,
                           .servers = s->servers,
                           .n_servers = s->ns->n_servers,
                           .groups = s->ns->groups,
                           .primary = s->ns->primary,
                           .domains = s->ns->domains,
                           .enabled = s->ns->enabled,
                           .search_domains = s->ns->search_domains};
    rc = tx_put(tx, ENT_NS_GROUP, g, err);
    s->out = entity_dup(s->mem, ENT_NS_GROUP, g);
    return rc ? rc
              : tx_event(tx, old ? ACT_NAMESERVER_GROUP_UPDATE : ACT_NAMESERVER_GROUP_ADD, g->id,
                         META(s->mem, {"name", g->name}), err);
}

enum rk_code ns_group_save(struct op *op, struct rk_str id, const struct ns_group_input *in,
                           const struct ns_group **out, struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    enum rk_code rc = RK_OK;

    s->mem = op->mem;
    s->id = id;
    s->ns = in;
    s->servers = rk_new_n(op->mem, struct nameserver, in->n_servers);
    for (size_t i = 0; i < in->n_servers && !rc; i++)
        rc = read_server(&in->servers[i], &s->servers[i], err);
    if (!rc)
        rc = op_may(op, PERM_NAMESERVERS, id.n ? PERM_UPDATE : PERM_CREATE, err);
    if (!rc)
        rc = op_mutate(op, ns_group_tx, s, err);
    if (!rc)
        *out = s->out;
    return rc;
}

static enum rk_code ns_group_delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct ns_group *g = tx_get(tx, ENT_NS_GROUP, s->id);
    enum rk_code rc;

    if (!g)
        return rk_fail(err, RK_NOT_FOUND, "nameserver group: %.*s not found", RK_STR_ARG(s->id));
    rc = tx_event(tx, ACT_NAMESERVER_GROUP_DELETE, g->id, META(s->mem, {"name", g->name}), err);
    return rc ? rc : tx_del(tx, ENT_NS_GROUP, s->id, err);
}

enum rk_code ns_group_delete(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id};
    enum rk_code rc = op_may(op, PERM_NAMESERVERS, PERM_DELETE, err);

    return rc ? rc : op_mutate(op, ns_group_delete_tx, &s, err);
}

/* ---- settings */

static enum rk_code disabled_events(struct tx *tx, struct rk_arena *mem, const struct str_list *in,
                                    const struct str_list *not_in, int activity, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    for (size_t i = 0; i < in->n && !rc; i++) {
        const struct group *g = tx_get(tx, ENT_GROUP, in->v[i]);

        if (g && !str_list_has(not_in, in->v[i]))
            rc = tx_event(tx, activity, tx->account_id,
                          META(mem, {"group", g->name}, {"group_id", g->id}), err);
    }
    return rc;
}

static enum rk_code dns_settings_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct dns_settings *old = snap_dns_settings(tx->snap);
    struct dns_settings *now = rk_new(s->mem, struct dns_settings);
    enum rk_code rc;

    for (size_t i = 0; i < s->disabled->n; i++)
        if (!tx_get(tx, ENT_GROUP, s->disabled->v[i]))
            return rk_fail(err, RK_INVALID, "group id %.*s not found",
                           RK_STR_ARG(s->disabled->v[i]));
    now->disabled_management_groups = *s->disabled;
    rc = tx_put(tx, ENT_DNS_SETTINGS, now, err);
    if (!rc)
        rc = disabled_events(tx, s->mem, s->disabled, &old->disabled_management_groups,
                             ACT_DNS_SETTING_DISABLED_MANAGEMENT_GROUP_ADD, err);
    if (!rc)
        rc = disabled_events(tx, s->mem, &old->disabled_management_groups, s->disabled,
                             ACT_DNS_SETTING_DISABLED_MANAGEMENT_GROUP_DELETE, err);
    return rc;
}

enum rk_code dns_settings_update(struct op *op, const struct str_list *disabled_groups,
                                 struct rk_err *err)
{
    struct save s = {.mem = op->mem, .disabled = disabled_groups};
    enum rk_code rc = op_may(op, PERM_DNS, PERM_UPDATE, err);

    return rc ? rc : op_mutate(op, dns_settings_tx, &s, err);
}

/* ---- zones */

static enum rk_code no_zone(struct rk_str id, struct rk_err *err)
{
    return rk_fail(err, RK_NOT_FOUND, "zone: %.*s not found", RK_STR_ARG(id));
}

static enum rk_code check_zone(const struct zone_input *in, struct rk_err *err)
{
    if (!in->name.n)
        return rk_fail(err, RK_INVALID, "zone name is required");
    if (in->name.n > ZONE_NAME_MAX)
        return rk_fail(err, RK_INVALID, "zone name exceeds maximum length of %d characters",
                       ZONE_NAME_MAX);
    if (!dns_name_ok(in->domain, false))
        return rk_fail(err, RK_INVALID, "invalid zone domain format");
    if (!in->groups.n)
        return rk_fail(err, RK_INVALID, "at least one distribution group is required");
    return RK_OK;
}

static enum rk_code check_zone_domain(struct tx *tx, struct rk_str domain, struct rk_err *err)
{
    struct snap_iter it = snap_iter(tx->snap, ENT_ZONE);
    const struct zone *z;

    while ((z = snap_next(&it)) != NULL)
        if (rk_str_ieq(z->domain, domain))
            return rk_fail(err, RK_EXISTS, "zone with domain %.*s already exists",
                           RK_STR_ARG(domain));
    if (rk_str_ieq(domain, snap_dns_domain(tx->snap)) ||
        rk_str_ieq(domain, rk_str_z(mgmt_dns_domain(tx->m))))
        return rk_fail(err, RK_INVALID, "zone domain %.*s conflicts with peer DNS domain",
                       RK_STR_ARG(domain));
    return RK_OK;
}

static struct rk_str zone_meta(struct rk_arena *mem, const struct zone *z)
{
    return META(mem, {"name", z->name}, {"domain", z->domain});
}

static enum rk_code zone_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct zone *old = s->id.n ? tx_get(tx, ENT_ZONE, s->id) : NULL;
    struct zone *z = rk_new(s->mem, struct zone);
    enum rk_code rc = RK_OK;

    if (s->id.n && !old)
        return no_zone(s->id, err);
    if (old && !rk_str_eq(old->domain, s->zone->domain))
        return rk_fail(err, RK_INVALID, "zone domain cannot be updated");
    if (!old)
        rc = check_zone_domain(tx, s->zone->domain, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < s->zone->groups.n; i++)
        if (!tx_get(tx, ENT_GROUP, s->zone->groups.v[i]))
            return rk_fail(err, RK_INVALID, "group: %.*s not found",
                           RK_STR_ARG(s->zone->groups.v[i]));
    *z = (struct zone){.id = old ? old->id : rk_xid_new(s->mem),
                       .account_id = tx->account_id,
                       .name = s->zone->name,
                       .domain = s->zone->domain,
                       .enabled = s->zone->enabled,
                       .search_domain = s->zone->search_domain,
                       .groups = s->zone->groups};
    rc = tx_put(tx, ENT_ZONE, z, err);
    s->out = entity_dup(s->mem, ENT_ZONE, z);
    return rc ? rc
              : tx_event(tx, old ? ACT_DNS_ZONE_UPDATE : ACT_DNS_ZONE_CREATE, z->id,
                         zone_meta(s->mem, z), err);
}

enum rk_code zone_save(struct op *op, struct rk_str id, const struct zone_input *in,
                       const struct zone **out, struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    enum rk_code rc = check_zone(in, err);

    s->mem = op->mem;
    s->id = id;
    s->zone = in;
    if (!rc)
        rc = op_may(op, PERM_DNS, id.n ? PERM_UPDATE : PERM_CREATE, err);
    if (!rc)
        rc = op_mutate(op, zone_tx, s, err);
    if (!rc)
        *out = s->out;
    return rc;
}

static enum rk_code record_event(struct tx *tx, struct rk_arena *mem, const struct zone *z,
                                 const struct record *r, int activity, struct rk_err *err)
{
    return tx_event(tx, activity, r->id,
                    META(mem, {"name", r->name}, {"type", rk_str_z(record_type_text(r->type))},
                         {"content", r->content},
                         {"ttl", rk_arena_printf(mem, "%lld", (long long)r->ttl_s)},
                         {"zone_id", z->id}, {"zone_name", z->name}),
                    err);
}

static enum rk_code zone_delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct zone *z = tx_get(tx, ENT_ZONE, s->id);
    struct snap_iter it = snap_iter(tx->snap, ENT_RECORD);
    const struct record *r;
    enum rk_code rc = RK_OK;

    if (!z)
        return no_zone(s->id, err);
    while (!rc && (r = snap_next(&it)) != NULL)
        if (rk_str_eq(r->zone_id, z->id))
            rc = record_event(tx, s->mem, z, r, ACT_DNS_ZONE_RECORD_DELETE, err);
    if (!rc)
        rc = tx_event(tx, ACT_DNS_ZONE_DELETE, z->id, zone_meta(s->mem, z), err);
    return rc ? rc : tx_del(tx, ENT_ZONE, s->id, err);
}

enum rk_code zone_delete(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id};
    enum rk_code rc = op_may(op, PERM_DNS, PERM_DELETE, err);

    return rc ? rc : op_mutate(op, zone_delete_tx, &s, err);
}

/* ---- records */

static enum rk_code check_record(const struct record_input *in, enum record_type *type,
                                 struct rk_err *err)
{
    struct rk_ip ip;

    if (!in->name.n)
        return rk_fail(err, RK_INVALID, "record name is required");
    if (!dns_name_ok(in->name, true))
        return rk_fail(err, RK_INVALID, "invalid record name format");
    if (!in->type.n)
        return rk_fail(err, RK_INVALID, "record type is required");
    if (!record_type_parse(in->type, type))
        return rk_fail(err, RK_INVALID, "invalid record type, must be A, AAAA, or CNAME");
    if (*type == RECORD_A && (rk_ip_parse(in->content, &ip, NULL) || ip.family != 4))
        return rk_fail(err, RK_INVALID, "A record must be a valid IPv4 address");
    if (*type == RECORD_AAAA &&
        (rk_ip_parse(in->content, &ip, NULL) || ip.family != 6 || rk_ip_unmap(&ip).family != 6))
        return rk_fail(err, RK_INVALID, "AAAA record must be a valid IPv6 address");
    if (*type == RECORD_CNAME && !dns_name_ok(in->content, false))
        return rk_fail(err, RK_INVALID, "invalid CNAME target format");
    if (in->ttl < 0)
        return rk_fail(err, RK_INVALID, "TTL cannot be negative");
    if (in->ttl > INT32_MAX) /* RFC 2181 section 8 */
        return rk_fail(err, RK_INVALID, "TTL cannot be larger than %d", INT32_MAX);
    return RK_OK;
}

static bool in_zone(struct rk_str name, struct rk_str domain)
{
    size_t off = name.n - domain.n;

    if (name.n < domain.n || !rk_str_ieq(rk_str_sub(name, off, domain.n), domain))
        return false;
    return !off || name.p[off - 1] == '.';
}

static enum rk_code check_conflicts(struct tx *tx, const struct record *r, struct rk_err *err)
{
    struct snap_iter it = snap_iter(tx->snap, ENT_RECORD);
    const struct record *o;

    while ((o = snap_next(&it)) != NULL) {
        if (!rk_str_eq(o->zone_id, r->zone_id) || rk_str_eq(o->id, r->id) ||
            !rk_str_ieq(o->name, r->name))
            continue;
        if (o->type == r->type && rk_str_ieq(o->content, r->content))
            return rk_fail(err, RK_EXISTS, "identical record already exists");
        if (o->type == RECORD_CNAME || r->type == RECORD_CNAME)
            return rk_fail(err, RK_INVALID,
                           "An A, AAAA, or CNAME record with name %.*s already exists",
                           RK_STR_ARG(r->name));
    }
    return RK_OK;
}

static enum rk_code record_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct zone *z = tx_get(tx, ENT_ZONE, s->zone_id);
    const struct record *old = s->id.n ? tx_get(tx, ENT_RECORD, s->id) : NULL;
    struct record *r = rk_new(s->mem, struct record);
    enum rk_code rc = RK_OK;

    if (!z)
        return no_zone(s->zone_id, err);
    if (s->id.n && (!old || !rk_str_eq(old->zone_id, z->id)))
        return rk_fail(err, RK_NOT_FOUND, "dns record: %.*s not found", RK_STR_ARG(s->id));
    if (!in_zone(s->record->name, z->domain))
        return rk_fail(err, RK_INVALID, "record name does not belong to zone");
    *r = (struct record){.id = old ? old->id : rk_xid_new(s->mem),
                         .account_id = tx->account_id,
                         .zone_id = s->zone_id,
                         .name = s->record->name,
                         .type = s->type,
                         .content = s->record->content,
                         .ttl_s = s->record->ttl};
    if (!old || !rk_str_eq(old->name, r->name) || old->type != r->type ||
        !rk_str_eq(old->content, r->content))
        rc = check_conflicts(tx, r, err);
    if (!rc)
        rc = tx_put(tx, ENT_RECORD, r, err);
    s->out = entity_dup(s->mem, ENT_RECORD, r);
    return rc ? rc
              : record_event(tx, s->mem, z, r,
                             old ? ACT_DNS_ZONE_RECORD_UPDATE : ACT_DNS_ZONE_RECORD_CREATE, err);
}

enum rk_code record_save(struct op *op, struct rk_str zone_id, struct rk_str id,
                         const struct record_input *in, const struct record **out,
                         struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    enum rk_code rc = check_record(in, &s->type, err);

    s->mem = op->mem;
    s->id = id;
    s->zone_id = zone_id;
    s->record = in;
    if (!rc)
        rc = op_may(op, PERM_DNS, id.n ? PERM_UPDATE : PERM_CREATE, err);
    if (!rc)
        rc = op_mutate(op, record_tx, s, err);
    if (!rc)
        *out = s->out;
    return rc;
}

static enum rk_code record_delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct zone *z = tx_get(tx, ENT_ZONE, s->zone_id);
    const struct record *r = tx_get(tx, ENT_RECORD, s->id);
    enum rk_code rc;

    if (!z)
        return no_zone(s->zone_id, err);
    if (!r || !rk_str_eq(r->zone_id, z->id))
        return rk_fail(err, RK_NOT_FOUND, "dns record: %.*s not found", RK_STR_ARG(s->id));
    rc = record_event(tx, s->mem, z, r, ACT_DNS_ZONE_RECORD_DELETE, err);
    return rc ? rc : tx_del(tx, ENT_RECORD, s->id, err);
}

enum rk_code record_delete(struct op *op, struct rk_str zone_id, struct rk_str id,
                           struct rk_err *err)
{
    struct save s = {.mem = op->mem, .zone_id = zone_id, .id = id};
    enum rk_code rc = op_may(op, PERM_DNS, PERM_DELETE, err);

    return rc ? rc : op_mutate(op, record_delete_tx, &s, err);
}
