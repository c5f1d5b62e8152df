/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport below a relay connection: carries whole messages to and from one relay. Two kinds,
 * raced by relay_link: WebSocket over TCP (relay_way_ws), QUIC datagrams over UDP (relay_way_quic).
 *
 *   open ─▶ opened ─▶ messages ─▶ closed       (close: no callback any more)
 *
 * Loop thread. Callbacks never run inside the functions below.
 */
#ifndef RK_AGENT_RELAY_WAY_H
#define RK_AGENT_RELAY_WAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"
#include "lib/net/relayproto.h"
#include "lib/net/udp.h"

#define RELAY_WAY_DIAL_MS 30000 /* up to opened */
#define RELAY_WAY_DEAD_MS 8000  /* something was sent, and nothing came back: it is over */
#define RELAY_WAY_QUEUE_MAX                                                                        \
    ((size_t)512 << 10) /* bytes; beyond it datagrams are dropped: about 50                        \
                           ms at 100 Mbit */

struct relay_way;
struct tls_ctx;

struct relay_way_user { /* embed in your own struct, one for each way */
    const struct relay_way_user_ops *ops;
};

struct relay_way_user_ops {
    void (*opened)(struct relay_way_user *u);                         /* messages may go */
    void (*message)(struct relay_way_user *u, struct rk_str message); /* borrowed for the call */
    /** A message did not fit, and will not later; lossy ways only. */
    void (*too_big)(struct relay_way_user *u);
    /** Could not connect, or lost; last call, the way is gone. */
    void (*closed)(struct relay_way_user *u, const struct rk_err *why);
};

struct relay_way_opts { /* borrowed for the call, handles for life */
    struct rk_loop *loop;
    struct tls_ctx *tls; /* NULL: clear text */
    uint32_t fwmark;
    const char *url;   /* for errors */
    size_t need_bytes; /* a way that cannot carry messages of so many says too_big; 0: not known */
    struct rly_url parsed;
    struct rk_ip ip; /* dial this and not the host of the URL; family 0: do not */
};

struct relay_way_ops {
    const char *name; /* "ws", "quic" */
    bool lossy;       /* messages may get lost: what must arrive is sent again */
    /** One message; false when it was dropped. */
    bool (*send)(struct relay_way *w, struct rk_str message);
    /** Datagrams, each a message behind `head`; what finds no room is dropped. */
    void (*send_batch)(struct relay_way *w, struct rk_str head, const struct udp_in *v, size_t n);
    /** Say goodbye and go. */
    void (*close)(struct relay_way *w);
    /** End it: closed() with this reason follows. */
    void (*fail)(struct relay_way *w, const struct rk_err *why);
    struct rk_ip (*peer)(const struct relay_way *w); /* after opened */
    /** Our own address; family 0: not known. */
    struct rk_ip (*local)(const struct relay_way *w);
    /** Our address is gone: go on from another one. NULL, or false: it cannot. */
    bool (*move)(struct relay_way *w);
    /** The first message has been answered: what follows may be longer. May be NULL. */
    void (*trusted)(struct relay_way *w);
};

struct relay_way { /* embedded first in the kind's struct */
    const struct relay_way_ops *ops;
    struct relay_way_user *user;
};

/** Errors at once: RK_INVALID (host), RK_UNAVAILABLE (no socket). Owned until closed() or close. */
enum rk_code relay_way_ws_open(const struct relay_way_opts *opts, struct relay_way_user *user,
                               struct relay_way **out, struct rk_err *err) RK_MUST;
enum rk_code relay_way_quic_open(const struct relay_way_opts *opts, struct relay_way_user *user,
                                 struct relay_way **out, struct rk_err *err) RK_MUST;

#endif
