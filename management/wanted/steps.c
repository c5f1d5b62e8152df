/* SPDX-License-Identifier: BSD-3-Clause */
/* From what there is to what a file says; see steps.h. */
#include "config.h"

#include "management/wanted/steps.h"

#include "lib/base/num.h"
#include "management/wanted/names.h"

struct matching {
    struct rk_arena *mem;
    struct want_set *have, *want;
    struct want_plan *plan;
    struct rk_map by_id, by_name; /* of `have`: id → object, name → object (the first) */
    struct rk_map several;        /* names that more than one has → the second */
    struct rk_map resources;      /* name → object, of every network */
    size_t cap;
    struct rk_err *err;
};

const char *want_op_text(enum want_op op)
{
    return op == WANT_CREATE ? "create" : op == WANT_UPDATE ? "update" : "delete";
}

/* ---- which is which */

static struct rk_str key_of(struct rk_arena *mem, enum want_kind kind, struct rk_str parent,
                            struct rk_str what)
{
    return rk_arena_printf(mem, "%d %.*s %.*s", (int)kind, RK_STR_ARG(parent), RK_STR_ARG(what));
}

static struct rk_str parent_id(const struct want_object *o)
{
    return o->parent ? o->parent->id : RK_STR("");
}

static void index_present(struct matching *m)
{
    WANT_OBJECTS (o, m->have) {
        struct rk_str name = key_of(m->mem, o->kind, parent_id(o), o->identity);

        if (o->kind == WANT_RESOURCE)
            (void)rk_map_put(&m->resources, o->identity, o);
        (void)rk_map_put(&m->by_id, key_of(m->mem, o->kind, parent_id(o), o->id), o);
        if (rk_map_get(&m->by_name, name))
            (void)rk_map_put(&m->several, name, o);
        else
            (void)rk_map_put(&m->by_name, name, o);
    }
}

static enum rk_code pair(struct matching *m, struct want_object *w, struct want_object *h)
{
    if (h->fixed)
        return rk_fail(m->err, RK_INVALID,
                       "line %zu: %s %.*s is made by the server or an identity provider and cannot "
                       "stand in a file",
                       w->node->line, want_kind_text(w->kind), RK_STR_ARG(h->identity));
    if (h->match)
        return rk_fail(m->err, RK_INVALID, "line %zu: %s %.*s stands twice (line %zu)",
                       w->node->line, want_kind_text(w->kind), RK_STR_ARG(h->id),
                       h->match->node->line);
    w->match = h;
    h->match = w;
    w->id = h->id;
    return RK_OK;
}

static bool parent_is_new(const struct want_object *w)
{
    return w->parent && !w->parent->match;
}

static enum rk_code pair_by_id(struct matching *m, struct want_object *w)
{
    struct want_object *h = rk_map_get(&m->by_id, key_of(m->mem, w->kind, parent_id(w), w->id));

    if (!h || parent_is_new(w))
        return rk_fail(m->err, RK_INVALID, "line %zu: no %s has the id %.*s%s", w->node->line,
                       want_kind_text(w->kind), RK_STR_ARG(w->id), w->parent ? " there" : "");
    return pair(m, w, h);
}

static enum rk_code pair_by_name(struct matching *m, struct want_object *w)
{
    struct rk_str name = key_of(m->mem, w->kind, parent_id(w), w->identity);
    struct want_object *h = rk_map_get(&m->by_name, name), *other = rk_map_get(&m->several, name);

    if (parent_is_new(w) || !h)
        return RK_OK;
    if (other)
        return rk_fail(m->err, RK_INVALID,
                       "line %zu: more than one %s is called %.*s: say which by id, such as %.*s "
                       "or %.*s",
                       w->node->line, want_kind_text(w->kind), RK_STR_ARG(w->identity),
                       RK_STR_ARG(h->id), RK_STR_ARG(other->id));
    if (h->match && h->match->kind == h->kind && !rk_str_eq(h->match->identity, w->identity))
        return RK_OK; /* renamed by its id: this one is new */
    return pair(m, w, h);
}

/* Parents stand before their children in a set. */
static enum rk_code pair_all(struct matching *m)
{
    enum rk_code rc = RK_OK;

    for (int children = 0; children < 2 && rc == RK_OK; children++)
        for (int named = 0; named < 2 && rc == RK_OK; named++)
            WANT_OBJECTS (w, m->want) {
                if ((w->parent != NULL) != children || (w->id.n == 0) != named || w->match)
                    continue;
                rc = named ? pair_by_name(m, w) : pair_by_id(m, w);
                if (rc)
                    break;
            }
    return rc;
}

/* The file says all of its kind, and not this. What goes with its parent is not said. */
static bool is_left_out(const struct want_set *want, const struct want_object *h)
{
    const struct want_object *parent = h->parent;

    if (h->match || h->fixed || h->kind == WANT_SETTINGS || h->kind == WANT_DNS_SETTINGS)
        return false;
    if (!parent)
        return want->given[h->kind];
    return parent->match && parent->match->given & (1u << h->kind);
}

/* ---- renames: what refers to a renamed object does not change */

static void rename_text(struct matching *m, enum want_kind kind, struct want_node *n)
{
    const struct want_object *h =
        rk_map_get(&m->by_name, key_of(m->mem, kind, RK_STR(""), n->text));

    if (kind == WANT_RESOURCE) /* their names are their account's, not their network's */
        h = rk_map_get(&m->resources, n->text);
    if (h && h->match)
        n->text = h->match->identity;
    else if (h && (is_left_out(m->want, h) || (h->parent && is_left_out(m->want, h->parent))))
        n->text = h->id; /* what the file calls so is another one */
}

static void rename_refs(struct matching *m, struct want_node *n)
{
    WANT_EACH (it, n) {
        enum want_kind kind;
        bool names = want_key_names(it->key, &kind);

        if (names && it->type == WANT_LIST) {
            WANT_EACH (name, it)
                rename_text(m, kind, name);
            want_sort(m->mem, it);
        } else if (names) {
            rename_text(m, kind, it);
        } else if (rk_str_eqz(it->key, "authorized_groups")) {
            WANT_EACH (group, it) {
                struct want_node name = {.text = group->key};

                rename_text(m, WANT_GROUP, &name);
                group->key = name.text;
            }
        } else {
            rename_refs(m, it);
        }
    }
}

static void apply_renames(struct matching *m)
{
    WANT_OBJECTS (h, m->have)
        if (h->match)
            rename_refs(m, h->node);
}

/* ---- steps */

static void add(struct matching *m, struct want_step step)
{
    struct want_plan *p = m->plan;

    p->steps = rk_arena_grow(m->mem, p->steps, p->n, &m->cap, sizeof *p->steps);
    p->steps[p->n++] = step;
}

/* What of a setup key can be changed later. */
static enum rk_code check_fixed(struct matching *m, const struct want_object *w,
                                const struct want_node *field)
{
    if (w->kind == WANT_SETUP_KEY && !rk_str_eqz(field->key, "auto_groups"))
        return rk_fail(m->err, RK_INVALID,
                       "line %zu: %.*s of setup key %.*s cannot be changed: give the new key "
                       "another name",
                       field->line, RK_STR_ARG(field->key), RK_STR_ARG(w->identity));
    return RK_OK;
}

/* Members of maps within: "extra.peer_approval_enabled" is compared by itself. */
static bool differs(const struct want_node *is, const struct want_node *wanted, bool within)
{
    if (!within || wanted->type != WANT_MAP)
        return !want_eq(is, wanted);
    WANT_EACH (it, wanted)
        if (!want_eq(want_get_str(is, it->key), it))
            return true;
    return false;
}

static enum rk_code compare(struct matching *m, struct want_object *w)
{
    struct want_object *h = w->match;
    struct str_list fields = {0};
    size_t cap = 0;

    WANT_EACH (it, w->node) {
        enum rk_code rc;

        if (!differs(want_get_str(h->node, it->key), it, w->kind == WANT_SETTINGS))
            continue;
        rc = check_fixed(m, w, it);
        if (rc)
            return rc;
        fields.v = rk_arena_grow(m->mem, fields.v, fields.n, &cap, sizeof *fields.v);
        fields.v[fields.n++] = it->key;
    }
    if (fields.n)
        add(m, (struct want_step){WANT_UPDATE, w->kind, w, h, fields});
    return RK_OK;
}

static void deletions(struct matching *m, const enum want_kind *kinds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        WANT_OBJECTS (h, m->have)
            if (h->kind == kinds[i] && is_left_out(m->want, h))
                add(m, (struct want_step){WANT_DELETE, h->kind, NULL, h, {0}});
}

static enum rk_code steps(struct matching *m)
{
    /* these would stand in the way of what comes; what refers to them is changed or goes, too */
    static const enum want_kind BEFORE[] = {WANT_POLICY, WANT_ROUTER,   WANT_ROUTE,
                                            WANT_RECORD, WANT_RESOURCE, WANT_NETWORK};
    /* to these something may refer until then */
    static const enum want_kind BEHIND[] = {WANT_SETUP_KEY, WANT_NS_GROUP, WANT_ZONE, WANT_POSTURE,
                                            WANT_GROUP};
    enum rk_code rc = RK_OK;

    deletions(m, BEFORE, RK_ARRAY_LEN(BEFORE));
    for (unsigned k = 0; k < WANT_KINDS; k++)
        WANT_OBJECTS (w, m->want) {
            if (w->kind != k)
                continue;
            if (w->match)
                rc = compare(m, w);
            else
                add(m, (struct want_step){WANT_CREATE, w->kind, w, NULL, {0}});
            if (rc)
                return rc;
        }
    deletions(m, BEHIND, RK_ARRAY_LEN(BEHIND));
    return RK_OK;
}

void want_plan_done(struct want_plan *p)
{
    want_names_free(p->names);
    p->names = NULL;
}

enum rk_code want_match(struct rk_arena *mem, const struct snapshot *snap, struct want_set *have,
                        struct want_set *want, struct want_plan *out, struct rk_err *err)
{
    struct matching m = {.mem = mem, .have = have, .want = want, .plan = out, .err = err};
    enum rk_code rc;

    *out = (struct want_plan){.snap = snap};
    rk_map_init(&m.by_id, true);
    rk_map_init(&m.by_name, true);
    rk_map_init(&m.several, true);
    rk_map_init(&m.resources, true);
    index_present(&m);
    rc = pair_all(&m);
    if (rc == RK_OK)
        apply_renames(&m);
    if (rc == RK_OK)
        rc = steps(&m);
    if (rc == RK_OK)
        out->names = want_names_new(mem, snap, want, out);
    rk_map_done(&m.by_id);
    rk_map_done(&m.by_name);
    rk_map_done(&m.several);
    rk_map_done(&m.resources);
    return rc;
}
