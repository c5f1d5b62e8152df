/* SPDX-License-Identifier: BSD-3-Clause */
/* The servers of the relay's bench: the bare copier, in a process of its own, and relay programs;
 * see bench.h. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "tests/bench/relay/bench.h"

enum { COPY_BYTES = 64 * 1024 };

static const char *cert_file, *key_file;

void server_files(const char *cert, const char *key)
{
    cert_file = cert;
    key_file = key;
}

int server_listen(uint16_t *port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) ||
        getsockname(fd, (struct sockaddr *)&sa, &n))
        die("listen");
    *port = ntohs(sa.sin_port);
    return fd;
}

static uint16_t free_port(void)
{
    uint16_t port;
    int fd = server_listen(&port);

    (void)close(fd);
    return port;
}

/* ---- the bare copier */

struct copier {
    int ep;
    SSL_CTX *tls;
    struct stream *streams; /* by file descriptor */
    int *partner, waiting;  /* the first of a pair whose second is still to come */
    char buf[COPY_BYTES];
};

SSL_CTX *server_tls(void)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());

    if (!c || SSL_CTX_use_certificate_file(c, cert_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(c, key_file, SSL_FILETYPE_PEM) != 1)
        die("certificate");
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(c, 1);
    SSL_CTX_set_default_read_buffer_len(c, COPY_BYTES);
    (void)SSL_CTX_set_num_tickets(c, 0);
    return c;
}

static void copier_accept(struct copier *c, int listen_fd)
{
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC), on = 1;
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

    if (fd < 0 || fd >= FILES)
        die("accept");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    stream_accepted(&c->streams[fd], fd, c->tls);
    c->partner[fd] = c->waiting;
    if (c->waiting >= 0) {
        c->partner[c->waiting] = fd;
        c->waiting = -1;
    } else {
        c->waiting = fd;
    }
    (void)epoll_ctl(c->ep, EPOLL_CTL_ADD, fd, &e);
}

/* What one of a pair sends, the other receives. */
static void copier_copy(struct copier *c, int fd)
{
    struct stream *s = &c->streams[fd];
    ssize_t n;

    do {
        n = stream_recv(s, c->buf, sizeof c->buf);
        if (n > 0 && c->partner[fd] >= 0)
            stream_send_all(&c->streams[c->partner[fd]], c->buf, (size_t)n);
    } while (n > 0 && s->ssl && SSL_has_pending(s->ssl));
    if (n < 0) {
        if (c->partner[fd] >= 0)
            c->partner[c->partner[fd]] = -1;
        if (c->waiting == fd)
            c->waiting = -1;
        stream_close(s);
    }
}

__attribute__((noreturn)) static void bare_main(int listen_fd, enum kind kind)
{
    static struct copier c;
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listen_fd}, events[64];

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    c.waiting = -1;
    c.streams = calloc(FILES, sizeof *c.streams);
    c.partner = calloc(FILES, sizeof *c.partner);
    c.tls = kind == CLEAR ? NULL : server_tls();
    c.ep = epoll_create1(EPOLL_CLOEXEC);
    if (!c.streams || !c.partner || c.ep < 0 || listen(listen_fd, 1024) ||
        epoll_ctl(c.ep, EPOLL_CTL_ADD, listen_fd, &e))
        die("bare");
    for (;;) {
        int n = epoll_wait(c.ep, events, 64, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listen_fd)
                copier_accept(&c, listen_fd);
            else
                copier_copy(&c, events[i].data.fd);
        }
    }
}

/* ---- relays */

__attribute__((noreturn)) static void exec_relay(const struct server *s)
{
    char address[64], url[64], health[64], metrics[16], many[16];
    int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const char *argv[32];
    size_t n = 0;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)dup2(quiet, STDOUT_FILENO);
    (void)dup2(quiet, STDERR_FILENO);
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", s->port);
    (void)snprintf(url, sizeof url, "rel%s://127.0.0.1:%u", s->kind == CLEAR ? "" : "s", s->port);
    (void)snprintf(health, sizeof health, "127.0.0.1:%u", free_port());
    (void)snprintf(metrics, sizeof metrics, "%u", free_port());
    (void)snprintf(many, sizeof many, "%d", MAX_IDLE + MAX_PAIRS);
    argv[n++] = s->path;
    argv[n++] = "-l", argv[n++] = address;
    argv[n++] = "-e", argv[n++] = url;
    argv[n++] = "-s", argv[n++] = SECRET;
    argv[n++] = "-H", argv[n++] = health;
    argv[n++] = "--metrics-port", argv[n++] = metrics;
    argv[n++] = "--log-level", argv[n++] = "error";
    if (s->kind != CLEAR) {
        argv[n++] = "--tls-cert-file", argv[n++] = cert_file;
        argv[n++] = "--tls-key-file", argv[n++] = key_file;
    }
    if (s->loops)
        argv[n++] = "--loops", argv[n++] = s->loops;
    if (s->many)
        argv[n++] = "--max-connections", argv[n++] = many;
    argv[n] = NULL;
    (void)execv(s->path, (char *const *)(uintptr_t)argv);
    _exit(127);
}

void server_start(struct server *s)
{
    int fd = s->path ? -1 : server_listen(&s->port);
    int64_t until = rk_mono_ms() + 20000;
    struct stream probe;

    if (s->path)
        s->port = free_port();
    s->pid = fork();
    if (s->pid < 0)
        die("fork");
    if (s->pid == 0) {
        if (s->path)
            exec_relay(s);
        bare_main(fd, s->kind);
    }
    if (!s->path) {
        (void)close(fd);
        (void)usleep(50000);
        return;
    }
    while (!stream_open(&probe, s->port, CLEAR)) {
        if (rk_mono_ms() > until)
            die(s->path);
        (void)usleep(20000);
    }
    stream_close(&probe);
}

void server_stop(struct server *s)
{
    (void)kill(s->pid, SIGKILL);
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
