/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * agent/os/bsd/facts.h against layouts that the compiler makes for the system itself; compiled,
 * never run. NUDGE moves one expectation, to see that a wrong number is found.
 */
#include <net/route.h>
#include <stddef.h>
#include <sys/socket.h>

#include "agent/os/bsd/facts.h"
#include "agent/os/bsd/rtmsg.h"

#ifndef NUDGE
#define NUDGE 0
#endif

#ifdef __APPLE__
#define HEADER 92
_Static_assert(AF_INET6 == BSD_AF_INET6_DARWIN, "AF_INET6");
#else
#define HEADER 152
_Static_assert(AF_INET6 == BSD_AF_INET6_FREE, "AF_INET6");
#endif

_Static_assert(AF_INET == BSD_AF_INET && AF_ROUTE == BSD_AF_ROUTE && AF_LINK == BSD_AF_LINK, "AF");
_Static_assert(sizeof(struct rt_msghdr) == HEADER + NUDGE, "rt_msghdr");
_Static_assert(offsetof(struct rt_msghdr, rtm_version) == 2, "version");
_Static_assert(offsetof(struct rt_msghdr, rtm_type) == 3, "type");
_Static_assert(offsetof(struct rt_msghdr, rtm_index) == 4, "index");
_Static_assert(offsetof(struct rt_msghdr, rtm_flags) == 8, "flags");
_Static_assert(offsetof(struct rt_msghdr, rtm_addrs) == 12, "addrs");
_Static_assert(offsetof(struct rt_msghdr, rtm_pid) == 16, "pid");
_Static_assert(offsetof(struct rt_msghdr, rtm_seq) == 20, "seq");
_Static_assert(offsetof(struct rt_msghdr, rtm_errno) == 24, "errno");
_Static_assert(sizeof(struct sockaddr_in) == 16 && offsetof(struct sockaddr_in, sin_addr) == 4,
               "sockaddr_in");
_Static_assert(sizeof(struct sockaddr_in6) == 28 && offsetof(struct sockaddr_in6, sin6_addr) == 8 &&
                   offsetof(struct sockaddr_in6, sin6_scope_id) == 24,
               "sockaddr_in6");
_Static_assert(offsetof(struct sockaddr_dl, sdl_index) == 2 &&
                   offsetof(struct sockaddr_dl, sdl_data) == 8,
               "sockaddr_dl");
_Static_assert(RTMSG_MAX_BYTES >= sizeof(struct rt_msghdr) + 3 * sizeof(struct sockaddr_in6) +
                                      sizeof(struct sockaddr_dl),
               "room for what we send");
