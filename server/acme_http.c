/* SPDX-License-Identifier: BSD-3-Clause */
/* HTTP-01 and the redirect to https; see acme_http.h. */
#include "config.h"

#include "server/acme_http.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/net/lsock.h"
#include "lib/net/tcp.h"

enum { CONNS = 64, HEAD_MAX = 4096, CONN_MS = 5000, TOKENS = 16, TEXT_MAX = 256 };

struct conn {
    int fd; /* -1: free */
    int64_t until_ms;
    size_t n;
    char head[HEAD_MAX];
};

struct token {
    char token[TEXT_MAX], answer[TEXT_MAX];
};

struct acme_http {
    int fd, wake;
    char to[TEXT_MAX];
    pthread_t thread;
    pthread_mutex_t lock; /* guards tokens */
    struct token tokens[TOKENS];
    struct conn conns[CONNS];
};

static void conn_close(struct conn *c)
{
    (void)shutdown(c->fd, SHUT_RDWR);
    (void)close(c->fd);
    c->fd = -1;
    c->n = 0;
}

static bool find(struct acme_http *h, struct rk_str token, char out[TEXT_MAX])
{
    bool hit = false;

    (void)pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < TOKENS && !hit; i++)
        if (token.n && rk_str_eqz(token, h->tokens[i].token)) {
            memcpy(out, h->tokens[i].answer, TEXT_MAX);
            hit = true;
        }
    (void)pthread_mutex_unlock(&h->lock);
    return hit;
}

/* A path that may stand in a header: printable, and no way to another host ("//evil"). */
static bool path_ok(struct rk_str path)
{
    if (!path.n || path.p[0] != '/' || (path.n > 1 && (path.p[1] == '/' || path.p[1] == '\\')))
        return false;
    for (size_t i = 0; i < path.n; i++)
        if ((unsigned char)path.p[i] <= ' ' || (unsigned char)path.p[i] >= 0x7f)
            return false;
    return true;
}

static void reply(struct acme_http *h, struct conn *c)
{
    static const char WELL[] = "/.well-known/acme-challenge/";
    struct rk_str line = rk_str_of(c->head, c->n), method, path, rest;
    char out[HEAD_MAX + 512], answer[TEXT_MAX];
    int n;

    line = rk_str_sub(line, 0, rk_str_find_c(line, '\r'));
    (void)rk_str_cut(line, ' ', &method, &rest);
    (void)rk_str_cut(rest, ' ', &path, &rest);
    if (rk_str_starts(path, rk_str_z(WELL)) &&
        find(h, rk_str_sub(path, sizeof WELL - 1, path.n), answer))
        n = snprintf(out, sizeof out,
                     "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                     "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                     strlen(answer), rk_str_eqz(method, "HEAD") ? "" : answer);
    else if (!path_ok(path))
        n = snprintf(out, sizeof out,
                     "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    else
        n = snprintf(out, sizeof out,
                     "HTTP/1.1 308 Permanent Redirect\r\nLocation: %s%.*s\r\nContent-Length: 0\r\n"
                     "Connection: close\r\n\r\n",
                     h->to, RK_STR_ARG(path));
    if (n > 0 && (size_t)n < sizeof out && send(c->fd, out, (size_t)n, MSG_NOSIGNAL) != n)
        return; /* gone, or takes nothing: closed next */
}

static void conn_read(struct acme_http *h, struct conn *c)
{
    ssize_t n = recv(c->fd, c->head + c->n, sizeof c->head - c->n, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        c->n += (size_t)n;
    if (n > 0 && c->n < sizeof c->head &&
        rk_str_find(rk_str_of(c->head, c->n), RK_STR("\r\n\r\n")) == c->n)
        return; /* more to come */
    if (n > 0)
        reply(h, c);
    conn_close(c);
}

/* The oldest one goes when all places are taken. */
static struct conn *place(struct acme_http *h)
{
    struct conn *best = &h->conns[0];

    for (size_t i = 0; i < CONNS; i++) {
        if (h->conns[i].fd < 0)
            return &h->conns[i];
        if (h->conns[i].until_ms < best->until_ms)
            best = &h->conns[i];
    }
    conn_close(best);
    return best;
}

static void take(struct acme_http *h)
{
    int fd = accept4(h->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct conn *c;

    if (fd < 0)
        return;
    c = place(h);
    c->fd = fd;
    c->n = 0;
    c->until_ms = rk_mono_ms() + CONN_MS;
}

static void *http_main(void *arg)
{
    struct acme_http *h = arg;
    struct pollfd p[CONNS + 2];

    for (;;) {
        int64_t now = rk_mono_ms();

        p[0] = (struct pollfd){.fd = h->fd, .events = POLLIN};
        p[1] = (struct pollfd){.fd = h->wake, .events = POLLIN};
        for (size_t i = 0; i < CONNS; i++) {
            if (h->conns[i].fd >= 0 && h->conns[i].until_ms <= now)
                conn_close(&h->conns[i]);
            p[i + 2] = (struct pollfd){.fd = h->conns[i].fd, .events = POLLIN};
        }
        (void)poll(p, CONNS + 2, 1000);
        if (p[1].revents)
            return NULL;
        for (size_t i = 0; i < CONNS; i++)
            if (p[i + 2].revents && h->conns[i].fd == p[i + 2].fd)
                conn_read(h, &h->conns[i]);
        if (p[0].revents)
            take(h);
    }
}

enum rk_code acme_http_new(const struct rk_addr *at, struct rk_str to, struct acme_http **out,
                           struct rk_err *err)
{
    struct acme_http *h;
    int fd = lsock_take(SOCK_STREAM, at);

    if (fd < 0) {
        if (tcp_listen(at, false, &fd, err))
            return RK_UNAVAILABLE;
        lsock_keep(fd);
    }
    h = rk_calloc(1, sizeof *h);

    (void)pthread_mutex_init(&h->lock, NULL);
    if (rk_str_ends(to, RK_STR(":443")))
        to.n -= 4;
    (void)snprintf(h->to, sizeof h->to, "%.*s", RK_STR_ARG(to));
    for (size_t i = 0; i < CONNS; i++)
        h->conns[i].fd = -1;
    h->wake = eventfd(0, EFD_CLOEXEC);
    h->fd = fd;
    if (pthread_create(&h->thread, NULL, http_main, h)) {
        (void)close(h->fd);
        (void)close(h->wake);
        free(h);
        return rk_fail(err, RK_UNAVAILABLE, "no thread for HTTP on port %u", (unsigned)at->port);
    }
    *out = h;
    return RK_OK;
}

void acme_http_free(struct acme_http *h)
{
    uint64_t one = 1;

    if (!h)
        return;
    if (write(h->wake, &one, sizeof one) == (ssize_t)sizeof one)
        (void)pthread_join(h->thread, NULL);
    for (size_t i = 0; i < CONNS; i++)
        if (h->conns[i].fd >= 0)
            conn_close(&h->conns[i]);
    (void)close(h->fd);
    (void)close(h->wake);
    (void)pthread_mutex_destroy(&h->lock);
    free(h);
}

void acme_http_answer(struct acme_http *h, struct rk_str token, struct rk_str answer)
{
    struct token *at = NULL;

    if (!h || !token.n || token.n >= TEXT_MAX || answer.n >= TEXT_MAX)
        return;
    (void)pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < TOKENS; i++)
        if (rk_str_eqz(token, h->tokens[i].token) || (!at && !h->tokens[i].token[0]))
            at = &h->tokens[i];
    if (at) {
        *at = (struct token){0};
        if (answer.n) {
            memcpy(at->token, token.p, token.n);
            memcpy(at->answer, answer.p, answer.n);
        }
    }
    (void)pthread_mutex_unlock(&h->lock);
}
