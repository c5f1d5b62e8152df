/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers and layouts of routing sockets on macOS (xnu, arm64 and x86-64) and FreeBSD (11 on, amd64
 * and arm64), for agent/os/bsd/ only: the code is compiled and tested on Linux, which has no such
 * headers, and a wrong number here would only be seen there. Sources: net/route.h, net/if_dl.h,
 * netinet/in.h, sys/socket.h of both systems.
 *
 *   rt_msghdr       macOS  FreeBSD
 *   msglen   u16        0        0
 *   version  u8         2        2
 *   type     u8         3        3
 *   index    u16        4        4
 *   flags    int        8        8
 *   addrs    int       12       12
 *   pid      int       16       16
 *   seq      int       20       20
 *   errno    int       24       24
 *   (end)              92      152
 *
 *   sockaddr: sa_len 1, sa_family 1, then
 *   sockaddr_in   port 2, address 4, zero 8                    (16)
 *   sockaddr_in6  port 2, flow 4, address 16, scope 4          (28)
 *   sockaddr_dl   index 2 (host order), type 1, nlen 1, alen 1, slen 1, name, address
 *
 * Addresses stand behind the header in the order of their bits in addrs, each rounded up to 4
 * bytes (macOS) or 8 (FreeBSD); one of length 0 takes one such unit. Masks are cut behind their
 * last byte that is not 0.
 *
 * tests/check-bsd.sh holds them against layouts that a compiler makes for these systems.
 *
 * Numbers are in host order, which is little endian on all of them.
 */
#ifndef RK_AGENT_OS_BSD_FACTS_H
#define RK_AGENT_OS_BSD_FACTS_H

#define BSD_AF_INET         2
#define BSD_AF_ROUTE        17
#define BSD_AF_LINK         18
#define BSD_AF_INET6_DARWIN 30
#define BSD_AF_INET6_FREE   28

#define BSD_RTM_VERSION 5
#define BSD_RTM_ADD     1
#define BSD_RTM_DELETE  2
#define BSD_RTM_CHANGE  3
#define BSD_RTM_GET     4

#define BSD_RTF_UP        0x1
#define BSD_RTF_GATEWAY   0x2
#define BSD_RTF_HOST      0x4
#define BSD_RTF_REJECT    0x8
#define BSD_RTF_DONE      0x40
#define BSD_RTF_STATIC    0x800
#define BSD_RTF_BLACKHOLE 0x1000
#define BSD_RTF_PROTO2    0x4000
#define BSD_RTF_PROTO1    0x8000
#define BSD_RTF_WASCLONED 0x20000 /* macOS */
#define BSD_RTF_PROTO3    0x40000
#define BSD_RTF_IFSCOPE   0x1000000 /* macOS */

#define BSD_RTA_DST     0x1
#define BSD_RTA_GATEWAY 0x2
#define BSD_RTA_NETMASK 0x4
#define BSD_RTAX_MAX    8

#define BSD_IPPROTO_IP    0
#define BSD_IPPROTO_IPV6  41
#define BSD_IP_BOUND_IF   25  /* macOS */
#define BSD_IPV6_BOUND_IF 125 /* macOS */

#define BSD_EEXIST  17
#define BSD_ESRCH   3
#define BSD_ENOBUFS 55

#endif
