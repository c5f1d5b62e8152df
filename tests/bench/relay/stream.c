/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets of the relay's bench, clear text or TLS 1.3 with one cipher; see bench.h. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/relay/bench.h"

const char *const KIND_NAMES[KINDS] = {"clear", "aes", "chacha"};

static const char *const CIPHERS[KINDS] = {NULL, "TLS_AES_128_GCM_SHA256",
                                           "TLS_CHACHA20_POLY1305_SHA256"};

enum { READ_AHEAD = 64 * 1024, RECORD = 16 * 1024 };

/* Write ciphertext that waits; false while some is left. */
static bool push(struct stream *s)
{
    char *p;
    long n;

    while ((n = BIO_get_mem_data(s->out, &p)) > 0) {
        ssize_t k = send(s->fd, p, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
        char sink[4096];

        if (k < 0 && (errno == EAGAIN || errno == EINTR))
            return false;
        if (k < 0)
            return true; /* the next read says that it is gone */
        if (k == n) {
            (void)BIO_reset(s->out);
            return true;
        }
        while (k > 0)
            k -= BIO_read(s->out, sink, k < (ssize_t)sizeof sink ? (int)k : (int)sizeof sink);
    }
    return true;
}

static void wait_for(const struct stream *s, short events)
{
    struct pollfd pfd = {s->fd, events, 0};

    (void)poll(&pfd, 1, 1000);
}

static void attach(struct stream *s, SSL_CTX *tls)
{
    BIO *in = BIO_new_socket(s->fd, BIO_NOCLOSE);

    s->out = BIO_new(BIO_s_mem());
    s->ssl = SSL_new(tls);
    if (!in || !s->out || !s->ssl)
        die("TLS");
    SSL_set_bio(s->ssl, in, s->out);
}

static SSL_CTX *client_ctx(enum kind kind)
{
    static SSL_CTX *made[KINDS];
    SSL_CTX *c = made[kind];

    if (c)
        return c;
    c = made[kind] = SSL_CTX_new(TLS_client_method());
    if (!c || SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(c, CIPHERS[kind]) != 1)
        die("TLS context");
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(c, 1);
    SSL_CTX_set_default_read_buffer_len(c, READ_AHEAD);
    return c;
}

static void shake_hands(struct stream *s)
{
    int rc;

    while ((rc = SSL_do_handshake(s->ssl)) != 1) {
        if (SSL_get_error(s->ssl, rc) != SSL_ERROR_WANT_READ)
            die("TLS handshake");
        while (!push(s))
            wait_for(s, POLLOUT);
        wait_for(s, POLLIN);
    }
    while (!push(s))
        wait_for(s, POLLOUT);
}

bool stream_open(struct stream *s, uint16_t port, enum kind kind)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1;

    *s = (struct stream){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (s->fd < 0)
        die("socket");
    if (connect(s->fd, (struct sockaddr *)&sa, sizeof sa)) {
        (void)close(s->fd);
        return false;
    }
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (kind != CLEAR) {
        (void)fcntl(s->fd, F_SETFL, O_NONBLOCK);
        attach(s, client_ctx(kind));
        SSL_set_connect_state(s->ssl);
        (void)SSL_set_tlsext_host_name(s->ssl, "localhost");
        shake_hands(s);
    }
    return true;
}

void stream_accepted(struct stream *s, int fd, SSL_CTX *tls)
{
    *s = (struct stream){.fd = fd};
    if (!tls)
        return;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    attach(s, tls);
    SSL_set_accept_state(s->ssl);
}

/* Both ends are in this thread: hands are shaken in turns. */
static void shake_both(struct stream *a, struct stream *b)
{
    int rc_a = 0, rc_b = 0;

    while (rc_a != 1 || rc_b != 1) {
        rc_a = SSL_do_handshake(a->ssl);
        (void)push(a);
        rc_b = SSL_do_handshake(b->ssl);
        (void)push(b);
    }
}

void stream_pair(struct stream *a, struct stream *b, enum kind kind)
{
    uint16_t port;
    int fd = server_listen(&port), on = 1;

    if (listen(fd, 1) || !stream_open(a, port, CLEAR))
        die("listen");
    stream_accepted(b, accept4(fd, NULL, NULL, SOCK_CLOEXEC), kind == CLEAR ? NULL : server_tls());
    (void)close(fd);
    (void)setsockopt(b->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (kind == CLEAR)
        return;
    attach(a, client_ctx(kind));
    SSL_set_connect_state(a->ssl);
    (void)fcntl(a->fd, F_SETFL, O_NONBLOCK);
    (void)fcntl(b->fd, F_SETFL, O_NONBLOCK);
    shake_both(a, b);
}

void stream_close(struct stream *s)
{
    SSL_free(s->ssl);
    (void)close(s->fd);
    *s = (struct stream){.fd = -1};
}

ssize_t stream_send(struct stream *s, const void *p, size_t n)
{
    size_t taken = 0;

    if (!s->ssl) {
        ssize_t k = send(s->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (k < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        return k;
    }
    if (!push(s))
        return 0;
    while (taken < n) { /* whole batches leave in one write */
        int k = SSL_write(s->ssl, (const char *)p + taken,
                          n - taken < RECORD ? (int)(n - taken) : RECORD);

        if (k <= 0)
            return -1;
        taken += (size_t)k;
    }
    (void)push(s);
    return (ssize_t)n;
}

ssize_t stream_recv(struct stream *s, void *p, size_t size)
{
    size_t n = 0;
    int k;

    if (!s->ssl) {
        ssize_t got = recv(s->fd, p, size, MSG_DONTWAIT);

        if (got < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        return got ? got : -1;
    }
    do {
        k = SSL_read(s->ssl, (char *)p + n, (int)(size - n));
        n += k > 0 ? (size_t)k : 0;
    } while (k > 0 && n < size && SSL_has_pending(s->ssl));
    (void)push(s); /* of the handshake */
    return n || SSL_get_error(s->ssl, k) == SSL_ERROR_WANT_READ ? (ssize_t)n : -1;
}

void stream_send_all(struct stream *s, const void *p, size_t n)
{
    while (n) {
        ssize_t k = stream_send(s, p, n);

        if (k < 0)
            die("send");
        p = (const char *)p + k;
        n -= (size_t)k;
        if (!k)
            wait_for(s, POLLOUT);
    }
    while (s->ssl && !push(s))
        wait_for(s, POLLOUT);
}

void stream_recv_all(struct stream *s, void *p, size_t n)
{
    while (n) {
        ssize_t k = stream_recv(s, p, n);

        if (k < 0)
            die("receive");
        p = (char *)p + k;
        n -= (size_t)k;
        if (!k)
            wait_for(s, POLLIN);
    }
}
