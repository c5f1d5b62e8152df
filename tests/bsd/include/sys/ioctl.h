/* SPDX-License-Identifier: BSD-3-Clause */
/* SIOCGIFFLAGS is _IOWR('i', 17, struct ifreq) on both. */
#ifndef RK_TESTS_BSD_SYS_IOCTL_H
#define RK_TESTS_BSD_SYS_IOCTL_H

#include <net/if.h>

#define SIOCGIFFLAGS                                                                               \
    (0xc0000000UL | (sizeof(struct ifreq) & 0x1fff) << 16 | (unsigned long)'i' << 8 | 17)

int ioctl(int fd, unsigned long request, ...);

#endif
