/* SPDX-License-Identifier: BSD-3-Clause */
/* TUN interface with several queues and segmentation offload. Gone with its last descriptor. */
#ifndef RK_AGENT_WG_OWN_TUN_H
#define RK_AGENT_WG_OWN_TUN_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

/** Open n queues (non-blocking, a virtio_net_hdr of 10 bytes in front of each packet) of a new
 *  interface. *udp: the kernel also splits and takes joined UDP. On an error nothing is open.
 *  Errors: RK_EXISTS, RK_FORBIDDEN, RK_PRECONDITION (no /dev/net/tun). */
enum rk_code wgo_tun_open(const char *name, int *fds, size_t n, bool *udp,
                          struct rk_err *err) RK_MUST;

#endif
