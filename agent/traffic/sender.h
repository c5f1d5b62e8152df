/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Brings traffic events to the server (flow.FlowService) and keeps each until it is acknowledged:
 * over outages, up to a limit, in memory. A new stream begins with all that is not acknowledged, in
 * order and under the same ids. Reconnects with back-off. Loop thread.
 */
#ifndef RK_AGENT_TRAFFIC_SENDER_H
#define RK_AGENT_TRAFFIC_SENDER_H

#include "agent/traffic/event.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/tls.h"

#define TRAFFIC_KEPT_MAX 50000 /* events, some 300 bytes each; the oldest go */

struct traffic_sender;

struct traffic_sender_opts { /* open; texts are copied */
    struct rk_loop *loop;
    struct rk_log *log; /* may be NULL */
    uint32_t fwmark;    /* of the sockets; 0: none */
    struct rk_key public_key;
};

/** Owned: traffic_sender_close. Does nothing before traffic_sender_target. */
struct traffic_sender *traffic_sender_new(const struct traffic_sender_opts *opts);

struct traffic_target { /* open; copied */
    const char *host;
    uint16_t port;
    struct tls_ctx *tls;         /* NULL: clear text; lent until closed */
    struct rk_str authorization; /* "Bearer signature.payload" */
    int64_t interval_ms;         /* waits between attempts stay below half of it */
};

/** Where to. Another address ends the stream that is; another token is used by the next one. */
void traffic_sender_target(struct traffic_sender *s, const struct traffic_target *t);

/** One sum of a window. */
void traffic_sender_put(struct traffic_sender *s, const struct traffic_event *e, int64_t window_us,
                        int64_t now_us);

struct traffic_sender_stats { /* open */
    bool connected;
    size_t kept;                 /* not acknowledged */
    uint64_t acknowledged, lost; /* lost: above TRAFFIC_KEPT_MAX */
};
void traffic_sender_stats(const struct traffic_sender *s, struct traffic_sender_stats *out);

/** No callback follows; handles die on later turns. Accepts NULL. */
void traffic_sender_close(struct traffic_sender *s);

#endif
