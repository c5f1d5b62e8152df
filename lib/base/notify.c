/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages to the service manager; see notify.h. */
#include "config.h"

#include "lib/base/notify.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/base/str.h"

enum { STATUS_MAX = 300, US_PER_MS = 1000, BARRIER_MS = 5000 };

void rk_notify(const char *state)
{
    rk_notify_fd(state, -1);
}

void rk_notify_fd(const char *state, int pass)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct rk_str p = rk_str_z(path ? path : "");
    struct iovec iov = {.iov_base = (void *)(uintptr_t)state, .iov_len = strlen(state)};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof pass)] = {0};
    struct msghdr msg = {.msg_name = &to, .msg_iov = &iov, .msg_iovlen = 1};
    int fd;

    if (p.n < 2 || p.n >= sizeof to.sun_path || (p.p[0] != '/' && p.p[0] != '@'))
        return;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    memcpy(to.sun_path, p.p, p.n);
    if (p.p[0] == '@') /* a name outside of the file system */
        to.sun_path[0] = '\0';
    msg.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + p.n);
    if (pass >= 0) {
        struct cmsghdr *c = (struct cmsghdr *)control;

        *c = (struct cmsghdr){CMSG_LEN(sizeof pass), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(c), &pass, sizeof pass);
        msg.msg_control = control;
        msg.msg_controllen = sizeof control;
    }
    (void)sendmsg(fd, &msg, MSG_NOSIGNAL);
    (void)close(fd);
}

void rk_notify_barrier(void)
{
    struct pollfd p = {.events = POLLIN};
    int ends[2];

    if (!getenv("NOTIFY_SOCKET") || pipe2(ends, O_CLOEXEC))
        return;
    rk_notify_fd("BARRIER=1", ends[1]);
    (void)close(ends[1]);
    p.fd = ends[0];
    (void)poll(&p, 1, BARRIER_MS); /* the other end is closed when the manager has come to it */
    (void)close(ends[0]);
}

void rk_notify_status(const char *fmt, ...)
{
    char text[STATUS_MAX] = "STATUS=";
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text + 7, sizeof text - 7, fmt, ap);
    va_end(ap);
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    rk_notify(text);
}

int64_t rk_notify_watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    int64_t us = 0, who = 0;

    if (!usec || rk_parse_i64(rk_str_z(usec), 1, INT64_MAX, &us, NULL))
        return 0;
    if (pid && (rk_parse_i64(rk_str_z(pid), 1, INT64_MAX, &who, NULL) || who != getpid()))
        return 0; /* meant for another process of this tree */
    return rk_max_i64(us / US_PER_MS / 2, 1);
}
