/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/x/peers/{peerId}/posture: the verdict of every posture check on one machine, and why. */
#include "config.h"

#include "management/domain/posture.h"

#include "management/ops/peers.h"
#include "management/rest/handlers.h"

#define TEXT_MAX                                                                                   \
    (16 * 1024) /* of one "wanted" or "found": definitions have limits of their own                \
                 */

static const char *const VERB[] = {[CHECK_ALLOW] = "in ", [CHECK_DENY] = "not in "};

static void add(struct rk_buf *b, const char *between, struct rk_str text)
{
    if (b->n)
        rk_buf_addz(b, between);
    rk_buf_add(b, text);
}

static void add_place(struct rk_buf *b, const char *between, struct rk_str country,
                      struct rk_str city)
{
    add(b, between, country);
    if (city.n)
        rk_buf_printf(b, "%s%.*s", country.n ? " " : "", RK_STR_ARG(city));
}

static void add_prefix(struct rk_buf *b, const char *between, const struct rk_prefix *p)
{
    char text[RK_ADDR_TEXT];

    add(b, between, rk_prefix_format(p, text));
}

static void wanted(struct rk_buf *b, const struct posture *c, const struct peer *p,
                   enum posture_part part)
{
    struct posture_os os;

    switch (part) {
    case POSTURE_NB_VERSION:
        rk_buf_printf(b, "%.*s or newer", RK_STR_ARG(c->nb_min_version));
        break;
    case POSTURE_OS_VERSION:
        os = posture_os_of(c, p);
        if (os.least.n)
            rk_buf_printf(b, "%.*s or newer", RK_STR_ARG(os.least));
        else
            rk_buf_addz(b, "another system");
        break;
    case POSTURE_GEO:
        rk_buf_addz(b, VERB[c->geo_action]);
        for (size_t i = 0; i < c->n_geo; i++)
            add_place(b, i ? ", " : "", c->geo[i].country_code, c->geo[i].city_name);
        break;
    case POSTURE_NET_RANGE:
        rk_buf_addz(b, VERB[c->net_action]);
        for (size_t i = 0; i < c->n_ranges; i++)
            add_prefix(b, i ? ", " : "", &c->ranges[i]);
        break;
    case POSTURE_PROCESS:
        for (size_t i = 0; i < c->n_processes; i++)
            add(b, ", ", posture_path_of(&c->processes[i], p));
        if (b->n)
            rk_buf_addz(b, " running");
        else
            rk_buf_addz(b, "another system");
        break;
    case POSTURE_PARTS:
        break;
    }
}

static void found(struct rk_buf *b, const struct posture *c, const struct peer *p,
                  enum posture_part part)
{
    char ip[RK_ADDR_TEXT];
    struct rk_str have;

    switch (part) {
    case POSTURE_NB_VERSION:
        rk_buf_add(b, p->meta.version);
        break;
    case POSTURE_OS_VERSION:
        have = posture_os_of(c, p).have;
        add(b, "", p->meta.goos);
        add(b, " ", have);
        break;
    case POSTURE_GEO:
        add_place(b, "", p->location.country_code, p->location.city_name);
        break;
    case POSTURE_NET_RANGE:
        for (size_t i = 0; i < p->meta.n_addresses; i++)
            add_prefix(b, ", ", &p->meta.addresses[i].prefix);
        if (p->location.connection_ip.family)
            add(b, ", from ", rk_ip_format(&p->location.connection_ip, ip));
        break;
    case POSTURE_PROCESS:
        for (size_t i = 0; i < c->n_processes; i++) {
            struct rk_str path = posture_path_of(&c->processes[i], p);

            if (path.n && posture_runs(p, path))
                add(b, ", ", path);
        }
        if (!b->n)
            rk_buf_addz(b, "not running");
        break;
    case POSTURE_PARTS:
        break;
    }
    if (!b->n)
        rk_buf_addz(b, "unknown");
}

typedef void say(struct rk_buf *b, const struct posture *c, const struct peer *p,
                 enum posture_part part);

static void put_text(struct rk_buf *out, const char *key, say *fn, const struct posture *c,
                     const struct peer *p, enum posture_part part)
{
    struct rk_buf b;

    rk_buf_init(&b, TEXT_MAX);
    fn(&b, c, p, part);
    json_put_key_n(out, key, strlen(key));
    json_put_str(out, rk_buf_str(&b));
    rk_buf_done(&b);
}

static void put_parts(struct rk_buf *out, const struct posture *c, const struct peer *p)
{
    json_put_key_arr(out, "parts");
    for (enum posture_part part = 0; part < POSTURE_PARTS; part++) {
        if (!posture_has(c, part))
            continue;
        json_put_obj(out);
        json_put_key_plain(out, "part", rk_str_z(posture_part_text(part)));
        json_put_key_bool(out, "passes", posture_part_passes(c, p, part));
        put_text(out, "wanted", wanted, c, p, part);
        put_text(out, "found", found, c, p, part);
        json_put_obj_end(out);
    }
    json_put_arr_end(out);
}

static bool names(const struct policy *p, struct rk_str check)
{
    for (size_t i = 0; i < p->posture_checks.n; i++)
        if (rk_str_eq(p->posture_checks.v[i], check))
            return true;
    return false;
}

/* Whether traffic of the machine passes only with the check. */
static bool concerns(const struct snapshot *s, const struct policy *p, const struct peer *peer)
{
    uint32_t index = snap_index_of(s, peer->id);

    for (size_t i = 0; i < p->n_rules; i++) {
        const struct rule *r = &p->rules[i];

        if (rk_str_eq(r->source_resource.id, peer->id))
            return true;
        for (size_t g = 0; g < r->sources.n; g++) {
            const struct bits *members = snap_group_members(s, r->sources.v[g]);

            if (members && bits_has(members, index))
                return true;
        }
    }
    return false;
}

/* Those that ask for the check, with or without members' right to know which. */
static bool concerned(const struct snapshot *s, const struct posture *c, const struct peer *peer)
{
    const struct policy *p;

    for (struct snap_iter it = snap_iter(s, ENT_POLICY); (p = snap_next(&it)) != NULL;)
        if (p->enabled && names(p, c->id) && concerns(s, p, peer))
            return true;
    return false;
}

static void put_policies(struct rk_buf *out, const struct snapshot *s, const struct posture *c,
                         const struct peer *peer)
{
    const struct policy *p;

    json_put_key_arr(out, "policies");
    for (struct snap_iter it = snap_iter(s, ENT_POLICY); (p = snap_next(&it)) != NULL;) {
        if (!names(p, c->id))
            continue;
        json_put_obj(out);
        json_put_key_str(out, "id", p->id);
        json_put_key_str(out, "name", p->name);
        json_put_key_bool(out, "enabled", p->enabled);
        json_put_key_bool(out, "concerns", concerns(s, p, peer));
        json_put_obj_end(out);
    }
    json_put_arr_end(out);
}

static void put_check(struct rk_buf *out, const struct snapshot *s, const struct posture *c,
                      const struct peer *p, bool policies)
{
    json_put_obj(out);
    json_put_key_str(out, "id", c->id);
    json_put_key_str(out, "name", c->name);
    json_put_key_bool(out, "passes", posture_passes(c, p));
    put_parts(out, c, p);
    if (policies)
        put_policies(out, s, c, p);
    json_put_obj_end(out);
}

/* Who may read policies sees every check; members, on their own machines, those that decide about
 * them, and not for which policies (as in /api/x/reach). */
enum rk_code rest_peer_posture(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    const struct op *op = op_of(req);
    const struct peer *p = snap_peer(op->snap, param(req, 0));
    bool policies = perm_of_user(op->user, PERM_POLICIES) & PERM_READ;
    const struct posture *c;
    enum peer_scope scope;
    enum rk_code rc = peer_scope_of(op, &scope, err);

    (void)db;
    if (rc)
        return rc;
    if (scope == PEERS_NONE || !p || !peer_visible(op, p))
        return rk_fail(err, RK_NOT_FOUND, "peer not found: %.*s", RK_STR_ARG(param(req, 0)));
    json_put_arr(&resp->body);
    for (struct snap_iter it = snap_iter(op->snap, ENT_POSTURE); (c = snap_next(&it)) != NULL;)
        if (policies || concerned(op->snap, c, p))
            put_check(&resp->body, op->snap, c, p, policies);
    json_put_arr_end(&resp->body);
    return answer_done(resp);
}
