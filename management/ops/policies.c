/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on access policies; see policies.h. */
#include "config.h"

#include "management/ops/policies.h"

#include "lib/base/id.h"
#include "lib/base/num.h"

#define MAX_RULES 1000 /* of one policy: far above what a dashboard shows, far below what hurts */

struct save {
    struct rk_arena *mem;
    struct rk_str id; /* empty: create */
    const struct policy_input *in;
    const struct policy *out;
};

/* ---- form of the input */

static enum rk_code check_side(const struct rule_side *s, const char *what, struct rk_err *err)
{
    if (s->has_groups && s->has_resource) /* the two blanks are the official server's */
        return rk_fail(err, RK_INVALID, "specify either %ss or  %s resources, not both", what,
                       what);
    return RK_OK;
}

static enum rk_code check_ports(const struct rule_input *r, enum rule_protocol proto,
                                struct rk_err *err)
{
    int64_t port;

    if (r->ports.n && r->n_ranges)
        return rk_fail(err, RK_INVALID, "specify either individual ports or port ranges, not both");
    for (size_t i = 0; i < r->ports.n; i++)
        if (rk_parse_i64(r->ports.v[i], 1, 65535, &port, NULL))
            return rk_fail(err, RK_INVALID, "valid port value is in 1..65535 range");
    for (size_t i = 0; i < r->n_ranges; i++)
        if (r->ranges[i].start < 1 || r->ranges[i].start > 65535 || r->ranges[i].end < 0 ||
            r->ranges[i].end > 65535)
            return rk_fail(err, RK_INVALID, "valid port value is in 1..65535 range");
    if ((proto == PROTO_ALL || proto == PROTO_ICMP) && (r->ports.n || r->n_ranges))
        return rk_fail(err, RK_INVALID, "for ALL or ICMP protocol ports is not allowed");
    return RK_OK;
}

static bool is_authorized(const struct rule_input *r, struct rk_str group)
{
    for (size_t i = 0; i < r->n_authorized; i++)
        if (rk_str_eq(r->authorized[i].group_id, group))
            return true;
    return false;
}

static enum rk_code check_rule(const struct rule_input *r, struct rk_err *err)
{
    enum rule_protocol proto;
    enum rule_action action;
    enum rk_code rc = check_side(&r->source, "source", err);

    if (!rc)
        rc = check_side(&r->destination, "destination", err);
    if (rc)
        return rc;
    if (!(r->source.has_groups || r->source.has_resource) ||
        !(r->destination.has_groups || r->destination.has_resource))
        return rk_fail(err, RK_INVALID,
                       "specify either sources or source resources and destinations or "
                       "destination resources");
    if (!rule_action_parse(r->action, &action))
        return rk_fail(err, RK_INVALID, "unknown action type");
    if (!rule_protocol_parse(r->protocol, &proto))
        return rk_fail(err, RK_INVALID, "unknown protocol type: %.*s", RK_STR_ARG(r->protocol));
    if (proto == PROTO_SSH && r->n_authorized)
        for (size_t i = 0; i < r->source.groups.n; i++)
            if (!is_authorized(r, r->source.groups.v[i]))
                return rk_fail(err, RK_INVALID,
                               "authorized group for netbird-ssh protocol should be specified "
                               "for each source group");
    return check_ports(r, proto, err);
}

static enum rk_code check_input(const struct policy_input *in, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    if (!in->name.n)
        return rk_fail(err, RK_INVALID, "policy name shouldn't be empty");
    if (!in->n_rules)
        return rk_fail(err, RK_INVALID, "policy rules shouldn't be empty");
    if (in->n_rules > MAX_RULES)
        return rk_fail(err, RK_INVALID, "a policy has at most %d rules", MAX_RULES);
    for (size_t i = 0; i < in->n_rules && !rc; i++) {
        rc = check_rule(&in->rules[i], err);
    }
    return rc;
}

/* ---- comparison */

static bool same_set(const struct str_list *a, const struct str_list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!str_list_has(b, a->v[i]) || !str_list_has(a, b->v[i]))
            return false;
    return true;
}

static bool has_range(const struct rule *r, struct port_range p)
{
    for (size_t i = 0; i < r->n_ranges; i++)
        if (r->ranges[i].start == p.start && r->ranges[i].end == p.end)
            return true;
    return false;
}

static bool same_ranges(const struct rule *a, const struct rule *b)
{
    if (a->n_ranges != b->n_ranges)
        return false;
    for (size_t i = 0; i < a->n_ranges; i++)
        if (!has_range(b, a->ranges[i]) || !has_range(a, b->ranges[i]))
            return false;
    return true;
}

static const struct authorized_group *find_authorized(const struct rule *r, struct rk_str id)
{
    for (size_t i = 0; i < r->n_authorized; i++)
        if (rk_str_eq(r->authorized[i].group_id, id))
            return &r->authorized[i];
    return NULL;
}

static bool same_authorized(const struct rule *a, const struct rule *b)
{
    if (a->n_authorized != b->n_authorized)
        return false;
    for (size_t i = 0; i < a->n_authorized; i++) {
        const struct authorized_group *o = find_authorized(b, a->authorized[i].group_id);

        if (!o || !same_set(&a->authorized[i].names, &o->names))
            return false;
    }
    return true;
}

static bool same_ref(const struct resource_ref *a, const struct resource_ref *b)
{
    return a->type == b->type && rk_str_eq(a->id, b->id);
}

static bool rule_same(const struct rule *a, const struct rule *b)
{
    return rk_str_eq(a->id, b->id) && rk_str_eq(a->name, b->name) &&
           rk_str_eq(a->description, b->description) && a->enabled == b->enabled &&
           a->action == b->action && a->protocol == b->protocol &&
           a->bidirectional == b->bidirectional && same_set(&a->sources, &b->sources) &&
           same_set(&a->destinations, &b->destinations) &&
           same_ref(&a->source_resource, &b->source_resource) &&
           same_ref(&a->destination_resource, &b->destination_resource) &&
           same_set(&a->ports, &b->ports) && same_ranges(a, b) && same_authorized(a, b) &&
           rk_str_eq(a->authorized_user, b->authorized_user);
}

bool policy_same(const struct policy *a, const struct policy *b)
{
    if (!rk_str_eq(a->name, b->name) || !rk_str_eq(a->description, b->description) ||
        a->enabled != b->enabled || !same_set(&a->posture_checks, &b->posture_checks) ||
        a->n_rules != b->n_rules)
        return false;
    for (size_t i = 0; i < a->n_rules; i++)
        if (!rule_same(&a->rules[i], &b->rules[i]))
            return false;
    return true;
}

/* ---- building */

/* The ids that exist, in order, each once. */
static struct str_list known(struct tx *tx, struct rk_arena *mem, enum entity_kind kind,
                             const struct str_list *ids)
{
    struct str_list to = {0};

    if (!ids->v) /* absent is another thing than empty */
        return to;
    to.v = rk_new_n(mem, struct rk_str, ids->n + 1);
    for (size_t i = 0; i < ids->n; i++)
        if (tx_get(tx, kind, ids->v[i]) && !str_list_has(&to, ids->v[i]))
            to.v[to.n++] = ids->v[i];
    return to;
}

static void build_rule(struct tx *tx, struct rk_arena *mem, const struct policy *p,
                       const struct rule_input *in, struct rule *r)
{
    *r = (struct rule){.id = in->id.n ? in->id : p->id,
                       .policy_id = p->id,
                       .name = in->name,
                       .description = in->description,
                       .enabled = in->enabled,
                       .bidirectional = in->bidirectional,
                       .sources = known(tx, mem, ENT_GROUP, &in->source.groups),
                       .destinations = known(tx, mem, ENT_GROUP, &in->destination.groups),
                       .source_resource = in->source.resource,
                       .destination_resource = in->destination.resource,
                       .ports = in->ports};
    (void)rule_action_parse(in->action, &r->action); /* checked before */
    (void)rule_protocol_parse(in->protocol, &r->protocol);
    r->ranges = rk_new_n(mem, struct port_range, in->n_ranges);
    for (size_t i = 0; i < in->n_ranges; i++)
        r->ranges[r->n_ranges++] =
            (struct port_range){(uint16_t)in->ranges[i].start, (uint16_t)in->ranges[i].end};
    if (r->protocol == PROTO_SSH) {
        r->authorized = in->authorized;
        r->n_authorized = in->n_authorized;
    }
}

/* Rule ids of an update must be the policy's own, and no id may stand twice. */
static enum rk_code check_rule_ids(const struct policy *old, const struct policy *p,
                                   const struct policy_input *in, struct rk_err *err)
{
    for (size_t i = 0; i < p->n_rules; i++) {
        bool ours = !old || !in->rules[i].id.n;

        for (size_t k = 0; old && k < old->n_rules; k++)
            ours = ours || rk_str_eq(old->rules[k].id, p->rules[i].id);
        if (!ours)
            return rk_fail(err, RK_INVALID, "invalid rule ID: %.*s", RK_STR_ARG(p->rules[i].id));
        for (size_t k = 0; k < i; k++)
            if (rk_str_eq(p->rules[k].id, p->rules[i].id))
                return rk_fail(err, RK_INVALID,
                               "a policy can have one new rule at a time: rule "
                               "%zu has the ID of rule %zu",
                               i + 1, k + 1);
    }
    return RK_OK;
}

static bool has_rule(const struct policy_input *in, struct rk_str id)
{
    for (size_t i = 0; i < in->n_rules; i++)
        if (rk_str_eq(in->rules[i].id, id))
            return true;
    return false;
}

static void build(struct tx *tx, struct save *s, const struct policy *old, struct policy *p)
{
    const struct policy_input *in = s->in;

    *p = (struct policy){.id = s->id,
                         .account_id = tx->account_id,
                         .name = in->name,
                         .description = in->description,
                         .enabled = in->enabled,
                         .posture_checks = known(tx, s->mem, ENT_POSTURE, &in->posture_checks),
                         .rules = rk_new_n(s->mem, struct rule, in->n_rules),
                         .n_rules = in->n_rules};
    if (old) {
        p->public_id = old->public_id;
        p->seq = old->seq;
    } else {
        p->id = rk_xid_new(s->mem);
        p->public_id = rk_xid_new(s->mem);
        p->seq = policy_next_seq(tx->snap);
    }
    for (size_t i = 0; i < in->n_rules; i++) {
        struct rule_input r = in->rules[i];

        if (!old)
            r.id = (struct rk_str){0};
        if (in->several_new && !r.id.n && (i > 0 || has_rule(in, p->id)))
            r.id = rk_xid_new(s->mem);
        build_rule(tx, s->mem, p, &r, &p->rules[i]);
        if (old && r.id.n) /* what the API cannot set stays */
            for (size_t k = 0; k < old->n_rules; k++)
                if (rk_str_eq(old->rules[k].id, r.id))
                    p->rules[i].authorized_user = old->rules[k].authorized_user;
    }
}

int64_t policy_next_seq(const struct snapshot *s)
{
    struct snap_iter it = snap_iter(s, ENT_POLICY);
    const struct policy *p;
    int64_t max = 0;

    while ((p = snap_next(&it)) != NULL)
        max = rk_max_i64(max, p->seq);
    return max + 1;
}

static enum rk_code save_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct policy *old = s->id.n ? tx_get(tx, ENT_POLICY, s->id) : NULL;
    struct policy *p = rk_new(s->mem, struct policy);
    enum rk_code rc;

    if (s->id.n && !old)
        return rk_fail(err, RK_NOT_FOUND, "policy: %.*s not found", RK_STR_ARG(s->id));
    build(tx, s, old, p);
    rc = check_rule_ids(old, p, s->in, err);
    if (rc)
        return rc;
    /* copies: what the snapshot lent ends with this call */
    if (old && policy_same(old, p)) {
        s->out = entity_dup(s->mem, ENT_POLICY, old);
        return RK_OK;
    }
    s->out = entity_dup(s->mem, ENT_POLICY, p);
    rc = tx_put(tx, ENT_POLICY, p, err);
    return rc ? rc
              : tx_event(tx, old ? ACT_POLICY_UPDATE : ACT_POLICY_ADD, p->id,
                         META(s->mem, {"name", p->name}), err);
}

enum rk_code policy_save(struct op *op, struct rk_str id, const struct policy_input *in,
                         const struct policy **out, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id, .in = in};
    enum rk_code rc = check_input(in, err);

    if (!rc)
        rc = op_may(op, PERM_POLICIES, id.n ? PERM_UPDATE : PERM_CREATE, err);
    if (!rc)
        rc = op_mutate(op, save_tx, &s, err);
    if (!rc)
        *out = s.out;
    return rc;
}

static enum rk_code delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct policy *p = tx_get(tx, ENT_POLICY, s->id);
    enum rk_code rc;

    if (!p)
        return rk_fail(err, RK_NOT_FOUND, "policy: %.*s not found", RK_STR_ARG(s->id));
    rc = tx_event(tx, ACT_POLICY_DELETE, p->id, META(s->mem, {"name", p->name}), err);
    return rc ? rc : tx_del(tx, ENT_POLICY, s->id, err);
}

enum rk_code policy_delete(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id};
    enum rk_code rc = op_may(op, PERM_POLICIES, PERM_DELETE, err);

    return rc ? rc : op_mutate(op, delete_tx, &s, err);
}
