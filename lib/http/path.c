/* SPDX-License-Identifier: BSD-3-Clause */
/* Request targets; see path.h. */
#include "config.h"

#include "lib/http/path.h"

#include <string.h>

#include "lib/base/enc.h"

/* "http://host/path" is what clients send to proxies, and servers must take. */
static struct rk_str origin_form(struct rk_str s)
{
    static const struct rk_str schemes[] = {RK_STR("http://"), RK_STR("https://")};

    for (size_t i = 0; i < RK_ARRAY_LEN(schemes); i++) {
        struct rk_str rest;
        size_t at;

        if (!rk_str_istarts(s, schemes[i]))
            continue;
        rest = rk_str_sub(s, schemes[i].n, s.n);
        at = rk_str_find(rest, RK_STR("/"));
        return at < rest.n ? rk_str_sub(rest, at, rest.n) : RK_STR("/");
    }
    return s;
}

/* Without empty, "." and ".." segments; a slash at the end stays. */
static struct rk_str clean(struct rk_arena *mem, struct rk_str path)
{
    char *out = rk_arena_dupz(mem, path);
    struct rk_str rest = rk_str_sub(path, 1, path.n), seg = {0};
    size_t n = 0;
    bool more = true, slash = false;

    while (more) {
        more = rk_str_cut(rest, '/', &seg, &rest);
        slash = !seg.n || rk_str_eqz(seg, ".") || rk_str_eqz(seg, "..");
        if (rk_str_eqz(seg, "..")) {
            while (n && out[--n] != '/')
                ;
        } else if (!slash) {
            out[n++] = '/';
            memmove(out + n, seg.p, seg.n);
            n += seg.n;
        }
    }
    if (!n || (slash && !seg.n))
        out[n++] = '/';
    return rk_str_of(out, n);
}

/* What may stand in a path as it is (RFC 3986 section 3.3), and the slash. */
static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~/$&+,:;=@!'()*", c));
}

static struct rk_str escaped(struct rk_arena *mem, struct rk_str path)
{
    struct rk_str v[2] = {{"", 0}, {0}};

    for (size_t i = 0, from = 0; i <= path.n; i++) {
        if (i < path.n && plain(path.p[i]))
            continue;
        v[1] = rk_str_sub(path, from, i - from);
        v[0] = rk_arena_cat(mem, v, 2);
        if (i < path.n) {
            v[1] = rk_percent_encode(mem, rk_str_sub(path, i, 1));
            v[0] = rk_arena_cat(mem, v, 2);
        }
        from = i + 1;
    }
    return v[0];
}

enum http_path http_path_take(struct rk_arena *mem, struct rk_str *path, struct rk_str query,
                              struct rk_str *location)
{
    struct rk_str decoded, to;

    if (rk_str_eqz(*path, "*"))
        return HTTP_PATH_OK;
    if (rk_percent_decode(mem, origin_form(*path), false, &decoded, NULL) || !decoded.n ||
        decoded.p[0] != '/')
        return HTTP_PATH_BAD;
    to = clean(mem, decoded);
    if (rk_str_eq(to, decoded)) {
        *path = decoded;
        return HTTP_PATH_OK;
    }
    to = escaped(mem, to);
    *location = query.n ? RK_CAT(mem, to, RK_STR("?"), query) : to;
    return HTTP_PATH_MOVE;
}
