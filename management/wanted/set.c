/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets of objects, and those of a file in canonical form; see set.h. */
#include "config.h"

#include "management/wanted/set.h"

#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/net/addr.h"

/* Where the objects of a kind stand in a file. */
static const struct place {
    const char *text, *in, *key; /* in: a section around it */
    enum want_kind parent;       /* WANT_KINDS: none */
    bool single;                 /* an object, not a list of them */
} PLACES[WANT_KINDS] = {
    [WANT_GROUP] = {"group", NULL, "groups", WANT_KINDS, false},
    [WANT_POSTURE] = {"posture", NULL, "posture_checks", WANT_KINDS, false},
    [WANT_NETWORK] = {"network", NULL, "networks", WANT_KINDS, false},
    [WANT_RESOURCE] = {"resource", NULL, "resources", WANT_NETWORK, false},
    [WANT_ROUTER] = {"router", NULL, "routers", WANT_NETWORK, false},
    [WANT_POLICY] = {"policy", NULL, "policies", WANT_KINDS, false},
    [WANT_ROUTE] = {"route", NULL, "routes", WANT_KINDS, false},
    [WANT_NS_GROUP] = {"nameserver_group", "dns", "nameserver_groups", WANT_KINDS, false},
    [WANT_ZONE] = {"zone", "dns", "zones", WANT_KINDS, false},
    [WANT_RECORD] = {"record", NULL, "records", WANT_ZONE, false},
    [WANT_SETTINGS] = {"settings", NULL, "settings", WANT_KINDS, true},
    [WANT_DNS_SETTINGS] = {"dns_settings", "dns", "settings", WANT_KINDS, true},
    [WANT_SETUP_KEY] = {"setup_key", NULL, "setup_keys", WANT_KINDS, false},
};

const char *want_kind_text(enum want_kind k)
{
    return k < WANT_KINDS ? PLACES[k].text : "unknown";
}

/* Plain values of a list, one behind the other. */
static struct rk_str joined(struct rk_arena *mem, const struct want_node *list)
{
    struct rk_str out = RK_STR("");

    WANT_EACH (it, list)
        out = it == list->first ? it->text : RK_CAT(mem, out, RK_STR(","), it->text);
    return out;
}

struct rk_str want_identity(struct rk_arena *mem, enum want_kind kind, const struct want_node *n)
{
    struct rk_str over = RK_CAT(mem, want_text(n, "peer"), joined(mem, want_get(n, "peer_groups")));

    switch (kind) {
    case WANT_ROUTER:
        return over;
    case WANT_ROUTE:
        return RK_CAT(mem, want_text(n, "network_id"), RK_STR(" "), want_text(n, "network"),
                      joined(mem, want_get(n, "domains")), RK_STR(" over "), over);
    case WANT_RECORD:
        return RK_CAT(mem, want_text(n, "name"), RK_STR(" "), want_text(n, "type"), RK_STR(" "),
                      want_text(n, "content"));
    case WANT_ZONE:
        return want_text(n, "domain");
    case WANT_SETTINGS:
    case WANT_DNS_SETTINGS:
        return RK_STR("");
    default:
        return want_text(n, "name");
    }
}

struct want_object *want_set_add(struct rk_arena *mem, struct want_set *s, enum want_kind kind,
                                 struct want_object *parent, struct want_node *node,
                                 struct rk_str id)
{
    struct want_object *o = rk_new(mem, struct want_object);

    *o = (struct want_object){.kind = kind,
                              .node = node,
                              .identity = want_identity(mem, kind, node),
                              .id = id,
                              .parent = parent};
    if (s->last)
        s->last->next = o;
    else
        s->first = o;
    s->last = o;
    s->n++;
    return o;
}

/* ---- canonical forms of what people write */

static void as_prefix(struct rk_arena *mem, struct want_node *n)
{
    char text[RK_ADDR_TEXT];
    struct rk_prefix p;

    if (n && rk_prefix_parse_or_ip(n->text, &p, NULL) == RK_OK)
        n->text = rk_arena_dup(mem, rk_prefix_format(&p, text));
}

static void as_ip(struct rk_arena *mem, struct want_node *n)
{
    char text[RK_ADDR_TEXT];
    struct rk_ip ip;

    if (n && rk_ip_parse(n->text, &ip, NULL) == RK_OK)
        n->text = rk_arena_dup(mem, rk_ip_format(&ip, text));
}

/* As DNS compares names: lower case, without the last dot. */
static void as_domain(struct rk_arena *mem, struct want_node *n)
{
    char *z;

    if (!n || !n->text.n)
        return;
    z = rk_arena_dupz(mem, n->text);
    for (char *p = z; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    n->text = rk_str_of(z, n->text.n - (z[n->text.n - 1] == '.'));
}

static void each_domain(struct rk_arena *mem, struct want_node *list)
{
    WANT_EACH (it, list)
        as_domain(mem, it);
    if (list)
        want_sort(mem, list);
}

static void drop_empty(struct want_node *map, const char *key)
{
    struct want_node all = *map;

    map->first = map->last = NULL;
    map->n = 0;
    for (struct want_node *it = all.first, *next; it; it = next) {
        next = it->next;
        if (it->n || !rk_str_eqz(it->key, key))
            want_link(map, it);
    }
}

static void canonical_rules(struct rk_arena *mem, const struct want_node *policy)
{
    WANT_EACH (rule, want_get(policy, "rules")) {
        if (!want_text(rule, "name").n)
            want_add_text(mem, rule, "name", want_text(policy, "name"));
        drop_empty(rule, "source");
        drop_empty(rule, "destination");
        drop_empty(rule, "authorized_groups");
    }
}

static void canonical_record(struct rk_arena *mem, struct want_node *n)
{
    as_domain(mem, want_get(n, "name"));
    if (rk_str_eqz(want_text(n, "type"), "CNAME"))
        as_domain(mem, want_get(n, "content"));
    else
        as_ip(mem, want_get(n, "content"));
}

static void canonical(struct rk_arena *mem, enum want_kind kind, struct want_node *n)
{
    switch (kind) {
    case WANT_POSTURE:
        WANT_EACH (it,
                   want_get(want_get(want_get(n, "checks"), "peer_network_range_check"), "ranges"))
            as_prefix(mem, it);
        break;
    case WANT_RESOURCE:
        as_prefix(mem, want_get(n, "address"));
        break;
    case WANT_POLICY:
        canonical_rules(mem, n);
        break;
    case WANT_ROUTE:
        as_prefix(mem, want_get(n, "network"));
        each_domain(mem, want_get(n, "domains"));
        break;
    case WANT_NS_GROUP:
        WANT_EACH (it, want_get(n, "nameservers"))
            as_ip(mem, want_get(it, "ip"));
        each_domain(mem, want_get(n, "domains"));
        break;
    case WANT_ZONE:
        as_domain(mem, want_get(n, "domain"));
        break;
    case WANT_RECORD:
        canonical_record(mem, n);
        break;
    case WANT_SETTINGS:
        as_prefix(mem, want_get(n, "network_range"));
        as_prefix(mem, want_get(n, "network_range_v6"));
        break;
    default:
        break;
    }
}

/* ---- the objects of a file */

/* Take the member out of the map. */
static struct want_node *take(struct want_node *map, const char *key)
{
    struct want_node all = *map, *found = NULL;

    map->first = map->last = NULL;
    map->n = 0;
    for (struct want_node *it = all.first, *next; it; it = next) {
        next = it->next;
        if (!found && rk_str_eqz(it->key, key))
            found = it;
        else
            want_link(map, it);
    }
    if (found)
        found->next = NULL;
    return found;
}

static void add_objects(struct rk_arena *mem, struct want_set *s, enum want_kind kind,
                        struct want_object *parent, struct want_node *list);

static void add_one(struct rk_arena *mem, struct want_set *s, enum want_kind kind,
                    struct want_object *parent, struct want_node *n)
{
    struct want_node *children[WANT_KINDS] = {NULL}, *id = take(n, "id");
    struct want_object *o;

    for (unsigned k = 0; k < WANT_KINDS; k++)
        if (PLACES[k].parent == kind)
            children[k] = take(n, PLACES[k].key);
    canonical(mem, kind, n);
    o = want_set_add(mem, s, kind, parent, n, id ? id->text : RK_STR(""));
    for (unsigned k = 0; k < WANT_KINDS; k++)
        if (children[k])
            add_objects(mem, s, (enum want_kind)k, o, children[k]);
}

static void add_objects(struct rk_arena *mem, struct want_set *s, enum want_kind kind,
                        struct want_object *parent, struct want_node *list)
{
    for (struct want_node *it = list->first, *next; it; it = next) {
        next = it->next;
        add_one(mem, s, kind, parent, it);
    }
    if (parent)
        parent->given |= 1u << kind;
}

/* Two objects of one kind and parent that are known by the same, and one has no id. */
static enum rk_code check_twice(struct rk_arena *mem, const struct want_set *s, struct rk_err *err)
{
    struct rk_map seen;
    enum rk_code rc = RK_OK;

    rk_map_init(&seen, true);
    WANT_OBJECTS (o, s) {
        struct rk_str key = rk_arena_printf(mem, "%d %p %.*s", (int)o->kind, (void *)o->parent,
                                            RK_STR_ARG(o->identity));
        const struct want_object *other = rk_map_put(&seen, key, o);

        if (!other || (other->id.n && o->id.n))
            continue;
        rc = rk_fail(err, RK_INVALID, "line %zu: %s %.*s stands twice (line %zu)", o->node->line,
                     want_kind_text(o->kind), RK_STR_ARG(o->identity), other->node->line);
        break;
    }
    rk_map_done(&seen);
    return rc;
}

enum rk_code want_file(struct rk_arena *mem, struct want_node *tree, struct want_set **out,
                       struct rk_err *err)
{
    struct want_set *s = rk_new(mem, struct want_set);

    *s = (struct want_set){0};
    for (unsigned k = 0; k < WANT_KINDS; k++) {
        const struct place *p = &PLACES[k];
        struct want_node *n;

        if (p->parent != WANT_KINDS)
            continue;
        n = want_get(p->in ? want_get(tree, p->in) : tree, p->key);
        s->given[k] = n != NULL;
        if (n && p->single)
            add_one(mem, s, (enum want_kind)k, NULL, n);
        else if (n)
            add_objects(mem, s, (enum want_kind)k, NULL, n);
    }
    *out = s;
    return check_twice(mem, s, err);
}

/* ---- the tree of a set */

static bool is_ambiguous(const struct want_set *s, const struct want_object *o)
{
    WANT_OBJECTS (other, s)
        if (other != o && other->kind == o->kind && other->parent == o->parent &&
            rk_str_eq(other->identity, o->identity))
            return true;
    return false;
}

static struct want_node *section_of(struct rk_arena *mem, struct want_node *tree,
                                    const struct place *p)
{
    struct want_node *in = tree, *n;

    if (p->in) {
        in = want_get(tree, p->in);
        in = in ? in : want_add(mem, tree, rk_str_z(p->in), WANT_MAP);
    }
    n = want_get(in, p->key);
    return n ? n : want_add(mem, in, rk_str_z(p->key), p->single ? WANT_MAP : WANT_LIST);
}

static struct want_node *with_id(struct rk_arena *mem, const struct want_set *s,
                                 const struct want_object *o)
{
    struct want_node *n = want_new(mem, WANT_MAP);

    if (is_ambiguous(s, o))
        want_add_text(mem, n, "id", o->id);
    WANT_EACH (it, o->node)
        want_link(n, want_copy(mem, it));
    if (o->kind != WANT_POLICY)
        return n;
    WANT_EACH (rule, want_get(n, "rules"))
        if (rk_str_eq(want_text(rule, "name"), o->identity))
            (void)take(rule, "name"); /* as a rule without a name is called */
    return n;
}

static void put_children(struct rk_arena *mem, const struct want_set *s,
                         const struct want_object *parent, struct want_node *n)
{
    for (unsigned k = 0; k < WANT_KINDS; k++) {
        struct want_node *list;

        if (PLACES[k].parent != parent->kind)
            continue;
        list = want_add(mem, n, rk_str_z(PLACES[k].key), WANT_LIST);
        WANT_OBJECTS (o, s)
            if (o->parent == parent && o->kind == k)
                want_link(list, with_id(mem, s, o));
    }
}

static int by_identity(const void *a, const void *b)
{
    const struct want_object *const *x = a, *const *y = b;
    int order = rk_str_cmp((*x)->identity, (*y)->identity);

    return order ? order : rk_str_cmp((*x)->id, (*y)->id);
}

void want_set_sort(struct rk_arena *mem, struct want_set *s)
{
    struct want_object **v = rk_new_n(mem, struct want_object *, s->n + 1);
    size_t n = 0;

    WANT_OBJECTS (o, s)
        v[n++] = o;
    qsort(v, n, sizeof *v, by_identity);
    s->first = s->last = NULL;
    for (size_t i = 0; i < n; i++) {
        v[i]->next = NULL;
        if (s->last)
            s->last->next = v[i];
        else
            s->first = v[i];
        s->last = v[i];
    }
}

struct want_node *want_set_tree(struct rk_arena *mem, const struct want_set *s)
{
    struct want_node *tree = want_new(mem, WANT_MAP), *n, *in;

    for (unsigned k = 0; k < WANT_KINDS; k++)
        if (PLACES[k].parent == WANT_KINDS)
            (void)section_of(mem, tree, &PLACES[k]);
    WANT_OBJECTS (o, s) {
        const struct place *p = &PLACES[o->kind];

        if (o->parent || o->fixed)
            continue;
        in = section_of(mem, tree, p);
        if (p->single) {
            WANT_EACH (it, o->node)
                want_link(in, want_copy(mem, it));
            continue;
        }
        n = with_id(mem, s, o);
        put_children(mem, s, o, n);
        want_link(in, n);
    }
    return tree;
}
