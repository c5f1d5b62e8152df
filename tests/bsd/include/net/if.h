/* SPDX-License-Identifier: BSD-3-Clause */
/* struct ifreq as far as flags go: the flags are a pair on FreeBSD. */
#ifndef RK_TESTS_BSD_NET_IF_H
#define RK_TESTS_BSD_NET_IF_H

#include <stdint.h>

#define IF_NAMESIZE     16
#define IFF_POINTOPOINT 0x10

struct ifreq {
    char ifr_name[IF_NAMESIZE];
    union {
        char space[16];
#ifdef __APPLE__
        short ifru_flags;
#else
        short ifru_flags[2];
#endif
    } ifr_ifru;
};
#ifdef __APPLE__
#define ifr_flags ifr_ifru.ifru_flags
#else
#define ifr_flags ifr_ifru.ifru_flags[0]
#endif

char *if_indextoname(unsigned int index, char *name);

#endif
