/* SPDX-License-Identifier: BSD-3-Clause */
/* Text encodings of bytes: hex, base64 (standard and URL), base32, base62, percent. Any thread. */
#ifndef RK_BASE_ENC_H
#define RK_BASE_ENC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

/** Characters that n bytes take, without a NUL. */
#define RK_HEX_LEN(n)    ((n)*2)
#define RK_BASE64_LEN(n) (((n) + 2) / 3 * 4)

/** Encode into the arena (a NUL stands behind the view). */
struct rk_str rk_hex_encode(struct rk_arena *a, struct rk_str in);
struct rk_str rk_base64_encode(struct rk_arena *a, struct rk_str in);    /* with '=' */
struct rk_str rk_base64url_encode(struct rk_arena *a, struct rk_str in); /* without '=' */
struct rk_str rk_percent_encode(struct rk_arena *a,
                                struct rk_str in); /* RFC 3986 unreserved kept */

/** Encode into a caller's buffer of RK_BASE64_LEN(n) + 1 bytes; writes a NUL. */
void rk_base64_encode_to(char *out, struct rk_str in);
void rk_hex_encode_to(char *out, struct rk_str in);

/** Strict decoders: canonical length and padding, no blanks, no stray bits. *out has exactly
 *  out_size bytes capacity and *out_n says how many were written.
 *  Errors: RK_BAD_REQUEST (form), RK_LIMIT (does not fit). */
enum rk_code rk_hex_decode(struct rk_str in, uint8_t *out, size_t out_size, size_t *out_n,
                           struct rk_err *err) RK_MUST;
enum rk_code rk_base64_decode(struct rk_str in, uint8_t *out, size_t out_size, size_t *out_n,
                              struct rk_err *err) RK_MUST;
/** URL alphabet; trailing '=' optional. */
enum rk_code rk_base64url_decode(struct rk_str in, uint8_t *out, size_t out_size, size_t *out_n,
                                 struct rk_err *err) RK_MUST;

/** %XX decoding into the arena; plus_is_space for query strings and forms. RK_BAD_REQUEST on a
 *  broken escape. */
enum rk_code rk_percent_decode(struct rk_arena *a, struct rk_str in, bool plus_is_space,
                               struct rk_str *out, struct rk_err *err) RK_MUST;

#endif
