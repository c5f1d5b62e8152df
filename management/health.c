/* SPDX-License-Identifier: BSD-3-Clause */
/* See health.h. */
#include "config.h"

#include "management/health.h"

#include "lib/base/num.h"
#include "lib/json/json.h"
#include "management/engine/cluster.h"
#include "management/push/hub.h"

#define TOLD_MAX  (64 * 1024)
#define NODES_MAX (256 * 1024)

static void put_list(struct rk_buf *out, const char *key, const char *const *v, size_t n)
{
    json_put_key_n(out, key, strlen(key));
    json_put_arr(out);
    for (size_t i = 0; i < n; i++)
        json_put_str(out, rk_str_z(v[i]));
    json_put_arr_end(out);
}

static struct rk_str told_of(struct rk_arena *mem, const struct servers_opts *s)
{
    struct rk_buf b;
    struct rk_str text;

    rk_buf_init(&b, TOLD_MAX);
    json_put_obj(&b);
    json_put_key_str(&b, "signal", rk_str_z(s->signal_uri));
    put_list(&b, "relays", s->relays, s->n_relays);
    put_list(&b, "stuns", s->stuns, s->n_stuns);
    json_put_obj_end(&b);
    text = b.full ? RK_STR("{}") : rk_arena_dup(mem, rk_buf_str(&b));
    rk_buf_done(&b);
    return text;
}

/* The processes of one database; one with SQLite. */
static void put_nodes(struct mgmt *m, struct rk_buf *out)
{
    struct rk_arena *mem = rk_arena_new(NODES_MAX);
    struct cluster_nodes all = cluster_list(m, mem);
    char text[RK_TIME_TEXT];

    json_put_key_arr(out, "nodes");
    for (size_t i = 0; i < all.n; i++) {
        const struct cluster_node *n = &all.v[i];

        json_put_obj(out);
        json_put_key_str(out, "id", n->id);
        json_put_key_bool(out, "this", n->self);
        json_put_key_str(out, "host", n->host);
        json_put_key_str(out, "version", n->version);
        json_put_key_str(out, "started", rk_time_format_us(n->started_us, text));
        json_put_key_str(out, "seen", rk_time_format_us(n->seen_us, text));
        json_put_key_str(out, "relay", n->relay);
        json_put_key_int(out, "behind", n->lag_versions);
        json_put_key_int(out, "behind_ms", n->lag_us / 1000);
        json_put_obj_end(out);
    }
    json_put_arr_end(out);
    rk_arena_free(mem);
}

/* How far machines are behind what was changed. */
static void put_maps(struct hub *hub, struct rk_buf *out)
{
    struct hub_stats s;

    hub_stats(hub, &s);
    json_put_key_obj(out, "maps");
    json_put_key_int(out, "waiting", (int64_t)s.waiting);
    json_put_key_int(out, "bytes_under_way", (int64_t)s.bytes_under_way);
    json_put_key_int(out, "took_ms", s.took_us / 1000);
    json_put_key_int(out, "cut_off", (int64_t)s.cut_off);
    json_put_obj_end(out);
}

static void put(struct rest_health *r, struct rk_buf *out)
{
    struct mgmt_health *h = rk_container_of(r, struct mgmt_health, rest);
    char why[240] = "";
    bool ready = mgmt_app_ready(h->app, why);

    json_put_key_int(out, "uptime_s", (rk_mono_ms() - h->start_ms) / 1000);
    json_put_key(out, "agents_are_told");
    rk_buf_add(out, h->told);
    put_nodes(mgmt_app_engine(h->app), out);
    put_maps(mgmt_app_hub(h->app), out);
    json_put_key(out, "health");
    if (h->describe)
        h->describe(h->arg, ready, why, out);
    else
        mgmt_app_describe(h->app, ready, why, "", 0, out);
}

void mgmt_health_init(struct mgmt_health *h, struct mgmt_app *a, struct rk_arena *mem,
                      const struct mgmt_app_opts *o)
{
    *h = (struct mgmt_health){.rest.put = put,
                              .app = a,
                              .describe = o->describe,
                              .arg = o->describe_arg,
                              .start_ms = rk_mono_ms(),
                              .told = told_of(mem, &o->servers)};
}
