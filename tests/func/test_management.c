/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rookery-management as agents and operators meet it: the real program on loopback with SQLite, the
 * real protocol with real boxes. Runs from the build folder.
 */
#include "config.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "schema/pb_arena.h"
#include "tests/lib/mgmt_proc.h"
#include "tests/lib/wire_agent.h"
#include "tests/unit/run.h"

#define WAIT_MS  60000
#define N_AGENTS 3
#define LOG_MAX  32

struct agent { /* a wire agent with a memory */
    struct wire_agent w;
    pthread_mutex_t lock; /* guards what follows; callbacks run on the loop */
    bool ready, down;
    unsigned replies;
    int status;
    char text[256];
    struct rk_bytes *reply;
    struct rk_bytes *updates[LOG_MAX];
    unsigned n_updates, n_seen;
    bool sync_ended;
    int sync_status;
    bool job_ended;
    int job_status;
    struct rk_bytes *job;
};

static struct mgmt_proc server;
static struct rk_loop *loop;
static struct rk_arena *mem;
static struct agent agents[N_AGENTS];

/* ---- callbacks */

static struct agent *agent_of(struct wire_agent *w)
{
    return rk_container_of(w, struct agent, w);
}

static void on_ready(struct wire_agent *w)
{
    struct agent *a = agent_of(w);

    (void)pthread_mutex_lock(&a->lock);
    a->ready = true;
    (void)pthread_mutex_unlock(&a->lock);
}

static void on_reply(struct wire_agent *w, int status, struct rk_str plain, struct rk_str text)
{
    struct agent *a = agent_of(w);

    (void)pthread_mutex_lock(&a->lock);
    a->replies++;
    a->status = status;
    (void)snprintf(a->text, sizeof a->text, "%.*s", RK_STR_ARG(text));
    rk_bytes_unref(a->reply);
    a->reply = rk_bytes_dup(plain);
    (void)pthread_mutex_unlock(&a->lock);
}

static void on_update(struct wire_agent *w, struct rk_str plain, size_t wire_bytes)
{
    struct agent *a = agent_of(w);

    (void)wire_bytes;
    (void)pthread_mutex_lock(&a->lock);
    if (a->n_updates < LOG_MAX)
        a->updates[a->n_updates++] = rk_bytes_dup(plain);
    (void)pthread_mutex_unlock(&a->lock);
}

static void on_sync_ended(struct wire_agent *w, int status, struct rk_str text)
{
    struct agent *a = agent_of(w);

    (void)pthread_mutex_lock(&a->lock);
    a->sync_ended = true;
    a->sync_status = status;
    (void)snprintf(a->text, sizeof a->text, "%.*s", RK_STR_ARG(text));
    (void)pthread_mutex_unlock(&a->lock);
}

static void on_job(struct wire_agent *w, struct rk_str plain)
{
    struct agent *a = agent_of(w);

    (void)pthread_mutex_lock(&a->lock);
    rk_bytes_unref(a->job);
    a->job = rk_bytes_dup(plain);
    (void)pthread_mutex_unlock(&a->lock);
}

static void on_job_ended(struct wire_agent *w, int status)
{
    struct agent *a = agent_of(w);

    (void)pthread_mutex_lock(&a->lock);
    a->job_ended = true;
    a->job_status = status;
    (void)pthread_mutex_unlock(&a->lock);
}

static void on_down(struct wire_agent *w, const struct rk_err *why)
{
    struct agent *a = agent_of(w);

    (void)why;
    (void)pthread_mutex_lock(&a->lock);
    a->down = true;
    (void)pthread_mutex_unlock(&a->lock);
}

static const struct wire_agent_ops OPS = {.ready = on_ready,
                                          .reply = on_reply,
                                          .update = on_update,
                                          .sync_ended = on_sync_ended,
                                          .job = on_job,
                                          .job_ended = on_job_ended,
                                          .down = on_down};

/* ---- doing and waiting */

#define WAIT_FOR(a, cond)                                                                          \
    do {                                                                                           \
        bool ok_ = false;                                                                          \
        for (int64_t end_ = rk_mono_ms() + WAIT_MS; !ok_ && rk_mono_ms() < end_;) {                \
            (void)pthread_mutex_lock(&(a)->lock);                                                  \
            ok_ = (cond);                                                                          \
            (void)pthread_mutex_unlock(&(a)->lock);                                                \
            if (!ok_)                                                                              \
                (void)usleep(2000);                                                                \
        }                                                                                          \
        ck_assert_msg(ok_, "waited in vain for %s (status %d, %s)", #cond, (a)->status,            \
                      (a)->text);                                                                  \
    } while (0)

struct todo {
    struct agent *a;
    enum { DO_CONNECT, DO_CLOSE, DO_CALL, DO_RAW, DO_SYNC, DO_JOB, DO_ANSWER } what;
    const char *method;
    struct rk_str plain;
    bool clear;
    enum rk_code rc;
};

static void do_on_loop(void *arg)
{
    struct todo *t = arg;
    struct wire_agent *w = &t->a->w;

    switch (t->what) {
    case DO_CONNECT:
        t->rc = wire_agent_connect(w, NULL);
        break;
    case DO_CLOSE:
        wire_agent_close(w);
        break;
    case DO_CALL:
        t->rc = wire_agent_call(w, t->method, t->plain, t->clear, NULL);
        break;
    case DO_RAW:
        w->unary.plain_answer = t->clear;
        t->rc = wire_agent_call_raw(w, t->method, t->plain, NULL);
        break;
    case DO_SYNC:
        t->rc = wire_agent_sync(w, t->plain, NULL);
        break;
    case DO_JOB:
        t->rc = wire_agent_job(w, t->plain, NULL);
        break;
    case DO_ANSWER:
        t->rc = wire_agent_job_send(w, t->plain, NULL);
        break;
    }
}

static void act(struct todo t)
{
    rk_loop_call(loop, do_on_loop, &t);
    ck_assert_int_eq(t.rc, RK_OK);
}

static void connect_agent(struct agent *a)
{
    a->ready = a->down = a->sync_ended = a->job_ended = false;
    a->w.ops = &OPS;
    a->w.loop = loop;
    a->w.host = "127.0.0.1";
    a->w.port = server.port;
    act((struct todo){.a = a, .what = DO_CONNECT});
    WAIT_FOR(a, a->ready);
}

static void disconnect(struct agent *a)
{
    if (!a->ready || a->down)
        return;
    act((struct todo){.a = a, .what = DO_CLOSE});
    WAIT_FOR(a, a->down);
    a->ready = false;
}

/* Status of a call; the answer's content is in a->reply. */
static int call_todo(struct todo t)
{
    unsigned before = t.a->replies;

    act(t);
    WAIT_FOR(t.a, t.a->replies > before);
    return t.a->status;
}

static int call(struct agent *a, const char *method, struct rk_str plain)
{
    return call_todo((struct todo){.a = a, .what = DO_CALL, .method = method, .plain = plain});
}

static int call_clear(struct agent *a, const char *method, struct rk_str plain)
{
    return call_todo(
        (struct todo){.a = a, .what = DO_CALL, .method = method, .plain = plain, .clear = true});
}

static int call_raw(struct agent *a, const char *path, struct rk_str body)
{
    return call_todo(
        (struct todo){.a = a, .what = DO_RAW, .method = path, .plain = body, .clear = true});
}

static const char *name_of(const struct agent *a)
{
    static char name[16];

    (void)snprintf(name, sizeof name, "agent-%d", (int)(a - agents));
    return name;
}

static const Management__LoginResponse *login(struct agent *a, const char *key)
{
    const Management__LoginResponse *r;

    ck_assert_int_eq(call(a, "Login", wire_login(mem, key, name_of(a))), GRPC_OK);
    r = pb_unpack(mem, &management__login_response__descriptor, rk_bytes_str(a->reply), NULL);
    ck_assert_ptr_nonnull(r);
    return r;
}

static void sync_start(struct agent *a)
{
    a->sync_ended = false;
    act((struct todo){.a = a, .what = DO_SYNC, .plain = wire_sync_request(mem, name_of(a))});
}

static const Management__SyncResponse *update(struct agent *a)
{
    const Management__SyncResponse *r;
    struct rk_bytes *b;

    WAIT_FOR(a, a->n_seen < a->n_updates);
    (void)pthread_mutex_lock(&a->lock);
    b = a->updates[a->n_seen++];
    (void)pthread_mutex_unlock(&a->lock);
    r = pb_unpack(mem, &management__sync_response__descriptor, rk_bytes_str(b), NULL);
    ck_assert_ptr_nonnull(r);
    return r;
}

/* Updates until one has so many remote peers. */
static const Management__SyncResponse *update_with(struct agent *a, size_t n_peers)
{
    const Management__SyncResponse *r;

    do
        r = update(a);
    while (!r->networkmap || r->networkmap->n_remotepeers != n_peers);
    return r;
}

static char *peer_id(const char *name)
{
    json_t *list = NULL, *p;
    char *id = NULL;
    size_t i;

    ck_assert_int_eq(mgmt_rest(&server, "GET", "/api/peers", NULL, &list), 200);
    json_array_foreach (list, i, p)
        if (!strcmp(json_string_value(json_object_get(p, "name")), name))
            id = rk_arena_dupz(mem, rk_str_z(json_string_value(json_object_get(p, "id"))));
    json_decref(list);
    ck_assert_msg(id != NULL, "no peer %s", name);
    return id;
}

/* ---- set-up */

static const char *const *extra;

static void setup(void)
{
    mem = rk_arena_new(0);
    mgmt_proc_start(&server, extra);
    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    ck_assert_int_eq(rk_loop_start(loop, "agents", NULL), RK_OK);
    for (size_t i = 0; i < N_AGENTS; i++) {
        agents[i] = (struct agent){0};
        (void)pthread_mutex_init(&agents[i].lock, NULL);
        rk_key_generate(&agents[i].w.private_key);
    }
}

static void teardown(void)
{
    for (size_t i = 0; i < N_AGENTS; i++) {
        struct agent *a = &agents[i];

        disconnect(a);
        rk_bytes_unref(a->reply);
        rk_bytes_unref(a->job);
        for (unsigned k = 0; k < a->n_updates; k++)
            rk_bytes_unref(a->updates[k]);
    }
    rk_loop_stop(loop);
    rk_loop_join(loop);
    rk_loop_free(loop);
    if (server.pid)
        mgmt_proc_stop(&server);
    mgmt_proc_done(&server);
    rk_arena_free(mem);
}

/* ---- tests */

START_TEST(two_agents_enrol_and_see_each_other)
{
    struct agent *a = &agents[0], *b = &agents[1];
    const char *key = mgmt_setup_key(&server, "reusable");
    const Management__LoginResponse *l;
    const Management__SyncResponse *r;
    char *id;

    connect_agent(a);
    connect_agent(b);
    l = login(a, key);
    ck_assert(l->netbirdconfig && l->netbirdconfig->signal && l->netbirdconfig->relay);
    ck_assert_str_eq(l->netbirdconfig->signal->uri, "127.0.0.1:1");
    ck_assert_str_eq(l->netbirdconfig->relay->urls[0], "rel://127.0.0.1:2");
    ck_assert(l->peerconfig && strstr(l->peerconfig->address, "/16"));
    ck_assert_str_eq(l->peerconfig->fqdn, "agent-0.netbird.selfhosted");
    ck_assert_ptr_nonnull(l->sessionexpiresat);
    sync_start(a);
    r = update(a);
    ck_assert(r->netbirdconfig && r->networkmap && r->peerconfig);
    ck_assert_str_eq(r->peerconfig->address, l->peerconfig->address);
    ck_assert_uint_eq(r->peerconfig->address_v6.len, l->peerconfig->address_v6.len);
    ck_assert_uint_eq(r->networkmap->n_remotepeers, 0);
    ck_assert(r->networkmap->remotepeersisempty);
    (void)login(b, key);
    r = update_with(a, 1);
    ck_assert_str_eq(r->networkmap->remotepeers[0]->wgpubkey, b->w.key_text);
    ck_assert_uint_gt(r->networkmap->n_firewallrules, 0);
    ck_assert_ptr_null(r->netbirdconfig);
    sync_start(b);
    (void)update_with(b, 1);
    id = peer_id("agent-1");
    ck_assert_int_eq(
        mgmt_rest(&server, "DELETE", rk_arena_printf(mem, "/api/peers/%s", id).p, NULL, NULL), 200);
    (void)update_with(a, 0);
    r = update(b);
    ck_assert(r->remotepeersisempty && !r->peerconfig);
    WAIT_FOR(b, b->sync_ended);
    ck_assert_int_eq(b->sync_status, GRPC_OK);
    sync_start(b);
    WAIT_FOR(b, b->sync_ended);
    ck_assert_int_eq(b->sync_status, GRPC_PERMISSION_DENIED);
    ck_assert_str_eq(b->text, "peer is not registered");
}
END_TEST

START_TEST(credentials_are_checked)
{
    struct agent *a = &agents[0], *b = &agents[1];
    const char *key;

    connect_agent(a);
    connect_agent(b);
    ck_assert_int_eq(call(a, "Login", wire_login(mem, "", "x")), GRPC_PERMISSION_DENIED);
    ck_assert_str_eq(a->text, "no peer auth method provided, please use a setup key or interactive "
                              "SSO login");
    ck_assert_int_eq(call(a, "Login", wire_login(mem, "a2c8e62b-38f5-4553-b31e-dd66c696cebb", "x")),
                     GRPC_NOT_FOUND);
    ck_assert_str_eq(a->text, "couldn't add peer: setup key is invalid");
    key = mgmt_setup_key(&server, "one-off");
    (void)login(a, key);
    (void)login(a, ""); /* known now */
    ck_assert_int_eq(call(b, "Login", wire_login(mem, key, "y")), GRPC_NOT_FOUND);
    ck_assert_int_eq(call(b, "Login", wire_login(mem, mgmt_setup_key(&server, "one-off"), "")),
                     GRPC_INTERNAL); /* no host name */
}
END_TEST

START_TEST(bad_input_gets_its_status)
{
    struct agent *a = &agents[0];
    struct rk_str big = rk_str_of(rk_arena_alloc(mem, 5 << 20), 5 << 20);
    struct rk_key other;
    Management__EncryptedMessage m = MANAGEMENT__ENCRYPTED_MESSAGE__INIT;
    struct rk_str wire;
    static const char *const sealed[] = {"Login", "Sync", "SyncMeta", "Logout",
                                         "ExtendAuthSession"};

    connect_agent(a);
    for (size_t i = 0; i < RK_ARRAY_LEN(sealed); i++) {
        const char *path = rk_arena_printf(mem, "/management.ManagementService/%s", sealed[i]).p;

        ck_assert_int_eq(call_raw(a, path, RK_STR("\xff\xfe")), GRPC_INTERNAL);
        ck_assert_str_eq(a->text, "malformed message");
        m.wgpubkey = (char *)(uintptr_t) "nonsense";
        ck_assert_int_eq(pb_pack(mem, &m.base, &wire, NULL), RK_OK);
        ck_assert_int_eq(call_raw(a, path, wire), GRPC_INVALID_ARGUMENT);
        ck_assert_str_eq(a->text, "provided wgPubKey nonsense is invalid");
        /* sealed by another key than it says */
        wire = wire_agent_seal(&a->w, mem, wire_login(mem, "", "x"));
        rk_key_generate(&other);
        rk_key_format(&other, (char *)(uintptr_t)wire.p + 2);
        ((char *)(uintptr_t)wire.p)[46] = 0x12; /* the NUL of rk_key_format */
        ck_assert_int_eq(call_raw(a, path, wire), GRPC_INVALID_ARGUMENT);
        ck_assert_str_eq(a->text, "invalid request message");
        /* well sealed, but no message */
        ck_assert_int_eq(call(a, sealed[i], RK_STR("\xff\xff\xff")), GRPC_INVALID_ARGUMENT);
        ck_assert_int_eq(call_raw(a, path, big), GRPC_RESOURCE_EXHAUSTED);
    }
    ck_assert_int_eq(call(a, "Login", RK_STR("")), GRPC_FAILED_PRECONDITION); /* no meta */
    ck_assert_int_eq(call(a, "SyncMeta", RK_STR("")), GRPC_FAILED_PRECONDITION);
    ck_assert_int_eq(call(a, "ExtendAuthSession", RK_STR("")), GRPC_INVALID_ARGUMENT);
    ck_assert_int_eq(call(a, "Nothing", RK_STR("")), GRPC_UNIMPLEMENTED);
    ck_assert_int_eq(call(a, "IsHealthy", RK_STR("")), GRPC_UNIMPLEMENTED); /* case matters */
    ck_assert_int_eq(call(a, "CreateExpose", RK_STR("")), GRPC_UNIMPLEMENTED);
    ck_assert_int_eq(call(a, "Logout", RK_STR("")), GRPC_NOT_FOUND);
    ck_assert_int_eq(call(a, "GetDeviceAuthorizationFlow", RK_STR("")), GRPC_NOT_FOUND);
    ck_assert_str_eq(a->text, "no device authorization flow information available");
    ck_assert_int_eq(call(a, "GetPKCEAuthorizationFlow", RK_STR("")), GRPC_NOT_FOUND);
    ck_assert_int_eq(call_raw(a, "/management.ManagementService/isHealthy", RK_STR("")), GRPC_OK);
}
END_TEST

START_TEST(a_policy_change_reaches_agents_and_meta_does_not_hang)
{
    struct agent *a = &agents[0], *b = &agents[1];
    const char *key = mgmt_setup_key(&server, "reusable");
    json_t *list = NULL, *p;
    const char *path;

    connect_agent(a);
    connect_agent(b);
    (void)login(a, key);
    (void)login(b, key);
    sync_start(a);
    sync_start(b);
    (void)update_with(a, 1);
    (void)update_with(b, 1);
    ck_assert_int_eq(call_clear(a, "SyncMeta", wire_sync_request(mem, "agent-0")), GRPC_OK);
    ck_assert_int_eq(mgmt_rest(&server, "GET", "/api/policies", NULL, &list), 200);
    ck_assert_uint_eq(json_array_size(list), 1);
    p = json_array_get(list, 0);
    path = rk_arena_printf(mem, "/api/policies/%s", json_string_value(json_object_get(p, "id"))).p;
    ck_assert_int_eq(mgmt_rest(&server, "DELETE", path, NULL, NULL), 200);
    (void)update_with(a, 0);
    (void)update_with(b, 0);
    json_decref(list);
}
END_TEST

START_TEST(a_second_stream_of_a_peer_replaces_the_first)
{
    struct agent *a = &agents[0], *again = &agents[1], *b = &agents[2];
    const char *key = mgmt_setup_key(&server, "reusable");

    connect_agent(a);
    (void)login(a, key);
    sync_start(a);
    (void)update(a);
    again->w.private_key = a->w.private_key;
    connect_agent(again);
    sync_start(again);
    (void)update(again);
    WAIT_FOR(a, a->sync_ended);
    ck_assert_int_eq(a->sync_status, GRPC_OK);
    disconnect(a);
    connect_agent(b);
    (void)login(b, key);
    (void)update_with(again, 1);
    ck_assert(!again->sync_ended);
}
END_TEST

START_TEST(a_restart_is_invisible)
{
    struct agent *a = &agents[0], *b = &agents[1];
    const char *key = mgmt_setup_key(&server, "reusable");
    struct box_shared before;
    uint64_t serial;

    connect_agent(a);
    (void)login(a, key);
    connect_agent(b);
    (void)login(b, key);
    sync_start(a);
    serial = update_with(a, 1)->networkmap->serial;
    before = a->w.shared;
    mgmt_proc_kill(&server);
    WAIT_FOR(a, a->down);
    WAIT_FOR(b, b->down);
    mgmt_proc_again(&server, extra);
    connect_agent(a);
    ck_assert_mem_eq(&before, &a->w.shared, sizeof before); /* the server's key is the same */
    sync_start(a);
    ck_assert_uint_ge(update_with(a, 1)->networkmap->serial, serial);
    mgmt_proc_stop(&server);
    WAIT_FOR(a, a->down);
    ck_assert_int_ne(a->sync_status, GRPC_CANCELLED); /* would end old agents for good */
}
END_TEST

START_TEST(logout_deletes_the_peer)
{
    struct agent *a = &agents[0], *b = &agents[1];
    const char *key = mgmt_setup_key(&server, "reusable");

    connect_agent(a);
    connect_agent(b);
    (void)login(a, key);
    (void)login(b, key);
    sync_start(a);
    (void)update_with(a, 1);
    ck_assert_int_eq(call_clear(b, "Logout", RK_STR("")), GRPC_OK);
    (void)update_with(a, 0);
    ck_assert_int_eq(call_clear(b, "Logout", RK_STR("")), GRPC_NOT_FOUND);
    ck_assert_int_eq(call(b, "Login", wire_login(mem, "", "agent-1")), GRPC_PERMISSION_DENIED);
}
END_TEST

static json_t *bundle_job(void)
{
    return json_pack("{s:{s:s,s:{s:b,s:i,s:i,s:b}}}", "workload", "type", "bundle", "parameters",
                     "bundle_for", 0, "bundle_for_time", 1, "log_file_count", 3, "anonymize", 1);
}

/* A job is taken once the server knows the agent's stream; until then it is refused. */
static void post_job(const char *path, json_t *body, json_t **job)
{
    int status = 400;

    for (int64_t end = rk_mono_ms() + WAIT_MS; status == 400 && rk_mono_ms() < end;) {
        if (job) {
            json_decref(*job);
            *job = NULL;
        }
        status = mgmt_rest(&server, "POST", path, body, job);
        if (status == 400)
            (void)usleep(2000);
    }
    ck_assert_int_eq(status, 200);
}

START_TEST(job_streams_stay_open_and_are_replaced)
{
    struct agent *a = &agents[0], *again = &agents[1], *stranger = &agents[2];
    const char *path;
    json_t *body;

    connect_agent(a);
    (void)login(a, mgmt_setup_key(&server, "reusable"));
    act((struct todo){.a = a, .what = DO_JOB, .plain = RK_STR("")});
    body = bundle_job();
    path = rk_arena_printf(mem, "/api/peers/%s/jobs", peer_id("agent-0")).p;
    post_job(path, body, NULL); /* its stream is known, then */
    json_decref(body);
    ck_assert(!a->job_ended);
    again->w.private_key = a->w.private_key;
    connect_agent(again);
    act((struct todo){.a = again, .what = DO_JOB, .plain = RK_STR("")});
    WAIT_FOR(a, a->job_ended);
    ck_assert_int_eq(a->job_status, GRPC_OK);
    ck_assert(!again->job_ended);
    connect_agent(stranger);
    act((struct todo){.a = stranger, .what = DO_JOB, .plain = RK_STR("")});
    WAIT_FOR(stranger, stranger->job_ended);
    ck_assert_int_eq(stranger->job_status, GRPC_PERMISSION_DENIED);
}
END_TEST

/* A job goes to the agent that has its stream open, and its answer into the store; a job that an
 * agent leaves behind has failed. */
START_TEST(jobs_reach_the_agent_and_come_back)
{
    struct agent *a = &agents[0];
    Management__JobRequest hello = MANAGEMENT__JOB_REQUEST__INIT;
    Management__JobResponse resp = MANAGEMENT__JOB_RESPONSE__INIT;
    Management__BundleResult result = MANAGEMENT__BUNDLE_RESULT__INIT;
    const Management__JobRequest *req;
    const char *path;
    struct rk_str plain;
    json_t *body, *job = NULL, *list = NULL;

    connect_agent(a);
    (void)login(a, mgmt_setup_key(&server, "reusable"));
    path = rk_arena_printf(mem, "/api/peers/%s/jobs", peer_id("agent-0")).p;
    body = bundle_job();
    ck_assert_int_eq(mgmt_rest(&server, "POST", path, body, NULL), 400); /* no stream yet */
    hello.id = pb_bytes_of(RK_STR("ignored"));
    ck_assert_int_eq(pb_pack(mem, &hello.base, &plain, NULL), RK_OK);
    act((struct todo){.a = a, .what = DO_JOB, .plain = plain});
    post_job(path, body, &job);
    WAIT_FOR(a, a->job != NULL);
    req = pb_unpack(mem, &management__job_request__descriptor, rk_bytes_str(a->job), NULL);
    ck_assert_ptr_nonnull(req);
    ck_assert_int_eq(req->workload_parameters_case,
                     MANAGEMENT__JOB_REQUEST__WORKLOAD_PARAMETERS_BUNDLE);
    ck_assert(req->bundle->anonymize && req->bundle->log_file_count == 3);
    resp.id = req->id;
    resp.status = MANAGEMENT__JOB_STATUS__succeeded;
    resp.workload_results_case = MANAGEMENT__JOB_RESPONSE__WORKLOAD_RESULTS_BUNDLE;
    result.upload_key = (char *)(uintptr_t) "key-1";
    resp.bundle = &result;
    ck_assert_int_eq(pb_pack(mem, &resp.base, &plain, NULL), RK_OK);
    act((struct todo){.a = a, .what = DO_ANSWER, .plain = plain});
    for (int i = 0; i < 6000; i++) {
        const char *status;

        json_decref(list);
        list = NULL;
        ck_assert_int_eq(mgmt_rest(&server, "GET", path, NULL, &list), 200);
        status = json_string_value(json_object_get(json_array_get(list, 0), "status"));
        if (status && !strcmp(status, "succeeded"))
            break;
        ck_assert_msg(i < 5999, "the job stayed %s", status);
        (void)usleep(10000);
    }
    /* Left behind: */
    json_decref(job);
    ck_assert_int_eq(mgmt_rest(&server, "POST", path, body, &job), 200);
    disconnect(a);
    for (int i = 0; i < 6000; i++) {
        json_t *j;
        size_t k;
        bool failed = false;

        json_decref(list);
        list = NULL;
        ck_assert_int_eq(mgmt_rest(&server, "GET", path, NULL, &list), 200);
        json_array_foreach (list, k, j)
            failed |= !strcmp(json_string_value(json_object_get(j, "status")), "failed");
        if (failed)
            break;
        ck_assert_msg(i < 5999, "the job that was left behind did not fail");
        (void)usleep(10000);
    }
    json_decref(list);
    json_decref(job);
    json_decref(body);
}
END_TEST

START_TEST(old_agents_get_what_they_read)
{
    struct agent *a = &agents[0], *b = &agents[1];
    const char *key = mgmt_setup_key(&server, "reusable");
    Management__SyncRequest r = MANAGEMENT__SYNC_REQUEST__INIT;
    Management__LoginRequest l = MANAGEMENT__LOGIN_REQUEST__INIT;
    const Management__SyncResponse *u;
    struct rk_str plain;

    connect_agent(b);
    (void)login(b, key);
    connect_agent(a); /* 0.27.0: no capabilities, an empty SyncRequest */
    l.setupkey = pb_text(mem, rk_str_z(key));
    l.meta = wire_meta(mem, "agent-0");
    l.meta->n_capabilities = 0;
    l.meta->syncmessageversion = 0;
    l.meta->netbirdversion = pb_text(mem, RK_STR("0.27.0"));
    ck_assert_int_eq(pb_pack(mem, &l.base, &plain, NULL), RK_OK);
    ck_assert_int_eq(call(a, "Login", plain), GRPC_OK);
    ck_assert_int_eq(pb_pack(mem, &r.base, &plain, NULL), RK_OK);
    act((struct todo){.a = a, .what = DO_SYNC, .plain = plain});
    u = update_with(a, 1);
    ck_assert_uint_eq(u->n_remotepeers, 1); /* the deprecated copy, for versions before 0.29.3 */
    ck_assert_uint_eq(u->peerconfig->address_v6.len, 0);
    ck_assert_uint_eq(u->networkmap->remotepeers[0]->n_allowedips, 1);
    for (size_t i = 0; i < u->networkmap->n_firewallrules; i++) {
        ck_assert(u->networkmap->firewallrules[i]->peerip[0] != 0);
        ck_assert_uint_eq(u->networkmap->firewallrules[i]->n_sourceprefixes, 0);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("management");
    TCase *t = tcase_create("management");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, two_agents_enrol_and_see_each_other);
    tcase_add_test(t, credentials_are_checked);
    tcase_add_test(t, bad_input_gets_its_status);
    tcase_add_test(t, a_policy_change_reaches_agents_and_meta_does_not_hang);
    tcase_add_test(t, a_second_stream_of_a_peer_replaces_the_first);
    tcase_add_test(t, a_restart_is_invisible);
    tcase_add_test(t, logout_deletes_the_peer);
    tcase_add_test(t, job_streams_stay_open_and_are_replaced);
    tcase_add_test(t, jobs_reach_the_agent_and_come_back);
    tcase_add_test(t, old_agents_get_what_they_read);
    suite_add_tcase(s, t);
    return run_suite(s);
}
