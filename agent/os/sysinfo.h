/* SPDX-License-Identifier: BSD-3-Clause */
/* What this machine is, for the metadata that management shows and checks. Reads small files and
 * asks the kernel; any thread with a netlink socket of its own. */
#ifndef RK_AGENT_OS_SYSINFO_H
#define RK_AGENT_OS_SYSINFO_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/os/nl.h"
#include "lib/base/arena.h"
#include "lib/base/str.h"

struct sysinfo_addr {
    struct rk_str cidr; /* "192.168.1.7/24" */
    struct rk_str mac;  /* "aa:bb:cc:dd:ee:ff" */
};

struct sysinfo { /* open; every text is valid UTF-8, empty where unknown; arena */
    struct rk_str hostname;
    struct rk_str kernel;         /* "Linux" */
    struct rk_str kernel_version; /* uname release */
    struct rk_str machine;        /* "x86_64" */
    struct rk_str os, os_version; /* by /etc/os-release */
    struct rk_str serial, product, manufacturer;
    const struct sysinfo_addr *addrs; /* by interface index: a stable order */
    size_t n_addrs;
};

/** hostname overrides the system's one unless empty. Addresses are those of interfaces that are up
 *  and have a MAC, without loopback, link-local and multicast ones and without those of own_iface
 *  (metadata that changes with the tunnel would make management work for nothing). root is the
 *  folder before /etc and /sys, "" but in tests. */
void sysinfo_read(struct nl_sock *route, struct rk_arena *mem, struct rk_str hostname,
                  const char *own_iface, const char *root, struct sysinfo *out);

/** Does the path exist, and is it the executable of some running process? */
void sysinfo_file(const char *path, bool *exists, bool *running);

#endif
