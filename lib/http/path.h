/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Request targets as the official server (Go's net/http with gorilla/mux) reads them: escapes are
 * decoded before anything looks at the path, and a path with double slashes or dot segments is sent
 * on to the one that it means. RFC 9112 section 3.2, RFC 3986 section 5.2.4. Any thread.
 */
#ifndef RK_HTTP_PATH_H
#define RK_HTTP_PATH_H

#include "lib/base/arena.h"
#include "lib/base/str.h"

enum http_path {
    HTTP_PATH_OK,   /* *path is decoded and clean, or "*" */
    HTTP_PATH_MOVE, /* the client should ask for *location: 301 */
    HTTP_PATH_BAD,  /* a broken escape or no path at all: 400 */
};

/**
 * Look at *path, raw and without the query, in origin, absolute or asterisk form. On OK it is
 * replaced by the decoded one; on MOVE *location is the escaped clean path with the query behind
 * it. arena
 */
enum http_path http_path_take(struct rk_arena *mem, struct rk_str *path, struct rk_str query,
                              struct rk_str *location);

#endif
