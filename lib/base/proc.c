/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals, limits and log files of a program; see proc.h. */
#include "config.h"

#include "lib/base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/base/str.h"

struct rk_proc {
    int signals; /* signalfd */
    int bell;    /* eventfd */
};

static void raise_file_limit(void)
{
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
        l.rlim_cur = l.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &l); /* else the old limit holds */
    }
}

enum rk_code rk_proc_new(struct rk_proc **out, struct rk_err *err)
{
    struct rk_proc *p = rk_calloc(1, sizeof *p);
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* a peer that goes away is an error of write */
    raise_file_limit();
    p->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    p->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (p->signals < 0 || p->bell < 0) {
        int e = errno;

        rk_proc_free(p);
        return rk_fail_errno(err, RK_INTERNAL, e, "signals");
    }
    *out = p;
    return RK_OK;
}

void rk_proc_free(struct rk_proc *p)
{
    if (!p)
        return;
    if (p->signals >= 0)
        (void)close(p->signals);
    if (p->bell >= 0)
        (void)close(p->bell);
    free(p);
}

/* An event that is there already; RK_PROC_TIMEOUT if none. */
static enum rk_proc_event take(struct rk_proc *p)
{
    struct signalfd_siginfo info;
    uint64_t n;

    if (read(p->signals, &info, sizeof info) == (ssize_t)sizeof info)
        return info.ssi_signo == SIGHUP ? RK_PROC_RELOAD : RK_PROC_TERMINATE;
    if (read(p->bell, &n, sizeof n) == (ssize_t)sizeof n)
        return RK_PROC_WOKEN;
    return RK_PROC_TIMEOUT;
}

enum rk_proc_event rk_proc_wait(struct rk_proc *p, int64_t timeout_ms)
{
    int64_t until = rk_mono_ms() + timeout_ms;

    for (;;) {
        struct pollfd fds[2] = {{p->signals, POLLIN, 0}, {p->bell, POLLIN, 0}};
        enum rk_proc_event e = take(p);
        int64_t left = timeout_ms < 0 ? -1 : until - rk_mono_ms();

        if (e != RK_PROC_TIMEOUT || (timeout_ms >= 0 && left <= 0))
            return e;
        (void)poll(fds, 2, (int)rk_min_i64(left, 1 << 30));
    }
}

void rk_proc_wake(struct rk_proc *p)
{
    uint64_t one = 1;

    while (write(p->bell, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static bool is_console(const char *path)
{
    return !path || !*path || strcmp(path, "console") == 0;
}

static int open_log(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

enum rk_code rk_proc_log_open(const char *path, int *fd, struct rk_err *err)
{
    int f = STDERR_FILENO;

    if (!is_console(path))
        f = open_log(path);
    if (f < 0)
        return rk_fail_errno(err, RK_INVALID, errno, "log file %s", path);
    *fd = f;
    return RK_OK;
}

enum rk_code rk_proc_log_reopen(const char *path, int fd, struct rk_err *err)
{
    int f;

    if (is_console(path))
        return RK_OK;
    f = open_log(path);
    if (f < 0 || dup3(f, fd, O_CLOEXEC) < 0) {
        int e = errno;

        if (f >= 0)
            (void)close(f);
        return rk_fail_errno(err, RK_UNAVAILABLE, e, "log file %s", path);
    }
    (void)close(f);
    return RK_OK;
}
