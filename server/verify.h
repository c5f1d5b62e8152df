/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What would stop `rookery run` although each value of the configuration is well formed: keys,
 * certificates, addresses, folders. `run` asks before it makes anything, `config check` asks and
 * makes nothing. Main thread; blocks on files.
 */
#ifndef RK_SERVER_VERIFY_H
#define RK_SERVER_VERIFY_H

#include "lib/net/addr.h"
#include "server/conf.h"

/** A sentence per problem that names key and file; none: `run` has what it needs. arena */
struct rk_strs server_verify(struct rk_arena *mem, const struct server_config *c);

/** Ports that cannot be had now, a sentence each: only a warning, for a server that runs already
 * has them. arena */
struct rk_strs server_verify_ports(struct rk_arena *mem, const struct server_config *c);

/** Whether a port could be had: 0, or the errno of bind. type: SOCK_STREAM or SOCK_DGRAM. */
int server_port_try(const struct rk_addr *a, int type);

#endif
