/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listening sockets that belong to the service manager: those of a socket unit (sd_listen_fds(3)),
 * and our own, which it keeps while we are started anew (FDSTORE of sd_notify(3)), so that nobody
 * who connects meanwhile is refused: they wait, and the next process answers them.
 *
 *   svc_open: lsock_inherit ─▶ whoever listens: lsock_take, else bind ─▶ lsock_keep ─▶ lsock_rest
 *
 * Without a service manager nothing happens. What is inherited belongs to the process, so it is
 * global here. Any thread but where said.
 */
#ifndef RK_NET_LSOCK_H
#define RK_NET_LSOCK_H

#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/net/addr.h"

/** Read what was handed over and clear the variables that say so. Before any thread exists; only
 *  the first call has an effect. */
void lsock_inherit(void);

/**
 * A socket of this type (SOCK_STREAM, SOCK_DGRAM) at exactly this address (family 0: all
 * addresses); -1 when there is none. The caller's to close; non-blocking, close-on-exec, listening.
 * One of ours at the same port with another address is closed first, also by the manager: it would
 * be in the way.
 */
int lsock_take(int type, const struct rk_addr *addr);

/** What to do about an address that could not be had, for the text of the error, in parentheses;
 *  "" when nobody knows. Static. */
const char *lsock_advice(int errnum);

/** Give the manager a copy, for the process after the next restart. */
void lsock_keep(int fd);

/** All is open: what nobody took is closed. What a socket unit holds, and no configuration names,
 *  stays open there and is logged, since who connects to it waits for ever. */
void lsock_rest(struct rk_log *log);

#endif
