/* SPDX-License-Identifier: BSD-3-Clause */
/* resolvconf(8), Debian's or openresolv: our servers are a record of our interface, which it joins
 * with those of others. The program gets its input from memory and a time limit. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/dns/host_priv.h"
#include "lib/base/buf.h"
#include "lib/base/num.h"

#define LIMIT_MS  5000
#define POLL_MS   20
#define SETTLE_MS 1000 /* for a run that is overtaken by the end */

struct rconf {
    struct dns_host_way way;
    struct dns_host_opts o;
    const char *program;
    pid_t pid; /* 0: none runs */
    int64_t end_ms;
    struct rk_timer *timer;
    struct rk_buf next; /* to be set when the present run is over */
    bool has_next;
};

/* openresolv knows -x (our servers alone) and -f (no error when there is none). */
static bool is_openresolv(const char *path)
{
    char text[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);

    if (fd >= 0)
        (void)close(fd);
    return n > 0 && rk_str_find(rk_str_of(text, (size_t)n), RK_STR("Roy Marples")) < (size_t)n;
}

static int input_of(struct rk_str text)
{
    int fd = memfd_create("resolvconf", MFD_CLOEXEC);

    if (fd >= 0 && (write(fd, text.p, text.n) != (ssize_t)text.n || lseek(fd, 0, SEEK_SET) != 0)) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

/* Start it; only calls that are safe between fork and exec in the child. */
static pid_t start(const char *path, const char *iface, bool add, struct rk_str text,
                   struct rk_err *err)
{
    bool open_one = is_openresolv(path);
    const char *argv[5] = {path};
    char *env[] = {(char *)(uintptr_t) "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    int in = input_of(text);
    size_t n = 1;
    pid_t pid;

    if (in < 0) {
        (void)rk_fail_errno(err, RK_INTERNAL, errno, "input of resolvconf");
        return -1;
    }
    if (open_one)
        argv[n++] = add ? "-x" : "-f";
    argv[n++] = add ? "-a" : "-d";
    argv[n++] = iface;
    pid = fork();
    if (pid == 0) {
        (void)dup2(in, STDIN_FILENO);
        (void)execve(path, (char **)(uintptr_t)argv, env);
        _exit(127);
    }
    (void)close(in);
    if (pid < 0)
        (void)rk_fail_errno(err, RK_UNAVAILABLE, errno, "start %s", path);
    return pid;
}

/* True: over; *ok says how. */
static bool reap(pid_t pid, bool *ok)
{
    int how = 0;
    pid_t got = waitpid(pid, &how, WNOHANG);

    if (got == 0 || (got < 0 && errno == EINTR))
        return false;
    *ok = got == pid && WIFEXITED(how) && WEXITSTATUS(how) == 0;
    return true;
}

/* On the way out the loop may wait: names must be given back before the interface goes. */
static bool wait_for(pid_t pid, int64_t limit_ms)
{
    struct timespec nap = {.tv_nsec = POLL_MS * 1000000L};
    bool ok = false;

    for (int64_t end = rk_mono_ms() + limit_ms; rk_mono_ms() < end;) {
        if (reap(pid, &ok))
            return ok;
        (void)nanosleep(&nap, NULL);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    return false;
}

/* ---- setting, beside the loop */

static void run_next(struct rconf *r);

static void on_timer(void *arg)
{
    struct rconf *r = arg;
    bool ok = false;

    if (!reap(r->pid, &ok)) {
        if (rk_loop_now_ms(r->o.loop) >= r->end_ms)
            (void)kill(r->pid, SIGKILL); /* reaped with the next look */
        rk_timer_start(r->o.loop, &r->timer, POLL_MS, on_timer, r);
        return;
    }
    r->pid = 0;
    if (!ok)
        rk_log(r->o.log, RK_WARN, "resolvconf did not take our name server");
    if (r->has_next)
        run_next(r);
}

static void run_next(struct rconf *r)
{
    struct rk_err err = {0};
    pid_t pid = start(r->program, r->o.iface, true, rk_buf_str(&r->next), &err);

    r->has_next = false;
    if (pid < 0) {
        rk_log(r->o.log, RK_WARN, "our name server is not set", KV_ERR(&err));
        return;
    }
    r->pid = pid;
    r->end_ms = rk_loop_now_ms(r->o.loop) + LIMIT_MS;
    rk_timer_start(r->o.loop, &r->timer, POLL_MS, on_timer, r);
}

static enum rk_code apply(struct dns_host_way *w, const struct dns_host_config *c,
                          struct rk_err *err RK_UNUSED)
{
    struct rconf *r = rk_container_of(w, struct rconf, way);
    struct rk_str search[RESOLVCONF_SEARCH_MAX];
    size_t n = dns_host_search(c, search, RK_ARRAY_LEN(search));
    char text[RK_ADDR_TEXT];

    (void)rk_ip_format(&c->server.ip, text);
    state_set(r->o.state, STATE_DNS,
              json_pack("{s:s,s:s,s:s,s:s}", "ManagerType", dns_host_kind_name(DNS_HOST_RESOLVCONF),
                        "DNSAddress", text, "WgIface", r->o.iface, "Program", r->program));
    rk_buf_clear(&r->next);
    resolvconf_write(&c->server.ip, search, n, (struct rk_str){0}, (struct rk_str){0}, &r->next);
    r->has_next = true;
    if (!r->pid)
        run_next(r);
    return RK_OK;
}

static void end(struct dns_host_way *w)
{
    struct rconf *r = rk_container_of(w, struct rconf, way);
    struct rk_err err = {0};

    rk_timer_cancel(&r->timer);
    if (r->pid)
        (void)wait_for(r->pid, SETTLE_MS);
    if (state_get(r->o.state, STATE_DNS)) {
        if (dns_host_resolvconf_recover(r->program, r->o.iface, &err))
            rk_log(r->o.log, RK_WARN, "name servers of this host are not given back", KV_ERR(&err));
        else
            state_set(r->o.state, STATE_DNS, NULL);
    }
    rk_buf_done(&r->next);
    free(r);
}

struct dns_host_way *dns_host_resolvconf_new(const struct dns_host_opts *o)
{
    struct rconf *r = rk_calloc(1, sizeof *r);

    r->way = (struct dns_host_way){.apply = apply, .end = end};
    r->o = *o;
    r->program = dns_resolver_resolvconf(o->resolver);
    rk_buf_init(&r->next, 65536);
    return &r->way;
}

enum rk_code dns_host_resolvconf_recover(const char *path, const char *iface, struct rk_err *err)
{
    pid_t pid;

    if (access(path, X_OK) != 0)
        return RK_OK; /* its record went with it */
    pid = start(path, iface, false, (struct rk_str){0}, err);
    if (pid < 0)
        return RK_UNAVAILABLE;
    return wait_for(pid, LIMIT_MS) ? RK_OK
                                   : rk_fail(err, RK_UNAVAILABLE, "%s -d %s failed", path, iface);
}
