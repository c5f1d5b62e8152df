/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases of the affected set: exactly the peers that the official server wakes, and in the cases of
 * its known gaps those that a correct server adds.
 */
#include "config.h"

#include <stdio.h>

#include "management/push/affected.h"
#include "tests/map-cases/suite.h"

/* Who else must be woken, by the notes of the cases (ap-019 is the account and change of ap-033).
 */
static const struct addition {
    const char *id, *peers;
} ADDITIONS[] = {
    {"ap-019", "d"}, {"ap-021", "dr"}, {"ap-024", "abc"}, {"ap-031", "ac"}, {"ap-033", "d"},
};

static bool is_addition(const char *id, struct rk_str peer)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(ADDITIONS); i++)
        if (rk_str_eqz(rk_str_z(id), ADDITIONS[i].id))
            return rk_str_find(rk_str_z(ADDITIONS[i].peers), peer) < strlen(ADDITIONS[i].peers);
    return false;
}

static void walk_peers(struct affected *a, const json_t *change)
{
    json_t *list = json_object_get(change, "peers"), *v;
    size_t i;

    json_array_foreach (list, i, v) {
        affected_peer(a, snap_index_of(a->s, tj_str(v)));
        bits_set(&a->out, snap_index_of(a->s, tj_str(v)));
    }
    list = json_object_get(change, "output_peers");
    json_array_foreach (list, i, v)
        bits_set(&a->out, snap_index_of(a->s, tj_str(v)));
}

static void walk_groups(struct affected *a, const json_t *change)
{
    json_t *list = json_object_get(change, "groups"), *v, *p;
    json_t *removed = json_object_get(change, "removed_peers");
    size_t i, k;
    const char *group;

    json_array_foreach (list, i, v)
        affected_group(a, tj_str(v));
    list = json_object_get(change, "link_groups");
    json_array_foreach (list, i, v)
        affected_link(a, tj_str(v));
    /* whoever left a group that something uses is refreshed with its members */
    json_object_foreach (removed, group, v)
        if (bits_meet(&a->out, snap_group_members(a->s, rk_str_z(group))))
            json_array_foreach (v, k, p)
                bits_set(&a->out, snap_index_of(a->s, tj_str(p)));
}

static void walk_objects(const struct cases *c, struct rk_arena *mem, struct affected *a,
                         const json_t *change)
{
    json_t *list = json_object_get(change, "policies"), *v;
    struct policy policy;
    struct route route;
    struct router router;
    size_t i;

    json_array_foreach (list, i, v) {
        account_policy(c, mem, v, 0, &policy);
        affected_policy(a, &policy);
    }
    list = json_object_get(change, "routes");
    json_array_foreach (list, i, v) {
        account_route(c, mem, v, &route);
        affected_route(a, &route);
    }
    list = json_object_get(change, "routers");
    json_array_foreach (list, i, v) {
        account_router(c, mem, v, &router);
        affected_router(a, &router);
    }
    list = json_object_get(change, "resources");
    json_array_foreach (list, i, v) {
        struct str_list groups = tj_list(mem, json_object_get(v, "groups"));

        affected_resource(a, tj_str(json_object_get(v, "id")),
                          tj_str(json_object_get(v, "network")), &groups);
    }
    list = json_object_get(change, "networks");
    json_array_foreach (list, i, v)
        affected_network(a, tj_str(v));
    list = json_object_get(change, "posture_checks");
    json_array_foreach (list, i, v)
        affected_posture(a, tj_str(v));
}

static bool compare(const char *id, const json_t *want, const struct affected *a)
{
    bool ok = true, listed;
    json_t *v;
    size_t k;

    json_array_foreach (want, k, v)
        if (!bits_has(&a->out, snap_index_of(a->s, tj_str(v)))) {
            printf("  %s not woken\n", json_string_value(v));
            ok = false;
        }
    for (BITS_EACH(i, &a->out)) {
        struct rk_str peer = snap_peer_at(a->s, i)->id;

        listed = false;
        json_array_foreach (want, k, v)
            listed |= rk_str_eq(tj_str(v), peer);
        if (!listed && !is_addition(id, peer)) {
            printf("  %.*s woken without need\n", RK_STR_ARG(peer));
            ok = false;
        }
    }
    return ok;
}

bool judge_affected(const struct cases *c, const json_t *one)
{
    const char *id = json_string_value(json_object_get(one, "id"));
    const json_t *change = json_object_get(one, "change");
    struct rk_arena *mem = rk_arena_new(0);
    const struct account_data *d = account_of(c, mem, json_object_get(one, "account"));
    struct snapshot *s = snap_build(d, &(struct snap_opts){0});
    struct affected a = {.s = s, .official_reach = true};
    struct str_list groups = tj_list(mem, json_object_get(change, "distribution_groups"));
    struct str_list users = tj_list(mem, json_object_get(change, "user_groups"));
    bool ok = true;

    affected_members(&a, &groups);
    affected_users(&a, &users, json_is_true(json_object_get(change, "allowed_users_changed")));
    walk_objects(c, mem, &a, change);
    walk_peers(&a, change);
    walk_groups(&a, change);
    ok = compare(id, json_object_get(one, "expect"), &a);
    for (size_t i = 0; i < RK_ARRAY_LEN(ADDITIONS); i++)
        for (const char *p = ADDITIONS[i].peers; rk_str_eqz(rk_str_z(id), ADDITIONS[i].id) && *p;
             p++)
            ok &= bits_has(&a.out, snap_index_of(s, rk_str_of(p, 1)));
    affected_done(&a);
    snap_unref(s);
    rk_arena_free(mem);
    return ok;
}
