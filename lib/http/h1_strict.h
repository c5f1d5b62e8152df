/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What makes an HTTP/1.x request head ambiguous, so that a proxy in front and we could disagree on
 * where it ends or whom it is for (request smuggling). RFC 9112 sections 2.2, 3.2, 5.1, 6.1 and
 * 6.3. Any thread.
 */
#ifndef RK_HTTP_H1_STRICT_H
#define RK_HTTP_H1_STRICT_H

#include "lib/http/msg.h"

/** NULL: fine; else a static text for the 400. version: "HTTP/1.1" as sent. */
const char *h1_strict_check(const struct http_req *req, const char *version);

#endif
