/* SPDX-License-Identifier: BSD-3-Clause */
/* `ssh detect`: which server answers there, told by the first line that it says. */
#include "config.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/cli/cli_priv.h"
#include "lib/base/loop.h"
#include "lib/base/num.h"

#define DETECT_MS      5000 /* all of it */
#define LINE_MAX_BYTES 255

enum { SERVER_JWT, SERVER_PLAIN, SERVER_OTHER }; /* exit statuses */

static bool ready(int fd, short what, int64_t until_ms)
{
    struct pollfd p = {.fd = fd, .events = what};
    int n;

    do {
        int64_t left_ms = until_ms - rk_mono_ms();

        if (left_ms <= 0)
            return false;
        n = poll(&p, 1, (int)left_ms);
    } while (n < 0 && errno == EINTR);
    return n == 1;
}

static int reach(const struct addrinfo *a, int64_t until_ms)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), failed = 0;
    socklen_t size = sizeof failed;

    if (fd < 0)
        return -1;
    if ((connect(fd, a->ai_addr, a->ai_addrlen) && errno != EINPROGRESS) ||
        !ready(fd, POLLOUT, until_ms) || getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) ||
        failed) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Without its end; what is longer than a banner may be is cut. */
static struct rk_str first_line(int fd, char *buf, int64_t until_ms)
{
    size_t n = 0;

    while (n < LINE_MAX_BYTES && !memchr(buf, '\n', n) && ready(fd, POLLIN, until_ms)) {
        ssize_t got = recv(fd, buf + n, LINE_MAX_BYTES - n, 0);

        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    return rk_str_trim(rk_str_sub(rk_str_of(buf, n), 0, rk_str_find_c(rk_str_of(buf, n), '\n')));
}

static int kind_of(struct rk_str line)
{
    if (!rk_str_starts(line, rk_str_z("SSH-")) ||
        rk_str_find(line, rk_str_z("NetBird-SSH-Server")) == line.n)
        return SERVER_OTHER;
    return rk_str_find(line, rk_str_z("NetBird-JWT-Required")) == line.n ? SERVER_PLAIN
                                                                         : SERVER_JWT;
}

int cmd_ssh_detect(struct cli *c)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
    int64_t until_ms = rk_mono_ms() + DETECT_MS;
    bool any = c->n_rest == 3;
    char buf[LINE_MAX_BYTES];
    int kind = SERVER_OTHER, fd = -1, rc;

    if (any && strcmp(c->rest[2], "any") != 0) {
        (void)fprintf(stderr, "Error: \"%s\" instead of \"any\"\n", c->rest[2]);
        return SERVER_OTHER;
    }
    rc = getaddrinfo(c->rest[0], c->n_rest > 1 ? c->rest[1] : "22", &hints, &list);
    if (rc) {
        (void)fprintf(stderr, "Error: %s: %s\n", c->rest[0], gai_strerror(rc));
        return SERVER_OTHER;
    }
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
        fd = reach(a, until_ms);
    freeaddrinfo(list);
    if (fd >= 0) {
        kind = kind_of(first_line(fd, buf, until_ms));
        (void)close(fd);
    }
    return any && kind == SERVER_PLAIN ? 0 : kind;
}
