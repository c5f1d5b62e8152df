/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A management server that does what a test tells it, on the test's own loop: real edge, real
 * gRPC, real boxes; only the answers are scripted.
 */
#ifndef RK_TESTS_UNIT_AGENT_FAKE_MGMT_H
#define RK_TESTS_UNIT_AGENT_FAKE_MGMT_H

#include <check.h>
#include <string.h>

#include "lib/crypto/box.h"
#include "lib/grpc/server.h"
#include "schema/gen/management.pb-c.h"
#include "schema/pb_arena.h"

struct fake_mgmt {
    struct rk_loop *loop;
    struct edge *edge;
    struct rk_key private_key;
    int key_calls, login_calls, sync_calls, job_calls, meta_calls, logout_calls;
    /* script: status of the n-th login (0: answer it), the last one repeats */
    int login_status[8];
    size_t n_login_status;
    int sync_status;  /* not 0: refuse every Sync with it */
    int job_status;   /* same */
    bool seal_wrong;  /* seal login answers under a key that nobody has */
    bool sync_finish; /* end each Sync after its first message */
    bool stopped;
    /* what came */
    char last_setup_key[128];
    char last_hostname[128];
    char last_agent_key[64];
    size_t last_files;
    bool last_has_ssh_key;
    int last_job_status;
    /* what goes out */
    const Management__LoginResponse *login_answer;
    const Management__SyncResponse *first_sync;
    struct grpc_call *sync, *job; /* the newest */
    struct box_shared sync_box, job_box;
};

static inline void fake_seal(struct grpc_call *c, const struct box_shared *box,
                             const ProtobufCMessage *msg, struct rk_str *out)
{
    struct rk_arena *mem = grpc_call_arena(c);
    Management__EncryptedMessage env = MANAGEMENT__ENCRYPTED_MESSAGE__INIT;
    struct rk_str plain;

    ck_assert_int_eq(pb_pack(mem, msg, &plain, NULL), RK_OK);
    env.body = pb_bytes_of(box_seal_new(box, mem, plain));
    ck_assert_int_eq(pb_pack(mem, &env.base, out, NULL), RK_OK);
}

static inline struct rk_str fake_open(struct grpc_call *c, struct rk_str body,
                                      struct box_shared *box)
{
    struct fake_mgmt *f = grpc_call_app(c);
    struct rk_arena *mem = grpc_call_arena(c);
    Management__EncryptedMessage *env =
        pb_unpack(mem, &management__encrypted_message__descriptor, body, NULL);
    struct rk_str plain = {0};
    struct rk_key agent;

    ck_assert_ptr_nonnull(env);
    (void)snprintf(f->last_agent_key, sizeof f->last_agent_key, "%s", env->wgpubkey);
    ck_assert_int_eq(rk_key_parse(rk_str_z(env->wgpubkey), &agent, NULL), RK_OK);
    ck_assert_int_eq(box_shared_init(&f->private_key, &agent, box, NULL), RK_OK);
    ck_assert_int_eq(box_open_new(box, mem, pb_bytes(env->body), &plain, NULL), RK_OK);
    return plain;
}

static inline void fake_key(struct grpc_call *c, struct rk_str body RK_UNUSED)
{
    struct fake_mgmt *f = grpc_call_app(c);
    Management__ServerKeyResponse r = MANAGEMENT__SERVER_KEY_RESPONSE__INIT;
    char text[RK_KEY_TEXT + 1];
    struct rk_str out;
    struct rk_key pub;

    f->key_calls++;
    rk_key_public(&f->private_key, &pub);
    rk_key_format(&pub, text);
    r.key = text;
    ck_assert_int_eq(pb_pack(grpc_call_arena(c), &r.base, &out, NULL), RK_OK);
    grpc_call_reply(c, out);
}

static inline void fake_login(struct grpc_call *c, struct rk_str body)
{
    struct fake_mgmt *f = grpc_call_app(c);
    struct rk_arena *mem = grpc_call_arena(c);
    struct box_shared box;
    Management__LoginRequest *r;
    size_t n = f->n_login_status;
    size_t i = (size_t)f->login_calls < n ? (size_t)f->login_calls : n - 1;
    struct rk_str out;

    f->login_calls++;
    r = pb_unpack(mem, &management__login_request__descriptor, fake_open(c, body, &box), NULL);
    ck_assert_ptr_nonnull(r);
    ck_assert_ptr_nonnull(r->meta);
    (void)snprintf(f->last_setup_key, sizeof f->last_setup_key, "%s", r->setupkey);
    (void)snprintf(f->last_hostname, sizeof f->last_hostname, "%s", r->meta->hostname);
    f->last_has_ssh_key = r->peerkeys && r->peerkeys->sshpubkey.len > 60;
    if (n && f->login_status[i]) {
        grpc_call_fail_status(c, (enum grpc_status)f->login_status[i], RK_STR("scripted"));
        return;
    }
    if (f->seal_wrong)
        rk_secret_random(&box, sizeof box);
    fake_seal(c, &box, &f->login_answer->base, &out);
    grpc_call_reply(c, out);
}

static inline void fake_push(struct fake_mgmt *f, const Management__SyncResponse *msg)
{
    struct rk_str out;

    ck_assert_ptr_nonnull(f->sync);
    fake_seal(f->sync, &f->sync_box, &msg->base, &out);
    grpc_call_send(f->sync, out);
}

static inline void fake_sync(struct grpc_call *c, struct rk_str body)
{
    struct fake_mgmt *f = grpc_call_app(c);
    Management__SyncRequest *r;

    f->sync_calls++;
    r = pb_unpack(grpc_call_arena(c), &management__sync_request__descriptor,
                  fake_open(c, body, &f->sync_box), NULL);
    ck_assert_ptr_nonnull(r);
    ck_assert_ptr_nonnull(r->meta);
    f->last_files = r->meta->n_files;
    if (f->sync_status) {
        grpc_call_fail_status(c, (enum grpc_status)f->sync_status, RK_STR("scripted"));
        return;
    }
    f->sync = c;
    if (f->first_sync)
        fake_push(f, f->first_sync);
    if (f->sync_finish)
        grpc_call_finish(c);
}

static inline void fake_sync_ended(struct grpc_call *c, enum rk_code why RK_UNUSED)
{
    struct fake_mgmt *f = grpc_call_app(c);

    if (f->sync == c)
        f->sync = NULL;
}

static inline void fake_meta(struct grpc_call *c, struct rk_str body)
{
    struct fake_mgmt *f = grpc_call_app(c);
    Management__SyncMetaRequest *r;
    struct box_shared box;

    f->meta_calls++;
    r = pb_unpack(grpc_call_arena(c), &management__sync_meta_request__descriptor,
                  fake_open(c, body, &box), NULL);
    ck_assert_ptr_nonnull(r);
    f->last_files = r->meta->n_files;
    grpc_call_reply(c, (struct rk_str){0});
}

static inline void fake_logout(struct grpc_call *c, struct rk_str body)
{
    struct fake_mgmt *f = grpc_call_app(c);
    struct box_shared box;

    f->logout_calls++;
    (void)fake_open(c, body, &box);
    grpc_call_reply(c, (struct rk_str){0});
}

static inline void fake_job(struct grpc_call *c, struct rk_str body)
{
    struct fake_mgmt *f = grpc_call_app(c);
    struct rk_str plain = fake_open(c, body, &f->job_box);
    Management__JobResponse *r;

    if (f->job_status) {
        f->job_calls++;
        grpc_call_fail_status(c, (enum grpc_status)f->job_status, RK_STR("scripted"));
        return;
    }
    if (f->job != c) { /* the hello */
        f->job_calls++;
        f->job = c;
        return;
    }
    r = pb_unpack(grpc_call_arena(c), &management__job_response__descriptor, plain, NULL);
    ck_assert_ptr_nonnull(r);
    f->last_job_status = (int)r->status;
}

static inline void fake_job_ended(struct grpc_call *c, enum rk_code why RK_UNUSED)
{
    struct fake_mgmt *f = grpc_call_app(c);

    if (f->job == c)
        f->job = NULL;
}

#define FAKE_PATH(name) "/management.ManagementService/" name

static inline void fake_make(struct fake_mgmt *f, struct rk_loop *loop)
{
    static const struct grpc_method methods[] = {
        {.path = FAKE_PATH("GetServerKey"), .kind = GRPC_UNARY, .message = fake_key},
        {.path = FAKE_PATH("Login"), .kind = GRPC_UNARY, .message = fake_login},
        {.path = FAKE_PATH("Sync"),
         .kind = GRPC_SERVER_STREAM,
         .message = fake_sync,
         .ended = fake_sync_ended},
        {.path = FAKE_PATH("SyncMeta"), .kind = GRPC_UNARY, .message = fake_meta},
        {.path = FAKE_PATH("Logout"), .kind = GRPC_UNARY, .message = fake_logout},
        {.path = FAKE_PATH("Job"), .kind = GRPC_BIDI, .message = fake_job, .ended = fake_job_ended},
    };
    struct rk_loop *loops[] = {loop};
    struct edge_listen listen = {.addr = {rk_ip4(127, 0, 0, 1), 0}};
    struct edge_opts opts = {.loops = loops, .n_loops = 1, .listen = &listen, .n_listen = 1};
    struct rk_err err = {0};

    f->loop = loop;
    f->last_job_status = -1;
    rk_key_generate(&f->private_key);
    ck_assert_msg(edge_new(&opts, &f->edge, &err) == RK_OK, "%s", err.msg);
    ck_assert_int_eq(edge_add_grpc(f->edge, methods, RK_ARRAY_LEN(methods), f, &err), RK_OK);
}

static inline uint16_t fake_listen(struct fake_mgmt *f)
{
    struct rk_err err = {0};

    ck_assert_msg(edge_start(f->edge, &err) == RK_OK, "%s", err.msg);
    return edge_port(f->edge, 0);
}

static inline uint16_t fake_start(struct fake_mgmt *f, struct rk_loop *loop)
{
    fake_make(f, loop);
    return fake_listen(f);
}

static inline void fake_stopped(void *arg)
{
    struct fake_mgmt *f = arg;

    f->stopped = true;
}

static inline void fake_stop(struct fake_mgmt *f)
{
    edge_stop(f->edge, 0, fake_stopped, f);
    while (!f->stopped)
        (void)uv_run(rk_loop_uv(f->loop), UV_RUN_ONCE);
    edge_free(f->edge);
}

#endif
