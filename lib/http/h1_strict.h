/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What makes an HTTP/1.x request head ambiguous, so that a proxy in front and we could disagree on
 * where it ends or whom it is for (request smuggling). RFC 9112 sections 2.2, 3.2, 5.1, 6.1 and
 * 6.3. Any thread.
 */
#ifndef RK_HTTP_H1_STRICT_H
#define RK_HTTP_H1_STRICT_H

#include "lib/http/msg.h"

/** NULL: fine; else a static text for the answer of *status. version: "HTTP/1.1" as sent. */
const char *h1_strict_check(const struct http_req *req, const char *version, unsigned *status);

/**
 * Whether a NUL hides a part of the head. libmicrohttpd cuts the head into C strings where it lies,
 * so behind a string must come the next one; where they lie elsewhere nothing can be said.
 * target_end: of the whole target, before the query was cut off; headers before anything is copied.
 */
bool h1_strict_hides(const struct http_header *v, size_t n, const char *target_end,
                     const char *version);

#endif
