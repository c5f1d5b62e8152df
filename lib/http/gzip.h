/* SPDX-License-Identifier: BSD-3-Clause */
/* Content-Encoding: gzip for response bodies (zlib). Any thread. */
#ifndef RK_HTTP_GZIP_H
#define RK_HTTP_GZIP_H

#include "lib/base/buf.h"

/** Below this a body is sent as it is: one packet stays one packet. */
#define HTTP_GZIP_MIN_BYTES 1400

/** An Accept-Encoding value that takes gzip (RFC 9110 section 12.5.3; q=0 means no). */
bool http_gzip_wanted(struct rk_str accept_encoding);

/** Replace the body by its gzip form; false (and nothing changed) when it gets no smaller. */
bool http_gzip(struct rk_buf *body);

#endif
