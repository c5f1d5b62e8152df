/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Syslog: messages of RFC 5424, over UDP (RFC 5426, one each), TCP (RFC 6587, counted) or a local
 * socket. The JSON line is the message. Audit events have facility 13, traffic events local0.
 */
#include "config.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/num.h"
#include "lib/net/addr.h"
#include "management/export/receiver.h"

#define WAIT_S      10
#define BATCH_MAX   ((size_t)16 << 20)
#define INFO        6
#define AUDIT       (13 << 3 | INFO)
#define LOCAL0      (16 << 3 | INFO)
#define HOST_MAX    256
#define DGRAM_LEAST 2048 /* what any receiver should take (RFC 5426) */

struct syslog {
    struct receiver r;
    int type;   /* SOCK_DGRAM or SOCK_STREAM */
    char *host; /* NULL: local */
    char *port; /* or the path of a local socket */
    char self[HOST_MAX];
    int fd; /* -1: not connected */
};

/* ---- connecting */

static enum rk_code connect_to(struct syslog *s, const struct sockaddr *sa, socklen_t n, int family)
{
    struct timeval wait = {.tv_sec = WAIT_S};

    s->fd = socket(family, s->type | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return RK_UNAVAILABLE;
    (void)setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait); /* for connect, too */
    if (connect(s->fd, sa, n) == 0)
        return RK_OK;
    (void)close(s->fd);
    s->fd = -1;
    return RK_UNAVAILABLE;
}

static enum rk_code connect_local(struct syslog *s, struct rk_err *err)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    memcpy(sa.sun_path, s->port, strlen(s->port));
    return connect_to(s, (const struct sockaddr *)&sa, sizeof sa, AF_UNIX)
               ? rk_fail_errno(err, RK_UNAVAILABLE, errno, "syslog %s", s->port)
               : RK_OK;
}

static enum rk_code connect_remote(struct syslog *s, struct rk_err *err)
{
    struct addrinfo hints = {.ai_socktype = s->type}, *list = NULL;
    int why = getaddrinfo(s->host, s->port, &hints, &list);
    enum rk_code rc = RK_UNAVAILABLE;

    if (why)
        return rk_fail(err, RK_UNAVAILABLE, "syslog %s: %s", s->host, gai_strerror(why));
    for (const struct addrinfo *a = list; a && rc; a = a->ai_next)
        rc = connect_to(s, a->ai_addr, a->ai_addrlen, a->ai_family);
    freeaddrinfo(list);
    return rc ? rk_fail_errno(err, rc, errno, "syslog %s:%s", s->host, s->port) : RK_OK;
}

/* ---- messages */

static void put_message(const struct syslog *s, struct rk_buf *b, const struct export_line *l)
{
    char at[RK_TIME_TEXT];

    rk_buf_printf(b, "<%d>1 %.*s %s rookery %d %s - ", l->audit ? AUDIT : LOCAL0,
                  RK_STR_ARG(rk_time_format_us(l->at_us, at)), s->self, (int)getpid(),
                  l->audit ? "audit" : "traffic");
    rk_buf_add(b, l->json);
}

static enum rk_code send_all(struct syslog *s, struct rk_str all, struct rk_err *err)
{
    while (all.n) {
        ssize_t n = send(s->fd, all.p, all.n, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EMSGSIZE && all.n > DGRAM_LEAST) { /* rather cut off than for ever */
            all.n /= 2;
            continue;
        }
        if (n <= 0) {
            (void)rk_fail_errno(err, RK_UNAVAILABLE, errno, "syslog");
            (void)close(s->fd);
            s->fd = -1;
            return RK_UNAVAILABLE;
        }
        all = rk_str_sub(all, (size_t)n, all.n);
    }
    return RK_OK;
}

/* A server that has closed the connection would swallow the first batch unseen. */
static bool is_closed(const struct syslog *s)
{
    char byte;

    return s->type == SOCK_STREAM && recv(s->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

static enum rk_code make_ready(struct syslog *s, struct rk_err *err)
{
    if (s->fd >= 0 && is_closed(s)) {
        (void)close(s->fd);
        s->fd = -1;
    }
    if (s->fd >= 0)
        return RK_OK;
    return s->host ? connect_remote(s, err) : connect_local(s, err);
}

static enum rk_code syslog_bring(struct receiver *r, struct rk_arena *mem,
                                 const struct export_line *v, size_t n, struct rk_err *err)
{
    struct syslog *s = rk_container_of(r, struct syslog, r);
    enum rk_code rc = make_ready(s, err);
    struct rk_buf one, all;

    (void)mem;
    rk_buf_init(&one, BATCH_MAX);
    rk_buf_init(&all, BATCH_MAX);
    for (size_t i = 0; i < n && !rc; i++) {
        rk_buf_clear(&one);
        put_message(s, &one, &v[i]);
        if (s->type == SOCK_DGRAM) {
            rc = send_all(s, rk_buf_str(&one), err);
        } else {
            rk_buf_printf(&all, "%zu ", one.n);
            rk_buf_add(&all, rk_buf_str(&one));
        }
    }
    if (!rc && (one.full || all.full))
        rc = rk_fail(err, RK_PRECONDITION, "a batch of events is too long");
    if (!rc && s->type == SOCK_STREAM)
        rc = send_all(s, rk_buf_str(&all), err);
    rk_buf_done(&one);
    rk_buf_done(&all);
    return rc;
}

/* ---- life */

static void syslog_free(struct receiver *r)
{
    struct syslog *s = rk_container_of(r, struct syslog, r);

    if (s->fd >= 0)
        (void)close(s->fd);
    free(s->host);
    free(s->port);
    free(s);
}

static char *port_text(uint16_t port)
{
    char text[8];

    (void)snprintf(text, sizeof text, "%u", (unsigned)port);
    return rk_str_dupz(rk_str_z(text));
}

/* A socket that is not there yet may come. */
static enum rk_code check_local(const char *where, struct rk_str path, struct rk_err *err)
{
    struct stat st;

    if (!path.n || path.p[0] != '/' || path.n >= sizeof((struct sockaddr_un){0}).sun_path)
        return rk_fail(err, RK_INVALID, "\"%s\": expected unix:/path", where);
    if (stat(path.p, &st) == 0 && !S_ISSOCK(st.st_mode))
        return rk_fail(err, RK_INVALID, "%s is no socket", path.p);
    return RK_OK;
}

enum rk_code receiver_syslog(const char *where, struct receiver **out, struct rk_err *err)
{
    static const struct rk_str udp = {""
                                      "udp://",
                                      6},
                               tcp = {""
                                      "tcp://",
                                      6},
                               local = {""
                                        "unix:",
                                        5};
    struct rk_str w = rk_str_z(where), host = {0}, path;
    uint16_t port = 0;
    bool stream = rk_str_starts(w, tcp);
    struct syslog *s;

    if (rk_str_starts(w, local)) {
        path = rk_str_sub(w, local.n, w.n);
        if (check_local(where, path, err))
            return RK_INVALID;
    } else if ((!stream && !rk_str_starts(w, udp)) ||
               rk_authority_parse(rk_str_sub(w, udp.n, w.n), &host, &port, NULL) || !port) {
        return rk_fail(err, RK_INVALID,
                       "\"%s\": expected udp://host:port, tcp://host:port or unix:/path", where);
    }
    s = rk_calloc(1, sizeof *s);
    s->r = (struct receiver){syslog_bring, syslog_free};
    s->type = stream ? SOCK_STREAM : SOCK_DGRAM;
    s->host = host.n ? rk_str_dupz(host) : NULL;
    s->port = host.n ? port_text(port) : rk_str_dupz(path);
    s->fd = -1;
    if (gethostname(s->self, sizeof s->self - 1) || !s->self[0])
        memcpy(s->self, "-", 2);
    *out = &s->r;
    return RK_OK;
}
