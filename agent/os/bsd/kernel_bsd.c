/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's side; see kernel_bsd.h. */
#include "config.h"

#include "agent/os/bsd/kernel_bsd.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent/os/bsd/facts.h"

#if defined(__APPLE__) || defined(__FreeBSD__)
#include <sys/sysctl.h>
#else /* Linux compiles it for the syntax, and has no such call any more */
#define CTL_NET     4
#define NET_RT_DUMP 1
static int sysctl(const int *name RK_UNUSED, unsigned n RK_UNUSED, void *old RK_UNUSED,
                  size_t *old_size RK_UNUSED, const void *fresh RK_UNUSED,
                  size_t fresh_size RK_UNUSED)
{
    errno = ENOSYS;
    return -1;
}
#endif

#define TABLE_TRIES   8 /* it grows between asking for its size and reading it */
#define TABLE_WAIT_MS 50

static int open_socket(struct rtsock *s RK_UNUSED)
{
    return socket(BSD_AF_ROUTE, SOCK_RAW, 0);
}

static enum rk_code read_table(struct scoped *sc, struct rk_str *out, struct rk_err *err)
{
    struct bsd_kernel *k = rk_container_of(sc, struct bsd_kernel, scoped);
    int name[6] = {CTL_NET, BSD_AF_ROUTE, 0, 0, NET_RT_DUMP, 0};
    struct timespec ts = {.tv_nsec = TABLE_WAIT_MS * 1000000L};
    size_t n = 0;

    for (int i = 0; i < TABLE_TRIES; i++) {
        if (sysctl(name, 6, NULL, &n, NULL, 0) != 0)
            return rk_fail_errno(err, RK_UNAVAILABLE, errno, "size of the routing table");
        n += n / 8 + 4096;
        free(k->table);
        k->table = rk_malloc(n);
        if (sysctl(name, 6, k->table, &n, NULL, 0) == 0) {
            *out = rk_str_of(k->table, n);
            return RK_OK;
        }
        if (errno != ENOMEM)
            return rk_fail_errno(err, RK_UNAVAILABLE, errno, "read the routing table");
        (void)nanosleep(&ts, NULL);
    }
    return rk_fail(err, RK_UNAVAILABLE, "the routing table grows while it is read");
}

static bool is_point_to_point(struct scoped *sc RK_UNUSED, uint32_t ifindex)
{
    struct ifreq ifr;
    int fd = socket(BSD_AF_INET, SOCK_DGRAM, 0);
    bool yes;

    memset(&ifr, 0, sizeof ifr);
    yes = fd >= 0 && if_indextoname(ifindex, ifr.ifr_name) && ioctl(fd, SIOCGIFFLAGS, &ifr) == 0 &&
          ifr.ifr_flags & IFF_POINTOPOINT;
    if (fd >= 0)
        (void)close(fd);
    return yes;
}

void bsd_kernel_init(struct bsd_kernel *k, const struct rtmsg_layout *layout)
{
    *k = (struct bsd_kernel){
        .sock = {.layout = layout, .open = open_socket, .pid = (int32_t)getpid()}};
    k->scoped = (struct scoped){.sock = &k->sock,
                                .proto_flag = scoped_proto_flag(getenv("NB_ROUTE_PROTO_FLAG")),
                                .bound = &k->bound,
                                .table = read_table,
                                .point_to_point = is_point_to_point};
}

void bsd_kernel_done(struct bsd_kernel *k)
{
    free(k->table);
    k->table = NULL;
}

enum rk_code bsd_kernel_bind(const struct bound *b, int fd, uint8_t family, uint32_t zone,
                             struct rk_err *err)
{
    struct bound_option o;
    int index;

    if (!bound_option(b, family, zone, &o))
        return RK_OK;
    index = (int)o.ifindex;
    if (setsockopt(fd, o.level, o.name, &index, sizeof index) != 0)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "bind a socket to interface %d", index);
    return RK_OK;
}
