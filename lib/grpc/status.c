/* SPDX-License-Identifier: BSD-3-Clause */
/* gRPC status numbers and texts; see status.h. */
#include "config.h"

#include "lib/grpc/status.h"

#include <stdio.h>

#include "lib/base/num.h"

enum { STATUS_MAX = 16, TIMEOUT_DIGITS = 8, MESSAGE_MAX = 1024 };

static const char *const names[STATUS_MAX + 1] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};

/* Agents take 3, 5, 7 and 12 as final at login, so nothing temporary may map there. */
static const enum grpc_status by_code[RK_CODE_COUNT] = {
    [RK_OK] = GRPC_OK,
    [RK_BAD_REQUEST] = GRPC_INVALID_ARGUMENT,
    [RK_INVALID] = GRPC_INTERNAL,
    [RK_UNAUTHENTICATED] = GRPC_PERMISSION_DENIED,
    [RK_FORBIDDEN] = GRPC_PERMISSION_DENIED,
    [RK_NOT_FOUND] = GRPC_NOT_FOUND,
    [RK_EXISTS] = GRPC_INTERNAL,
    [RK_PRECONDITION] = GRPC_FAILED_PRECONDITION,
    [RK_LIMIT] = GRPC_RESOURCE_EXHAUSTED,
    [RK_TIMEOUT] = GRPC_DEADLINE_EXCEEDED,
    [RK_UNAVAILABLE] = GRPC_UNAVAILABLE,
    [RK_CANCELLED] = GRPC_CANCELLED,
    [RK_INTERNAL] = GRPC_INTERNAL,
};

enum grpc_status grpc_status_of(enum rk_code code)
{
    return (unsigned)code < RK_CODE_COUNT ? by_code[code] : GRPC_INTERNAL;
}

const char *grpc_status_name(int status)
{
    return names[status >= 0 && status <= STATUS_MAX ? status : GRPC_UNKNOWN];
}

enum rk_code grpc_status_code(int status)
{
    static const enum rk_code codes[STATUS_MAX + 1] = {
        [GRPC_OK] = RK_OK,
        [GRPC_CANCELLED] = RK_CANCELLED,
        [GRPC_UNKNOWN] = RK_INTERNAL,
        [GRPC_INVALID_ARGUMENT] = RK_BAD_REQUEST,
        [GRPC_DEADLINE_EXCEEDED] = RK_TIMEOUT,
        [GRPC_NOT_FOUND] = RK_NOT_FOUND,
        [GRPC_ALREADY_EXISTS] = RK_EXISTS,
        [GRPC_PERMISSION_DENIED] = RK_FORBIDDEN,
        [GRPC_RESOURCE_EXHAUSTED] = RK_LIMIT,
        [GRPC_FAILED_PRECONDITION] = RK_PRECONDITION,
        [GRPC_ABORTED] = RK_UNAVAILABLE,
        [GRPC_OUT_OF_RANGE] = RK_INVALID,
        [GRPC_UNIMPLEMENTED] = RK_NOT_FOUND,
        [GRPC_INTERNAL] = RK_INTERNAL,
        [GRPC_UNAVAILABLE] = RK_UNAVAILABLE,
        [GRPC_DATA_LOSS] = RK_INTERNAL,
        [GRPC_UNAUTHENTICATED] = RK_UNAUTHENTICATED,
    };

    return codes[status >= 0 && status <= STATUS_MAX ? status : GRPC_UNKNOWN];
}

enum grpc_status grpc_status_of_http(unsigned http_status)
{
    switch (http_status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

int grpc_status_parse(struct rk_str s)
{
    int64_t v;

    return rk_parse_i64(s, 0, STATUS_MAX, &v, NULL) ? GRPC_UNKNOWN : (int)v;
}

void grpc_message_encode(struct rk_buf *out, struct rk_str text)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.n && i < MESSAGE_MAX; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c >= 0x20 && c <= 0x7e && c != '%') {
            rk_buf_addc(out, (char)c);
        } else {
            rk_buf_addc(out, '%');
            rk_buf_addc(out, hex[c >> 4]);
            rk_buf_addc(out, hex[c & 15]);
        }
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

void grpc_message_decode(struct rk_buf *out, struct rk_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '%' && text.n - i > 2 && hex_digit(text.p[i + 1]) >= 0 &&
            hex_digit(text.p[i + 2]) >= 0) {
            rk_buf_addc(out, (char)(hex_digit(text.p[i + 1]) * 16 + hex_digit(text.p[i + 2])));
            i += 2;
        } else {
            rk_buf_addc(out, text.p[i]);
        }
    }
}

enum rk_code grpc_timeout_parse(struct rk_str s, int64_t *out_ms, struct rk_err *err)
{
    int64_t v;

    if (s.n < 2 || s.n > TIMEOUT_DIGITS + 1 ||
        rk_parse_i64(rk_str_sub(s, 0, s.n - 1), 0, 99999999, &v, NULL))
        return rk_fail(err, RK_BAD_REQUEST, "grpc-timeout %.*s", RK_STR_ARG(s));
    switch (s.p[s.n - 1]) {
    case 'H':
        *out_ms = v * 3600000;
        break;
    case 'M':
        *out_ms = v * 60000;
        break;
    case 'S':
        *out_ms = v * 1000;
        break;
    case 'm':
        *out_ms = v;
        break;
    case 'u':
        *out_ms = (v + 999) / 1000;
        break;
    case 'n':
        *out_ms = (v + 999999) / 1000000;
        break;
    default:
        return rk_fail(err, RK_BAD_REQUEST, "grpc-timeout %.*s", RK_STR_ARG(s));
    }
    return RK_OK;
}

struct rk_str grpc_timeout_format(int64_t ms, char buf[GRPC_TIMEOUT_TEXT])
{
    int64_t v = rk_max_i64(ms, 0);
    char unit = 'm';

    if (v > 99999999) {
        v = rk_min_i64((v + 999) / 1000, 99999999);
        unit = 'S';
    }
    (void)snprintf(buf, GRPC_TIMEOUT_TEXT, "%d%c", (int)v, unit);
    return rk_str_z(buf);
}
