/* SPDX-License-Identifier: BSD-3-Clause */
/* One stream of mappings, for stream.c (its life) and tell.c (what it is told). */
#ifndef MGMT_PROXY_STREAM_H
#define MGMT_PROXY_STREAM_H

#include "lib/base/bytes.h"
#include "lib/base/map.h"
#include "management/proxy/impl.h"

struct tell_msg { /* malloc'd */
    struct rk_list link;
    struct rk_bytes *bytes;
    bool last; /* of the first picture */
};

struct proxy_stream {
    struct proxies *p;
    struct rk_list link;    /* p->lock */
    struct grpc_call *call; /* loop; NULL once it is over */
    struct rk_loop *loop;
    struct rk_arena *mem;   /* what its hello said */
    struct rk_str header;   /* with the token */
    struct proxy_node node; /* account_id: by tell.c */
    bool takes_private;     /* heeds ProxyMapping.private */
    bool acks;              /* SyncMappings */

    /* Loop. */
    struct rk_timer *timer;
    struct rk_list waiting; /* of struct tell_msg */
    size_t n_waiting;       /* bytes in it */
    bool unacked, synced, failed;
    struct rk_work work;
    bool out, again; /* the work is out; look once more after it */

    /* p->lock */
    struct rk_task wake;
    bool woken, superseded;
    bool known; /* token is set */

    /* The work's while it is out, else the loop's. */
    struct proxy_token token; /* texts in mem */
    bool closing;             /* the last work: say that it is gone */
    bool registered, gone, pictured;
    int64_t heard_ms;
    struct rk_map sent;  /* service id -> struct told */
    struct rk_list made; /* messages */
    struct rk_err err;
};

/** Register, show life, and make the messages that are due. Store thread. */
void tell_look(struct proxy_stream *s, struct db *db, struct rk_err *err);

/** Free what was remembered. */
void tell_forget(struct proxy_stream *s);

#endif
