/* SPDX-License-Identifier: BSD-3-Clause */
/* Choosing networks and who carries them; see route_set.h. */
#include "config.h"

#include "agent/engine/route_set.h"

#include <stdlib.h>
#include <string.h>

/* Points, in millionths of an official agent's. */
#define POINT         INT64_C(1000000)
#define CONNECTED     (100000 * POINT)
#define METRIC_MAX    9999
#define HYSTERESIS    10000  /* 10 ms of latency */
#define LATENCY_WORST 999000 /* unknown, or above a second */

struct cand { /* one peer's offer of a group */
    struct rk_key peer;
    int64_t metric;
    bool skip_auto;
};

struct group {
    struct rk_str ha_id, net_id;
    struct rk_prefix prefix;
    struct rk_str *domains;
    size_t n_domains;
    struct cand *cands; /* sorted by key */
    size_t n_cands, cap_cands;
    bool has_choice;
    bool keep; /* addresses stay when a later answer lacks them */
    struct rk_key choice;
};

struct names { /* a small set of network ids; texts owned */
    char **v;
    size_t n;
};

struct named { /* an address that a name of a group has resolved to; texts owned */
    char *id;
    char *name;
    struct rk_ip ip;
};

struct route_set {
    struct route_opts o;
    struct rk_arena *mem; /* of the groups */
    struct group *groups; /* sorted by ha_id */
    size_t n_groups;
    bool serves;
    struct names selected, deselected;
    bool deselect_all;
    struct named *named;
    size_t n_named, cap_named;
    struct routed *list;
    size_t n_list, cap_list;
};

/* ---- sets of names */

static bool names_has(const struct names *s, struct rk_str id)
{
    for (size_t i = 0; i < s->n; i++)
        if (rk_str_eqz(id, s->v[i]))
            return true;
    return false;
}

static void names_add(struct names *s, struct rk_str id)
{
    if (names_has(s, id))
        return;
    s->v = rk_realloc(s->v, s->n + 1, sizeof *s->v);
    s->v[s->n++] = rk_str_dupz(id);
}

static void names_del(struct names *s, struct rk_str id)
{
    for (size_t i = 0; i < s->n; i++) {
        if (!rk_str_eqz(id, s->v[i]))
            continue;
        free(s->v[i]);
        s->v[i] = s->v[--s->n];
        return;
    }
}

static void names_clear(struct names *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->v[i]);
    free(s->v);
    *s = (struct names){0};
}

static void names_read(struct names *s, const json_t *list)
{
    const json_t *v;
    size_t i;

    json_array_foreach (list, i, v)
        if (json_is_string(v))
            names_add(s, rk_str_z(json_string_value(v)));
}

static json_t *names_json(const struct names *s)
{
    json_t *a = json_array();

    for (size_t i = 0; i < s->n; i++)
        (void)json_array_append_new(a, json_string(s->v[i]));
    return a;
}

/* ---- addresses of names */

static void named_drop(struct route_set *s, size_t i)
{
    free(s->named[i].id);
    free(s->named[i].name);
    s->named[i] = s->named[--s->n_named];
}

static const struct group *group_of(const struct route_set *s, struct rk_str id)
{
    size_t lo = 0, hi = s->n_groups;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = rk_str_cmp(s->groups[mid].ha_id, id);

        if (c == 0)
            return &s->groups[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static void named_prune(struct route_set *s)
{
    for (size_t i = s->n_named; i-- > 0;)
        if (!group_of(s, rk_str_z(s->named[i].id)))
            named_drop(s, i);
}

/* ---- life */

struct route_set *route_set_new(const struct route_opts *o, const json_t *selection)
{
    struct route_set *s = rk_calloc(1, sizeof *s);

    s->o = *o;
    s->mem = rk_arena_new(0);
    names_read(&s->selected, json_object_get(selection, "selected_routes"));
    names_read(&s->deselected, json_object_get(selection, "deselected_routes"));
    s->deselect_all = json_is_true(json_object_get(selection, "deselect_all"));
    return s;
}

void route_set_free(struct route_set *s)
{
    if (!s)
        return;
    names_clear(&s->selected);
    names_clear(&s->deselected);
    while (s->n_named)
        named_drop(s, s->n_named - 1);
    free(s->named);
    rk_arena_free(s->mem);
    free(s->list);
    free(s);
}

json_t *route_set_selection(const struct route_set *s)
{
    return json_pack("{s:o,s:o,s:b}", "selected_routes", names_json(&s->selected),
                     "deselected_routes", names_json(&s->deselected), "deselect_all",
                     s->deselect_all);
}

/* ---- the map's routes */

static bool is_exit(const struct group *g)
{
    return !g->n_domains && g->prefix.bits == 0;
}

/* Places that a peer must never take over. */
static bool routable(const struct route_set *s, const struct rk_prefix *p)
{
    if (p->ip.family == 6 && !s->o.v6.ip.family)
        return false;
    if (rk_ip_is_loopback(&p->ip) || rk_ip_is_link_local(&p->ip) || rk_ip_is_multicast(&p->ip) ||
        (rk_ip_is_unspecified(&p->ip) && p->bits != 0))
        return false;
    if (s->o.v4.bits <= p->bits && rk_prefix_contains(&s->o.v4, &p->ip))
        return false;
    return !s->o.v6.ip.family || s->o.v6.bits > p->bits || !rk_prefix_contains(&s->o.v6, &p->ip);
}

static struct rk_str join_domains(struct rk_arena *mem, const Management__Route *m)
{
    struct rk_str out = RK_STR("");

    for (size_t i = 0; i < m->n_domains; i++)
        out = RK_CAT(mem, out, rk_str_z(i ? ", " : ""), rk_str_z(m->domains[i]));
    return out;
}

/* A route as a group of its own; groups with the same id are merged afterwards. */
static bool read_route(struct route_set *s, struct rk_arena *mem, const Management__Route *m,
                       struct group *out)
{
    struct cand *c = rk_new(mem, struct cand);

    *out = (struct group){.cands = c, .n_cands = 1, .cap_cands = 1};
    if (rk_key_parse_wire(rk_str_z(m->peer), &c->peer, NULL))
        return false;
    c->metric = m->metric;
    c->skip_auto = m->skipautoapply;
    out->net_id = rk_arena_dup(mem, rk_str_z(m->netid));
    if (m->n_domains) {
        out->keep = m->keeproute;
        out->ha_id = RK_CAT(mem, rk_str_z(m->netid), RK_STR("|"), join_domains(mem, m));
        out->n_domains = m->n_domains;
        out->domains = rk_new_n(mem, struct rk_str, m->n_domains);
        for (size_t i = 0; i < m->n_domains; i++)
            out->domains[i] = rk_arena_dup(mem, rk_str_z(m->domains[i]));
        return true;
    }
    if (rk_prefix_parse(rk_str_z(m->network), &out->prefix, NULL))
        return false;
    out->prefix = rk_prefix_masked(&out->prefix);
    out->ha_id = rk_arena_printf(mem, "%s|%s", m->netid, m->network);
    return routable(s, &out->prefix);
}

static int by_ha_id(const void *a, const void *b)
{
    const struct group *x = a, *y = b;

    return rk_str_cmp(x->ha_id, y->ha_id);
}

static void merge(struct rk_arena *mem, struct group *into, const struct group *g)
{
    into->cands =
        rk_arena_grow(mem, into->cands, into->n_cands, &into->cap_cands, sizeof *into->cands);
    into->cands[into->n_cands++] = g->cands[0];
    into->keep = into->keep || g->keep;
}

static bool group_served_by_us(const struct route_set *s, const struct group *g)
{
    for (size_t i = 0; i < g->n_cands; i++)
        if (rk_key_eq(&g->cands[i].peer, &s->o.own_key))
            return true;
    return false;
}

/* Choices survive where the chosen peer still offers the group. */
static void keep_choice(struct group *g, const struct group *old)
{
    for (size_t i = 0; old->has_choice && i < g->n_cands; i++) {
        if (!rk_key_eq(&g->cands[i].peer, &old->choice))
            continue;
        g->has_choice = true;
        g->choice = old->choice;
    }
}

static void keep_choices(const struct route_set *s, struct group *groups, size_t n)
{
    size_t j = 0;

    for (size_t i = 0; i < n; i++) {
        while (j < s->n_groups && rk_str_cmp(s->groups[j].ha_id, groups[i].ha_id) < 0)
            j++;
        if (j < s->n_groups && rk_str_eq(s->groups[j].ha_id, groups[i].ha_id))
            keep_choice(&groups[i], &s->groups[j]);
    }
}

enum rk_code route_set_load(struct route_set *s, const Management__NetworkMap *map,
                            size_t *left_out, struct rk_err *err)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct group *all;
    size_t n = 0, merged = 0, kept = 0;

    if (map->n_routes > ROUTE_SET_MAX) {
        rk_arena_free(mem);
        return rk_fail(err, RK_LIMIT, "the map has more than %u routes", ROUTE_SET_MAX);
    }
    *left_out = 0;
    all = rk_new_n(mem, struct group, map->n_routes + 1);
    for (size_t i = 0; i < map->n_routes; i++) {
        if (read_route(s, mem, map->routes[i], &all[n]))
            n++;
        else
            ++*left_out;
    }
    qsort(all, n, sizeof *all, by_ha_id);
    for (size_t i = 0; i < n; i++) {
        if (merged && rk_str_eq(all[merged - 1].ha_id, all[i].ha_id))
            merge(mem, &all[merged - 1], &all[i]);
        else
            all[merged++] = all[i];
    }
    s->serves = false;
    for (size_t i = 0; i < merged; i++) { /* a router does not use its own network through others */
        if (group_served_by_us(s, &all[i]))
            s->serves = true;
        else
            all[kept++] = all[i];
    }
    keep_choices(s, all, kept);
    rk_arena_free(s->mem);
    s->mem = mem;
    s->groups = all;
    s->n_groups = kept;
    named_prune(s);
    return RK_OK;
}

bool route_set_serves(const struct route_set *s)
{
    return s->serves;
}

/* ---- selection */

/* The user's word for an id; the IPv6 twin of an exit node follows its IPv4 one. */
static struct rk_str base_id(const struct group *g)
{
    if (is_exit(g) && g->prefix.ip.family == 6 && rk_str_ends(g->net_id, RK_STR("-v6")))
        return rk_str_sub(g->net_id, 0, g->net_id.n - 3);
    return g->net_id;
}

static bool auto_apply(const struct group *g)
{
    for (size_t i = 0; i < g->n_cands; i++)
        if (!g->cands[i].skip_auto)
            return true;
    return false;
}

/* Would this exit node be used, were it the only one? 2: the user wants it, 1: by default. */
static int exit_wish(const struct route_set *s, const struct group *g)
{
    struct rk_str id = base_id(g);

    if (s->deselect_all || names_has(&s->deselected, id))
        return 0;
    if (names_has(&s->selected, id))
        return 2;
    return auto_apply(g);
}

/* The id of the one exit node in use; false: none. */
static bool active_exit(const struct route_set *s, struct rk_str *out)
{
    int best = 0;

    for (size_t i = 0; i < s->n_groups; i++) {
        const struct group *g = &s->groups[i];
        int wish = is_exit(g) ? exit_wish(s, g) : 0;

        if (wish > best || (wish && wish == best && rk_str_cmp(base_id(g), *out) < 0)) {
            best = wish;
            *out = base_id(g);
        }
    }
    return best > 0;
}

static bool is_selected(const struct route_set *s, const struct group *g, bool has_exit,
                        struct rk_str exit_id)
{
    if (is_exit(g))
        return has_exit && rk_str_eq(base_id(g), exit_id);
    return !s->deselect_all && !names_has(&s->deselected, g->net_id);
}

static bool offered(const struct route_set *s, struct rk_str id)
{
    for (size_t i = 0; i < s->n_groups; i++)
        if (rk_str_eq(s->groups[i].net_id, id))
            return true;
    return false;
}

static enum rk_code check_ids(const struct route_set *s, const struct rk_str *ids, size_t n,
                              struct rk_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!rk_str_eqz(ids[i], "all") && !offered(s, ids[i]))
            return rk_fail(err, RK_NOT_FOUND, "no network \"%.*s\"", RK_STR_ARG(ids[i]));
    return RK_OK;
}

static bool is_exit_id(const struct route_set *s, struct rk_str id)
{
    for (size_t i = 0; i < s->n_groups; i++)
        if (rk_str_eq(s->groups[i].net_id, id) && is_exit(&s->groups[i]))
            return true;
    return false;
}

static void select_one(struct route_set *s, struct rk_str id)
{
    if (is_exit_id(s, id)) /* at most one: the others are turned off */
        for (size_t i = 0; i < s->n_groups; i++)
            if (is_exit(&s->groups[i]) && !rk_str_eq(base_id(&s->groups[i]), id)) {
                names_del(&s->selected, base_id(&s->groups[i]));
                names_add(&s->deselected, base_id(&s->groups[i]));
            }
    names_del(&s->deselected, id);
    names_add(&s->selected, id);
}

enum rk_code route_set_select(struct route_set *s, const struct rk_str *ids, size_t n, bool append,
                              struct rk_err *err)
{
    enum rk_code rc = check_ids(s, ids, n, err);
    bool all = n == 1 && rk_str_eqz(ids[0], "all");

    if (rc)
        return rc;
    if (all) {
        s->deselect_all = false;
        names_clear(&s->deselected);
        names_clear(&s->selected);
        return RK_OK;
    }
    if (!append || s->deselect_all) { /* everything else is off */
        names_clear(&s->selected);
        for (size_t i = 0; i < s->n_groups; i++)
            names_add(&s->deselected, base_id(&s->groups[i]));
    }
    s->deselect_all = false;
    for (size_t i = 0; i < n; i++)
        select_one(s, ids[i]);
    return RK_OK;
}

enum rk_code route_set_deselect(struct route_set *s, const struct rk_str *ids, size_t n,
                                struct rk_err *err)
{
    enum rk_code rc = check_ids(s, ids, n, err);

    if (rc)
        return rc;
    if (n == 1 && rk_str_eqz(ids[0], "all")) {
        s->deselect_all = true;
        names_clear(&s->selected);
        names_clear(&s->deselected);
        return RK_OK;
    }
    for (size_t i = 0; i < n; i++) {
        names_del(&s->selected, ids[i]);
        names_add(&s->deselected, ids[i]);
    }
    return RK_OK;
}

/* ---- choosing */

static int64_t score(const struct cand *c, const struct route_peer *p)
{
    int64_t latency = p->latency_us && p->latency_us <= POINT ? p->latency_us : LATENCY_WORST;
    int64_t out = POINT - latency;

    if (c->metric < METRIC_MAX)
        out += (METRIC_MAX - c->metric) * 10 * POINT;
    if (p->connected)
        out += CONNECTED;
    if (!p->relayed)
        out += POINT;
    return out;
}

static bool choose(struct group *g, route_peer_fn *peer, void *arg)
{
    const struct cand *best = NULL;
    int64_t best_score = 0, present = -1;
    bool changed;

    for (size_t i = 0; i < g->n_cands; i++) {
        struct route_peer p = peer(arg, &g->cands[i].peer);
        int64_t points;

        if (!p.known)
            continue;
        points = score(&g->cands[i], &p);
        if (g->has_choice && rk_key_eq(&g->cands[i].peer, &g->choice))
            present = points;
        if (!best || points > best_score) {
            best = &g->cands[i];
            best_score = points;
        }
    }
    if (present >= 0 && present + HYSTERESIS >= best_score)
        return false; /* what we have is good enough */
    changed = best ? !g->has_choice || !rk_key_eq(&g->choice, &best->peer) : g->has_choice;
    g->has_choice = best != NULL;
    if (best)
        g->choice = best->peer;
    return changed;
}

bool route_set_choose(struct route_set *s, route_peer_fn *peer, void *arg)
{
    bool changed = false;

    for (size_t i = 0; i < s->n_groups; i++)
        changed = choose(&s->groups[i], peer, arg) || changed;
    return changed;
}

/* ---- what follows */

/* By prefix; several carriers of one: those that have a peer first, smallest key first. */
static int by_routed(const void *a, const void *b)
{
    const struct routed *x = a, *y = b;
    int c = rk_prefix_cmp(&x->prefix, &y->prefix);

    c = c ? c : (int)x->block - y->block;
    c = c ? c : (int)y->has_peer - x->has_peer;
    return c ? c : memcmp(x->peer.b, y->peer.b, RK_KEY_SIZE);
}

static void add_routed(struct route_set *s, struct routed r)
{
    if (s->n_list == s->cap_list) {
        s->cap_list = s->cap_list ? s->cap_list * 2 : 16;
        s->list = rk_realloc(s->list, s->cap_list, sizeof *s->list);
    }
    s->list[s->n_list++] = r;
}

static void add_named(struct route_set *s, bool has_exit, struct rk_str exit_id)
{
    for (size_t i = 0; i < s->n_named; i++) {
        const struct group *g = group_of(s, rk_str_z(s->named[i].id));
        const struct rk_ip *ip = &s->named[i].ip;

        if (g && is_selected(s, g, has_exit, exit_id))
            add_routed(s, (struct routed){.prefix = {*ip, (uint8_t)(rk_ip_size(ip) * 8)},
                                          .has_peer = g->has_choice,
                                          .peer = g->choice});
    }
}

bool route_set_names(const struct route_set *s, size_t i, struct routed_names *out)
{
    struct rk_str exit_id = {0};
    bool has_exit = active_exit(s, &exit_id);

    for (size_t j = 0; j < s->n_groups; j++) {
        const struct group *g = &s->groups[j];

        if (!g->n_domains || !is_selected(s, g, has_exit, exit_id) || i-- > 0)
            continue;
        *out = (struct routed_names){.id = g->ha_id,
                                     .domains = g->domains,
                                     .n_domains = g->n_domains,
                                     .has_peer = g->has_choice,
                                     .peer = g->choice};
        return true;
    }
    return false;
}

static bool has_ip(const struct rk_ip *ips, size_t n, const struct rk_ip *ip)
{
    for (size_t i = 0; i < n; i++)
        if (rk_ip_eq(&ips[i], ip))
            return true;
    return false;
}

/* True when it is new. */
static bool named_add(struct route_set *s, struct rk_str id, struct rk_str name,
                      const struct rk_ip *ip)
{
    struct rk_prefix p = {*ip, (uint8_t)(rk_ip_size(ip) * 8)};

    for (size_t i = 0; i < s->n_named; i++)
        if (rk_ip_eq(&s->named[i].ip, ip) && rk_str_eqz(id, s->named[i].id) &&
            rk_str_eqz(name, s->named[i].name))
            return false;
    if (!routable(s, &p) || rk_ip_is_unspecified(ip) || s->n_named == ROUTE_SET_IPS)
        return false;
    if (s->n_named == s->cap_named) {
        s->cap_named = s->cap_named ? s->cap_named * 2 : 16;
        s->named = rk_realloc(s->named, s->cap_named, sizeof *s->named);
    }
    s->named[s->n_named++] =
        (struct named){.id = rk_str_dupz(id), .name = rk_str_dupz(name), .ip = *ip};
    return true;
}

bool route_set_resolved(struct route_set *s, struct rk_str id, struct rk_str name, uint8_t family,
                        const struct rk_ip *ips, size_t n)
{
    const struct group *g = group_of(s, id);
    bool changed = false;

    if (!g)
        return false;
    for (size_t i = s->n_named; i-- > 0 && !g->keep;) {
        const struct named *d = &s->named[i];

        if (d->ip.family != family || !rk_str_eqz(id, d->id) || !rk_str_eqz(name, d->name) ||
            has_ip(ips, n, &d->ip))
            continue;
        named_drop(s, i);
        changed = true;
    }
    for (size_t i = 0; i < n; i++)
        changed = named_add(s, id, name, &ips[i]) || changed;
    return changed;
}

const struct routed *route_set_list(struct route_set *s, size_t *n)
{
    struct rk_str exit_id = {0};
    bool has_exit = active_exit(s, &exit_id);
    size_t kept = 0;

    s->n_list = 0;
    for (size_t i = 0; i < s->n_groups; i++) {
        const struct group *g = &s->groups[i];

        if (g->n_domains || !is_selected(s, g, has_exit, exit_id))
            continue;
        if (is_exit(g) && g->prefix.ip.family == 4 && !s->o.v6.ip.family)
            add_routed(s, (struct routed){.prefix = {.ip.family = 6}, .block = true});
        add_routed(
            s, (struct routed){.prefix = g->prefix, .has_peer = g->has_choice, .peer = g->choice});
    }
    add_named(s, has_exit, exit_id);
    if (s->n_list)
        qsort(s->list, s->n_list, sizeof *s->list, by_routed);
    for (size_t i = 0; i < s->n_list; i++)
        if (!kept || rk_prefix_cmp(&s->list[kept - 1].prefix, &s->list[i].prefix) != 0)
            s->list[kept++] = s->list[i];
    s->n_list = kept;
    *n = kept;
    return s->list;
}

/* ---- for people */

static json_t *text(struct rk_str t)
{
    return json_stringn(t.p ? t.p : "", t.n);
}

static json_t *domains_json(const struct group *g)
{
    json_t *a = json_array();

    for (size_t i = 0; i < g->n_domains; i++)
        (void)json_array_append_new(a, text(g->domains[i]));
    return a;
}

/* Addresses by name. */
static json_t *named_json(const struct route_set *s, const struct group *g)
{
    json_t *o = json_object();
    char buf[RK_ADDR_TEXT];

    for (size_t i = 0; i < s->n_named; i++) {
        const struct named *d = &s->named[i];

        if (!rk_str_eqz(g->ha_id, d->id))
            continue;
        if (!json_object_get(o, d->name))
            (void)json_object_set_new(o, d->name, json_array());
        (void)json_array_append_new(json_object_get(o, d->name), text(rk_ip_format(&d->ip, buf)));
    }
    return o;
}

json_t *route_set_json(const struct route_set *s)
{
    struct rk_str exit_id = {0};
    bool has_exit = active_exit(s, &exit_id);
    json_t *a = json_array();
    char buf[RK_ADDR_TEXT];

    for (size_t i = 0; i < s->n_groups; i++) {
        const struct group *g = &s->groups[i];
        json_t *o = json_pack("{s:o,s:b,s:o}", "id", text(g->net_id), "selected",
                              is_selected(s, g, has_exit, exit_id), "domains", domains_json(g));

        if (g->n_domains)
            (void)json_object_set_new(o, "resolvedIPs", named_json(s, g));
        (void)json_object_set_new(
            o, "network", g->n_domains ? json_string("") : text(rk_prefix_format(&g->prefix, buf)));
        (void)json_array_append_new(a, o);
    }
    return a;
}

json_t *route_set_of_peer(const struct route_set *s, const struct rk_key *peer)
{
    struct rk_str exit_id = {0};
    bool has_exit = active_exit(s, &exit_id);
    json_t *a = json_array();
    char buf[RK_ADDR_TEXT];

    for (size_t i = 0; i < s->n_groups; i++) {
        const struct group *g = &s->groups[i];

        if (!g->has_choice || !rk_key_eq(&g->choice, peer) || !is_selected(s, g, has_exit, exit_id))
            continue;
        if (!g->n_domains)
            (void)json_array_append_new(a, text(rk_prefix_format(&g->prefix, buf)));
        else {
            json_t *domains = domains_json(g);

            (void)json_array_extend(a, domains);
            json_decref(domains);
        }
    }
    return a;
}
