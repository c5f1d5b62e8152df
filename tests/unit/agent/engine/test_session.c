/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a person's login: what makes sense, and the warnings before it. */
#include "config.h"

#include <check.h>
#include <string.h>

#include "agent/engine/engine_priv.h"
#include "lib/base/num.h"

static struct engine e;
static struct events events;
static struct rk_loop *loop;

static void changed(struct engine_user *u RK_UNUSED)
{
}

static const struct engine_ops OPS = {.changed = changed};
static struct engine_user user = {.ops = &OPS};

static void begin(void)
{
    memset(&e, 0, sizeof e);
    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    e.o.loop = loop;
    e.o.events = &events;
    e.user = &user;
    e.phase = ENGINE_RUNNING;
}

static void end(void)
{
    rk_timer_cancel(&e.session_timer);
    rk_loop_stop(loop);
    rk_loop_run(loop);
    rk_loop_free(loop);
    events_done(&events);
}

static void apply(int64_t seconds, int32_t nanos)
{
    Google__Protobuf__Timestamp t = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

    t.seconds = seconds;
    t.nanos = nanos;
    engine_apply_session(&e, &t);
}

START_TEST(what_makes_sense)
{
    int64_t now = rk_unix_ms() / 1000;

    begin();
    apply(now + 3600, 0);
    ck_assert_int_eq(engine_session_ms(&e), (now + 3600) * 1000);
    engine_apply_session(&e, NULL); /* no news */
    ck_assert_int_eq(engine_session_ms(&e), (now + 3600) * 1000);
    apply(0, 0);
    ck_assert_int_eq(engine_session_ms(&e), 0);
    ck_assert_uint_eq(events.n, 0);
    apply(-5, 0);
    apply(now + INT64_C(11) * 365 * 86400, 0);
    apply(now - INT64_C(31) * 86400, 0);
    ck_assert_int_eq(engine_session_ms(&e), 0);
    ck_assert_uint_eq(events.n, 1); /* one text stands once */
    ck_assert_int_eq(events.ring[0].severity, EVENT_ERROR);
    apply(now - 60, 0); /* over, and told as that */
    ck_assert_int_eq(engine_session_ms(&e), (now - 60) * 1000);
    end();
}
END_TEST

static void stop(void *arg)
{
    (void)arg;
    rk_timer_cancel(&e.session_timer); /* it would hold the loop until the next warning */
    rk_loop_stop(loop);
}

static void watch(void *arg)
{
    struct rk_timer **again = arg;

    if (events.n)
        rk_timer_start(loop, again, 0, stop, NULL);
    else
        rk_timer_start(loop, again, 20, watch, arg);
}

/* Until the warning of a deadline comes; the test's own limit ends it otherwise. */
static void warned(int64_t in_s, const char *text)
{
    struct rk_timer *poll = NULL;

    begin();
    apply(rk_unix_ms() / 1000 + in_s, 0);
    ck_assert_uint_eq(events.n, 0);
    rk_timer_start(loop, &poll, 20, watch, &poll);
    rk_loop_run(loop);
    ck_assert_ptr_nonnull(strstr(events.ring[0].text, text));
    ck_assert_int_eq(events.ring[0].severity, EVENT_WARNING);
    ck_assert_int_eq(events.ring[0].category, EVENT_AUTHENTICATION);
    rk_loop_free(loop);
    events_done(&events);
}

START_TEST(warnings)
{
    warned(602, "in 10 minutes");
    warned(122, "in 2 minutes");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("session");
    TCase *t = tcase_create("session");
    SRunner *r;
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_test(t, what_makes_sense);
    tcase_add_test(t, warnings);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
