/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct nl_sock: one netlink socket for questions that the kernel answers at once (routes, links,
 * WireGuard). Calls wait for the answer, which never needs the network. One thread at a time.
 */
#ifndef RK_AGENT_OS_NL_H
#define RK_AGENT_OS_NL_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

/* Bytes of one request; also what the kernel suggests for one answer. */
#define NL_MSG_SIZE 16384

struct nl_sock;

/* As the macros of libmnl, without their implicit conversions. `a` is a const struct nlattr *. */
#define NL_FOR_EACH(a, h, offset)                                                                  \
    for ((a) = mnl_nlmsg_get_payload_offset((h), (offset));                                        \
         mnl_attr_ok((a), (int)((const char *)mnl_nlmsg_get_payload_tail(h) - (const char *)(a))); \
         (a) = mnl_attr_next(a))
#define NL_FOR_EACH_NESTED(a, nest)                                                                \
    for ((a) = mnl_attr_get_payload(nest);                                                         \
         mnl_attr_ok((a), (int)((const char *)mnl_attr_get_payload(nest) +                         \
                                mnl_attr_get_payload_len(nest) - (const char *)(a)));              \
         (a) = mnl_attr_next(a))

/** Embed in a struct of your own to look at the answers of nl_ask. */
struct nl_reader {
    /** One answer message (never an acknowledgement). Not RK_OK ends the question with that. */
    enum rk_code (*message)(struct nl_reader *r, const struct nlmsghdr *h, struct rk_err *err);
};

/** bus: NETLINK_ROUTE, NETLINK_GENERIC. Owned: nl_close. */
enum rk_code nl_open(int bus, struct nl_sock **out, struct rk_err *err) RK_MUST;
void nl_close(struct nl_sock *s); /* accepts NULL */

/** Start a request in the socket's own buffer (lent until the next nl_begin). NLM_F_REQUEST and,
 *  unless it is a dump, NLM_F_ACK are added. */
struct nlmsghdr *nl_begin(struct nl_sock *s, uint16_t type, uint16_t flags);

/** Room that mnl_attr_put_check and friends may use. */
size_t nl_room(const struct nl_sock *s);

/**
 * Send what nl_begin started and read answers until the kernel is done. r may be NULL.
 * Errors by errno: RK_EXISTS, RK_NOT_FOUND (no such link, route, rule), RK_FORBIDDEN, RK_INVALID,
 * RK_PRECONDITION (the kernel does not support it), RK_UNAVAILABLE (busy), RK_INTERNAL. `what`
 * stands in front of the text.
 */
enum rk_code nl_ask(struct nl_sock *s, struct nlmsghdr *h, struct nl_reader *r, const char *what,
                    struct rk_err *err) RK_MUST;

/** Resolve a generic netlink family name. RK_NOT_FOUND when the kernel does not know it. */
enum rk_code nl_family(struct nl_sock *s, const char *name, uint16_t *out,
                       struct rk_err *err) RK_MUST;

#endif
