/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The listener on port 80: answers of HTTP-01 (RFC 8555 8.3), everything else is sent to https. A
 * thread of its own with few, short-lived connections; nothing else is served here.
 */
#ifndef RK_SERVER_ACME_HTTP_H
#define RK_SERVER_ACME_HTTP_H

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"

struct acme_http;

/** to: where other requests are sent, "https://host" or "https://host:port". Owned: acme_http_free.
 *  Errors: RK_UNAVAILABLE naming the address. */
enum rk_code acme_http_new(const struct rk_addr *listen, struct rk_str to, struct acme_http **out,
                           struct rk_err *err) RK_MUST;
void acme_http_free(struct acme_http *h); /* accepts NULL */

/** Answer for a token; `answer` empty takes it away. Any thread. */
void acme_http_answer(struct acme_http *h, struct rk_str token, struct rk_str answer);

#endif
