/* SPDX-License-Identifier: BSD-3-Clause */
/* See jobs.h. */
#include "config.h"

#include "management/rpc/jobs.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/map.h"
#include "schema/gen/management.pb-c.h"
#include "schema/pb_arena.h"

#define REASON_MAX 4096 /* bytes of a failure text that are kept */

static const char SQL_PENDING[] = "SELECT id, account_id, peer_id FROM job WHERE status = $1";

struct pending {                           /* a job that nobody has finished yet */
    struct rk_str id, account_id, peer_id; /* in text */
    char text[];
};

struct job_stream {
    struct jobs *jobs;
    unsigned refs;          /* jobs->lock */
    struct grpc_call *call; /* loop thread; NULL once closed */
    struct rk_loop *loop;
    struct box_shared shared;
    struct rk_str peer_id; /* in text */
    bool current;          /* jobs->lock: the peer's newest stream */
    struct rk_task end_task;
    char text[];
};

struct jobs {
    pthread_mutex_t lock;  /* guards streams, pending and what is marked above */
    struct rk_map streams; /* by peer id */
    struct rk_map pending; /* by job id */
    struct mgmt *mgmt;
    struct mgmt_observer observer;
    struct envelope *envelope;
    struct rk_log *log;
};

/* ---- finishing a job in the store */

struct finishing {
    struct mgmt_mutation mut;
    struct rk_arena *mem; /* this struct lives in it */
    struct actor actor;
    struct rk_str peer_id;
    struct job_answer a;
    struct rk_log *log;
};

static enum rk_code finish_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct finishing *f = arg;
    const struct job *before = tx_get(tx, ENT_JOB, f->a.id);
    struct job after;

    if (!before || before->status != JOB_PENDING || !rk_str_eq(before->peer_id, f->peer_id))
        return RK_OK;
    after = *before;
    after.status = f->a.ok ? JOB_SUCCEEDED : JOB_FAILED;
    after.failed_reason = f->a.reason;
    after.result = f->a.result;
    after.completed_at_us = tx->now_us;
    return tx_put(tx, ENT_JOB, &after, err);
}

static void finish_done(struct mgmt_mutation *mut)
{
    struct finishing *f = rk_container_of(mut, struct finishing, mut);

    if (mut->err.code && mut->err.code != RK_CANCELLED && mut->err.code != RK_NOT_FOUND)
        rk_log(f->log, RK_WARN, "job result not stored", kv_str("job", f->a.id), KV_ERR(&mut->err));
    rk_arena_free(f->mem);
}

static void finish_job(struct jobs *j, const struct pending *p, const struct job_answer *a)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct finishing *f = rk_new(mem, struct finishing);

    f->mem = mem;
    f->actor = ACTOR_SYSTEM;
    f->log = j->log;
    f->peer_id = rk_arena_dup(mem, p->peer_id);
    f->a = (struct job_answer){.id = rk_arena_dup(mem, p->id),
                               .ok = a->ok,
                               .reason = rk_arena_dup(mem, rk_str_sub(a->reason, 0, REASON_MAX)),
                               .result = rk_arena_dup(mem, a->result)};
    if (!rk_str_utf8_ok(f->a.reason)) /* also a text cut inside a character */
        f->a.reason = RK_STR("(unreadable)");
    f->mut = (struct mgmt_mutation){.account_id = rk_arena_dup(mem, p->account_id),
                                    .actor = &f->actor,
                                    .fn = finish_tx,
                                    .arg = f,
                                    .done = finish_done};
    if (mgmt_submit(j->mgmt, &f->mut, &f->mut.err))
        finish_done(&f->mut);
}

/* ---- the table of pending jobs (locked) */

static struct rk_str put_text(char **at, struct rk_str s)
{
    struct rk_str copy = {*at, s.n};

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

static void pending_add(struct jobs *j, struct rk_str id, struct rk_str account_id,
                        struct rk_str peer_id)
{
    struct pending *p = rk_malloc(sizeof *p + id.n + account_id.n + peer_id.n);
    char *at = p->text;

    p->id = put_text(&at, id);
    p->account_id = put_text(&at, account_id);
    p->peer_id = put_text(&at, peer_id);
    free(rk_map_del(&j->pending, id));
    (void)rk_map_put(&j->pending, p->id, p);
}

/* Fail what the peer has left. There are a handful of pending jobs in a whole installation. */
static void fail_pending_of(struct jobs *j, struct rk_str peer_id, const char *why)
{
    struct pending *found;

    do {
        struct rk_str key;
        void *value;

        found = NULL;
        (void)pthread_mutex_lock(&j->lock);
        for (size_t pos = 0; rk_map_next(&j->pending, &pos, &key, &value);) {
            struct pending *p = value;

            if (rk_str_eq(p->peer_id, peer_id)) {
                found = p;
                (void)rk_map_del(&j->pending, p->id);
                break;
            }
        }
        (void)pthread_mutex_unlock(&j->lock);
        if (found)
            finish_job(j, found, &(struct job_answer){.id = found->id, .reason = rk_str_z(why)});
        free(found);
    } while (found);
}

enum rk_code jobs_load(struct jobs *j, struct db *db, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    enum rk_code rc =
        db_query(db, &rows, err, SQL_PENDING, DB_ARGS(db_textz(job_status_text(JOB_PENDING))));

    while (rc == RK_OK && db_next(rows)) {
        struct rk_str id = db_col_text(rows, 0, mem), account = db_col_text(rows, 1, mem);
        struct rk_str peer = db_col_text(rows, 2, mem);

        (void)pthread_mutex_lock(&j->lock);
        pending_add(j, id, account, peer);
        (void)pthread_mutex_unlock(&j->lock);
    }
    return rc ? rc : db_end(rows, err);
}

/* ---- giving a job to a stream */

struct sending {
    struct rk_task task;
    struct job_stream *s;
    struct rk_bytes *msg;
};

static void unref(struct job_stream *s)
{
    bool last;

    (void)pthread_mutex_lock(&s->jobs->lock);
    last = --s->refs == 0;
    (void)pthread_mutex_unlock(&s->jobs->lock);
    if (last) {
        box_shared_wipe(&s->shared);
        free(s);
    }
}

static void send_on_loop(struct rk_task *t)
{
    struct sending *x = rk_container_of(t, struct sending, task);

    if (x->s->call)
        grpc_call_send_owned(x->s->call, x->msg);
    else
        rk_bytes_unref(x->msg);
    unref(x->s);
    free(x);
}

static struct rk_bytes *request_of(struct jobs *j, const struct box_shared *shared,
                                   const struct job *job)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    Management__JobRequest req = MANAGEMENT__JOB_REQUEST__INIT;
    Management__BundleParameters bundle = MANAGEMENT__BUNDLE_PARAMETERS__INIT;
    struct rk_str plain;

    bundle.bundle_for = job->bundle_for;
    bundle.bundle_for_time = job->bundle_for_min;
    bundle.log_file_count = (int32_t)job->log_file_count;
    bundle.anonymize = job->anonymize;
    req.id = pb_bytes_of(job->id);
    req.workload_parameters_case = MANAGEMENT__JOB_REQUEST__WORKLOAD_PARAMETERS_BUNDLE;
    req.bundle = &bundle;
    if (pb_pack(mem, &req.base, &plain, NULL)) /* the arena has no ceiling: cannot happen */
        return NULL;
    return envelope_seal(j->envelope, shared, plain);
}

static void give(struct jobs *j, const struct job *job, struct rk_str account_id)
{
    struct job_stream *s;
    struct sending *x;

    (void)pthread_mutex_lock(&j->lock);
    if (rk_map_get(&j->pending, job->id)) { /* a change of a job that was given before */
        s = NULL;
    } else {
        pending_add(j, job->id, account_id, job->peer_id);
        s = rk_map_get(&j->streams, job->peer_id);
    }
    if (s)
        s->refs++;
    (void)pthread_mutex_unlock(&j->lock);
    if (!s)
        return;
    x = rk_calloc(1, sizeof *x);
    *x = (struct sending){{.run = send_on_loop}, s, request_of(j, &s->shared, job)};
    rk_loop_post(s->loop, &x->task);
}

static void changed(struct mgmt_observer *o, const struct snapshot *old, const struct snapshot *now,
                    const struct change *changes, size_t n)
{
    struct jobs *j = rk_container_of(o, struct jobs, observer);

    (void)old;
    for (size_t i = 0; now && i < n; i++) {
        const struct job *job = changes[i].after;

        if (changes[i].kind != ENT_JOB)
            continue;
        if (job && job->status == JOB_PENDING) {
            give(j, job, snap_account(now)->id);
            continue;
        }
        (void)pthread_mutex_lock(&j->lock);
        free(rk_map_del(&j->pending, changes[i].id));
        (void)pthread_mutex_unlock(&j->lock);
    }
}

bool jobs_can_reach(struct jobs *j, struct rk_str peer_id)
{
    bool yes;

    (void)pthread_mutex_lock(&j->lock);
    yes = rk_map_get(&j->streams, peer_id) != NULL;
    (void)pthread_mutex_unlock(&j->lock);
    return yes;
}

/* ---- streams */

static void end_on_loop(struct rk_task *t)
{
    struct job_stream *s = rk_container_of(t, struct job_stream, end_task);

    if (s->call)
        grpc_call_finish(s->call);
    unref(s);
}

struct job_stream *job_stream_open(struct jobs *j, struct grpc_call *call, const struct peer *p,
                                   const struct box_shared *shared)
{
    struct job_stream *s = rk_calloc(1, sizeof *s + p->id.n), *before;
    char *at = s->text;

    s->jobs = j;
    s->refs = 1;
    s->call = call;
    s->loop = grpc_call_loop(call);
    s->shared = *shared;
    s->peer_id = put_text(&at, p->id);
    s->current = true;
    (void)pthread_mutex_lock(&j->lock);
    before = rk_map_del(&j->streams, s->peer_id);
    if (before) {
        before->current = false;
        before->refs++;
        before->end_task = (struct rk_task){.run = end_on_loop};
    }
    (void)rk_map_put(&j->streams, s->peer_id, s);
    (void)pthread_mutex_unlock(&j->lock);
    if (before)
        rk_loop_post(before->loop, &before->end_task);
    fail_pending_of(j, s->peer_id, "the agent reconnected before it answered");
    return s;
}

void job_stream_answer(struct job_stream *s, const struct job_answer *a)
{
    struct jobs *j = s->jobs;
    struct pending *p;
    bool ours;

    (void)pthread_mutex_lock(&j->lock);
    p = rk_map_get(&j->pending, a->id);
    ours = p && rk_str_eq(p->peer_id, s->peer_id);
    if (ours)
        (void)rk_map_del(&j->pending, a->id);
    (void)pthread_mutex_unlock(&j->lock);
    if (!ours) {
        rk_log(j->log, RK_DEBUG, "answer to no pending job", kv_str("peer", s->peer_id));
        return;
    }
    finish_job(j, p, a);
    free(p);
}

void job_stream_close(struct job_stream *s)
{
    struct jobs *j = s->jobs;
    bool current;

    s->call = NULL;
    (void)pthread_mutex_lock(&j->lock);
    current = s->current;
    if (current)
        (void)rk_map_del(&j->streams, s->peer_id);
    (void)pthread_mutex_unlock(&j->lock);
    if (current)
        fail_pending_of(j, s->peer_id, "the agent's connection ended");
    unref(s);
}

/* ---- life */

struct jobs *jobs_new(struct mgmt *m, struct envelope *envelope, struct rk_log *log)
{
    struct jobs *j = rk_calloc(1, sizeof *j);

    (void)pthread_mutex_init(&j->lock, NULL);
    rk_map_init(&j->streams, true);
    rk_map_init(&j->pending, true);
    j->mgmt = m;
    j->envelope = envelope;
    j->log = log;
    j->observer = (struct mgmt_observer){.changed = changed};
    mgmt_observe(m, &j->observer);
    return j;
}

void jobs_free(struct jobs *j)
{
    struct rk_str key;
    void *value;

    if (!j)
        return;
    for (size_t pos = 0; rk_map_next(&j->pending, &pos, &key, &value);)
        free(value);
    rk_map_done(&j->pending);
    rk_map_done(&j->streams);
    (void)pthread_mutex_destroy(&j->lock);
    free(j);
}
