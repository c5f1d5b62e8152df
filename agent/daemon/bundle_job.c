/* SPDX-License-Identifier: BSD-3-Clause */
/* The child that makes a bundle; see bundle_job.h. */
#include "config.h"

#include "agent/daemon/bundle_job.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/loop_uv.h"

#define OUTPUT_MAX ((size_t)64 << 10)
#define ARGS_MAX   20
#define FOR_MAX    60 /* minutes */
#define KEY_LINE   "Upload file key:\n"
#define FILE_LINE  "Local file:\n"

struct bundle_job {
    struct bundle_job_user *user; /* NULL: nobody waits any more */
    struct rk_log *log;
    struct rk_arena *mem;
    struct rk_str id;
    uv_process_t process;
    uv_pipe_t pipe;
    struct rk_buf out;
    bool exited, read_all;
    int64_t status;
    unsigned handles;
};

/* The line behind a heading; empty: it is not there. */
static struct rk_str line_after(struct rk_str text, const char *heading)
{
    size_t at = rk_str_find(text, rk_str_z(heading));
    struct rk_str line = {0}, rest;

    if (at < text.n)
        (void)rk_str_cut(rk_str_sub(text, at + strlen(heading), text.n), '\n', &line, &rest);
    return line;
}

static void on_handle_closed(uv_handle_t *h)
{
    struct bundle_job *j = h->data;

    if (--j->handles)
        return;
    rk_buf_done(&j->out);
    rk_arena_free(j->mem);
    free(j);
}

static void finish(struct bundle_job *j)
{
    struct rk_str text = rk_buf_str(&j->out), key, file;
    struct bundle_job_user *u = j->user;

    if (!j->exited || !j->read_all)
        return;
    key = line_after(text, KEY_LINE);
    file = line_after(text, FILE_LINE);
    if (file.n)
        (void)unlink(rk_arena_dupz(j->mem, file)); /* it is where it should be, or never will be */
    if (u && j->status == 0 && key.n)
        u->done(u, j->id, rk_arena_dupz(j->mem, key), "");
    else if (u)
        u->done(u, j->id, NULL, rk_arena_dupz(j->mem, rk_str_trim(text)));
    uv_close((uv_handle_t *)&j->process, on_handle_closed);
    uv_close((uv_handle_t *)&j->pipe, on_handle_closed);
}

static void on_exit_status(uv_process_t *p, int64_t status, int number RK_UNUSED)
{
    struct bundle_job *j = p->data;

    j->exited = true;
    j->status = number ? -1 : status;
    finish(j);
}

static void on_alloc(uv_handle_t *h, size_t size RK_UNUSED, uv_buf_t *out)
{
    struct bundle_job *j = h->data;
    char *room = rk_buf_room(&j->out, 4096);

    *out = room ? uv_buf_init(room, 4096) : uv_buf_init(NULL, 0);
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *buf RK_UNUSED)
{
    struct bundle_job *j = h->data;

    if (n >= 0) {
        rk_buf_added(&j->out, (size_t)n);
        return;
    }
    (void)uv_read_stop(h);
    j->read_all = true;
    finish(j);
}

static size_t arguments(struct bundle_job *j, const struct daemon_opts *d,
                        const Management__BundleParameters *p, const char **argv)
{
    bool wait = p->bundle_for && p->bundle_for_time > 0 && p->bundle_for_time <= FOR_MAX;
    size_t n = 0;

    argv[n++] = "rook";
    argv[n++] = "debug";
    argv[n++] = wait ? "for" : "bundle";
    if (wait)
        argv[n++] = rk_arena_printf(j->mem, "%lldm", (long long)p->bundle_for_time).p;
    argv[n++] = rk_arena_printf(j->mem, "--daemon-addr=%.*s", RK_STR_ARG(d->daemon_addr)).p;
    argv[n++] = "--upload-bundle";
    argv[n++] = rk_arena_printf(j->mem, "--upload-bundle-url=%.*s", RK_STR_ARG(d->upload_url)).p;
    if (rk_str_istarts(d->upload_url, RK_STR("http://"))) /* who runs the daemon wants it so */
        argv[n++] = "--upload-bundle-insecure";
    argv[n++] = rk_arena_printf(
                    j->mem, "--log-file-count=%d",
                    p->log_file_count > 0 && p->log_file_count <= 100 ? (int)p->log_file_count : 1)
                    .p;
    if (p->anonymize)
        argv[n++] =
            strcmp(p->anonymize_level, "") == 0 || strcmp(p->anonymize_level, "default") == 0
                ? "--anonymize"
                : "--anonymize-level=strict"; /* also for levels that we do not know */
    argv[n] = NULL;
    return n;
}

enum rk_code bundle_job_start(struct rk_loop *loop, struct rk_log *log, const struct daemon_opts *d,
                              struct rk_str id, const Management__BundleParameters *p,
                              struct bundle_job_user *user, struct bundle_job **out,
                              struct rk_err *err)
{
    uv_loop_t *uv = rk_loop_uv(loop);
    const char *argv[ARGS_MAX];
    uv_stdio_container_t io[3] = {{.flags = UV_IGNORE}};
    uv_process_options_t o = {
        .file = "/proc/self/exe", .exit_cb = on_exit_status, .stdio_count = 3};
    struct bundle_job *j;
    int rc;

    if (!d->upload_url.n)
        return rk_fail(err, RK_PRECONDITION,
                       "this agent uploads bundles only to a service that its own configuration "
                       "names: --job-upload-url of \"rook service run\"");
    j = rk_calloc(1, sizeof *j);
    j->user = user;
    j->log = log;
    j->mem = rk_arena_new(0);
    j->id = rk_arena_dup(j->mem, id);
    j->handles = 2;
    rk_buf_init(&j->out, OUTPUT_MAX);
    (void)arguments(j, d, p, argv);
    o.args = (char **)(uintptr_t)argv;
    (void)uv_pipe_init(uv, &j->pipe, 0);
    j->pipe.data = j->process.data = j;
    io[1].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
    io[1].data.stream = (uv_stream_t *)&j->pipe;
    io[2].flags = UV_INHERIT_FD;
    io[2].data.fd = STDERR_FILENO;
    o.stdio = io;
    rc = uv_spawn(uv, &j->process, &o);
    if (rc) { /* the handle is to be closed nevertheless */
        uv_close((uv_handle_t *)&j->process, on_handle_closed);
        uv_close((uv_handle_t *)&j->pipe, on_handle_closed);
        return rk_fail(err, RK_INTERNAL, "start this program anew: %s", uv_strerror(rc));
    }
    (void)uv_read_start((uv_stream_t *)&j->pipe, on_alloc, on_read);
    *out = j;
    return RK_OK;
}

void bundle_job_cancel(struct bundle_job *j)
{
    if (!j)
        return;
    j->user = NULL;
    (void)uv_process_kill(&j->process, SIGKILL); /* its end closes the handles */
}
