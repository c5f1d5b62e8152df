/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening of TUN queues; see tun.h. Facts: linux/if_tun.h, Documentation/networking/tuntap. */
#include "config.h"

#include "agent/wg/own/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define OFFLOAD_TCP (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)

static enum rk_code fail(struct rk_err *err, int e, const char *what)
{
    enum rk_code code = e == EBUSY || e == EINVAL    ? RK_EXISTS
                        : e == EPERM || e == EACCES  ? RK_FORBIDDEN
                        : e == ENOENT || e == ENODEV ? RK_PRECONDITION
                                                     : RK_INTERNAL;

    return rk_fail_errno(err, code, e, "%s", what);
}

static enum rk_code open_queue(const char *name, bool several, int *out, struct rk_err *err)
{
    struct ifreq r = {
        .ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | (several ? IFF_MULTI_QUEUE : 0))};
    int size = (int)sizeof(struct virtio_net_hdr);
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    int e;

    if (fd < 0)
        return fail(err, errno, "/dev/net/tun (load the module tun)");
    (void)snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    if (ioctl(fd, TUNSETIFF, &r) == 0 && ioctl(fd, TUNSETVNETHDRSZ, &size) == 0) {
        *out = fd;
        return RK_OK;
    }
    e = errno;
    (void)close(fd);
    return fail(err, e, "make a TUN interface");
}

enum rk_code wgo_tun_open(const char *name, int *fds, size_t n, bool *udp, struct rk_err *err)
{
    size_t i;

    for (i = 0; i < n; i++) {
        enum rk_code rc = open_queue(name, n > 1, &fds[i], err);

        if (rc) {
            while (i)
                (void)close(fds[--i]);
            return rc;
        }
    }
    /* per interface: one queue tells it for all */
    *udp = ioctl(fds[0], TUNSETOFFLOAD, OFFLOAD_TCP | TUN_F_USO4 | TUN_F_USO6) == 0;
    if (!*udp && ioctl(fds[0], TUNSETOFFLOAD, OFFLOAD_TCP) != 0)
        (void)ioctl(fds[0], TUNSETOFFLOAD, 0);
    return RK_OK;
}
