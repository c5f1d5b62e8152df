/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers and layouts of both systems; where they differ, by the system that is compiled for. */
#ifndef RK_TESTS_BSD_SYS_SOCKET_H
#define RK_TESTS_BSD_SYS_SOCKET_H

#include <stddef.h>
#include <stdint.h>

#define AF_INET  2
#define AF_ROUTE 17
#define AF_LINK  18
#ifdef __APPLE__
#define AF_INET6 30
#else
#define AF_INET6 28
#endif

#define SOCK_DGRAM   2
#define SOCK_RAW     3
#define SOL_SOCKET   0xffff
#define SO_RCVBUF    0x1002
#define MSG_DONTWAIT 0x80
#define NET_RT_DUMP  1

typedef uint32_t socklen_t;
typedef long ssize_t;

struct sockaddr {
    uint8_t sa_len, sa_family;
    char sa_data[14];
};

struct sockaddr_storage {
    uint8_t ss_len, ss_family;
    char ss_data[126];
};

int socket(int domain, int type, int protocol);
int setsockopt(int fd, int level, int name, const void *value, socklen_t n);
ssize_t recv(int fd, void *buf, size_t n, int flags);
ssize_t send(int fd, const void *buf, size_t n, int flags);

#endif
