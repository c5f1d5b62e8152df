/* SPDX-License-Identifier: BSD-3-Clause */
/* See history_put.h. */
#include "config.h"

#include "management/ops/history_put.h"

#include "lib/json/json.h"
#include "management/ops/users.h"

struct rk_str history_actor_name(const struct snapshot *s, struct rk_str id)
{
    const struct user *u = snap_user(s, id);
    const struct peer *p = u ? NULL : snap_peer(s, id);
    const struct setup_key *k = u || p ? NULL : snap_setup_key(s, id);

    return u ? user_shown_name(u) : p ? p->name : k ? k->name : (struct rk_str){0};
}

/* Of users it is sealed in the journal. */
static struct rk_str name_of(struct rk_arena *mem, const struct snapshot *s,
                             const struct history_entry *e)
{
    const struct user *u = rk_str_eqz(e->kind, "user") ? snap_user(s, e->id) : NULL;

    return u ? user_shown_name(u) : history_text(mem, e, "name");
}

static void put_member(struct rk_arena *mem, const struct snapshot *s,
                       const struct history_entry *e, struct rk_buf *b)
{
    struct rk_str id = history_text(mem, e, "peer");
    const struct peer *p = snap_peer(s, id);
    const struct group *g = snap_group(s, e->id);

    json_put_key_str(b, "name", g ? g->name : RK_STR(""));
    json_put_key_str(b, "peer", p ? p->name : id);
    json_put_key_str(b, "peer_id", id);
}

void history_put(struct rk_arena *mem, const struct snapshot *s, const struct history_entry *e,
                 bool actor, struct rk_buf *b)
{
    struct str_list fields = history_fields(mem, e);
    struct rk_str who = actor ? e->actor : RK_STR("");

    json_put_obj(b);
    json_put_key_int(b, "entry", e->seq);
    json_put_key_int(b, "change", e->version);
    json_put_key_int(b, "serial", e->serial);
    json_put_key_time(b, "time", e->at_us);
    json_put_key_obj(b, "actor");
    json_put_key_str(b, "id", who);
    json_put_key_str(b, "name", history_actor_name(s, who));
    json_put_obj_end(b);
    json_put_key_str(b, "op", e->op);
    json_put_key_str(b, "kind", e->kind);
    json_put_key_str(b, "id", e->id);
    if (rk_str_eqz(e->kind, "group_peer"))
        put_member(mem, s, e, b);
    else
        json_put_key_str(b, "name", name_of(mem, s, e));
    json_put_key_arr(b, "fields");
    for (size_t i = 0; i < fields.n; i++)
        json_put_str(b, fields.v[i]);
    json_put_arr_end(b);
    json_put_obj_end(b);
}
