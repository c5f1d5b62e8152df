/* SPDX-License-Identifier: BSD-3-Clause */
/* Both ends of the admin socket; see socket.h. */
#include "config.h"

#include "server/command/socket.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/buf.h"

#define MESSAGE_MAX ((size_t)64 << 20)
#define TIMEOUT_S   10 /* of somebody who connects and says nothing */

struct command_socket {
    struct commands *commands;
    char *path;
    int fd, wake;
    pthread_t thread;
};

static enum rk_code address(const char *path, struct sockaddr_un *to, struct rk_err *err)
{
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof to->sun_path)
        return rk_fail(err, RK_INVALID, "admin socket: the path %s is too long", path);
    memcpy(to->sun_path, path, strlen(path) + 1);
    return RK_OK;
}

static bool send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

static bool send_json(int fd, const json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT);
    bool ok = text && send_all(fd, text, strlen(text)) && send_all(fd, "\n", 1);

    free(text);
    return ok;
}

/* One line; owned. NULL: gone, silent for too long, or not JSON. */
static json_t *receive_json(int fd)
{
    struct rk_buf b;
    json_t *j = NULL;

    rk_buf_init(&b, MESSAGE_MAX);
    for (;;) {
        char *room = rk_buf_room(&b, 65536);
        ssize_t n = room ? recv(fd, room, 65536, 0) : -1;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        rk_buf_added(&b, (size_t)n);
        if (b.p[b.n - 1] == '\n') {
            j = json_loadb(b.p, b.n - 1, 0, NULL);
            break;
        }
    }
    rk_buf_done(&b);
    return j;
}

/* ---- the server's end */

static bool allowed(int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 &&
           (who.uid == 0 || who.uid == geteuid());
}

static void answer(struct command_socket *s, int fd)
{
    struct timeval limit = {.tv_sec = TIMEOUT_S};
    json_t *request = NULL, *out = NULL;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (!allowed(fd)) {
        rk_log(s->commands->log, RK_WARN, "admin socket: somebody else came");
        return;
    }
    request = receive_json(fd);
    if (request) {
        const char *name = json_string_value(json_object_get(request, "command"));

        out = command_run(s->commands, request);
        rk_log(s->commands->log, command_changes(name) ? RK_INFO : RK_DEBUG, "admin command",
               kv_z("command", name ? name : ""),
               kv_bool("ok", json_is_true(json_object_get(out, "ok"))));
        (void)send_json(fd, out);
    }
    json_decref(request);
    json_decref(out);
}

static void *socket_main(void *arg)
{
    struct command_socket *s = arg;

    for (;;) {
        struct pollfd p[2] = {{.fd = s->fd, .events = POLLIN}, {.fd = s->wake, .events = POLLIN}};
        int fd;

        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (p[1].revents)
            return NULL;
        if (!p[0].revents)
            continue;
        fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        answer(s, fd);
        (void)close(fd);
    }
}

enum rk_code command_socket_open(const char *path, struct commands *commands,
                                 struct command_socket **out, struct rk_err *err)
{
    struct command_socket *s;
    struct sockaddr_un at;
    enum rk_code rc = address(path, &at, err);

    if (rc)
        return rc;
    s = rk_calloc(1, sizeof *s);
    s->commands = commands;
    s->path = rk_str_dupz(rk_str_z(path));
    s->wake = eventfd(0, EFD_CLOEXEC);
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)unlink(path); /* of a server that was killed; the store's lock says that none runs */
    if (s->fd < 0 || s->wake < 0 || bind(s->fd, (const struct sockaddr *)&at, sizeof at) ||
        chmod(path, 0600) || listen(s->fd, 16) ||
        pthread_create(&s->thread, NULL, socket_main, s)) {
        rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "admin socket %s", path);
        (void)close(s->fd);
        (void)close(s->wake);
        free(s->path);
        free(s);
        return rc;
    }
    *out = s;
    return RK_OK;
}

void command_socket_close(struct command_socket *s)
{
    uint64_t one = 1;

    if (!s)
        return;
    (void)unlink(s->path);
    if (write(s->wake, &one, sizeof one) == (ssize_t)sizeof one)
        (void)pthread_join(s->thread, NULL);
    (void)close(s->fd);
    (void)close(s->wake);
    free(s->path);
    free(s);
}

/* ---- the command line's end */

enum rk_code command_ask(const char *path, const json_t *request, json_t **out, struct rk_err *err)
{
    struct sockaddr_un to;
    enum rk_code rc = address(path, &to, err);
    int fd;

    if (rc)
        return rc;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "admin socket");
    if (connect(fd, (const struct sockaddr *)&to, sizeof to)) {
        int why = errno;

        (void)close(fd);
        return rk_fail_errno(err,
                             why == ENOENT || why == ECONNREFUSED ? RK_NOT_FOUND
                             : why == EACCES || why == EPERM      ? RK_FORBIDDEN
                                                                  : RK_UNAVAILABLE,
                             why, "admin socket %s", path);
    }
    *out = send_json(fd, request) ? receive_json(fd) : NULL;
    (void)close(fd);
    if (!*out)
        return rk_fail(err, RK_UNAVAILABLE, "the server at %s gave no answer", path);
    return RK_OK;
}
