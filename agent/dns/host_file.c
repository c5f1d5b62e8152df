/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /etc/resolv.conf as a plain file: what was there is kept with the agent's state, ours is written,
 * and written again when somebody (a DHCP client) writes another one, which then is the new
 * original.
 */
#include "config.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/dns/host_priv.h"
#include "agent/os/files.h"
#include "lib/base/file.h"
#include "lib/base/num.h"
#include "lib/net/tcp.h"

#define FILE_MAX   ((size_t)1 << 20)
#define SETTLE_MS  200   /* others write in several steps */
#define SLOWEST_MS 30000 /* against somebody who writes as often as we do */

struct file {
    struct dns_host_way way;
    struct dns_host_opts o;
    const char *path, *backup;
    struct rk_ip server;
    struct rk_arena *mem; /* of search */
    struct rk_str search[RESOLVCONF_SEARCH_MAX];
    size_t n_search;
    struct tcp_watch watch;
    bool watching, ended;
    struct rk_timer *timer;
    int64_t settle_ms, written_ms;
};

static bool read_file(const char *path, struct rk_buf *out)
{
    rk_buf_clear(out);
    return rk_file_read(path, 0, out, NULL) == RK_OK;
}

static bool is_ours(const struct rk_buf *text)
{
    struct resolvconf c;

    resolvconf_parse(rk_buf_str(text), &c);
    return c.ours;
}

/* ---- writing */

static void remember(struct file *f, bool absent)
{
    char text[RK_ADDR_TEXT];

    (void)rk_ip_format(&f->server, text);
    state_set(f->o.state, STATE_DNS,
              json_pack("{s:s,s:s,s:s,s:s,s:s,s:b}", "ManagerType",
                        dns_host_kind_name(DNS_HOST_FILE), "DNSAddress", text, "WgIface",
                        f->o.iface, "File", f->path, "Backup", f->backup, "Absent", absent));
}

/* A file that is not ours is the original from now on. */
static enum rk_code keep_original(struct file *f, struct rk_buf *text, struct rk_err *err)
{
    bool there = read_file(f->path, text);
    enum rk_code rc;

    if (there && is_ours(text)) {
        (void)read_file(f->backup, text);
        return RK_OK;
    }
    if (!there) {
        rk_buf_clear(text);
        (void)unlink(f->backup);
    } else {
        rc = files_write(f->backup, rk_buf_str(text), 0644, err);
        if (rc)
            return rc;
    }
    remember(f, !there);
    return RK_OK;
}

static enum rk_code write_ours(struct file *f, struct rk_err *err)
{
    struct rk_buf original, ours, now;
    enum rk_code rc;

    rk_buf_init(&original, FILE_MAX);
    rk_buf_init(&ours, FILE_MAX);
    rk_buf_init(&now, FILE_MAX);
    rc = keep_original(f, &original, err);
    if (rc == RK_OK) {
        resolvconf_write(&f->server, f->search, f->n_search, rk_buf_str(&original),
                         rk_str_z(f->backup), &ours);
        if (!read_file(f->path, &now) || !rk_str_eq(rk_buf_str(&now), rk_buf_str(&ours)))
            rc = files_write_through(f->path, rk_buf_str(&ours), 0644, err);
    }
    rk_buf_done(&original);
    rk_buf_done(&ours);
    rk_buf_done(&now);
    return rc;
}

/* ---- watching */

static void look_again(void *arg)
{
    struct file *f = arg;
    struct rk_buf text;
    struct rk_err err = {0};
    bool same;

    rk_buf_init(&text, FILE_MAX);
    same = read_file(f->path, &text) && is_ours(&text);
    rk_buf_done(&text);
    if (same)
        return;
    rk_log(f->o.log, RK_INFO, "somebody changed the name servers of this host, set again",
           kv_z("file", f->path));
    if (write_ours(f, &err))
        rk_log(f->o.log, RK_WARN, "name servers are not set again", KV_ERR(&err));
}

static void add_watches(struct file *f)
{
    RK_CLEANUP(rk_freep) char *real = realpath(f->path, NULL);
    RK_CLEANUP(rk_freep) char *dir = rk_str_dupz(rk_str_z(real ? real : f->path));
    RK_CLEANUP(rk_freep) char *link_dir = rk_str_dupz(rk_str_z(f->path));

    /* the folder for replacing, the file for writing into it, the link for another target */
    (void)inotify_add_watch(f->watch.fd, dirname(dir), IN_MOVED_TO | IN_CREATE | IN_DELETE);
    (void)inotify_add_watch(f->watch.fd, dirname(link_dir), IN_MOVED_TO | IN_CREATE | IN_DELETE);
    (void)inotify_add_watch(f->watch.fd, f->path, IN_CLOSE_WRITE | IN_MODIFY | IN_DELETE_SELF);
}

static void on_change(struct tcp_watch *w, bool readable RK_UNUSED, bool writable RK_UNUSED)
{
    struct file *f = rk_container_of(w, struct file, watch);
    int64_t now = rk_loop_now_ms(f->o.loop);
    char buf[4096];

    while (read(w->fd, buf, sizeof buf) > 0)
        ;           /* which file it was does not matter: ours is looked at */
    add_watches(f); /* a replaced file is another one */
    if (f->timer)
        return;
    f->settle_ms =
        now - f->written_ms > SLOWEST_MS ? SETTLE_MS : rk_min_i64(f->settle_ms * 2, SLOWEST_MS);
    f->written_ms = now;
    rk_timer_start(f->o.loop, &f->timer, f->settle_ms, look_again, f);
}

static void file_free(struct file *f)
{
    rk_arena_free(f->mem);
    free(f);
}

static void on_watch_closed(struct tcp_watch *w)
{
    file_free(rk_container_of(w, struct file, watch));
}

static void start_watch(struct file *f)
{
    struct rk_err err = {0};
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    if (fd < 0 || tcp_watch_init(f->o.loop, &f->watch, fd, &err)) {
        rk_log(f->o.log, RK_WARN, "changes of the name servers by others go unnoticed");
        return;
    }
    f->watching = true;
    f->watch.ready = on_change;
    f->watch.closed = on_watch_closed;
    add_watches(f);
    tcp_watch_set(&f->watch, true, false);
}

/* ---- the way */

static enum rk_code apply(struct dns_host_way *w, const struct dns_host_config *c,
                          struct rk_err *err)
{
    struct file *f = rk_container_of(w, struct file, way);
    struct rk_str search[RESOLVCONF_SEARCH_MAX];
    size_t n = dns_host_search(c, search, RK_ARRAY_LEN(search));
    enum rk_code rc;

    rk_arena_reset(f->mem);
    f->n_search = n;
    for (size_t i = 0; i < n; i++)
        f->search[i] = rk_arena_dup(f->mem, search[i]);
    f->server = c->server.ip;
    rc = write_ours(f, err);
    if (rc == RK_OK && !f->watching)
        start_watch(f);
    return rc;
}

static enum rk_code restore(const char *path, const char *backup, bool absent, struct rk_err *err)
{
    struct rk_buf text;
    enum rk_code rc = RK_OK;

    rk_buf_init(&text, FILE_MAX);
    if (read_file(path, &text) && is_ours(&text)) { /* else somebody else has set it since */
        if (read_file(backup, &text))
            rc = files_write_through(path, rk_buf_str(&text), 0644, err);
        else if (!absent)
            rc = rk_fail(err, RK_NOT_FOUND, "%s is gone, %s is left as it is", backup, path);
        else if (unlink(path) != 0 && errno != ENOENT)
            rc = rk_fail_errno(err, RK_INTERNAL, errno, "remove %s", path);
    }
    rk_buf_done(&text);
    if (rc == RK_OK)
        (void)unlink(backup);
    return rc;
}

static void end(struct dns_host_way *w)
{
    struct file *f = rk_container_of(w, struct file, way);
    bool absent = json_is_true(json_object_get(state_get(f->o.state, STATE_DNS), "Absent"));
    struct rk_err err = {0};

    rk_timer_cancel(&f->timer);
    if (state_get(f->o.state, STATE_DNS)) {
        if (restore(f->path, f->backup, absent, &err))
            rk_log(f->o.log, RK_WARN, "name servers of this host are not given back", KV_ERR(&err));
        else
            state_set(f->o.state, STATE_DNS, NULL);
    }
    if (f->watching)
        tcp_watch_close(&f->watch);
    else
        file_free(f);
}

struct dns_host_way *dns_host_file_new(const struct dns_host_opts *o)
{
    struct file *f = rk_calloc(1, sizeof *f);

    f->way = (struct dns_host_way){.apply = apply, .end = end};
    f->o = *o;
    f->path = dns_resolver_file(o->resolver);
    f->backup = dns_resolver_backup(o->resolver);
    f->mem = rk_arena_new(0);
    f->settle_ms = SETTLE_MS;
    return &f->way;
}

enum rk_code dns_host_file_recover(const json_t *v, struct rk_err *err)
{
    const char *path = json_string_value(json_object_get(v, "File"));
    const char *backup = json_string_value(json_object_get(v, "Backup"));

    if (!path || !backup)
        return RK_OK; /* no record of ours */
    return restore(path, backup, json_is_true(json_object_get(v, "Absent")), err);
}
