/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets from and for the service manager; see lsock.h. */
#include "config.h"

#include "lib/net/lsock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/notify.h"
#include "lib/base/num.h"

enum { FIRST_FD = 3 /* of the protocol */, SOCKS_MAX = 256, NAME_MAX_BYTES = 64, BACKLOG = 4096 };

/* Names of those that we gave to the manager begin with this; units and operators choose others. */
#define OURS "kept-"

struct lsock {
    int fd; /* -1: taken, or closed */
    int type;
    struct rk_addr addr;
    char name[NAME_MAX_BYTES]; /* "": longer, thus not ours */
};

static struct {
    pthread_mutex_t lock; /* guards the rest */
    bool read;
    size_t n;
    struct lsock socks[SOCKS_MAX];
    unsigned named;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool describe(int fd, struct lsock *out)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof ss, size = sizeof out->type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &out->type, &size) == 0 &&
           getsockname(fd, (struct sockaddr *)&ss, &len) == 0 &&
           rk_addr_from_sa((const struct sockaddr *)&ss, &out->addr, NULL) == RK_OK;
}

static void add(int fd, struct rk_str name)
{
    struct lsock *s = &all.socks[all.n];

    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    *s = (struct lsock){.fd = fd};
    if (!describe(fd, s))
        return; /* no socket of the internet: not for us */
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (name.n < sizeof s->name)
        memcpy(s->name, name.p, name.n);
    all.n++;
}

void lsock_inherit(void)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    struct rk_str rest = rk_str_z(names ? names : ""), name;
    int64_t who = 0, n = 0;

    if (all.read)
        return;
    all.read = true;
    if (pid && fds && rk_parse_i64(rk_str_z(pid), 1, INT64_MAX, &who, NULL) == RK_OK &&
        who == getpid() && rk_parse_i64(rk_str_z(fds), 0, SOCKS_MAX, &n, NULL) == RK_OK)
        for (int64_t i = 0; i < n; i++) {
            (void)rk_str_cut(rest, ':', &name, &rest);
            add((int)(FIRST_FD + i), name);
        }
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
}

static bool ours(const struct lsock *s)
{
    return rk_str_starts(rk_str_z(s->name), RK_STR(OURS));
}

/* Family 0 is what the kernel calls [::], or 0.0.0.0 where it has no IPv6. */
static bool same(const struct lsock *s, int type, const struct rk_addr *addr)
{
    int only = 0;
    socklen_t len = sizeof only;

    if (s->fd < 0 || s->type != type || s->addr.port != addr->port)
        return false;
    if (s->addr.ip.family == 6 && rk_ip_is_unspecified(&s->addr.ip))
        (void)getsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len);
    if (!addr->ip.family)
        return rk_ip_is_unspecified(&s->addr.ip) && (s->addr.ip.family == 4 || !only);
    if (addr->ip.family == 6 && rk_ip_is_unspecified(&addr->ip) && !only)
        return false;
    return rk_ip_eq(&s->addr.ip, &addr->ip);
}

/* The manager forgets it too; rk_notify_barrier makes sure. */
static void drop(struct lsock *s)
{
    char text[NAME_MAX_BYTES + 64];

    (void)close(s->fd);
    s->fd = -1;
    if (!ours(s))
        return;
    (void)snprintf(text, sizeof text, "FDSTOREREMOVE=1\nFDNAME=%s", s->name);
    rk_notify(text);
}

int lsock_take(int type, const struct rk_addr *addr)
{
    int fd = -1;
    bool dropped = false;

    if (!addr->port)
        return -1;
    (void)pthread_mutex_lock(&all.lock);
    for (size_t i = 0; i < all.n && fd < 0; i++) {
        struct lsock *s = &all.socks[i];

        if (same(s, type, addr)) {
            fd = s->fd;
            s->fd = -1;
        }
    }
    for (size_t i = 0; i < all.n && fd < 0; i++) {
        struct lsock *s = &all.socks[i];

        if (s->fd >= 0 && s->type == type && s->addr.port == addr->port && ours(s)) {
            drop(s);
            dropped = true;
        }
    }
    (void)pthread_mutex_unlock(&all.lock);
    if (dropped)
        rk_notify_barrier();
    if (fd >= 0 && type == SOCK_STREAM)
        (void)listen(fd, BACKLOG); /* a socket unit's own line may be a short one */
    return fd;
}

void lsock_keep(int fd)
{
    struct lsock s = {0};
    char text[NAME_MAX_BYTES + 64];
    unsigned k;

    if (!describe(fd, &s))
        return;
    (void)pthread_mutex_lock(&all.lock);
    k = all.named++;
    (void)pthread_mutex_unlock(&all.lock);
    /* no poll: an error of a UDP socket is no reason to forget it */
    (void)snprintf(text, sizeof text, "FDSTORE=1\nFDPOLL=0\nFDNAME=" OURS "%u-%d-%u",
                   (unsigned)s.addr.port, (int)getpid(), k);
    rk_notify_fd(text, fd);
}

void lsock_rest(struct rk_log *log)
{
    (void)pthread_mutex_lock(&all.lock);
    for (size_t i = 0; i < all.n; i++) {
        struct lsock *s = &all.socks[i];
        char text[RK_ADDR_TEXT];

        if (s->fd < 0)
            continue;
        if (!ours(s))
            rk_log(log, RK_WARN, "socket of the service manager is not in the configuration",
                   kv_z("type", s->type == SOCK_STREAM ? "tcp" : "udp"),
                   kv_z("address", rk_addr_format(&s->addr, text).p), kv_z("name", s->name),
                   kv_z("todo", "make socket unit and configuration the same"));
        drop(s);
    }
    (void)pthread_mutex_unlock(&all.lock);
}

const char *lsock_advice(int errnum)
{
    switch (errnum) {
    case EADDRINUSE:
        return " (another program has that port: \"ss -lntup\" names it; stop it or take another "
               "port)";
    case EADDRNOTAVAIL:
        return " (not an address of this machine: \"ip address\" lists them)";
    case EACCES:
        return " (ports below 1024 are root's, or need CAP_NET_BIND_SERVICE)";
    default:
        return "";
    }
}
