/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the files of management/rpc; nothing else includes it. */
#ifndef MGMT_RPC_IMPL_H
#define MGMT_RPC_IMPL_H

#include "management/rpc/service.h"
#include "schema/gen/management.pb-c.h"
#include "schema/pb_arena.h"

struct jobs;

/* Of one request, plain text; the official server's limit for everything it receives. */
#define RPC_REQUEST_MAX ((size_t)4 << 20)
/* Memory of one decoded request: a message of 4 MiB unfolds to at most this. */
#define RPC_ARENA_MAX ((size_t)48 << 20)

struct rpc {
    struct rpc_opts o;
    struct rk_arena *mem;       /* wiping; what was made once */
    struct rk_str server_key;   /* bytes of ServerKeyResponse */
    struct rk_str device, pkce; /* bytes of the flow answers; empty: not configured */
    struct jobs *jobs;
    struct report_gate *gate;
    struct rk_metric *logins, *logins_failed, *syncs, *syncs_failed, *key_requests, *login_requests,
        *sync_requests;
};

static inline struct rpc *rpc_of(const struct grpc_call *c)
{
    return (struct rpc *)grpc_call_app(c);
}

/**
 * Open a request and decode what is inside. On failure the call has been answered as agents expect
 * and NULL is returned. arena (mem): all of it.
 */
void *rpc_open(struct grpc_call *c, struct rk_arena *mem, struct rk_str wire,
               const ProtobufCMessageDescriptor *type, struct envelope_peer *peer);

/** Seal and answer. */
void rpc_reply_sealed(struct grpc_call *c, const struct box_shared *shared, struct rk_str plain);
void rpc_reply_msg(struct grpc_call *c, const struct box_shared *shared,
                   const ProtobufCMessage *msg);

/** An error of an operation, by the classes that agents know: 5, 7 and 9 with the text, what is
 *  temporary as it is, everything else 13. (3 would mean "login needed" to an agent.) */
void rpc_fail(struct grpc_call *c, struct rk_err *err);

/** With exactly this status. */
void rpc_fail_status(struct grpc_call *c, enum grpc_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A request that is out at the store pool. Lives in the call's arena; embed it. */
struct rpc_job {
    struct rk_work work;
    struct grpc_call *call; /* one reference */
    struct envelope_peer peer;
    struct rk_err err;
    enum grpc_status status; /* GRPC_OK: by err */
    void (*run)(struct rpc_job *j, struct db *db);
    void (*reply)(struct rpc_job *j); /* only when err.code is RK_OK */
    /* A run that only begins something sets `more` to 2 before, and rpc_job_finish is called when
     * that is over; back to 1 when nothing was begun. */
    unsigned more;
    struct rk_task later; /* private */
};

/** Hand over; rpc_fail(err) or reply() follow on the loop. */
void rpc_job_submit(struct rpc_job *j, struct grpc_call *call);

/** What run() began is over; j->err says how. Any thread, once. */
void rpc_job_finish(struct rpc_job *j);

/* One per file. */
void rpc_login(struct grpc_call *c, struct rk_str body);
void rpc_sync(struct grpc_call *c, struct rk_str body);
void rpc_sync_drained(struct grpc_call *c);
void rpc_sync_ended(struct grpc_call *c, enum rk_code why);
void rpc_sync_meta(struct grpc_call *c, struct rk_str body);
void rpc_logout(struct grpc_call *c, struct rk_str body);
void rpc_extend(struct grpc_call *c, struct rk_str body);
void rpc_device_flow(struct grpc_call *c, struct rk_str body);
void rpc_pkce_flow(struct grpc_call *c, struct rk_str body);
void rpc_job_message(struct grpc_call *c, struct rk_str body);
void rpc_job_half_closed(struct grpc_call *c);
void rpc_job_ended(struct grpc_call *c, enum rk_code why);
void rpc_flows_init(struct rpc *r);

#endif
