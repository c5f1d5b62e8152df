/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /etc/resolv.conf as a plain file: what was there is kept with the agent's state, ours is written,
 * and written again when somebody (a DHCP client, NetworkManager) writes another one, which then is
 * the new original. Others may write at any moment, also between our reading and our writing: what
 * we replace is looked at after the fact.
 */
#include "config.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/dns/host_priv.h"
#include "agent/os/files.h"
#include "lib/base/file.h"
#include "lib/base/ratelimit.h"
#include "lib/net/tcp.h"

#define FILE_MAX  ((size_t)1 << 20)
#define SETTLE_MS 200 /* others write in several steps */
#define TRIES_MAX 5   /* of one writing, while others write */
/* Against somebody who always answers with a file of his own: so often at once, then every half
 * minute. A network that comes up is written down a few times. */
#define AGAIN_BURST       20
#define AGAIN_MILLI_PER_S 33
#define AGAIN_RETRY_MS    5000

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
    struct rk_bucket again; /* written because of others */
};

static bool read_file(const char *path, struct rk_buf *out)
{
    rk_buf_clear(out);
    return rk_file_read(path, 0, out, NULL) == RK_OK;
}

static bool is_ours(struct rk_str text)
{
    struct resolvconf c;

    resolvconf_parse(text, &c);
    return c.ours;
}

/* Programs of this host ask us: it is not an old file of ours, nor another agent's. */
static bool names_us(const struct file *f, struct rk_str text)
{
    struct resolvconf c;

    resolvconf_parse(text, &c);
    return c.ours && c.n_servers && rk_ip_eq(&c.servers[0], &f->server);
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

/* A file that is not ours is the original from now on; without one (there false) nothing is. */
static enum rk_code keep_original(struct file *f, struct rk_str text, bool there,
                                  struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    if (there)
        rc = files_write(f->backup, text, 0644, err);
    else
        (void)unlink(f->backup);
    if (rc == RK_OK)
        remember(f, !there);
    return rc;
}

/* One turn of write_ours: was (*there: a file) stands there as far as we know, or stood there last
 * before ours. *over: it was so; else somebody came between, and was is what he had written. */
static enum rk_code write_once(struct file *f, struct rk_buf *was, bool *there, bool *over,
                               struct rk_err *err)
{
    bool mine = *there && is_ours(rk_buf_str(was));
    struct rk_buf original, ours, stood;
    enum rk_code rc = RK_OK;

    rk_buf_init(&original, FILE_MAX);
    rk_buf_init(&ours, FILE_MAX);
    rk_buf_init(&stood, FILE_MAX);
    if (mine)
        (void)read_file(f->backup, &original);
    else
        rc = keep_original(f, rk_buf_str(was), *there, err);
    resolvconf_write(&f->server, f->search, f->n_search, rk_buf_str(mine ? &original : was),
                     rk_str_z(f->backup), &ours);
    *over = *there && rk_str_eq(rk_buf_str(was), rk_buf_str(&ours));
    if (rc == RK_OK && !*over) {
        bool stood_there;

        rc = files_exchange(f->path, rk_buf_str(&ours), 0644, &stood, &stood_there, err);
        *over = stood_there ? is_ours(rk_buf_str(&stood)) ||
                                  (*there && rk_str_eq(rk_buf_str(&stood), rk_buf_str(was)))
                            : !*there;
        *there = stood_there;
        rk_buf_clear(was);
        rk_buf_add(was, rk_buf_str(&stood));
    }
    rk_buf_done(&original);
    rk_buf_done(&ours);
    rk_buf_done(&stood);
    return rc;
}

static enum rk_code write_ours(struct file *f, struct rk_err *err)
{
    enum rk_code rc = RK_OK;
    bool over = false, there;
    struct rk_buf was;

    rk_buf_init(&was, FILE_MAX);
    there = read_file(f->path, &was);
    for (int i = 0; rc == RK_OK && !over && i < TRIES_MAX; i++)
        rc = write_once(f, &was, &there, &over, err);
    rk_buf_done(&was);
    return rc;
}

/* ---- watching */

static void look_again(void *arg)
{
    struct file *f = arg;
    struct rk_buf text;
    struct rk_err err = {0};
    bool stands;

    rk_buf_init(&text, FILE_MAX);
    stands = read_file(f->path, &text) && names_us(f, rk_buf_str(&text));
    rk_buf_done(&text);
    if (stands)
        return;
    if (!rk_bucket_take(&f->again, rk_loop_now_ms(f->o.loop), AGAIN_MILLI_PER_S, AGAIN_BURST)) {
        rk_timer_start(f->o.loop, &f->timer, AGAIN_RETRY_MS, look_again, f);
        return;
    }
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
    char buf[4096];

    while (read(w->fd, buf, sizeof buf) > 0)
        ;           /* which file it was does not matter: ours is looked at */
    add_watches(f); /* a replaced file is another one */
    if (!f->timer)
        rk_timer_start(f->o.loop, &f->timer, SETTLE_MS, look_again, f);
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

static void move_text(struct rk_buf *to, const struct rk_buf *from)
{
    rk_buf_clear(to);
    rk_buf_add(to, rk_buf_str(from));
}

/* put into the file, for ours. When that replaces what somebody wrote just now, his comes back. */
static enum rk_code replace_ours(const char *path, struct rk_buf *put, struct rk_err *err)
{
    enum rk_code rc = RK_OK;
    struct rk_buf before, was; /* before: what we put there the last time */
    bool over = false, there;

    rk_buf_init(&before, FILE_MAX);
    rk_buf_init(&was, FILE_MAX);
    for (int i = 0; rc == RK_OK && !over && i < TRIES_MAX; i++) {
        rc = files_exchange(path, rk_buf_str(put), 0644, &was, &there, err);
        over = !there || is_ours(rk_buf_str(&was)) ||
               (i && rk_str_eq(rk_buf_str(&was), rk_buf_str(&before)));
        move_text(&before, put);
        move_text(put, &was);
    }
    rk_buf_done(&before);
    rk_buf_done(&was);
    return rc;
}

static enum rk_code remove_ours(const char *path, struct rk_buf *text, struct rk_err *err)
{
    enum rk_code rc = files_take(path, text, err);

    if (rc == RK_OK && text->n && !is_ours(rk_buf_str(text)))
        rc = replace_ours(path, text, err);
    return rc;
}

static enum rk_code restore(const char *path, const char *backup, bool absent, struct rk_err *err)
{
    struct rk_buf text;
    enum rk_code rc = RK_OK;

    rk_buf_init(&text, FILE_MAX);
    if (read_file(path, &text) && is_ours(rk_buf_str(&text))) { /* else somebody has set it since */
        if (read_file(backup, &text))
            rc = replace_ours(path, &text, err);
        else if (absent)
            rc = remove_ours(path, &text, err);
        else
            rc = rk_fail(err, RK_NOT_FOUND, "%s is gone, %s is left as it is", backup, path);
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
