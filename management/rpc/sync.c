/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sync and SyncMeta. Almost every Sync is of a peer that is loaded, allowed and has nothing new to
 * say: it goes from here to the hub on the loop it came in on, so that thousands can return at once
 * and none has to be refused. The others pass a store thread first.
 */
#include "config.h"

#include <stdlib.h>

#include "lib/base/num.h"
#include "management/engine/cluster.h"
#include "management/engine/presence.h"
#include "management/ops/peer_sync.h"
#include "management/ops/report_gate.h"
#include "management/rpc/meta.h"
#include "management/rpc/rpc_impl.h"

/* grpc_call_data() of a Sync call that has a stream. */
struct sync_call {
    struct rpc *rpc;
    struct hub_stream *stream;
    int64_t token;
    struct rk_str peer_id; /* in text */
    char text[];
};

/* A Sync that is not answered at once. Has an arena of its own, since that of the call would live
 * as long as the stream. */
struct sync_start {
    struct mgmt_current current; /* is what is loaded as new as what the agent may have seen? */
    struct rk_task checked;
    struct rk_work work;       /* the account must be loaded first: store thread */
    struct peer_sync_job save; /* what the agent says is new: the engine's lane */
    struct rk_task saved;
    struct rk_arena *mem; /* this struct is in it */
    struct rpc *rpc;
    struct grpc_call *call; /* one reference */
    struct rk_loop *loop;
    struct envelope_peer peer;
    struct peer_meta meta;
    struct peer_report report;
    int64_t token;
    struct rk_err err;
};

static void refuse(struct grpc_call *c, struct rk_err *err)
{
    rk_metric_add(rpc_of(c)->syncs_failed, 1);
    if (err->code == RK_NOT_FOUND)
        rpc_fail_status(c, GRPC_PERMISSION_DENIED, "peer is not registered");
    else
        rpc_fail(c, err);
}

/* ---- attaching */

static void attach(struct grpc_call *c, const struct sync_start *st, const struct snapshot *snap,
                   uint32_t index)
{
    struct rpc *r = st->rpc;
    struct rk_str peer_id = snap_peer_at(snap, index)->id;
    struct sync_call *sc = rk_calloc(1, sizeof *sc + peer_id.n);

    if (!presence_connect(r->o.mgmt, peer_id, st->token)) {
        free(sc); /* a later stream of this peer overtook us */
        grpc_call_finish(c);
        return;
    }
    sc->rpc = r;
    sc->token = st->token;
    memcpy(sc->text, peer_id.p, peer_id.n);
    sc->peer_id = rk_str_of(sc->text, peer_id.n);
    grpc_call_set_data(c, sc);
    grpc_call_set_known(c);
    sc->stream = hub_attach(r->o.hub, &(struct hub_attach){.snap = snap,
                                                           .index = index,
                                                           .shared = &st->peer.shared,
                                                           .loop = grpc_call_loop(c),
                                                           .call = c});
    rk_metric_add(r->syncs, 1);
}

enum next {               /* of a Sync */
            NEXT_NOTHING, /* it was answered or attached */
            NEXT_LOAD,
            NEXT_SAVED, /* on its way to start_saved() */
};

static void start_saved(struct peer_sync_job *job);

/* Beyond the machine's budget the stream begins with what is known of it: it must not be refused
 * for a report. */
static bool may_store(const struct sync_start *st, const struct peer *after)
{
    bool ok = report_gate_take(st->report.gate, st->report.key, report_bytes(&after->meta));

    if (!ok)
        rk_log(st->rpc->o.log, RK_WARN, "report not stored: the machine reports too much",
               kv_str("peer", after->id));
    return ok;
}

/* What can be done with what is loaded. stored: the report has been stored already. */
static enum next try_now(struct grpc_call *c, struct sync_start *st, bool stored)
{
    struct mgmt *m = st->rpc->o.mgmt;
    const struct snapshot *snap = mgmt_snapshot_of_peer_try(m, st->report.key);
    uint32_t index = snap ? snap_index_by_key(snap, st->report.key) : SNAP_NO_PEER;
    const struct peer *p = index == SNAP_NO_PEER ? NULL : snap_peer_at(snap, index);
    enum next next = NEXT_NOTHING;
    struct peer after;

    if (!p && !stored) {
        next = NEXT_LOAD;
    } else if (!p) {
        (void)rk_fail(&st->err, RK_NOT_FOUND, "peer is not registered");
    } else if (peer_may_sync(snap, p, mgmt_now_us(m), &st->err)) {
        /* refused below */
    } else if (!stored && peer_merge_report(p, &st->report, &after) && may_store(st, &after)) {
        st->save = (struct peer_sync_job){.report = &st->report, .done = start_saved};
        if (!peer_sync_begin(m, snap, p, &st->save, &st->err))
            next = NEXT_SAVED;
    } else {
        attach(c, st, snap, index);
    }
    snap_unref(snap);
    if (next == NEXT_NOTHING && st->err.code)
        refuse(c, &st->err);
    return next;
}

/* ---- Sync */

static void start_free(struct sync_start *st)
{
    struct grpc_call *c = st->call;
    struct rk_arena *mem = st->mem;

    envelope_peer_wipe(&st->peer);
    rk_arena_free(mem);
    grpc_call_unref(c);
}

/* Loop: the report has been stored, or could not be. */
static void start_go_on(struct sync_start *st)
{
    struct grpc_call *c = st->call;

    if (grpc_call_is_over(c))
        ; /* the agent has gone away meanwhile */
    else if (st->err.code)
        refuse(c, &st->err);
    else
        (void)try_now(c, st, true);
    start_free(st);
}

static void saved_on_loop(struct rk_task *t)
{
    start_go_on(rk_container_of(t, struct sync_start, saved));
}

static void start_saved(struct peer_sync_job *job) /* lane thread */
{
    struct sync_start *st = rk_container_of(job, struct sync_start, save);

    st->err = job->err;
    st->saved = (struct rk_task){.run = saved_on_loop};
    rk_loop_post(st->loop, &st->saved);
}

static void start_run(struct rk_work *w, struct db *db)
{
    struct sync_start *st = rk_container_of(w, struct sync_start, work);

    st->err.code = peer_sync(st->rpc->o.mgmt, db, &st->report, &st->err);
    if (st->err.code == RK_LIMIT)
        st->err = (struct rk_err){0}; /* as in may_store() */
}

static void start_done(struct rk_work *w, enum rk_code rc)
{
    struct sync_start *st = rk_container_of(w, struct sync_start, work);

    if (rc)
        (void)rk_fail(&st->err, RK_UNAVAILABLE, "the server is stopping");
    start_go_on(st);
}

static bool sync_decode(struct grpc_call *c, struct sync_start *st, struct rk_str body)
{
    const Management__SyncRequest *req =
        rpc_open(c, st->mem, body, &management__sync_request__descriptor, &st->peer);

    if (!req)
        return false;
    if (rpc_meta(st->mem, req->meta, &st->meta, &st->err)) {
        refuse(c, &st->err);
        return false;
    }
    st->report = (struct peer_report){.key = rk_str_z(st->peer.text),
                                      .meta = &st->meta,
                                      .connection_ip = grpc_call_peer(c)->ip,
                                      .places = mgmt_places(rpc_of(c)->o.mgmt),
                                      .gate = rpc_of(c)->gate};
    return true;
}

/* With what is loaded, else by a store thread. The call is answered, or st is on its way. */
static void start(struct sync_start *st)
{
    struct grpc_call *c = st->call;
    enum next next = try_now(c, st, false);

    if (next == NEXT_LOAD) {
        st->work = (struct rk_work){.run = start_run, .done = start_done, .loop = st->loop};
        if (rk_pool_submit(st->rpc->o.store, &st->work) == RK_OK)
            return;
        (void)rk_fail(&st->err, RK_UNAVAILABLE, "too many requests wait");
        refuse(c, &st->err);
    }
    if (next != NEXT_SAVED)
        start_free(st);
}

static void checked_on_loop(struct rk_task *t)
{
    struct sync_start *st = rk_container_of(t, struct sync_start, checked);

    if (!grpc_call_is_over(st->call) && !st->current.err.code) {
        start(st);
        return;
    }
    if (!grpc_call_is_over(st->call))
        refuse(st->call, &st->current.err);
    start_free(st);
}

static void current_done(struct mgmt_current *c) /* thread of the engine */
{
    struct sync_start *st = rk_container_of(c, struct sync_start, current);

    st->checked = (struct rk_task){.run = checked_on_loop};
    rk_loop_post(st->loop, &st->checked);
}

/* An agent that comes from another process has seen what that one had: nothing older is shown. */
void rpc_sync(struct grpc_call *c, struct rk_str body)
{
    struct rk_arena *mem = rk_arena_new(RPC_ARENA_MAX);
    struct sync_start *st = rk_new(mem, struct sync_start);
    bool now = false;

    st->mem = mem;
    st->rpc = rpc_of(c);
    st->loop = grpc_call_loop(c);
    st->token = cluster_session(st->rpc->o.mgmt);
    st->call = grpc_call_ref(c);
    st->current.done = current_done;
    if (!sync_decode(c, st, body))
        start_free(st);
    else if (mgmt_current(st->rpc->o.mgmt, &st->current, &now, &st->err)) {
        refuse(c, &st->err);
        start_free(st);
    } else if (now) {
        start(st);
    }
}

void rpc_sync_drained(struct grpc_call *c)
{
    struct sync_call *sc = grpc_call_data(c);

    if (sc)
        hub_drained(sc->stream);
}

void rpc_sync_ended(struct grpc_call *c, enum rk_code why)
{
    struct sync_call *sc = grpc_call_data(c);

    (void)why;
    if (!sc)
        return;
    grpc_call_set_data(c, NULL);
    hub_detach(sc->stream);
    (void)presence_disconnect(sc->rpc->o.mgmt, sc->peer_id, sc->token);
    free(sc);
}

/* ---- where the hub sends */

static void sink_send(void *call, struct rk_bytes *taken)
{
    grpc_call_send_owned(call, taken);
}

static void sink_finish(void *call, const struct rk_err *why)
{
    if (why)
        grpc_call_fail(call, why);
    else
        grpc_call_finish(call);
}

const struct hub_sink_ops RPC_SYNC_SINK = {.send = sink_send, .finish = sink_finish};

struct rk_bytes *rpc_seal(void *envelope, const struct box_shared *shared, struct rk_str plain)
{
    return envelope_seal(envelope, shared, plain);
}

/* ---- SyncMeta */

struct sync_meta {
    struct rpc_job job;
    struct peer_meta meta;
    struct peer_report report;
};

static void sync_meta_run(struct rpc_job *j, struct db *db)
{
    struct sync_meta *s = rk_container_of(j, struct sync_meta, job);

    if (peer_sync(rpc_of(j->call)->o.mgmt, db, &s->report, &j->err) == RK_NOT_FOUND)
        (void)rk_fail(&j->err, RK_NOT_FOUND, "account not found: index lookup failed");
}

/* In the clear: agents do not try to open this answer. */
static void sync_meta_reply(struct rpc_job *j)
{
    grpc_call_reply(j->call, (struct rk_str){0});
}

void rpc_sync_meta(struct grpc_call *c, struct rk_str body)
{
    struct sync_meta *s = rk_new(grpc_call_arena(c), struct sync_meta);
    const Management__SyncMetaRequest *req = rpc_open(
        c, grpc_call_arena(c), body, &management__sync_meta_request__descriptor, &s->job.peer);

    if (!req)
        return;
    if (!req->meta) {
        rpc_fail_status(c, GRPC_FAILED_PRECONDITION,
                        "peer system meta has to be provided on sync. "
                        "peer %s, remote addr unknown",
                        s->job.peer.text);
        return;
    }
    if (rpc_meta(grpc_call_arena(c), req->meta, &s->meta, &s->job.err)) {
        rpc_fail(c, &s->job.err);
        return;
    }
    s->report = (struct peer_report){.key = rk_str_z(s->job.peer.text),
                                     .meta = &s->meta,
                                     .connection_ip = grpc_call_peer(c)->ip,
                                     .places = mgmt_places(rpc_of(c)->o.mgmt),
                                     .gate = rpc_of(c)->gate};
    s->job.run = sync_meta_run;
    s->job.reply = sync_meta_reply;
    rpc_job_submit(&s->job, c);
}
