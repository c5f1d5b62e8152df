/* SPDX-License-Identifier: BSD-3-Clause */
/* First bytes of a connection; see edge_sniff.h. */
#include "config.h"

#include "lib/http/edge_sniff.h"

#include <stdbool.h>

enum { METHOD_MAX = 20, TLS_HANDSHAKE = 0x16 };

static bool is_prefix(struct rk_str in, struct rk_str whole)
{
    return in.n < whole.n && memcmp(in.p, whole.p, in.n) == 0;
}

static bool token_char(char c) /* RFC 9110 section 5.6.2, of which methods are made */
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

/* The target of a GET: one of ours when a blank or a query follows. */
static enum edge_kind sniff_target(struct rk_str target, const struct rk_str *paths, size_t n,
                                   size_t *index)
{
    for (size_t i = 0; i < n; i++) {
        if (target.n <= paths[i].n) {
            if (memcmp(target.p, paths[i].p, target.n) == 0)
                return EDGE_MORE;
        } else if (memcmp(target.p, paths[i].p, paths[i].n) == 0 &&
                   (target.p[paths[i].n] == ' ' || target.p[paths[i].n] == '?')) {
            *index = i;
            return EDGE_WS;
        }
    }
    return EDGE_HTTP1;
}

enum edge_kind edge_sniff(struct rk_str in, const struct rk_str *paths, size_t n, size_t *index)
{
    static const struct rk_str preface = {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24};
    struct rk_str method, rest;
    size_t i = 0;

    if (!in.n)
        return EDGE_MORE;
    if ((unsigned char)in.p[0] == TLS_HANDSHAKE) {
        if (in.n < 2)
            return EDGE_MORE;
        return in.p[1] == 3 ? EDGE_TLS : EDGE_GARBAGE;
    }
    if (is_prefix(in, preface))
        return EDGE_MORE;
    if (rk_str_starts(in, preface))
        return EDGE_H2;
    while (i < in.n && i <= METHOD_MAX && token_char(in.p[i]))
        i++;
    if (i > METHOD_MAX || (i < in.n && (i == 0 || in.p[i] != ' ')))
        return EDGE_GARBAGE;
    if (!rk_str_cut(in, ' ', &method, &rest) || !rest.n)
        return EDGE_MORE;
    if (rest.p[0] == ' ' || (unsigned char)rest.p[0] < 0x21)
        return EDGE_GARBAGE;
    if (rk_str_eqz(method, "PRI")) /* the preface, but broken */
        return EDGE_GARBAGE;
    if (rk_str_eqz(method, "GET"))
        return sniff_target(rest, paths, n, index);
    return EDGE_HTTP1;
}
