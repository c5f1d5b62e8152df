/* SPDX-License-Identifier: BSD-3-Clause */
/* Temporary access; see temporary.h. */
#include "config.h"

#include "management/ops/temporary.h"

#include "lib/base/id.h"
#include "lib/base/num.h"
#include "lib/crypto/secret.h"
#include "management/ops/peer_insert.h"
#include "management/ops/peers.h"
#include "management/ops/policies.h"

#define MAX_RULES 50 /* a browser asks for one or two */
#define SSH_PORT  22022

struct save {
    struct rk_arena *mem;
    const struct temporary_input *in;
    struct rule *rules; /* protocol and ports of each wanted rule */
    struct rk_str user_id, target_id, id;
};

static enum rk_code bad_rule(struct rk_str text, struct rk_err *err)
{
    return rk_fail(err, RK_INVALID,
                   "invalid rule %.*s: expected all, icmp, tcp/PORT, "
                   "udp/FROM-TO or netbird-ssh/PORT",
                   RK_STR_ARG(text));
}

static bool parse_ports(struct rk_arena *mem, struct rk_str text, struct rule *r)
{
    struct rk_str from, to;
    int64_t a, b;
    bool range = rk_str_cut(text, '-', &from, &to);

    if (rk_parse_i64(from, 1, 65535, &a, NULL) ||
        rk_parse_i64(range ? to : from, 1, 65535, &b, NULL) || a > b)
        return false;
    r->ranges = rk_new(mem, struct port_range);
    r->ranges[r->n_ranges++] = (struct port_range){(uint16_t)a, (uint16_t)b};
    return true;
}

static enum rk_code parse_rule(struct save *s, struct rk_str text, struct rule *r,
                               struct rk_err *err)
{
    struct rk_str name, ports;
    bool with_ports = rk_str_cut(text, '/', &name, &ports), ok = !with_ports;

    if (rk_str_ieq(name, RK_STR("all"))) {
        r->protocol = PROTO_ALL;
    } else if (rk_str_ieq(name, RK_STR("icmp"))) {
        r->protocol = PROTO_ICMP;
    } else if (rk_str_ieq(name, RK_STR("netbird-ssh"))) {
        r->protocol = PROTO_SSH;
        r->authorized_user = s->user_id;
        ok = with_ports && parse_ports(s->mem, RK_STR("22022"), r);
    } else {
        r->protocol = rk_str_ieq(name, RK_STR("udp")) ? PROTO_UDP : PROTO_TCP;
        ok = with_ports && (r->protocol == PROTO_UDP || rk_str_ieq(name, RK_STR("tcp"))) &&
             parse_ports(s->mem, ports, r);
    }
    return ok ? RK_OK : bad_rule(text, err);
}

static enum rk_code add_peer(struct tx *tx, struct save *s, struct rk_err *err)
{
    const struct group *all = snap_group_all(tx->snap);
    struct rk_str all_id = all ? all->id : RK_STR("");
    struct str_list groups = {&all_id, all ? 1 : 0};
    struct peer *p = rk_new(s->mem, struct peer);
    enum rk_code rc;

    *p = (struct peer){.id = s->id,
                       .account_id = tx->account_id,
                       .key = s->in->key,
                       .name = s->in->name,
                       .user_id = s->user_id,
                       .last_login_us = tx->now_us,
                       .created_at_us = tx->now_us,
                       .ephemeral = true,
                       .meta = {.hostname = s->in->name,
                                .goos = RK_STR("js"),
                                .os = RK_STR("js"),
                                .kernel = RK_STR("wasm")},
                       .status.last_seen_us = tx->now_us};
    rc = peer_insert(tx, p, &groups, err);
    if (!rc && all)
        rc = tx_group_add_peer(tx, all->id, p->id, err);
    return rc;
}

static enum rk_code add_policy(struct tx *tx, struct save *s, size_t i, struct rk_err *err)
{
    struct policy *p = rk_new(s->mem, struct policy);
    struct rule *r = &s->rules[i];
    enum rk_code rc;

    *p = (struct policy){.id = rk_xid_new(s->mem),
                         .account_id = tx->account_id,
                         .public_id = rk_xid_new(s->mem),
                         .seq = policy_next_seq(tx->snap) + (int64_t)i,
                         .name = rk_arena_printf(s->mem, "Temporary access policy for peer %.*s",
                                                 RK_STR_ARG(s->in->name)),
                         .enabled = true,
                         .rules = r,
                         .n_rules = 1};
    r->id = r->policy_id = p->id;
    r->name = p->name;
    r->enabled = true;
    r->action = ACTION_ACCEPT;
    r->source_resource = (struct resource_ref){s->id, RESOURCE_PEER};
    r->destination_resource = (struct resource_ref){s->target_id, RESOURCE_PEER};
    rc = tx_put(tx, ENT_POLICY, p, err);
    return rc ? rc : tx_event(tx, ACT_POLICY_ADD, p->id, META(s->mem, {"name", p->name}), err);
}

static enum rk_code access_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    enum rk_code rc;

    if (!tx_get(tx, ENT_PEER, s->target_id))
        return rk_fail(err, RK_NOT_FOUND, "peer not found: %.*s", RK_STR_ARG(s->target_id));
    rc = add_peer(tx, s, err);
    for (size_t i = 0; i < s->in->rules.n && !rc; i++)
        rc = add_policy(tx, s, i, err);
    return rc;
}

static enum rk_code check_input(struct save *s, struct rk_err *err)
{
    struct rk_key key;
    enum rk_code rc = RK_OK;

    if (!s->in->name.n)
        return rk_fail(err, RK_INVALID, "name can't be empty");
    if (rk_key_parse(s->in->key, &key, NULL))
        return rk_fail(err, RK_INVALID, "wg_pub_key is no WireGuard key");
    if (s->in->rules.n > MAX_RULES)
        return rk_fail(err, RK_INVALID, "at most %d rules", MAX_RULES);
    s->rules = rk_new_n(s->mem, struct rule, s->in->rules.n);
    for (size_t i = 0; i < s->in->rules.n && !rc; i++)
        rc = parse_rule(s, s->in->rules.v[i], &s->rules[i], err);
    return rc;
}

enum rk_code temporary_access(struct op *op, struct rk_str peer_id,
                              const struct temporary_input *in, struct rk_str *id,
                              struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    const struct peer *target;
    enum rk_code rc;

    *s = (struct save){.mem = op->mem,
                       .in = in,
                       .user_id = rk_arena_dup(op->mem, op->user->id),
                       .target_id = peer_id,
                       .id = rk_xid_new(op->mem)};
    rc = peer_get(op, peer_id, &target, err);
    if (!rc)
        rc = op_may(op, PERM_PEERS, PERM_CREATE, err);
    if (!rc)
        rc = op_may(op, PERM_POLICIES, PERM_CREATE, err);
    if (!rc)
        rc = check_input(s, err);
    if (!rc)
        rc = op_mutate(op, access_tx, s, err);
    if (!rc)
        *id = s->id;
    return rc;
}
