/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/client/mgmt_client.c and agent/client/login.c against a scripted server on the same
 * loop. */
#include "config.h"

#include <check.h>
#include <linux/netlink.h>
#include <stdlib.h>

#include "agent/client/login.h"
#include "agent/client/mgmt_client.h"
#include "lib/base/loop_uv.h"
#include "lib/base/num.h"
#include "tests/unit/agent/fake_mgmt.h"
#include "tests/unit/run.h"

static struct rk_loop *loop;
static struct fake_mgmt srv;
static uint16_t port;
static struct profile *profile;
static struct nl_sock *nl;
static char dir[] = "/tmp/rook-test-mgmt-XXXXXX";
static char path[64];

static Management__HostConfig signal_host;
static Management__NetbirdConfig netbird;
static Management__PeerConfig peer;
static Management__LoginResponse answer;

/* Turn the loop until a flag is set; the test's own time limit ends a hang. */
static void until(const int *flag, int value)
{
    while (*flag < value)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_ONCE);
}

static void fired(void *arg)
{
    *(int *)arg = 1;
}

static void turn_ms(int64_t ms)
{
    struct rk_timer *t = NULL;
    int done = 0;

    rk_timer_start(loop, &t, ms, fired, &done);
    until(&done, 1);
}

static void setup(void)
{
    struct rk_err err = {0};

    management__host_config__init(&signal_host);
    signal_host.uri = (char *)(uintptr_t) "127.0.0.1:1";
    management__netbird_config__init(&netbird);
    netbird.signal = &signal_host;
    management__peer_config__init(&peer);
    peer.address = (char *)(uintptr_t) "100.64.0.1/16";
    management__login_response__init(&answer);
    answer.netbirdconfig = &netbird;
    answer.peerconfig = &peer;
    srv = (struct fake_mgmt){.login_answer = &answer};
    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    port = fake_start(&srv, loop);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/p.json", dir);
    ck_assert_msg(profile_load(path, &profile, &err) == RK_OK, "%s", err.msg);
    ck_assert_int_eq(profile_set(profile, RK_STR("hostname"), RK_STR("box1"), NULL), RK_OK);
    ck_assert_int_eq(nl_open(NETLINK_ROUTE, &nl, NULL), RK_OK);
}

static void teardown(void)
{
    fake_stop(&srv);
    profile_free(profile);
    nl_close(nl);
    (void)unlink(path);
    (void)rmdir(dir);
    turn_ms(1); /* close callbacks of clients */
    (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
    rk_loop_free(loop); /* aborts when a handle is left */
}

static struct mgmt_client *client(void)
{
    struct mgmt_client_opts o = {.loop = loop, .host = "127.0.0.1", .port = port};

    o.private_key = profile->private_key;
    return mgmt_client_open(&o);
}

/* ---- calls */

struct caller {
    struct mgmt_client_call_user user;
    int done, status;
    size_t answer_n;
    struct rk_err err;
    struct mgmt_client *close; /* in the callback */
};

static void call_done(struct mgmt_client_call_user *u, int status, struct rk_str plain,
                      const struct rk_err *err)
{
    struct caller *c = rk_container_of(u, struct caller, user);

    c->done++;
    c->status = status;
    c->answer_n = plain.n;
    if (err)
        c->err = *err;
    mgmt_client_close(c->close);
}

static const struct mgmt_client_call_ops CALL_OPS = {.done = call_done};

static void start_call(struct mgmt_client *m, struct caller *c, enum mgmt_client_method method)
{
    Management__SyncMetaRequest meta = MANAGEMENT__SYNC_META_REQUEST__INIT;
    Management__LoginRequest login = MANAGEMENT__LOGIN_REQUEST__INIT;
    Management__PeerSystemMeta m1 = MANAGEMENT__PEER_SYSTEM_META__INIT;
    Management__Empty none = MANAGEMENT__EMPTY__INIT;

    meta.meta = login.meta = &m1;
    *c = (struct caller){.user.ops = &CALL_OPS, .close = c->close};
    (void)mgmt_client_call(m, method,
                           method == MGMT_CLIENT_LOGIN       ? &login.base
                           : method == MGMT_CLIENT_SYNC_META ? &meta.base
                                                             : &none.base,
                           &c->user);
}

START_TEST(calls_are_sealed_and_answered)
{
    struct mgmt_client *m = client();
    struct caller a = {0}, b = {0}, c = {0};
    char own[RK_KEY_TEXT + 1];
    struct rk_key pub;

    start_call(m, &a, MGMT_CLIENT_LOGIN);
    start_call(m, &b, MGMT_CLIENT_SYNC_META);
    start_call(m, &c, MGMT_CLIENT_LOGOUT);
    until(&a.done, 1);
    until(&b.done, 1);
    until(&c.done, 1);
    ck_assert_int_eq(a.status, 0);
    ck_assert_uint_gt(a.answer_n, 0);
    ck_assert_int_eq(b.status, 0);
    ck_assert_int_eq(c.status, 0);
    ck_assert_int_eq(srv.key_calls, 3);
    rk_key_public(&profile->private_key, &pub);
    rk_key_format(&pub, own);
    ck_assert_str_eq(srv.last_agent_key, own);
    ck_assert(mgmt_client_is_connected(m));
    mgmt_client_close(m);
}
END_TEST

START_TEST(answer_under_another_key_is_refused)
{
    struct mgmt_client *m = client();
    struct caller a = {0};

    srv.seal_wrong = true;
    start_call(m, &a, MGMT_CLIENT_LOGIN);
    until(&a.done, 1);
    ck_assert_int_eq(a.status, GRPC_DATA_LOSS);
    ck_assert_uint_eq(a.answer_n, 0);
    mgmt_client_close(m);
}
END_TEST

START_TEST(unreachable_server_is_unavailable)
{
    struct mgmt_client_opts o = {.loop = loop, .host = "127.0.0.1", .port = 1};
    struct mgmt_client *m;
    struct caller a = {0};

    o.private_key = profile->private_key;
    m = mgmt_client_open(&o);
    start_call(m, &a, MGMT_CLIENT_LOGIN);
    until(&a.done, 1);
    ck_assert_int_eq(a.status, GRPC_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(a.err.msg, "127.0.0.1:1"));
    start_call(m, &a, MGMT_CLIENT_LOGIN); /* tries again */
    until(&a.done, 1);
    ck_assert_int_eq(a.status, GRPC_UNAVAILABLE);
    mgmt_client_close(m);
}
END_TEST

START_TEST(closing_at_every_point_is_silent)
{
    for (int turns = 0; turns < 40; turns++) {
        struct mgmt_client *m = client();
        struct caller a = {0}, b = {0};

        start_call(m, &a, MGMT_CLIENT_LOGIN);
        start_call(m, &b, MGMT_CLIENT_SYNC_META);
        for (int i = 0; i < turns && !a.done; i++)
            (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
        mgmt_client_close(m);
        a.done = b.done = 0;
        turn_ms(2);
        ck_assert_int_eq(a.done + b.done, 0);
    }
}
END_TEST

START_TEST(closing_from_inside_a_callback)
{
    struct mgmt_client *m = client();
    struct caller a = {.close = m}, b = {0};

    start_call(m, &a, MGMT_CLIENT_LOGIN);
    start_call(m, &b, MGMT_CLIENT_SYNC_META);
    until(&a.done, 1);
    b.done = 0;
    turn_ms(20);
    ck_assert_int_eq(b.done, 0);
}
END_TEST

START_TEST(cancelled_call_says_nothing)
{
    struct mgmt_client *m = client();
    struct caller a = {.user.ops = &CALL_OPS};
    Management__Empty none = MANAGEMENT__EMPTY__INIT;
    struct mgmt_client_call *c = mgmt_client_call(m, MGMT_CLIENT_LOGOUT, &none.base, &a.user);

    mgmt_client_call_cancel(c);
    c = mgmt_client_call(m, MGMT_CLIENT_LOGOUT, &none.base, &a.user);
    turn_ms(5);
    if (!a.done)
        mgmt_client_call_cancel(c);
    a.done = 0;
    turn_ms(20);
    ck_assert_int_eq(a.done, 0);
    mgmt_client_close(m);
}
END_TEST

/* ---- streams */

struct streamer {
    struct mgmt_client_stream_user user;
    struct mgmt_client_stream *s;
    int hellos, ups, messages, downs, refused, status;
    bool close_on_message;
};

static const ProtobufCMessage *st_hello(struct mgmt_client_stream_user *u, struct rk_arena *mem)
{
    struct streamer *s = rk_container_of(u, struct streamer, user);
    Management__SyncRequest *r = rk_new(mem, Management__SyncRequest);

    s->hellos++;
    management__sync_request__init(r);
    r->meta = rk_new(mem, Management__PeerSystemMeta);
    management__peer_system_meta__init(r->meta);
    return &r->base;
}

static void st_up(struct mgmt_client_stream_user *u)
{
    rk_container_of(u, struct streamer, user)->ups++;
}

static void st_message(struct mgmt_client_stream_user *u, struct rk_str plain RK_UNUSED)
{
    struct streamer *s = rk_container_of(u, struct streamer, user);

    s->messages++;
    if (s->close_on_message) {
        mgmt_client_stream_close(s->s);
        s->s = NULL;
    }
}

static void st_down(struct mgmt_client_stream_user *u, const struct rk_err *why)
{
    ck_assert_int_ne(why->code, RK_OK);
    rk_container_of(u, struct streamer, user)->downs++;
}

static void st_refused(struct mgmt_client_stream_user *u, int status,
                       const struct rk_err *why RK_UNUSED)
{
    struct streamer *s = rk_container_of(u, struct streamer, user);

    s->refused++;
    s->status = status;
    s->s = NULL;
}

static const struct mgmt_client_stream_ops STREAM_OPS = {
    .hello = st_hello, .up = st_up, .message = st_message, .down = st_down, .refused = st_refused};

static Management__SyncResponse empty_sync = {0};

START_TEST(sync_comes_back_after_its_end)
{
    struct mgmt_client *m = client();
    struct streamer s = {.user.ops = &STREAM_OPS};

    management__sync_response__init(&empty_sync);
    srv.first_sync = &empty_sync;
    srv.sync_finish = true;
    s.s = mgmt_client_stream(m, MGMT_CLIENT_SYNC, &s.user);
    until(&s.messages, 3);
    ck_assert_int_eq(s.ups, 3);
    ck_assert_int_ge(s.downs, 2);
    ck_assert_int_eq(s.refused, 0);
    ck_assert_int_ge(srv.key_calls, 3); /* the key may be another each time */
    mgmt_client_stream_close(s.s);
    mgmt_client_close(m);
}
END_TEST

START_TEST(sync_survives_a_lost_connection)
{
    struct mgmt_client *m = client();
    struct streamer s = {.user.ops = &STREAM_OPS};

    management__sync_response__init(&empty_sync);
    srv.first_sync = &empty_sync;
    s.s = mgmt_client_stream(m, MGMT_CLIENT_SYNC, &s.user);
    until(&s.messages, 1);
    fake_stop(&srv); /* everything is cut */
    until(&s.downs, 1);
    srv = (struct fake_mgmt){.login_answer = &answer, .first_sync = &empty_sync};
    (void)fake_start(&srv, loop); /* another port: not found, but nothing breaks */
    turn_ms(300);
    mgmt_client_close(m);
}
END_TEST

START_TEST(refusals_are_final)
{
    struct mgmt_client *m = client();
    struct streamer s = {.user.ops = &STREAM_OPS}, j = {.user.ops = &STREAM_OPS};

    srv.sync_status = GRPC_PERMISSION_DENIED;
    srv.job_status = GRPC_UNIMPLEMENTED;
    s.s = mgmt_client_stream(m, MGMT_CLIENT_SYNC, &s.user);
    j.s = mgmt_client_stream(m, MGMT_CLIENT_JOB, &j.user);
    until(&s.refused, 1);
    until(&j.refused, 1);
    ck_assert_int_eq(s.status, GRPC_PERMISSION_DENIED);
    ck_assert_int_eq(j.status, GRPC_UNIMPLEMENTED);
    turn_ms(100);
    ck_assert_int_eq(srv.sync_calls, 1);
    ck_assert_int_eq(srv.job_calls, 1);
    mgmt_client_close(m);
}
END_TEST

START_TEST(other_errors_are_tried_again)
{
    struct mgmt_client *m = client();
    struct streamer s = {.user.ops = &STREAM_OPS};

    srv.sync_status = GRPC_UNAVAILABLE;
    s.s = mgmt_client_stream(m, MGMT_CLIENT_SYNC, &s.user);
    until(&s.downs, 2);
    ck_assert_int_eq(s.refused, 0);
    ck_assert_int_ge(s.hellos, 2);
    mgmt_client_close(m);
}
END_TEST

START_TEST(stream_closed_by_its_own_message)
{
    struct mgmt_client *m = client();
    struct streamer s = {.user.ops = &STREAM_OPS, .close_on_message = true};

    management__sync_response__init(&empty_sync);
    srv.first_sync = &empty_sync;
    s.s = mgmt_client_stream(m, MGMT_CLIENT_SYNC, &s.user);
    until(&s.messages, 1);
    turn_ms(50);
    ck_assert_int_eq(s.downs, 0);
    ck_assert_ptr_null(srv.sync); /* the server saw the reset */
    mgmt_client_close(m);
}
END_TEST

/* ---- login */

struct enrol {
    struct login_user user;
    int done;
    bool ok;
    struct rk_err err;
};

static void login_done(struct login_user *u, const Management__LoginResponse *msg,
                       const struct rk_err *err)
{
    struct enrol *e = rk_container_of(u, struct enrol, user);

    e->done++;
    e->ok = msg != NULL;
    if (err)
        e->err = *err;
}

static const struct login_ops LOGIN_OPS = {.done = login_done};

static struct enrol enrol(const char *key, int64_t retry_ms)
{
    struct mgmt_client *m = client();
    struct enrol e = {.user.ops = &LOGIN_OPS};
    struct login_opts o = {.loop = loop,
                           .mgc = m,
                           .route = nl,
                           .profile = profile,
                           .setup_key = rk_str_z(key),
                           .retry_ms = retry_ms};

    (void)login_start(&o, &e.user);
    until(&e.done, 1);
    mgmt_client_close(m);
    return e;
}

static void script(int a, int b, int c)
{
    srv.login_status[0] = a;
    srv.login_status[1] = b;
    srv.login_status[2] = c;
    srv.n_login_status = 3;
}

START_TEST(known_peer_needs_no_key)
{
    struct enrol e = enrol("", 0);

    ck_assert(e.ok);
    ck_assert_int_eq(srv.login_calls, 1);
    ck_assert_str_eq(srv.last_setup_key, "");
    ck_assert_str_eq(srv.last_hostname, "box1");
    ck_assert(srv.last_has_ssh_key);
}
END_TEST

START_TEST(unknown_peer_registers_with_its_key)
{
    struct enrol e;

    script(GRPC_PERMISSION_DENIED, 0, 0);
    e = enrol("A2C8E62B-38F5-4553-B31E-DD66C696CEBB", 0);
    ck_assert(e.ok);
    ck_assert_int_eq(srv.login_calls, 2);
    ck_assert_str_eq(srv.last_setup_key, "a2c8e62b-38f5-4553-b31e-dd66c696cebb");
}
END_TEST

START_TEST(without_a_key_a_login_is_needed)
{
    struct enrol e;

    script(GRPC_PERMISSION_DENIED, GRPC_PERMISSION_DENIED, GRPC_PERMISSION_DENIED);
    e = enrol("", 1000);
    ck_assert(!e.ok);
    ck_assert_int_eq(e.err.code, RK_FORBIDDEN);
    ck_assert_int_eq(srv.login_calls, 1);
}
END_TEST

START_TEST(refused_key_is_final)
{
    struct enrol e;

    script(GRPC_PERMISSION_DENIED, GRPC_NOT_FOUND, GRPC_NOT_FOUND);
    e = enrol("a2c8e62b-38f5-4553-b31e-dd66c696cebb", 5000);
    ck_assert(!e.ok);
    ck_assert_int_eq(e.err.code, RK_NOT_FOUND);
    ck_assert_int_eq(srv.login_calls, 2);
}
END_TEST

START_TEST(temporary_trouble_is_waited_out)
{
    struct enrol e;

    script(GRPC_UNAVAILABLE, GRPC_INTERNAL, 0);
    e = enrol("", 20000);
    ck_assert(e.ok);
    ck_assert_int_eq(srv.login_calls, 3);
    srv.login_calls = 0;
    script(GRPC_UNAVAILABLE, GRPC_UNAVAILABLE, GRPC_UNAVAILABLE);
    e = enrol("", 0);
    ck_assert(!e.ok);
    ck_assert_int_eq(srv.login_calls, 1);
}
END_TEST

START_TEST(incomplete_answer_is_refused)
{
    struct enrol e;

    netbird.signal = NULL;
    e = enrol("", 0);
    ck_assert(!e.ok);
    ck_assert_int_eq(e.err.code, RK_BAD_REQUEST);
}
END_TEST

START_TEST(login_can_be_cancelled)
{
    struct mgmt_client *m = client();
    struct enrol e = {.user.ops = &LOGIN_OPS};
    struct login_opts o = {.loop = loop, .mgc = m, .route = nl, .profile = profile};

    for (int turns = 0; turns < 30; turns += 3) {
        struct login *l = login_start(&o, &e.user);

        for (int i = 0; i < turns && !e.done; i++)
            (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
        if (!e.done)
            login_cancel(l);
        e.done = 0;
        turn_ms(2);
        ck_assert_int_eq(e.done, 0);
    }
    mgmt_client_close(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mgmt_client");
    TCase *t = tcase_create("scripted server");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, calls_are_sealed_and_answered);
    tcase_add_test(t, answer_under_another_key_is_refused);
    tcase_add_test(t, unreachable_server_is_unavailable);
    tcase_add_test(t, closing_at_every_point_is_silent);
    tcase_add_test(t, closing_from_inside_a_callback);
    tcase_add_test(t, cancelled_call_says_nothing);
    tcase_add_test(t, sync_comes_back_after_its_end);
    tcase_add_test(t, sync_survives_a_lost_connection);
    tcase_add_test(t, refusals_are_final);
    tcase_add_test(t, other_errors_are_tried_again);
    tcase_add_test(t, stream_closed_by_its_own_message);
    tcase_add_test(t, known_peer_needs_no_key);
    tcase_add_test(t, unknown_peer_registers_with_its_key);
    tcase_add_test(t, without_a_key_a_login_is_needed);
    tcase_add_test(t, refused_key_is_final);
    tcase_add_test(t, temporary_trouble_is_waited_out);
    tcase_add_test(t, incomplete_answer_is_refused);
    tcase_add_test(t, login_can_be_cancelled);
    suite_add_tcase(s, t);
    return run_suite(s);
}
