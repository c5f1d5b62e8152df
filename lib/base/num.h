/* SPDX-License-Identifier: BSD-3-Clause */
/* Checked arithmetic, strict number parsing, clocks. Any thread. */
#ifndef RK_BASE_NUM_H
#define RK_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

/** *out = a + b or a * b; false (and *out undefined) on overflow. */
static inline RK_MUST bool rk_add_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline RK_MUST bool rk_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/** Whole string as a decimal number within [min, max]: no sign for unsigned values, no blanks, no
 *  prefix. Errors: RK_BAD_REQUEST naming the text. */
enum rk_code rk_parse_i64(struct rk_str s, int64_t min, int64_t max, int64_t *out,
                          struct rk_err *err) RK_MUST;

/** A duration "1h30m", "15s", "500ms", "7d" (units d h m s ms us ns, Go's plus d) in milliseconds.
 *  Zero without a unit is accepted. Errors: RK_BAD_REQUEST. */
enum rk_code rk_parse_duration_ms(struct rk_str s, int64_t *out_ms, struct rk_err *err) RK_MUST;

#define RK_BIT_RATE_MIN ((int64_t)64000)
#define RK_BIT_RATE_MAX ((int64_t)1000000000000)

/** A rate "500kbit", "20mbit", "1gbit" (decimal units, per second, any case) in bits per second;
 *  empty: 0, no limit. Errors: RK_BAD_REQUEST, also outside of RK_BIT_RATE_MIN and _MAX. */
enum rk_code rk_parse_bit_rate(struct rk_str s, int64_t *out, struct rk_err *err) RK_MUST;

static inline int64_t rk_min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t rk_max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline size_t rk_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/** Wall clock, milliseconds since 1970 UTC. */
int64_t rk_unix_ms(void);

/** Wall clock, microseconds since 1970 UTC (the resolution of stored times). */
int64_t rk_unix_us(void);

/** Monotonic clock in milliseconds; only differences mean something. */
int64_t rk_mono_ms(void);

/** The same clock in microseconds (round trip times). */
int64_t rk_mono_us(void);

/** RFC 3339 in UTC with up to microseconds, trailing zeroes dropped as Go's encoding/json does
 *  ("2026-01-02T03:04:05.12Z"). buf holds at least RK_TIME_TEXT bytes; returns a view of it. */
#define RK_TIME_TEXT 40
struct rk_str rk_time_format_us(int64_t unix_us, char buf[RK_TIME_TEXT]);

/** Parse RFC 3339 with any offset to microseconds since 1970 UTC. Errors: RK_BAD_REQUEST. */
enum rk_code rk_time_parse_us(struct rk_str s, int64_t *out_us, struct rk_err *err) RK_MUST;

#endif
