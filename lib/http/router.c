/* SPDX-License-Identifier: BSD-3-Clause */
/* Route table as a tree of path segments; see router.h. */
#include "config.h"

#include "lib/http/router.h"

#include <stdio.h>
#include <stdlib.h>

#define N_METHODS (HTTP_OPTIONS + 1)

struct node {
    struct rk_str seg;     /* literal segment; borrowed from the route's path */
    struct node *children; /* literal segments, ascending */
    size_t n_children;
    struct node *param;                       /* {name} */
    const struct http_route *here[N_METHODS]; /* the path ends here */
    const struct http_route *tail[N_METHODS]; /* {name...}: the rest of the path, not empty */
};

struct http_router {
    struct node root;
};

struct http_router *http_router_new(void)
{
    return rk_calloc(1, sizeof(struct http_router));
}

static void node_done(struct node *n)
{
    for (size_t i = 0; i < n->n_children; i++)
        node_done(&n->children[i]);
    free(n->children);
    if (n->param)
        node_done(n->param);
    free(n->param);
}

void http_router_free(struct http_router *r)
{
    if (!r)
        return;
    node_done(&r->root);
    free(r);
}

static struct node *find_child(const struct node *n, struct rk_str seg, size_t *at)
{
    size_t lo = 0, hi = n->n_children;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = rk_str_cmp(n->children[mid].seg, seg);

        if (c == 0)
            return &n->children[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (at)
        *at = lo;
    return NULL;
}

static struct node *child_of(struct node *n, struct rk_str seg)
{
    size_t at = 0;
    struct node *c = find_child(n, seg, &at);

    if (c)
        return c;
    n->children = rk_realloc(n->children, n->n_children + 1, sizeof *n->children);
    memmove(n->children + at + 1, n->children + at, (n->n_children - at) * sizeof *n->children);
    n->n_children++;
    n->children[at] = (struct node){.seg = seg};
    return &n->children[at];
}

static _Noreturn void bad_table(const struct http_route *r)
{
    fprintf(stderr, "http route table: %s %s is wrong or there twice\n",
            http_method_name(r->method), r->path);
    abort();
}

static void add(struct node *n, const struct http_route *r)
{
    struct rk_str rest = rk_str_z(r->path), seg;
    size_t n_params = 0;
    bool more = true, tail = false;

    if (!rk_str_cut(rest, '/', &seg, &rest) || seg.n || r->method == HTTP_OTHER)
        bad_table(r);
    while (more && !tail) {
        more = rk_str_cut(rest, '/', &seg, &rest);
        if (!rk_str_starts(seg, RK_STR("{"))) {
            n = child_of(n, seg);
            continue;
        }
        if (++n_params > HTTP_MAX_PARAMS)
            bad_table(r);
        tail = rk_str_ends(seg, RK_STR("...}"));
        if (tail)
            continue;
        if (!n->param)
            n->param = rk_calloc(1, sizeof *n->param);
        n = n->param;
    }
    if (more || (tail ? n->tail : n->here)[r->method])
        bad_table(r);
    (tail ? n->tail : n->here)[r->method] = r;
}

void http_router_add(struct http_router *r, const struct http_route *routes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add(&r->root, &routes[i]);
}

struct walk {
    bool any; /* take the first route whatever its method */
    enum http_method method;
    struct rk_str raw[HTTP_MAX_PARAMS];
    size_t n_raw;
    unsigned allow;
};

static const struct http_route *pick(struct walk *w, const struct http_route *const by_method[])
{
    const struct http_route *any = NULL;

    for (unsigned m = HTTP_GET; m < N_METHODS; m++)
        if (by_method[m]) {
            w->allow |= 1u << m;
            if (!any)
                any = by_method[m];
        }
    if (by_method[HTTP_GET])
        w->allow |= 1u << HTTP_HEAD;
    if (w->any)
        return any;
    if (w->method == HTTP_HEAD && !by_method[HTTP_HEAD])
        return by_method[HTTP_GET];
    return by_method[w->method];
}

/* Depth is bounded by the table: a path longer than every pattern falls off the tree. */
static const struct http_route *walk(struct walk *w, const struct node *n, struct rk_str rest)
{
    const struct http_route *r = NULL;
    const struct node *child;
    struct rk_str seg, after;
    bool more = rk_str_cut(rest, '/', &seg, &after);

    child = find_child(n, seg, NULL);
    if (child)
        r = more ? walk(w, child, after) : pick(w, child->here);
    if (r || !rest.n)
        return r;
    if (n->param && seg.n && w->n_raw < HTTP_MAX_PARAMS) {
        w->raw[w->n_raw++] = seg;
        r = more ? walk(w, n->param, after) : pick(w, n->param->here);
        if (r)
            return r;
        w->n_raw--;
    }
    r = w->n_raw < HTTP_MAX_PARAMS ? pick(w, n->tail) : NULL;
    if (r)
        w->raw[w->n_raw++] = rest;
    return r;
}

enum http_match http_router_find(const struct http_router *router, struct http_req *req,
                                 unsigned *allow)
{
    struct walk w = {.method = req->method};
    const struct http_route *r;

    if (!req->path.n || req->path.p[0] != '/')
        return HTTP_NO_PATH;
    r = walk(&w, &router->root, rk_str_sub(req->path, 1, req->path.n));
    if (!r && allow)
        *allow = w.allow;
    if (!r)
        return w.allow ? HTTP_NO_METHOD : HTTP_NO_PATH;
    req->n_params = 0;
    for (size_t i = 0; i < w.n_raw; i++)
        req->params[req->n_params++] = w.raw[i];
    req->route = r;
    return HTTP_MATCH;
}

const struct http_route *http_router_any(const struct http_router *router, struct http_req *req)
{
    struct walk w = {.any = true};

    if (!req->path.n || req->path.p[0] != '/')
        return NULL;
    return walk(&w, &router->root, rk_str_sub(req->path, 1, req->path.n));
}
