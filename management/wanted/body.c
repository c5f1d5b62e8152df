/* SPDX-License-Identifier: BSD-3-Clause */
/* Steps as bodies of the REST API: names become ids; see steps.h. */
#include "config.h"

#include "lib/base/num.h"
#include "lib/json/json.h"
#include "management/domain/network.h"
#include "management/snapshot/bits.h"
#include "management/wanted/names.h"

struct body {
    struct rk_arena *mem;
    const struct want_plan *plan;
    const struct want_step *step;
    struct rk_buf *out;
    struct rk_err *err;
};

static bool names_groups(struct rk_str key)
{
    enum want_kind kind;

    return want_key_names(key, &kind) && kind == WANT_GROUP;
}

/* Empty, these are as if they were not there: the API takes one of two. */
static bool is_either(struct rk_str key)
{
    static const char *const KEYS[] = {"network", "peer", "domains", "peer_groups",
                                       "access_control_groups"};

    for (size_t i = 0; i < RK_ARRAY_LEN(KEYS); i++)
        if (rk_str_eqz(key, KEYS[i]))
            return true;
    return false;
}

static enum rk_code put_ids(struct body *b, enum want_kind kind, const struct want_node *list)
{
    json_put_arr(b->out);
    WANT_EACH (it, list) {
        struct want_named found;
        enum rk_code rc = want_names_find(b->plan->names, kind, it, &found, b->err);

        if (rc)
            return rc;
        json_put_str(b->out, found.id);
    }
    json_put_arr_end(b->out);
    return RK_OK;
}

static enum rk_code put_peer_id(struct body *b, const struct want_node *n)
{
    struct rk_str id;
    enum rk_code rc = want_names_peer(b->plan->names, n, &id, b->err);

    if (rc == RK_OK)
        json_put_str(b->out, id);
    return rc;
}

/* ---- groups: members and resources are replaced as a whole */

static enum rk_code group_body(struct body *b)
{
    const struct want_object *have = b->step->have;
    const struct want_node *peers = want_get(b->step->want->node, "peers");
    const struct group *g = have ? snap_group(b->plan->snap, have->id) : NULL;
    enum rk_code rc = RK_OK;

    json_put_key_str(b->out, "name", want_text(b->step->want->node, "name"));
    json_put_key_arr(b->out, "peers");
    WANT_EACH (it, peers)
        if (rc == RK_OK)
            rc = put_peer_id(b, it);
    if (!peers && g)
        for (BITS_EACH(i, snap_group_members(b->plan->snap, g->id)))
            json_put_str(b->out, snap_peer_at(b->plan->snap, i)->id);
    json_put_arr_end(b->out);
    json_put_key_arr(b->out, "resources");
    for (size_t i = 0; g && i < g->n_resources; i++) {
        if (g->resources[i].type != RESOURCE_PEER &&
            !want_names_has(b->plan->names, WANT_RESOURCE, g->resources[i].id))
            continue; /* deleted by now */
        json_put_obj(b->out);
        json_put_key_str(b->out, "id", g->resources[i].id);
        json_put_key_str(b->out, "type", rk_str_z(resource_type_text(g->resources[i].type)));
        json_put_obj_end(b->out);
    }
    json_put_arr_end(b->out);
    return rc;
}

/* ---- policies */

static enum rk_code put_end(struct body *b, const char *key, const struct want_node *end)
{
    const struct want_node *peer = want_get(end, "peer"), *resource = want_get(end, "resource");
    struct want_named found = {.type = RESOURCE_PEER};
    enum rk_code rc =
        peer ? want_names_peer(b->plan->names, peer, &found.id, b->err)
             : want_names_find(b->plan->names, WANT_RESOURCE, resource, &found, b->err);

    if (rc)
        return rc;
    json_put_key_n(b->out, key, strlen(key));
    json_put_obj(b->out);
    json_put_key_str(b->out, "id", found.id);
    /* of one that is only just made the kind does not count: rules know resources by their ids */
    json_put_key_str(b->out, "type",
                     rk_str_z(resource_type_text(found.type ? found.type : RESOURCE_SUBNET)));
    json_put_obj_end(b->out);
    return RK_OK;
}

/* A port is a range of one where it stands among ranges: the API takes one form at a time. */
static enum rk_code put_ranges(struct body *b, const struct want_node *ports)
{
    json_put_key_arr(b->out, "port_ranges");
    WANT_EACH (it, ports) {
        struct rk_str first, last;
        int64_t from, to;

        if (!rk_str_cut(it->text, '-', &first, &last))
            last = first;
        if (rk_parse_i64(first, 0, UINT16_MAX, &from, NULL) ||
            rk_parse_i64(last, 0, UINT16_MAX, &to, NULL))
            return rk_fail(b->err, RK_INVALID, "line %zu: %.*s is no port and no range of ports",
                           it->line, RK_STR_ARG(it->text));
        json_put_obj(b->out);
        json_put_key_int(b->out, "start", from);
        json_put_key_int(b->out, "end", to);
        json_put_obj_end(b->out);
    }
    json_put_arr_end(b->out);
    return RK_OK;
}

static enum rk_code put_ports(struct body *b, const struct want_node *ports)
{
    WANT_EACH (it, ports)
        if (rk_str_find_c(it->text, '-') < it->text.n)
            return put_ranges(b, ports);
    json_put_key_arr(b->out, "ports");
    WANT_EACH (it, ports)
        json_put_str(b->out, it->text);
    json_put_arr_end(b->out);
    return RK_OK;
}

static enum rk_code put_authorized(struct body *b, const struct want_node *map)
{
    json_put_key_obj(b->out, "authorized_groups");
    WANT_EACH (it, map) {
        struct want_node name = {.text = it->key, .line = it->line};
        struct want_named found;
        enum rk_code rc = want_names_find(b->plan->names, WANT_GROUP, &name, &found, b->err);

        if (rc)
            return rc;
        json_put_key_any(b->out, found.id);
        want_json(it, b->out);
    }
    json_put_obj_end(b->out);
    return RK_OK;
}

static enum rk_code put_rule_member(struct body *b, const struct want_node *rule,
                                    const struct want_node *it)
{
    if (rk_str_eqz(it->key, "source"))
        return put_end(b, "sourceResource", it);
    if (rk_str_eqz(it->key, "destination"))
        return put_end(b, "destinationResource", it);
    if (rk_str_eqz(it->key, "ports"))
        return put_ports(b, it);
    if (rk_str_eqz(it->key, "authorized_groups"))
        return put_authorized(b, it);
    if (rk_str_eqz(it->key, "sources") && !it->n && want_get(rule, "source"))
        return RK_OK;
    if (rk_str_eqz(it->key, "destinations") && !it->n && want_get(rule, "destination"))
        return RK_OK;
    json_put_key_any(b->out, it->key);
    if (names_groups(it->key))
        return put_ids(b, WANT_GROUP, it);
    want_json(it, b->out);
    return RK_OK;
}

/* A rule keeps its id while it stands at the same place. */
static struct rk_str rule_id(const struct body *b, size_t i)
{
    const struct policy *p = b->step->have ? snap_policy(b->plan->snap, b->step->have->id) : NULL;

    return p && i < p->n_rules ? p->rules[i].id : (struct rk_str){0};
}

static enum rk_code put_rules(struct body *b, const struct want_node *rules)
{
    size_t i = 0;

    json_put_key_arr(b->out, "rules");
    WANT_EACH (rule, rules) {
        struct rk_str id = rule_id(b, i++);

        json_put_obj(b->out);
        if (id.n)
            json_put_key_str(b->out, "id", id);
        WANT_EACH (it, rule) {
            enum rk_code rc = put_rule_member(b, rule, it);

            if (rc)
                return rc;
        }
        json_put_obj_end(b->out);
    }
    json_put_arr_end(b->out);
    return RK_OK;
}

/* ---- all others */

static enum rk_code put_member(struct body *b, const struct want_node *it)
{
    if (is_either(it->key) && !it->n && !it->text.n)
        return RK_OK;
    if (rk_str_eqz(it->key, "rules"))
        return put_rules(b, it);
    if (rk_str_eqz(it->key, "posture_checks")) {
        json_put_key(b->out, "source_posture_checks");
        return put_ids(b, WANT_POSTURE, it);
    }
    json_put_key_any(b->out, it->key);
    if (rk_str_eqz(it->key, "peer"))
        return put_peer_id(b, it);
    if (names_groups(it->key))
        return put_ids(b, WANT_GROUP, it);
    want_json(it, b->out);
    return RK_OK;
}

/* Settings are replaced as a whole: what the file does not say stays. */
static struct want_node *merged(struct rk_arena *mem, const struct want_node *is,
                                const struct want_node *wanted)
{
    struct want_node *n = want_new(mem, WANT_MAP);

    WANT_EACH (it, is) {
        const struct want_node *w = want_get_str(wanted, it->key);
        struct want_node *to = !w                    ? want_copy(mem, it)
                               : w->type == WANT_MAP ? merged(mem, it, w)
                                                     : want_copy(mem, w);

        to->key = it->key;
        want_link(n, to);
    }
    WANT_EACH (it, wanted)
        if (!want_get_str(is, it->key))
            want_link(n, want_copy(mem, it));
    return n;
}

/* What the format does not have, and the API would take for switched off. */
static void put_other_settings(struct body *b)
{
    const struct settings *s = snap_settings(b->plan->snap);

    if (!s->has_dashboard_features)
        return;
    json_put_key_obj(b->out, "dashboard_features");
    if (s->dashboard_agent_network != TRI_UNSET)
        json_put_key_bool(b->out, "agent_network", s->dashboard_agent_network == TRI_TRUE);
    json_put_obj_end(b->out);
}

static enum rk_code put_extra(struct body *b, const struct want_node *extra)
{
    bool given = snap_settings(b->plan->snap)->traffic_groups_given;

    json_put_key_obj(b->out, "extra");
    WANT_EACH (it, extra) {
        enum rk_code rc;

        /* the API tells groups that were never given (null) from none */
        if (rk_str_eqz(it->key, "network_traffic_logs_groups") && !it->n && !given)
            continue;
        rc = put_member(b, it);
        if (rc)
            return rc;
    }
    json_put_obj_end(b->out);
    return RK_OK;
}

static enum rk_code settings_body(struct body *b)
{
    const struct want_node *n = merged(b->mem, b->step->have->node, b->step->want->node);

    json_put_key_obj(b->out, "settings");
    WANT_EACH (it, n) {
        enum rk_code rc = RK_OK;

        if (rk_str_eqz(it->key, "extra"))
            rc = put_extra(b, it);
        else
            rc = put_member(b, it);
        if (rc)
            return rc;
    }
    put_other_settings(b);
    json_put_obj_end(b->out);
    return RK_OK;
}

enum rk_code want_body(struct rk_arena *mem, const struct want_plan *p,
                       const struct want_step *step, struct rk_buf *out, struct rk_err *err)
{
    struct body b = {mem, p, step, out, err};
    enum rk_code rc = RK_OK;

    json_put_obj(out);
    if (step->kind == WANT_GROUP)
        rc = group_body(&b);
    else if (step->kind == WANT_SETTINGS)
        rc = settings_body(&b);
    else
        WANT_EACH (it, step->want->node)
            if (rc == RK_OK)
                rc = put_member(&b, it);
    if (step->kind == WANT_SETUP_KEY && step->op == WANT_UPDATE && rc == RK_OK)
        json_put_key_bool(out, "revoked", false);
    json_put_obj_end(out);
    return rc;
}
