/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Load for a STUN server over loopback; tests/bench/stun.sh starts servers for it. Many clients (a
 * socket each), one request at a time from each in turn, so that the server finds as many senders
 * in a batch as it would among strangers. Counted are answers that carry the right address.
 *
 *   stun NAME PID ADDRESS PORT [SECONDS]
 *   stun bare PORT        the limit: takes datagrams in batches and sends as many bytes as an
 * answer has back, from whatever address, and looks at nothing
 *
 * The load shares the processors with the server: its CPU time per answer says most.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/net/stun.h"

enum {
    CLIENTS = 256,
    WINDOW = 4, /* requests under way per client */
    WARM_NS = 300000000,
    LOST_MS = 200,    /* silence after which all under way count as lost */
    CHECK_EVERY = 64, /* answers are decoded whole as often */
};

struct client {
    int fd;
    struct rk_addr self;
    unsigned under_way;
};

static struct client clients[CLIENTS];
static uint64_t received, lost;
static bool checked; /* not of the bare one */

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t = {0};

    (void)clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void client_open(struct client *c, const struct rk_addr *server)
{
    struct sockaddr_storage ss;
    socklen_t n = rk_addr_to_sa(server, &ss);

    c->fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&ss, n))
        die("connect");
    n = sizeof ss;
    if (getsockname(c->fd, (struct sockaddr *)&ss, &n) ||
        rk_addr_from_sa((struct sockaddr *)&ss, &c->self, NULL))
        die("own address");
}

static void ask(struct client *c)
{
    static uint8_t request[STUN_HEADER_SIZE] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};

    if (send(c->fd, request, sizeof request, 0) == (ssize_t)sizeof request)
        c->under_way++;
    else if (errno != EAGAIN && errno != ENOBUFS)
        die("send");
}

static void take(struct client *c)
{
    char bytes[512];
    ssize_t n;

    while (c->under_way && (n = recv(c->fd, bytes, sizeof bytes, 0)) > 0) {
        struct stun_msg m;

        if (received++ % CHECK_EVERY == 0 && checked &&
            (stun_decode(rk_str_of(bytes, (size_t)n), &m, NULL) || m.cls != STUN_SUCCESS ||
             !rk_addr_eq(&m.mapped, &c->self))) {
            (void)fprintf(stderr, "bench: a wrong answer\n");
            exit(EXIT_FAILURE);
        }
        c->under_way--;
    }
}

/* One round trip of the load: who was answered asks again. */
static void turn(int ep)
{
    struct epoll_event events[CLIENTS];
    int n = epoll_wait(ep, events, CLIENTS, LOST_MS);

    if (n == 0) { /* datagrams were dropped */
        for (size_t i = 0; i < CLIENTS; i++) {
            lost += clients[i].under_way;
            clients[i].under_way = 0;
        }
    }
    for (int i = 0; i < n; i++)
        take(&clients[events[i].data.u32]);
    for (unsigned w = 0; w < WINDOW; w++)
        for (size_t i = 0; i < CLIENTS; i++)
            if (clients[i].under_way < WINDOW)
                ask(&clients[i]);
}

static int bare(uint16_t port)
{
    enum { BATCH = 32 };
    static struct mmsghdr msgs[BATCH];
    static struct iovec iovs[BATCH];
    static struct sockaddr_in6 names[BATCH];
    static char bytes[BATCH][64];
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any))
        die("bare");
    for (;;) {
        int n;

        for (size_t i = 0; i < BATCH; i++) {
            iovs[i] = (struct iovec){bytes[i], sizeof bytes[i]};
            msgs[i].msg_hdr = (struct msghdr){.msg_name = &names[i],
                                              .msg_namelen = sizeof names[i],
                                              .msg_iov = &iovs[i],
                                              .msg_iovlen = 1};
        }
        n = recvmmsg(fd, msgs, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < n; i++) {
            bytes[i][0] = 1; /* the class of an answer, for the load to see */
            iovs[i].iov_len = 40;
        }
        if (n > 0)
            (void)sendmmsg(fd, msgs, (unsigned)n, 0);
    }
}

int main(int argc, char **argv)
{
    struct rk_addr server = {0};
    int64_t pid, port, seconds = 3, began, cpu, wall;
    clockid_t clock;
    uint64_t from;
    int ep = epoll_create1(EPOLL_CLOEXEC);

    if (argc == 3 && strcmp(argv[1], "bare") == 0 &&
        rk_parse_i64(rk_str_z(argv[2]), 1, 65535, &port, NULL) == RK_OK)
        return bare((uint16_t)port);
    if (argc < 5 || rk_parse_i64(rk_str_z(argv[2]), 1, INT32_MAX, &pid, NULL) ||
        rk_ip_parse(rk_str_z(argv[3]), &server.ip, NULL) ||
        rk_parse_i64(rk_str_z(argv[4]), 1, 65535, &port, NULL) ||
        (argc > 5 && rk_parse_i64(rk_str_z(argv[5]), 1, 600, &seconds, NULL))) {
        (void)fprintf(stderr, "usage: stun NAME PID ADDRESS PORT [SECONDS]\n");
        return 2;
    }
    server.port = (uint16_t)port;
    checked = strcmp(argv[1], "bare") != 0;
    if (clock_getcpuclockid((pid_t)pid, &clock))
        die("process");
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};

        client_open(&clients[i], &server);
        if (epoll_ctl(ep, EPOLL_CTL_ADD, clients[i].fd, &e))
            die("epoll");
        ask(&clients[i]);
    }
    began = clock_ns(CLOCK_MONOTONIC);
    while (clock_ns(CLOCK_MONOTONIC) - began < WARM_NS)
        turn(ep);
    from = received;
    cpu = clock_ns(clock);
    began = clock_ns(CLOCK_MONOTONIC);
    while (clock_ns(CLOCK_MONOTONIC) - began < seconds * 1000000000)
        turn(ep);
    wall = clock_ns(CLOCK_MONOTONIC) - began;
    cpu = clock_ns(clock) - cpu;
    if (received == from) {
        (void)fprintf(stderr, "bench: no answers\n");
        return EXIT_FAILURE;
    }
    printf("{\"server\":\"%s\",\"address\":\"%s\",\"answers_per_s\":%.0f,\"cpu_ns\":%.0f,"
           "\"per_core\":%.0f,\"lost\":%llu}\n",
           argv[1], argv[3], (double)(received - from) * 1e9 / (double)wall,
           (double)cpu / (double)(received - from), (double)(received - from) * 1e9 / (double)cpu,
           (unsigned long long)lost);
    return EXIT_SUCCESS;
}
