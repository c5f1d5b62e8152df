/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages of routing sockets (macOS, FreeBSD) as bytes in and structs out; the layouts are in
 * facts.h. Pure; any thread; nothing is allocated.
 */
#ifndef RK_AGENT_OS_BSD_RTMSG_H
#define RK_AGENT_OS_BSD_RTMSG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"

#define RTMSG_MAX_BYTES 512 /* of what we send; the kernel's are at most 2048 */

struct rtmsg_layout { /* of one system */
    size_t header, round;
    uint8_t af_inet6;
};
extern const struct rtmsg_layout RTMSG_DARWIN, RTMSG_FREEBSD;

struct rtmsg {    /* open */
    uint8_t type; /* BSD_RTM_… */
    uint16_t ifindex;
    uint32_t flags; /* BSD_RTF_… */
    int32_t pid, seq;
    int32_t error;         /* errno of the kernel's answer */
    bool has_dst;          /* else dst is empty */
    struct rk_prefix dst;  /* without a mask: the whole address */
    struct rk_ip gateway;  /* family 0: none, or a link */
    uint32_t gateway_link; /* its index when the gateway is a link; 0: it is not */
};

/** One message. In link-local addresses the kernel puts the interface into bytes 2 and 3: they are
 *  taken out. Errors: RK_BAD_REQUEST (short, another version, lengths that do not fit); *out is
 *  untouched. */
enum rk_code rtmsg_decode(const struct rtmsg_layout *l, struct rk_str in, struct rtmsg *out,
                          struct rk_err *err) RK_MUST;

/** The next message of a dump, cut from the front of *dump; RK_NOT_FOUND at its end. */
enum rk_code rtmsg_next(const struct rtmsg_layout *l, struct rk_str *dump, struct rtmsg *out,
                        struct rk_err *err) RK_MUST;

/** A request: destination and mask, and a gateway or a link if there is one. */
struct rk_str rtmsg_encode(const struct rtmsg_layout *l, const struct rtmsg *m,
                           uint8_t buf[RTMSG_MAX_BYTES]);

/** Is `a` the kernel's answer to `q`: same type, sequence and process? */
bool rtmsg_answers(const struct rtmsg *q, const struct rtmsg *a);

/** Not a way that packets take: down, rejecting, or cloned for one destination. */
bool rtmsg_is_unused(const struct rtmsg *m);

#endif
