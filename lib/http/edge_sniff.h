/* SPDX-License-Identifier: BSD-3-Clause */
/* What do the first bytes of a connection mean? Pure; used by edge_conn.c. Any thread. */
#ifndef RK_HTTP_EDGE_SNIFF_H
#define RK_HTTP_EDGE_SNIFF_H

#include <stddef.h>

#include "lib/base/str.h"

enum edge_kind {
    EDGE_MORE,    /* cannot tell yet: wait for another byte */
    EDGE_TLS,     /* a TLS record with a handshake */
    EDGE_H2,      /* the HTTP/2 client preface */
    EDGE_WS,      /* GET of one of the given paths */
    EDGE_HTTP1,   /* any other request line */
    EDGE_GARBAGE, /* none of these */
};

/** Bytes after which every input is decided: a method, a blank, the longest path, its end. */
#define EDGE_SNIFF_MAX 128
#define EDGE_PATH_MAX  64

/** paths: n exact paths of at most EDGE_PATH_MAX bytes; *index tells which one for EDGE_WS. A
 *  prefix of a decided input never gives a different decision: it gives EDGE_MORE. */
enum edge_kind edge_sniff(struct rk_str in, const struct rk_str *paths, size_t n, size_t *index);

#endif
