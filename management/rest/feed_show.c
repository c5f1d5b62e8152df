/* SPDX-License-Identifier: BSD-3-Clause */
/* What a listener may know, and how it is told; see feed_impl.h. */
#include "config.h"

#include <stdio.h>

#include "lib/base/num.h"
#include "lib/json/json.h"
#include "management/domain/permission.h"
#include "management/ops/history_put.h"
#include "management/rest/feed_impl.h"

#define EVENT_MAX ((size_t)64 << 10)
#define PLACE_MAX 48

/* Which right shows changes of a kind. Nobody but admins sees users and invitations; the products
 * that are not here have no rows. */
static const enum perm_module MODULE[ENT_COUNT] = {
    [ENT_ACCOUNT] = PERM_ACCOUNTS,  [ENT_SETTINGS] = PERM_SETTINGS,
    [ENT_DNS_SETTINGS] = PERM_DNS,  [ENT_USER] = PERM_USERS,
    [ENT_PAT] = PERM_USERS,         [ENT_SETUP_KEY] = PERM_SETUP_KEYS,
    [ENT_PEER] = PERM_PEERS,        [ENT_GROUP] = PERM_GROUPS,
    [ENT_GROUP_PEER] = PERM_GROUPS, [ENT_POLICY] = PERM_POLICIES,
    [ENT_POSTURE] = PERM_POLICIES,  [ENT_ROUTE] = PERM_ROUTES,
    [ENT_NETWORK] = PERM_NETWORKS,  [ENT_RESOURCE] = PERM_NETWORKS,
    [ENT_ROUTER] = PERM_NETWORKS,   [ENT_NS_GROUP] = PERM_NAMESERVERS,
    [ENT_ZONE] = PERM_DNS,          [ENT_RECORD] = PERM_DNS,
    [ENT_INVITE] = PERM_USERS,      [ENT_JOB] = PERM_REMOTE_JOBS,
    [ENT_SERVICE] = PERM_SERVICES,  [ENT_PROXY_DOMAIN] = PERM_SERVICES,
};

bool feed_sub_valid(struct mgmt *m, const struct snapshot *snap, struct feed_sub *s)
{
    const struct pat *pat;

    s->user = snap_user(snap, s->user_id);
    if (!s->user || perm_check_active(s->user, NULL))
        return false;
    if (!s->pat_id.n)
        return true;
    pat = snap_find(snap, ENT_PAT, s->pat_id);
    return pat && (!pat->expires_at_us || mgmt_now_us(m) <= pat->expires_at_us);
}

/* ---- rights */

static bool is_own(const struct feed_sub *s, struct rk_str user_id)
{
    return user_id.n && rk_str_eq(user_id, s->user_id);
}

/* A peer of a user who is no admin: their own, unless the account hides peers from them. */
static bool sees_own_peers(const struct snapshot *snap, const struct feed_sub *s)
{
    return !perm_is_restricted(s->user, snap_settings(snap)->regular_users_view_blocked);
}

static bool sees_peer(const struct snapshot *snap, const struct feed_sub *s, const struct peer *p)
{
    if (p->proxy_embedded)
        return false;
    if (perm_of_user(s->user, PERM_PEERS) & PERM_READ)
        return true;
    return is_own(s, p->user_id) && sees_own_peers(snap, s);
}

/* Whose the entity is, or was. */
static bool concerns(const struct snapshot *snap, const struct feed_sub *s, enum entity_kind kind,
                     const struct history_entry *e, struct rk_arena *mem)
{
    struct history_entry was = {.after = e->before};
    const struct peer *p;

    switch (kind) {
    case ENT_USER:
        return is_own(s, e->id);
    case ENT_PAT:
        return is_own(s, history_text(mem, e, "user_id"));
    case ENT_PEER:
        return sees_own_peers(snap, s) && (is_own(s, history_text(mem, e, "user_id")) ||
                                           is_own(s, history_text(mem, &was, "user_id")));
    case ENT_GROUP_PEER:
        p = snap_peer(snap, history_text(mem, e, "peer"));
        return p && sees_own_peers(snap, s) && is_own(s, p->user_id);
    default:
        return false;
    }
}

static bool sees(const struct snapshot *snap, const struct feed_sub *s,
                 const struct history_entry *e, struct rk_arena *mem)
{
    enum entity_kind kind;

    if (!entity_kind_parse(e->kind, &kind))
        return false;
    return perm_of_user(s->user, MODULE[kind]) & PERM_READ || concerns(snap, s, kind, e, mem);
}

/* Members learn of themselves and their own peers, not who else works here. */
static bool sees_actor(const struct snapshot *snap, const struct feed_sub *s, struct rk_str actor)
{
    const struct peer *p = snap_peer(snap, actor);

    return perm_of_user(s->user, PERM_EVENTS) & PERM_READ || is_own(s, actor) ||
           (p && is_own(s, p->user_id));
}

/* ---- text */

static void put_place(struct rk_buf *b, struct mgmt *m, const struct feed_sub *s)
{
    char text[PLACE_MAX];

    (void)snprintf(text, sizeof text, "%lld-%lld", (long long)s->seq,
                   (long long)(mgmt_now_us(m) / 1000));
    rk_buf_addz(b, text);
}

static bool send_event(struct mgmt *m, struct feed_sub *s, const char *event,
                       const struct rk_buf *json)
{
    struct rk_buf b;
    bool told;

    rk_buf_init(&b, json->n + 256);
    rk_buf_addz(&b, "id: ");
    put_place(&b, m, s);
    rk_buf_printf(&b, "\nevent: %s\ndata: ", event);
    rk_buf_add(&b, rk_buf_str(json));
    rk_buf_addz(&b, "\n\n");
    told = http_live_write(s->live, rk_buf_str(&b)) != HTTP_LIVE_FULL;
    rk_buf_done(&b);
    return told;
}

/* As an event, or into the list of the one answer. true: it is told, or can never be. json is
 * released. */
static bool show(struct mgmt *m, struct feed_sub *s, const char *event, struct rk_buf *json,
                 struct rk_buf *list)
{
    bool told = true;

    if (!json->full && s->events) {
        told = send_event(m, s, event, json);
    } else if (!json->full) {
        told = list->n + json->n + 1 <= list->max;
        if (told && list->n)
            rk_buf_addc(list, ',');
        if (told)
            rk_buf_add(list, rk_buf_str(json));
    }
    rk_buf_done(json);
    return told;
}

bool feed_show_entry(struct mgmt *m, const struct snapshot *snap, struct feed_sub *s,
                     const struct history_entry *e, struct rk_arena *mem)
{
    int64_t seq = s->seq;
    struct rk_buf b;

    s->seq = e->seq;
    if (!sees(snap, s, e, mem))
        return true;
    rk_buf_init(&b, EVENT_MAX);
    history_put(mem, snap, e, sees_actor(snap, s, e->actor), &b);
    if (show(m, s, "change", &b, &s->changes))
        return true;
    s->seq = seq;
    return false;
}

void feed_show_presence(struct mgmt *m, const struct snapshot *snap, struct feed_sub *s,
                        const struct peer *p)
{
    struct presence now = presence_of(m, p);
    struct rk_buf b;

    if (s->lost || !sees_peer(snap, s, p))
        return;
    rk_buf_init(&b, EVENT_MAX);
    json_put_obj(&b);
    json_put_key_str(&b, "peer", p->id);
    json_put_key_str(&b, "name", p->name);
    json_put_key_bool(&b, "connected", now.connected);
    json_put_key_time(&b, "last_seen", now.last_seen_us);
    json_put_obj_end(&b);
    s->lost = !show(m, s, "presence", &b, &s->presence);
}

bool feed_show_place(struct mgmt *m, struct feed_sub *s, const char *event)
{
    struct rk_buf b;

    rk_buf_init(&b, EVENT_MAX);
    rk_buf_addz(&b, "{\"last\":\"");
    put_place(&b, m, s);
    rk_buf_addz(&b, "\"}");
    return show(m, s, event, &b, &s->changes);
}

void feed_show_answer(struct mgmt *m, struct feed_sub *s)
{
    struct rk_buf b;

    rk_buf_init(&b, s->changes.n + s->presence.n + EVENT_MAX);
    rk_buf_addz(&b, "{\"last\":\"");
    put_place(&b, m, s);
    rk_buf_printf(&b, "\",\"reset\":%s,\"changes\":[", s->reset || s->lost ? "true" : "false");
    rk_buf_add(&b, rk_buf_str(&s->changes));
    rk_buf_addz(&b, "],\"presence\":[");
    rk_buf_add(&b, rk_buf_str(&s->presence));
    rk_buf_addz(&b, "]}\n");
    RK_IGNORE(http_live_write(s->live, rk_buf_str(&b)));
    rk_buf_done(&b);
    http_live_end(s->live);
}
