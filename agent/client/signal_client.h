/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signal client: keeps one registered ConnectStream to the signal server, reconnects with back-off
 * (0..1.6 s first, factor 1.7, at most 10 s), probes a silent stream with a message to itself, and
 * sends sealed messages to other peers with up to four attempts each. Loop thread.
 */
#ifndef RK_AGENT_SIGNAL_CLIENT_H
#define RK_AGENT_SIGNAL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/client/signal_msg.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/crypto/secret.h"

struct signal_client;
struct tls_ctx;

struct signal_client_user { /* embedded in the owner's struct */
    const struct signal_client_user_ops *ops;
};

struct signal_client_user_ops {
    /** Registered at the server (again). Sending is possible from now on. */
    void (*ready)(struct signal_client_user *u);
    /** The stream ended; a new attempt follows by itself. Not called by signal_client_close. */
    void (*down)(struct signal_client_user *u, const struct rk_err *why);
    /** A message that was sealed for us by `from`. msg and what it points to are borrowed for the
     *  call. HEARTBEATs are not passed on. */
    void (*message)(struct signal_client_user *u, const struct rk_key *from,
                    const struct signal_msg *msg);
};

struct signal_client_opts { /* copied; views borrowed for the call */
    struct rk_loop *loop;
    struct rk_log *log; /* borrowed for life, may be NULL */
    struct rk_str host; /* name or address, without port */
    uint16_t port;
    struct tls_ctx *tls; /* borrowed for life; NULL: clear text */
    uint32_t fwmark;     /* 0: none */
    struct rk_key private_key;
};

/** Start connecting. Never fails for reasons of the network: it retries until signal_client_close.
 * Owned. */
enum rk_code signal_client_open(const struct signal_client_opts *opts,
                                struct signal_client_user *user, struct signal_client **out,
                                struct rk_err *err) RK_MUST;

/** No callback after this has returned; the handles die a loop turn later. Accepts NULL. */
void signal_client_close(struct signal_client *c);

bool signal_client_is_ready(const struct signal_client *c);

/** Why the last attempt failed (for status); code RK_OK while ready. */
const struct rk_err *signal_client_last_err(const struct signal_client *c);

/** Seal and send in the background. msg is borrowed for the call. Errors (nothing is sent):
 *  RK_UNAVAILABLE while not registered, RK_LIMIT when too many sends are under way. */
enum rk_code signal_client_send(struct signal_client *c, const struct rk_key *to,
                                const struct signal_msg *msg, struct rk_err *err);

/** As mgmt_client_hurry. */
void signal_client_hurry(struct signal_client *c);

/** As mgmt_client_network. */
void signal_client_network(struct signal_client *c, const struct rk_ip *own, size_t n);

#endif
