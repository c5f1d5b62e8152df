/* SPDX-License-Identifier: BSD-3-Clause */
/* Noticing that the host has slept; see sleep.h. */
#include "config.h"

#include "agent/os/sleep.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/net/tcp.h"

struct sleep_watch {
    struct sleep_opts o;
    struct sleep_user *user; /* NULL: closing */
    struct tcp_watch watch;
    int64_t total_ms; /* at the last look */
};

static int64_t by_clocks(void)
{
    struct timespec boot = {0}, mono = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &mono);
    (void)clock_gettime(CLOCK_BOOTTIME, &boot);
    return (boot.tv_sec - mono.tv_sec) * 1000 + (boot.tv_nsec - mono.tv_nsec) / 1000000;
}

static void on_ready(struct tcp_watch *t, bool readable RK_UNUSED, bool writable RK_UNUSED)
{
    struct sleep_watch *w = rk_container_of(t, struct sleep_watch, watch);
    int64_t was = w->total_ms;
    uint64_t times;

    RK_IGNORE(read(t->fd, &times, sizeof times));
    if (!w->user)
        return;
    w->total_ms = w->o.total_ms();
    if (w->total_ms - was >= w->o.least_ms)
        w->user->slept(w->user, w->total_ms - was);
}

static void on_closed(struct tcp_watch *t)
{
    free(rk_container_of(t, struct sleep_watch, watch));
}

enum rk_code sleep_watch_open(struct rk_loop *loop, const struct sleep_opts *o,
                              struct sleep_user *u, struct sleep_watch **out, struct rk_err *err)
{
    struct timespec every = {.tv_sec = o->look_ms / 1000, .tv_nsec = o->look_ms % 1000 * 1000000};
    struct itimerspec t = {.it_interval = every, .it_value = every};
    int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    struct sleep_watch *w;
    enum rk_code rc;

    if (fd < 0)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "timer of the boot clock");
    (void)timerfd_settime(fd, 0, &t, NULL);
    w = rk_calloc(1, sizeof *w);
    w->o = *o;
    if (!w->o.total_ms)
        w->o.total_ms = by_clocks;
    w->user = u;
    w->total_ms = w->o.total_ms();
    rc = tcp_watch_init(loop, &w->watch, fd, err);
    if (rc) {
        free(w);
        return rc;
    }
    w->watch.ready = on_ready;
    w->watch.closed = on_closed;
    tcp_watch_set(&w->watch, true, false);
    *out = w;
    return RK_OK;
}

void sleep_watch_close(struct sleep_watch *w)
{
    if (!w)
        return;
    w->user = NULL;
    tcp_watch_close(&w->watch);
}
