/* SPDX-License-Identifier: BSD-3-Clause */
/* Control socket; see server.h. A connection is one request: read a line, answer a line, close. */
#include "config.h"

#include "agent/control/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/control/proto.h"
#include "agent/os/files.h"
#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/base/loop_uv.h"
#include "lib/crypto/secret.h"

/* Commands are short-lived; more at once are somebody's mistake. */
#define CONNS_MAX 64

/* A command sends its line at once and takes its answer at once. Without a limit any local user
 * could hold all connections open. */
#define SILENCE_MS 5000

struct ctl_server {
    struct rk_loop *loop;
    struct rk_log *log;
    struct ctl_user *user;
    char *path;
    uv_pipe_t listener;
    struct rk_list conns;
    size_t n_conns;
    bool closing;
    bool listener_closed;
};

struct ctl_req { /* one connection */
    struct rk_list link;
    struct ctl_server *s;
    uv_pipe_t pipe;
    uv_write_t write;
    struct rk_buf in;
    char *out; /* the answer */
    json_t *msg;
    struct rk_timer *silence; /* while we wait for the request, or for the answer to be taken */
    uid_t uid;
    bool asked;    /* the owner has it */
    bool answered; /* nothing more is read */
    bool closing;
};

static void server_free(struct ctl_server *s)
{
    if (!s->closing || !s->listener_closed || !rk_list_empty(&s->conns))
        return;
    free(s->path);
    free(s);
}

static void on_conn_closed(uv_handle_t *h)
{
    struct ctl_req *r = h->data;
    struct ctl_server *s = r->s;

    rk_list_remove(&r->link);
    s->n_conns--;
    rk_secret_wipe(r->in.p, r->in.n); /* a setup key may be in it */
    rk_buf_done(&r->in);
    json_decref(r->msg);
    free(r->out);
    free(r);
    server_free(s);
}

static void conn_close(struct ctl_req *r)
{
    if (r->closing)
        return;
    r->closing = true;
    rk_timer_cancel(&r->silence);
    if (r->asked && !r->answered && !r->s->closing)
        r->s->user->ops->gone(r->s->user, r);
    uv_close((uv_handle_t *)&r->pipe, on_conn_closed);
}

static void on_silence(void *arg)
{
    conn_close(arg);
}

static void on_written(uv_write_t *w, int status RK_UNUSED)
{
    struct ctl_req *r = w->data;

    conn_close(r);
}

static void answer(struct ctl_req *r, json_t *msg)
{
    char *text = json_dumps(msg, JSON_COMPACT);
    size_t n = text ? strlen(text) : 0;
    uv_buf_t b;

    json_decref(msg);
    if (r->answered || r->closing || !text) {
        free(text);
        return;
    }
    r->answered = true;
    r->out = rk_malloc(n + 1);
    memcpy(r->out, text, n);
    r->out[n] = '\n';
    free(text);
    b = uv_buf_init(r->out, (unsigned)(n + 1));
    r->write.data = r;
    rk_timer_start(r->s->loop, &r->silence, SILENCE_MS, on_silence, r);
    if (uv_write(&r->write, (uv_stream_t *)&r->pipe, &b, 1, on_written))
        conn_close(r);
}

void ctl_reply(struct ctl_req *r, json_t *result)
{
    answer(r, json_pack("{s:b,s:o}", "ok", 1, "result", result ? result : json_object()));
}

void ctl_fail(struct ctl_req *r, const struct rk_err *err)
{
    answer(r,
           json_pack("{s:b,s:s,s:s}", "ok", 0, "code", rk_code_name(err->code), "error", err->msg));
}

uid_t ctl_uid(const struct ctl_req *r)
{
    return r->uid;
}

static void refuse(struct ctl_req *r, enum rk_code code, const char *text)
{
    struct rk_err err = {0};

    (void)rk_fail(&err, code, "%s", text);
    ctl_fail(r, &err);
}

static void take_line(struct ctl_req *r, size_t n)
{
    const char *call;
    json_t *args;

    rk_timer_cancel(&r->silence); /* the owner may take its time */
    r->msg = json_loadb(r->in.p, n, 0, NULL);
    call = json_string_value(json_object_get(r->msg, "call"));
    args = json_object_get(r->msg, "args");
    if (!call || (args && !json_is_object(args))) {
        refuse(r, RK_BAD_REQUEST, "not a request of a rook command");
        return;
    }
    if (!args) {
        args = json_object();
        (void)json_object_set_new(r->msg, "args", args);
    }
    r->asked = true;
    r->s->user->ops->request(r->s->user, r, call, args);
}

static void on_alloc(uv_handle_t *h, size_t size RK_UNUSED, uv_buf_t *out)
{
    struct ctl_req *r = h->data;
    char *room = rk_buf_room(&r->in, 4096);

    *out = room ? uv_buf_init(room, 4096) : uv_buf_init(NULL, 0); /* read fails with ENOBUFS */
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *buf RK_UNUSED)
{
    struct ctl_req *r = h->data;
    size_t end;

    if (n == UV_ENOBUFS && !r->asked) {
        (void)uv_read_stop(h);
        refuse(r, RK_LIMIT, "request is too long");
        return;
    }
    if (n < 0) {
        conn_close(r);
        return;
    }
    rk_buf_added(&r->in, (size_t)n);
    if (r->asked || r->answered)
        return; /* only to notice the end of the connection */
    end = rk_str_find_c(rk_buf_str(&r->in), '\n');
    if (end < r->in.n)
        take_line(r, end);
}

static uid_t peer_uid(uv_pipe_t *pipe)
{
    struct ucred cred;
    socklen_t len = sizeof cred;
    int fd;

    if (uv_fileno((const uv_handle_t *)pipe, &fd) ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
        return (uid_t)-1;
    return cred.uid;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct ctl_server *s = listener->data;
    struct ctl_req *r;

    if (status < 0 || s->closing)
        return;
    r = rk_calloc(1, sizeof *r);
    r->s = s;
    r->uid = (uid_t)-1;
    rk_buf_init(&r->in, CTL_LINE_MAX_BYTES);
    (void)uv_pipe_init(rk_loop_uv(s->loop), &r->pipe, 0);
    r->pipe.data = r;
    rk_list_push_back(&s->conns, &r->link);
    s->n_conns++;
    if (uv_accept(listener, (uv_stream_t *)&r->pipe) || s->n_conns > CONNS_MAX ||
        uv_read_start((uv_stream_t *)&r->pipe, on_alloc, on_read)) {
        conn_close(r);
        return;
    }
    r->uid = peer_uid(&r->pipe);
    rk_timer_start(s->loop, &r->silence, SILENCE_MS, on_silence, r);
}

/* Somebody answers on the path? */
static bool alive(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool yes;

    if (fd < 0)
        return false;
    memcpy(sa.sun_path, path, strlen(path) + 1);
    yes = connect(fd, (const struct sockaddr *)&sa, sizeof sa) == 0 || errno == EAGAIN;
    (void)close(fd);
    return yes;
}

static enum rk_code make_folder(const char *path, struct rk_err *err)
{
    RK_CLEANUP(rk_freep) char *dir = rk_str_dupz(rk_str_z(path));
    char *slash = strrchr(dir, '/');
    struct stat st;
    enum rk_code rc;

    if (!slash || slash == dir)
        return RK_OK;
    *slash = '\0';
    if (stat(dir, &st) == 0)
        return RK_OK;
    rc = files_mkdir(dir, err);
    if (rc == RK_OK)
        (void)chmod(dir, 0755); /* commands of other users reach the socket */
    return rc;
}

static void on_listener_closed(uv_handle_t *h)
{
    struct ctl_server *s = h->data;

    s->listener_closed = true;
    server_free(s);
}

enum rk_code ctl_server_open(struct rk_loop *loop, struct rk_log *log, const char *path,
                             struct ctl_user *user, struct ctl_server **out, struct rk_err *err)
{
    struct ctl_server *s;
    enum rk_code code;
    int rc;

    if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return rk_fail(err, RK_INVALID, "socket path %s is too long", path);
    if (alive(path))
        return rk_fail(err, RK_EXISTS,
                       "another daemon serves %s: end it (\"rook service stop\"), or give this one "
                       "its own --daemon-addr, --state-dir and --interface-name",
                       path);
    code = make_folder(path, err);
    if (code)
        return code;
    (void)unlink(path);
    s = rk_calloc(1, sizeof *s);
    s->loop = loop;
    s->log = log;
    s->user = user;
    s->path = rk_str_dupz(rk_str_z(path));
    rk_list_init(&s->conns);
    (void)uv_pipe_init(rk_loop_uv(loop), &s->listener, 0);
    s->listener.data = s;
    rc = uv_pipe_bind(&s->listener, path);
    if (!rc)
        rc = uv_listen((uv_stream_t *)&s->listener, 16, on_connection);
    if (rc) {
        s->closing = true;
        uv_close((uv_handle_t *)&s->listener, on_listener_closed);
        return rk_fail(err, RK_INTERNAL, "listen on %s: %s", path, uv_strerror(rc));
    }
    (void)chmod(path, 0666); /* who may do what is decided by the caller's user id */
    *out = s;
    return RK_OK;
}

void ctl_server_close(struct ctl_server *s)
{
    if (!s || s->closing)
        return;
    s->closing = true;
    (void)unlink(s->path);
    uv_close((uv_handle_t *)&s->listener, on_listener_closed);
    RK_LIST_FOR_EACH_SAFE (it, &s->conns) {
        struct ctl_req *r = rk_container_of(it, struct ctl_req, link);

        if (!r->answered)
            conn_close(r);
    }
}
