/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection to one relay: dial, WebSocket upgrade, authentication, health checks, and streams
 * to peers with their online state. Without reconnecting: relay_client.c decides about that.
 *
 *   DIAL --opened--> UPGRADE --101--> AUTH --auth response--> UP --> gone
 *
 * Loop thread. Callbacks never run inside rlk_open.
 */
#ifndef RK_AGENT_RELAY_LINK_H
#define RK_AGENT_RELAY_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/client/relay_client.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"
#include "lib/net/relayproto.h"

struct rlk;

struct rlk_user { /* embed in your own struct */
    const struct rlk_user_ops *ops;
};

struct rlk_user_ops {
    void (*up)(struct rlk_user *u); /* authenticated */
    /** Could not connect, or lost. Streams have been closed before. Last call; the link is gone. */
    void (*down)(struct rlk_user *u, const struct rk_err *why);
};

struct rlk_opts { /* copied; views borrowed for the call, handles for life */
    struct rk_loop *loop;
    struct rk_log *log;
    struct tls_ctx *tls;
    uint32_t fwmark;
    struct rk_str url;
    struct rk_ip ip; /* dial this instead of the host of the URL; family 0: do not */
    struct rly_peer_id self;
    struct rk_str token; /* binary */
};

/** Errors at once: RK_BAD_REQUEST (URL), RK_PRECONDITION (rels:// without TLS). Owned until down()
 *  or rlk_close. */
enum rk_code rlk_open(const struct rlk_opts *opts, struct rlk_user *user, struct rlk **out,
                      struct rk_err *err) RK_MUST;

/** Say goodbye and close; the streams' users are told `why`, the link's user is not. */
void rlk_close(struct rlk *l, const struct rk_err *why);

bool rlk_is_up(const struct rlk *l);
struct rk_str rlk_url(const struct rlk *l);      /* as dialled. Lent */
struct rk_str rlk_instance(const struct rlk *l); /* the relay's own name; empty before up. Lent */
struct rk_ip rlk_ip(const struct rlk *l);        /* we are connected to it; family 0 before */
size_t rlk_streams(const struct rlk *l);
int64_t rlk_opened_ms(const struct rlk *l); /* mono; when rlk_open was called */

/** As rcl_stream_open, on this link; before up() the stream waits for it too. */
enum rk_code rlk_stream_open(struct rlk *l, struct rk_str peer_key_text,
                             struct rcl_stream_user *user, struct rcl_stream **out,
                             struct rk_err *err) RK_MUST;

#endif
