/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Errors: a code for programs, a sentence for people. Every fallible function returns
 * enum rk_code and takes a struct rk_err as its last parameter, which may be NULL.
 * Who returns an error does not log it; the edge (gRPC, HTTP, main) logs it once.
 */
#ifndef RK_BASE_ERR_H
#define RK_BASE_ERR_H

#include <stddef.h>

/* Append only: the numbers are used in tables of lib/http/msg and lib/grpc/status. */
enum rk_code {
    RK_OK = 0,
    RK_BAD_REQUEST,     /* the request cannot be understood */
    RK_INVALID,         /* understood, but a value breaks a rule */
    RK_UNAUTHENTICATED, /* no or wrong credentials */
    RK_FORBIDDEN,       /* known, but not allowed */
    RK_NOT_FOUND,
    RK_EXISTS,
    RK_PRECONDITION, /* the state of the system does not allow it (now) */
    RK_LIMIT,        /* a quota, size or rate limit */
    RK_TIMEOUT,
    RK_UNAVAILABLE, /* temporary: try again */
    RK_CANCELLED,
    RK_INTERNAL,
    RK_CODE_COUNT
};

struct rk_err {
    enum rk_code code;
    char msg[240]; /* NUL-terminated, no newline, no secrets */
};

/** Set both fields of err (may be NULL; a long text is cut) and return code. Any thread. */
enum rk_code rk_fail(struct rk_err *err, enum rk_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Put "text: " in front of the message that err holds; keeps and returns its code.
 *  With err == NULL returns RK_INTERNAL, so prefer to pass one. */
enum rk_code rk_wrap(struct rk_err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** rk_fail with ": strerror(errnum)" behind the text. */
enum rk_code rk_fail_errno(struct rk_err *err, enum rk_code code, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/** Lower-case name of a code for logs ("not_found"); "unknown" outside the range. */
const char *rk_code_name(enum rk_code code);

/** The result of a call is not wanted, also where it is RK_MUST: the one spelling for it. */
#define RK_IGNORE(call) (void)!(call)
#define RK_MUST         __attribute__((warn_unused_result))
#define RK_CLEANUP(fn)  __attribute__((cleanup(fn)))
#define RK_UNUSED       __attribute__((unused))
#define RK_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/** Address of the struct around a member. */
#define rk_container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
