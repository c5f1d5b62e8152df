/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages out of the bytes of a gRPC stream. Used by call.c and client.c. One thread at a time.
 *
 *      0        1               5
 *     +--------+---------------+----------------+
 *     | flag 0 | length (BE)   | message bytes  |
 *     +--------+---------------+----------------+
 */
#ifndef RK_GRPC_FRAME_H
#define RK_GRPC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#define GRPC_PREFIX 5

struct grpc_reader { /* embedded; use the functions */
    uint8_t head[GRPC_PREFIX];
    size_t head_n;
    size_t need;        /* length of the message being read */
    size_t max_message; /* bytes */
    bool spent;         /* a message was handed out: start over at the next call */
    struct rk_buf body;
};

void grpc_reader_init(struct grpc_reader *r, size_t max_message_bytes);
void grpc_reader_done(struct grpc_reader *r);

/**
 * Take bytes from the front of *in (moved on) until a message is complete: then *have and *msg,
 * borrowed until the next call. Memory grows with the bytes that came, not with the length that was
 * announced. Errors: RK_LIMIT (too long), RK_INVALID (compressed, which nobody agreed on),
 * RK_BAD_REQUEST (any other flag); the stream is then of no use any more.
 */
enum rk_code grpc_reader_next(struct grpc_reader *r, struct rk_str *in, struct rk_str *msg,
                              bool *have, struct rk_err *err) RK_MUST;

/** True between messages: an end of stream here cuts nothing off. */
bool grpc_reader_at_boundary(const struct grpc_reader *r);

/** Bytes held for a message that is not complete. */
size_t grpc_reader_held(const struct grpc_reader *r);

/** The prefix of an uncompressed message of n bytes (below 4 GiB). */
void grpc_prefix(uint8_t out[GRPC_PREFIX], size_t n);

#endif
