/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening, closing and choosing a WireGuard device; see device.h. */
#include "config.h"

#include "agent/wg/device.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/os/link.h"
#include "agent/wg/backend.h"
#include "agent/wg/own/own.h"
#include "agent/wg/raw_port.h"
#include "lib/base/file.h"
#include "lib/base/loop_uv.h"
#include "lib/base/num.h"

/* A daemon that starts needs some 20 ms; a loaded machine gets the rest. */
#define START_POLL_MS    10
#define START_TIMEOUT_MS 10000
/* Time to end by itself before it is killed. */
#define STOP_TIMEOUT_MS 5000
/* Without an answer for so long it will not come back. */
#define HUNG_MS 10000

enum phase { OPENING, OPEN, CLOSING };

struct wg_device {
    struct rk_loop *loop;
    struct wg_device_user *user;
    struct nl_sock *route;
    struct rk_log *log;
    enum wg_mode mode;
    enum phase phase;
    char name[IF_NAMESIZE];
    char *program, *socket_dir;
    char *socket_path;
    uint32_t ifindex;
    struct wg_kernel *kernel;
    struct wg_uapi *uapi;
    struct wgo *own;
    struct wg_port *raw;
    pid_t pid; /* 0: no daemon runs */
    uint64_t pid_start;
    int pidfd;
    uv_poll_t watch; /* of pidfd, while watching */
    bool watching;
    bool ours; /* the link was made by us: closing deletes it */
    int64_t give_up_ms;
    struct rk_timer *timer;
};

static void step_close(void *arg);

static void report(struct wg_device *d, const struct rk_err *err)
{
    struct wg_device_user *u = d->user;

    if (err) {
        rk_log(d->log, RK_DEBUG, "wireguard device failed", KV_ERR(err));
        wg_device_close(d);
    } else {
        d->phase = OPEN;
    }
    u->ops->opened(u, err);
}

static void on_watch_closed(uv_handle_t *h)
{
    struct wg_device *d = h->data;

    d->watching = false;
    if (d->phase == CLOSING)
        rk_timer_start(d->loop, &d->timer, 0, step_close, d);
}

static void on_exit_seen(uv_poll_t *w, int status RK_UNUSED, int events RK_UNUSED)
{
    struct wg_device *d = w->data;
    struct rk_err err = {0};
    int how = 0;

    (void)waitpid(d->pid, &how, 0);
    d->pid = 0;
    uv_close((uv_handle_t *)w, on_watch_closed); /* also stops it */
    (void)close(d->pidfd);
    d->pidfd = -1;
    if (d->phase == CLOSING)
        return;
    (void)rk_fail(&err, RK_UNAVAILABLE, "%s ended by itself (%s %d)", d->program,
                  WIFSIGNALED(how) ? "signal" : "status",
                  WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how));
    if (d->phase == OPENING) {
        rk_timer_cancel(&d->timer);
        report(d, &err);
    } else {
        d->user->ops->lost(d->user, &err);
    }
}

/* ---- opening */

/* A link of our name from another life goes, one of another kind is somebody's. */
static enum rk_code remove_old_link(struct wg_device *d, struct rk_err *err)
{
    struct link old;
    enum rk_code rc = link_find(d->route, d->name, &old, err);

    if (rc == RK_NOT_FOUND)
        return RK_OK;
    if (rc)
        return rc;
    if (strcmp(old.kind, "wireguard") != 0 && strcmp(old.kind, "tun") != 0)
        return rk_fail(err, RK_EXISTS,
                       "interface %s exists and is not a WireGuard one: choose another name",
                       d->name);
    rc = link_delete(d->route, old.index, err);
    return rc == RK_NOT_FOUND ? RK_OK : rc;
}

static enum rk_code open_kernel(struct wg_device *d, struct rk_err *err)
{
    struct link made;
    enum rk_code rc = remove_old_link(d, err);

    if (rc == RK_OK)
        rc = link_add_wireguard(d->route, d->name, err);
    if (rc)
        return rc;
    d->ours = true;
    rc = link_find(d->route, d->name, &made, err);
    if (rc == RK_OK) {
        d->ifindex = made.index;
        rc = wg_kernel_new(made.index, &d->kernel, err);
    }
    return rc;
}

static void step_start(void *arg)
{
    struct wg_device *d = arg;
    struct rk_err err = {0};
    struct link made;

    if (wg_uapi_connect(d->socket_path, &d->uapi, &err) == RK_OK &&
        link_find(d->route, d->name, &made, &err) == RK_OK) {
        d->ifindex = made.index;
        report(d, NULL);
        return;
    }
    wg_uapi_free(d->uapi);
    d->uapi = NULL;
    if (rk_loop_now_ms(d->loop) > d->give_up_ms) {
        (void)rk_wrap(&err, "%s does not come up", d->program);
        report(d, &err);
        return;
    }
    rk_timer_start(d->loop, &d->timer, START_POLL_MS, step_start, d);
}

static enum rk_code open_own(struct wg_device *d, struct rk_err *err)
{
    struct wgo_opts o = {.loop = d->loop, .log = d->log, .name = d->name};
    struct link made;
    enum rk_code rc = remove_old_link(d, err);

    if (rc == RK_OK)
        rc = wgo_new(&o, &d->own, err);
    if (rc == RK_OK)
        rc = link_find(d->route, d->name, &made, err);
    if (rc == RK_OK)
        d->ifindex = made.index;
    return rc;
}

static enum rk_code open_daemon(struct wg_device *d, struct rk_err *err)
{
    struct wg_uapi *other = NULL;
    enum rk_code rc;

    if (wg_uapi_connect(d->socket_path, &other, NULL) == RK_OK) {
        wg_uapi_free(other);
        return rk_fail(err, RK_EXISTS,
                       "another process serves %s: stop it or choose another interface name",
                       d->socket_path);
    }
    (void)unlink(d->socket_path); /* stale: nobody answers there */
    rc = remove_old_link(d, err);
    if (rc == RK_OK)
        rc = wg_daemon_start(d->program, d->name, d->socket_dir, &d->pid, &d->pidfd, err);
    if (rc)
        return rc;
    d->ours = true;
    d->pid_start = wg_process_start(d->pid);
    (void)uv_poll_init(rk_loop_uv(d->loop), &d->watch, d->pidfd);
    d->watch.data = d;
    d->watching = true;
    (void)uv_poll_start(&d->watch, UV_READABLE, on_exit_seen);
    d->give_up_ms = rk_loop_now_ms(d->loop) + START_TIMEOUT_MS;
    rk_timer_start(d->loop, &d->timer, START_POLL_MS, step_start, d);
    return RK_OK;
}

static void step_open(void *arg)
{
    struct wg_device *d = arg;
    struct rk_err err = {0};

    if (d->mode == WG_AUTO)
        d->mode = link_wireguard_known(d->route) ? WG_KERNEL : WG_OWN;
    if (d->mode == WG_DAEMON) {
        if (open_daemon(d, &err))
            report(d, &err);
    } else if (d->mode == WG_KERNEL ? open_kernel(d, &err) : open_own(d, &err)) {
        report(d, &err);
    } else {
        report(d, NULL);
    }
}

struct wg_device *wg_device_open(struct rk_loop *loop, const struct wg_open *o,
                                 struct wg_device_user *u)
{
    struct wg_device *d = rk_calloc(1, sizeof *d);
    const char *dir = o->socket_dir ? o->socket_dir : WG_SOCKET_DIR;
    size_t n = strlen(dir) + strlen(o->name) + sizeof "/.sock";

    d->loop = loop;
    d->user = u;
    d->route = o->route;
    d->log = o->log;
    d->mode = o->mode;
    d->pidfd = -1;
    (void)snprintf(d->name, sizeof d->name, "%s", o->name);
    d->program = rk_str_dupz(rk_str_z(o->program && *o->program ? o->program : WG_PROGRAM));
    d->socket_dir = rk_str_dupz(rk_str_z(dir));
    d->socket_path = rk_malloc(n);
    (void)snprintf(d->socket_path, n, "%s/%s.sock", dir, d->name);
    rk_timer_start(loop, &d->timer, 0, step_open, d);
    return d;
}

/* ---- closing */

static void kill_daemon(void *arg)
{
    struct wg_device *d = arg;

    rk_log(d->log, RK_WARN, "wireguard daemon does not end, killing it", kv_i64("pid", d->pid));
    if (d->pid)
        (void)kill(d->pid, SIGKILL);
}

static void finish_close(void *arg)
{
    struct wg_device *d = arg;
    struct wg_device_user *u = d->user;
    struct link left;

    if (d->ours && link_find(d->route, d->name, &left, NULL) == RK_OK)
        RK_IGNORE(link_delete(d->route, left.index, NULL));
    if (d->ours && d->mode == WG_DAEMON)
        (void)unlink(d->socket_path);
    wg_raw_port_close(d->raw);
    wg_kernel_free(d->kernel);
    wg_uapi_free(d->uapi);
    free(d->program);
    free(d->socket_dir);
    free(d->socket_path);
    free(d);
    u->ops->closed(u);
}

static void step_close(void *arg)
{
    struct wg_device *d = arg;

    if (d->pid) {
        (void)kill(d->pid, SIGTERM);
        rk_timer_start(d->loop, &d->timer, STOP_TIMEOUT_MS, kill_daemon, d);
        return; /* on_exit_seen and on_watch_closed come back here */
    }
    if (d->watching)
        return;
    if (d->own)
        wgo_close(d->own, finish_close, d);
    else
        finish_close(d);
}

void wg_device_close(struct wg_device *d)
{
    if (d->phase == CLOSING)
        return;
    d->phase = CLOSING;
    rk_timer_start(d->loop, &d->timer, 0, step_close, d);
}

/* ---- use */

static void tell_hung(void *arg)
{
    struct wg_device *d = arg;
    struct rk_err err = {0};

    (void)rk_fail(&err, RK_TIMEOUT, "%s hangs", d->program);
    if (d->phase == OPEN)
        d->user->ops->lost(d->user, &err);
}

/* A daemon that does not answer for long is given up. */
static enum rk_code watched(struct wg_device *d, enum rk_code rc)
{
    if (rc == RK_TIMEOUT && wg_uapi_silent_ms(d->uapi) > HUNG_MS)
        rk_timer_start(d->loop, &d->timer, 0, tell_hung, d);
    return rc;
}

enum rk_code wg_device_apply(struct wg_device *d, const struct wg_change *c, struct rk_err *err)
{
    if (d->phase != OPEN)
        return rk_fail(err, RK_PRECONDITION, "wireguard device is not open");
    if (d->own)
        return wgo_apply(d->own, c, err);
    return d->mode == WG_KERNEL ? wg_kernel_apply(d->kernel, c, err)
                                : watched(d, wg_uapi_apply(d->uapi, c, err));
}

enum rk_code wg_device_read(struct wg_device *d, struct rk_arena *mem, struct wg_state *out,
                            struct rk_err *err)
{
    if (d->phase != OPEN)
        return rk_fail(err, RK_PRECONDITION, "wireguard device is not open");
    if (d->own)
        return wgo_read(d->own, mem, out, err);
    return d->mode == WG_KERNEL ? wg_kernel_read(d->kernel, mem, out, err)
                                : watched(d, wg_uapi_read(d->uapi, mem, out, err));
}

const char *wg_device_name(const struct wg_device *d)
{
    return d->name;
}

uint32_t wg_device_ifindex(const struct wg_device *d)
{
    return d->ifindex;
}

bool wg_device_is_kernel(const struct wg_device *d)
{
    return d->mode == WG_KERNEL;
}

const char *wg_device_kind(const struct wg_device *d)
{
    return d->own ? "own" : d->mode == WG_KERNEL ? "kernel" : "daemon";
}

enum rk_code wg_device_filter(struct wg_device *d, const struct wgo_filter_rules *r,
                              struct rk_err *err)
{
    if (!d->own)
        return rk_fail(err, RK_PRECONDITION,
                       "a packet filter of our own needs a device of our own (--device own)");
    wgo_filter_rules(d->own, r);
    return RK_OK;
}

enum rk_code wg_device_share(struct wg_device *d, bool no_ipv6, struct wg_port **out,
                             struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct wg_raw_port_opts o = {
        .loop = d->loop, .no_ipv6 = no_ipv6, .kernel = d->mode == WG_KERNEL};
    struct wg_state s = {0};
    enum rk_code rc;

    if (d->own) {
        *out = wgo_port(d->own);
        return RK_OK;
    }
    rc = wg_device_read(d, mem, &s, err);
    if (rc)
        return rc;
    o.number = s.port;
    o.mark = s.mark;
    wg_raw_port_close(d->raw);
    d->raw = NULL;
    rc = wg_raw_port_open(&o, &d->raw, err);
    if (rc == RK_OK)
        *out = d->raw;
    return rc;
}

pid_t wg_device_pid(const struct wg_device *d, uint64_t *start_ticks)
{
    *start_ticks = d->pid_start;
    return d->pid;
}

uint64_t wg_process_start(pid_t pid)
{
    char path[64], text[1024];
    struct rk_str s, field = {0};
    size_t n, end;
    int64_t start = 0;

    (void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    n = rk_file_peek(path, text, sizeof text);
    /* the name in field 2 may hold blanks and brackets: count from the last bracket on */
    for (end = n; end && text[end - 1] != ')'; end--)
        ;
    s = rk_str_trim(rk_str_of(text + end, n - end));
    if (!end || !s.n || s.p[0] == 'Z') /* a zombie only waits for its parent */
        return 0;
    for (int i = 3; i <= 22; i++)
        (void)rk_str_cut(s, ' ', &field, &s);
    return rk_parse_i64(field, 0, INT64_MAX, &start, NULL) ? 0 : (uint64_t)start;
}

static void end_process(pid_t pid, uint64_t start_ticks)
{
    if (pid <= 1 || !start_ticks || wg_process_start(pid) != start_ticks)
        return;
    (void)kill(pid, SIGTERM);
    for (int i = 0; i < 100 && wg_process_start(pid) == start_ticks; i++) {
        if (i == 50)
            (void)kill(pid, SIGKILL);
        (void)usleep(10000);
    }
}

enum rk_code wg_device_clean(struct nl_sock *route, const struct wg_left *left, struct rk_err *err)
{
    struct wg_uapi *other = NULL;
    char path[256];
    struct link l;
    enum rk_code rc;

    end_process(left->pid, left->pid_start);
    (void)snprintf(path, sizeof path, "%s/%s.sock",
                   left->socket_dir ? left->socket_dir : WG_SOCKET_DIR, left->name);
    if (wg_uapi_connect(path, &other, NULL) == RK_OK) {
        wg_uapi_free(other); /* the name has a new owner by now */
        return RK_OK;
    }
    if (left->pid)
        (void)unlink(path);
    rc = link_find(route, left->name, &l, err);
    if (rc == RK_OK && l.index == left->ifindex &&
        (strcmp(l.kind, "wireguard") == 0 || strcmp(l.kind, "tun") == 0))
        rc = link_delete(route, l.index, err);
    return rc == RK_NOT_FOUND ? RK_OK : rc;
}
