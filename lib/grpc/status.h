/* SPDX-License-Identifier: BSD-3-Clause */
/* gRPC status numbers, the one table from enum rk_code to them, grpc-message and grpc-timeout
 * texts. Any thread. */
#ifndef RK_GRPC_STATUS_H
#define RK_GRPC_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

enum grpc_status { /* numbers of the wire */
                   GRPC_OK = 0,
                   GRPC_CANCELLED = 1,
                   GRPC_UNKNOWN = 2,
                   GRPC_INVALID_ARGUMENT = 3,
                   GRPC_DEADLINE_EXCEEDED = 4,
                   GRPC_NOT_FOUND = 5,
                   GRPC_ALREADY_EXISTS = 6,
                   GRPC_PERMISSION_DENIED = 7,
                   GRPC_RESOURCE_EXHAUSTED = 8,
                   GRPC_FAILED_PRECONDITION = 9,
                   GRPC_ABORTED = 10,
                   GRPC_OUT_OF_RANGE = 11,
                   GRPC_UNIMPLEMENTED = 12,
                   GRPC_INTERNAL = 13,
                   GRPC_UNAVAILABLE = 14,
                   GRPC_DATA_LOSS = 15,
                   GRPC_UNAUTHENTICATED = 16,
};

/** By the table in style.md: nothing temporary maps to 3, 5, 7 or 12. */
enum grpc_status grpc_status_of(enum rk_code code);

/** "PERMISSION_DENIED"; "UNKNOWN" for numbers outside the range. Static. */
const char *grpc_status_name(int status);

/** For clients: the code that fits a received status. */
enum rk_code grpc_status_code(int status);

/** For clients: status for an HTTP answer without grpc-status. */
enum grpc_status grpc_status_of_http(unsigned http_status);

/** grpc-status text to number; unreadable or unknown gives GRPC_UNKNOWN. */
int grpc_status_parse(struct rk_str s);

/** grpc-message: percent-encode bytes outside 0x20..0x7e and '%'. */
void grpc_message_encode(struct rk_buf *out, struct rk_str text);
/** Lenient as the protocol asks: a broken escape is kept as it is. */
void grpc_message_decode(struct rk_buf *out, struct rk_str text);

/** "10S" → 10000. 1 to 8 digits and one of H M S m u n; rounded up to ms. RK_BAD_REQUEST. */
enum rk_code grpc_timeout_parse(struct rk_str s, int64_t *out_ms, struct rk_err *err) RK_MUST;
#define GRPC_TIMEOUT_TEXT 12
struct rk_str grpc_timeout_format(int64_t ms, char buf[GRPC_TIMEOUT_TEXT]);

#endif
