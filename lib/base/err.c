/* SPDX-License-Identifier: BSD-3-Clause */
/* Error codes and texts; used by everything, uses nothing. */
#include "config.h"

#include "lib/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum rk_code rk_fail(struct rk_err *err, enum rk_code code, const char *fmt, ...)
{
    va_list ap;

    if (err) {
        err->code = code;
        va_start(ap, fmt);
        (void)vsnprintf(err->msg, sizeof err->msg, fmt, ap);
        va_end(ap);
    }
    return code;
}

/* Join "front: back" into err->msg, cutting what does not fit. */
static void join(struct rk_err *err, const char *front, const char *back)
{
    char tmp[sizeof err->msg];
    size_t n = strnlen(front, sizeof tmp - 1);

    memcpy(tmp, front, n);
    for (const char *p = ": "; *p && n + 1 < sizeof tmp; p++)
        tmp[n++] = *p;
    while (*back && n + 1 < sizeof tmp)
        tmp[n++] = *back++;
    tmp[n] = '\0';
    memcpy(err->msg, tmp, n + 1);
}

enum rk_code rk_wrap(struct rk_err *err, const char *fmt, ...)
{
    char front[sizeof err->msg];
    va_list ap;

    if (!err)
        return RK_INTERNAL;
    va_start(ap, fmt);
    (void)vsnprintf(front, sizeof front, fmt, ap);
    va_end(ap);
    join(err, front, err->msg);
    return err->code;
}

/* The GNU function returns the text, that of POSIX (musl) a number. */
static const char *errno_text(int errnum, char *buf, size_t cap)
{
#ifdef __GLIBC__
    return strerror_r(errnum, buf, cap);
#else
    return strerror_r(errnum, buf, cap) ? "unknown error" : buf;
#endif
}

enum rk_code rk_fail_errno(struct rk_err *err, enum rk_code code, int errnum, const char *fmt, ...)
{
    char front[sizeof err->msg];
    char text[80];
    va_list ap;

    if (err) {
        va_start(ap, fmt);
        (void)vsnprintf(front, sizeof front, fmt, ap);
        va_end(ap);
        err->code = code;
        join(err, front, errno_text(errnum, text, sizeof text));
    }
    return code;
}

const char *rk_code_name(enum rk_code code)
{
    static const char *const names[RK_CODE_COUNT] = {
        [RK_OK] = "ok",
        [RK_BAD_REQUEST] = "bad_request",
        [RK_INVALID] = "invalid",
        [RK_UNAUTHENTICATED] = "unauthenticated",
        [RK_FORBIDDEN] = "forbidden",
        [RK_NOT_FOUND] = "not_found",
        [RK_EXISTS] = "exists",
        [RK_PRECONDITION] = "precondition",
        [RK_LIMIT] = "limit",
        [RK_TIMEOUT] = "timeout",
        [RK_UNAVAILABLE] = "unavailable",
        [RK_CANCELLED] = "cancelled",
        [RK_INTERNAL] = "internal",
    };

    return (unsigned)code < RK_CODE_COUNT ? names[code] : "unknown";
}
