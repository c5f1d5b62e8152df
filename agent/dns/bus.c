/* SPDX-License-Identifier: BSD-3-Clause */
/* D-Bus on the loop; see bus.h. */
#include "config.h"

#ifdef HAVE_SYSTEMD_SD_BUS_H

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/dns/bus.h"
#include "lib/base/dl.h"
#include "lib/base/num.h"
#include "lib/net/tcp.h"

#define CALL_US (UINT64_C(10) * 1000000)
#define LAST_US UINT64_C(1000000)

struct bus_dl bus_dl;

static const struct rk_dl_sym SYMS[] = {
#define X(name) {"sd_bus_" #name, offsetof(struct bus_dl, name)},
    BUS_DL_FUNCTIONS(X)
#undef X
};

static struct rk_dl dl = {.soname = "libsystemd.so.0",
                          .purpose = "D-Bus",
                          .syms = SYMS,
                          .n = RK_ARRAY_LEN(SYMS),
                          .table = &bus_dl,
                          .lock = PTHREAD_MUTEX_INITIALIZER};

struct dns_bus {
    struct rk_loop *loop;
    struct rk_log *log;
    const char *watch;
    struct dns_bus_user *user;
    sd_bus *bus; /* NULL: lost */
    bool inside; /* process() runs */
    struct tcp_watch io;
    struct rk_timer *timer;
    dns_bus_answer_fn *answer; /* of the question that is out; NULL: none */
    void *answer_arg;
};

static void turn(struct dns_bus *b);

/* ---- the loop */

static void on_ready(struct tcp_watch *w, bool readable RK_UNUSED, bool writable RK_UNUSED)
{
    turn(rk_container_of(w, struct dns_bus, io));
}

static void on_timer(void *arg)
{
    turn(arg);
}

static void arm(struct dns_bus *b)
{
    int events = bus_dl.get_events(b->bus);
    uint64_t at_us = UINT64_MAX;
    struct timespec now;
    int64_t in_ms;

    tcp_watch_set(&b->io, events < 0 || events & POLLIN, events > 0 && events & POLLOUT);
    if (bus_dl.get_timeout(b->bus, &at_us) < 0 || at_us == UINT64_MAX) {
        rk_timer_cancel(&b->timer);
        return;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    in_ms = (int64_t)(at_us / 1000) - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    rk_timer_start(b->loop, &b->timer, in_ms > 0 ? in_ms : 0, on_timer, b);
}

static void lose(struct dns_bus *b, int error)
{
    struct rk_err err = {0};

    (void)rk_fail_errno(&err, RK_UNAVAILABLE, -error, "D-Bus");
    rk_log(b->log, RK_WARN, "connection to D-Bus lost, changes of names reach this host no more",
           KV_ERR(&err));
    tcp_watch_set(&b->io, false, false);
    rk_timer_cancel(&b->timer);
    bus_dl.close(b->bus);
    (void)bus_dl.unref(b->bus);
    b->bus = NULL;
}

/* What is sent from within a callback goes out when that has come back. */
static void turn(struct dns_bus *b)
{
    int n;

    if (b->inside)
        return;
    b->inside = true;
    do
        n = b->bus ? bus_dl.process(b->bus, NULL) : 0;
    while (n > 0);
    b->inside = false;
    if (n < 0)
        lose(b, n);
    else if (b->bus)
        arm(b);
}

/* ---- calls */

static void log_error(struct dns_bus *b, const sd_bus_error *e, const char *quiet)
{
    if (!e || !e->name || (quiet && strcmp(e->name, quiet) == 0))
        return;
    rk_log(b->log, RK_WARN, "a manager of names refuses", kv_z("name", e->name),
           kv_z("error", e->message ? e->message : ""));
}

static int on_reply(sd_bus_message *m, void *arg, sd_bus_error *ignored RK_UNUSED)
{
    log_error(arg, bus_dl.message_get_error(m), NULL);
    return 0;
}

sd_bus_message *dns_bus_call(struct dns_bus *b, const char *to, const char *path,
                             const char *interface, const char *method)
{
    sd_bus_message *m = NULL;

    if (!b->bus || bus_dl.message_new_method_call(b->bus, &m, to, path, interface, method) < 0)
        return NULL;
    return m;
}

static void not_sent(struct dns_bus *b, int error)
{
    struct rk_err err = {0};

    (void)rk_fail_errno(&err, RK_INTERNAL, -error, "D-Bus message");
    rk_log(b->log, RK_WARN, "a manager of names is not told", KV_ERR(&err));
}

void dns_bus_send(struct dns_bus *b, sd_bus_message *m, int built)
{
    int rc = built < 0 ? built : -ENOTCONN;

    if (m && built >= 0)
        rc = bus_dl.call_async(b->bus, NULL, m, on_reply, b, CALL_US);
    (void)bus_dl.message_unref(m);
    if (rc < 0)
        not_sent(b, rc);
    else
        turn(b);
}

static int on_answer(sd_bus_message *m, void *arg, sd_bus_error *ignored RK_UNUSED)
{
    struct dns_bus *b = arg;
    const sd_bus_error *e = bus_dl.message_get_error(m);
    dns_bus_answer_fn *fn = b->answer;

    b->answer = NULL;
    if (fn)
        fn(b->answer_arg, e && e->name ? NULL : m, e && e->message ? e->message : "");
    return 0;
}

void dns_bus_ask(struct dns_bus *b, sd_bus_message *m, int built, dns_bus_answer_fn *fn, void *arg)
{
    int rc = built < 0 ? built : -ENOTCONN;

    b->answer = fn;
    b->answer_arg = arg;
    if (m && built >= 0)
        rc = bus_dl.call_async(b->bus, NULL, m, on_answer, b, CALL_US);
    (void)bus_dl.message_unref(m);
    if (rc < 0) {
        b->answer = NULL;
        fn(arg, NULL, "D-Bus does not take the question");
    } else {
        turn(b);
    }
}

sd_bus_message *dns_bus_wait(struct dns_bus *b, sd_bus_message *m, int built, const char *quiet)
{
    sd_bus_error e = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;

    if (m && built >= 0 && bus_dl.call(b->bus, m, LAST_US, &e, &reply) < 0)
        log_error(b, &e, quiet);
    bus_dl.error_free(&e);
    (void)bus_dl.message_unref(m);
    return reply;
}

void dns_bus_last(struct dns_bus *b, sd_bus_message *m, int built, const char *quiet)
{
    (void)bus_dl.message_unref(dns_bus_wait(b, m, built, quiet));
}

bool dns_bus_property(const char *service, const char *path, const char *interface,
                      const char *name, char *out, size_t size)
{
    sd_bus_message *m = NULL, *reply = NULL;
    const char *text = NULL;
    sd_bus *bus = NULL;

    if (rk_dl_load(&dl, NULL) || bus_dl.open_system(&bus) < 0)
        return false;
    if (bus_dl.message_new_method_call(bus, &m, service, path, "org.freedesktop.DBus.Properties",
                                       "Get") >= 0 &&
        bus_dl.message_append(m, "ss", interface, name) >= 0 &&
        bus_dl.call(bus, m, LAST_US, NULL, &reply) >= 0 &&
        bus_dl.message_read(reply, "v", "s", &text) >= 0)
        (void)snprintf(out, size, "%s", text);
    (void)bus_dl.message_unref(m);
    (void)bus_dl.message_unref(reply);
    bus_dl.close(bus);
    (void)bus_dl.unref(bus);
    return text != NULL;
}

/* ---- life */

static int on_owner(sd_bus_message *m, void *arg, sd_bus_error *ignored RK_UNUSED)
{
    struct dns_bus *b = arg;
    const char *name, *was, *now;

    if (bus_dl.message_read(m, "sss", &name, &was, &now) >= 0 && strcmp(name, b->watch) == 0 &&
        now[0])
        b->user->appeared(b->user);
    return 0;
}

static void on_closed(struct tcp_watch *w)
{
    free(rk_container_of(w, struct dns_bus, io));
}

static enum rk_code start(struct dns_bus *b, struct rk_err *err)
{
    int rc = bus_dl.open_system(&b->bus);

    if (rc < 0)
        return rk_fail_errno(err, RK_UNAVAILABLE, -rc, "D-Bus");
    rc = bus_dl.match_signal_async(b->bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                   "org.freedesktop.DBus", "NameOwnerChanged", on_owner, NULL, b);
    if (rc >= 0)
        rc = bus_dl.get_fd(b->bus);
    if (rc < 0)
        return rk_fail_errno(err, RK_UNAVAILABLE, -rc, "D-Bus");
    b->io.keep_fd = true; /* it is the bus' */
    b->io.ready = on_ready;
    b->io.closed = on_closed;
    return tcp_watch_init(b->loop, &b->io, rc, err);
}

enum rk_code dns_bus_open(struct rk_loop *loop, struct rk_log *log, const char *watch,
                          struct dns_bus_user *user, struct dns_bus **out, struct rk_err *err)
{
    enum rk_code rc = rk_dl_load(&dl, err);
    struct dns_bus *b;

    if (rc)
        return rc;
    b = rk_calloc(1, sizeof *b);
    b->loop = loop;
    b->log = log;
    b->watch = watch;
    b->user = user;
    rc = start(b, err);
    if (rc) {
        (void)bus_dl.unref(b->bus);
        free(b);
        return rc;
    }
    arm(b);
    *out = b;
    return RK_OK;
}

void dns_bus_close(struct dns_bus *b)
{
    if (!b)
        return;
    rk_timer_cancel(&b->timer);
    tcp_watch_close(&b->io);
    if (b->bus) {
        bus_dl.close(b->bus);
        (void)bus_dl.unref(b->bus);
    }
    b->bus = NULL;
}

#else
typedef int dns_bus_is_not_built; /* ISO C wants something in every file */
#endif
