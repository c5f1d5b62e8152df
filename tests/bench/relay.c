/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bench of the relay over loopback, against limits that are measured in the same run:
 *
 *   bare     a process that copies bytes from socket to socket and looks at nothing
 *   other    another relay program with the same flags, if one is named
 *
 *   relay [--other PATH] [--seconds S] [--pairs N] [--idle N] [PATH_OF_OUR_RELAY]
 *
 * Throughput: each pair keeps a window of full WireGuard packets in flight, so nothing is lost and
 * the slowest part sets the pace. On few processors the load shares them with the relay, so the
 * CPU time per packet of the relay's process says more than packets per second. Latency: one packet
 * at a time. Memory: resident bytes per idle authenticated peer.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/num.h"
#include "lib/crypto/hmac.h"
#include "lib/net/relayproto.h"
#include "lib/net/ws.h"

enum {
    PACKET = 1312, /* bytes of a full WireGuard packet at the overlay's MTU of 1280 */
    BATCH = 16,    /* packets per write */
    WINDOW = 96,   /* packets in flight per pair: fits our queue, so nothing is dropped */
    MAX_PAIRS = 256,
    MAX_IDLE = 20000,
    PINGS = 5000,
    ROUNDS = 3, /* per relay, alternating; the best counts */
};

static const char SECRET[] = "bench-secret";

struct server {
    const char *name;
    const char *path; /* NULL: the bare copier */
    pid_t pid;
    uint16_t port;
};

struct result {
    double packets_per_s, cpu_ns, p50_us, p99_us, idle_bytes;
};

struct peer {
    int fd;
    struct rly_peer_id id;
    uint8_t head[WS_FRAME_HEAD];
    unsigned head_n;
    uint64_t skip; /* payload bytes of the frame that are still to come */
    uint64_t received;
};

struct pair {
    struct peer from, to;
    uint8_t *batch; /* BATCH frames, masked, ready to be written over and over */
    size_t batch_n, at;
    uint64_t sent;
};

__attribute__((noreturn)) static void die(const char *what)
{
    (void)fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;

    if (clock_gettime(clock, &t))
        die("clock");
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* CPU time that a process has used, in nanoseconds. */
static int64_t cpu_ns(pid_t pid)
{
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock))
        die("CPU clock");
    return now_ns(clock);
}

static double rss_bytes(pid_t pid)
{
    char path[64], line[256];
    long pages = 0;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    f = fopen(path, "re");
    if (!f || !fgets(line, sizeof line, f) || sscanf(line, "%*d %ld", &pages) != 1)
        die(path);
    (void)fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* ---- servers */

static int listener(uint16_t *port)
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
    int fd = listener(&port);

    (void)close(fd);
    return port;
}

static void send_all(int fd, const void *p, size_t n)
{
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            die("send");
        p = (const char *)p + k;
        n -= (size_t)k;
    }
}

/* Connections come in pairs; what the first of a pair sends, the second receives. */
static void bare_main(int listen_fd)
{
    static char buf[65536];
    static int partner[65536];
    int ep = epoll_create1(EPOLL_CLOEXEC), waiting = -1;
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listen_fd}, events[64];

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ep < 0 || listen(listen_fd, 1024) || epoll_ctl(ep, EPOLL_CTL_ADD, listen_fd, &e))
        die("bare");
    for (;;) {
        int n = epoll_wait(ep, events, 64, -1);

        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (fd == listen_fd) {
                fd = accept(listen_fd, NULL, NULL);
                if (waiting < 0) {
                    waiting = fd;
                    continue;
                }
                partner[waiting] = fd;
                e.data.fd = waiting;
                waiting = -1;
                (void)epoll_ctl(ep, EPOLL_CTL_ADD, e.data.fd, &e);
            } else {
                ssize_t k = recv(fd, buf, sizeof buf, 0);

                if (k > 0) {
                    send_all(partner[fd], buf, (size_t)k);
                } else {
                    (void)close(fd);
                    (void)close(partner[fd]);
                }
            }
        }
    }
}

static void exec_relay(const struct server *s)
{
    char address[64], url[64], health[64], metrics[16];
    int quiet = open("/dev/null", O_WRONLY);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)dup2(quiet, STDOUT_FILENO);
    (void)dup2(quiet, STDERR_FILENO);
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", s->port);
    (void)snprintf(url, sizeof url, "rel://127.0.0.1:%u", s->port);
    (void)snprintf(health, sizeof health, "127.0.0.1:%u", free_port());
    (void)snprintf(metrics, sizeof metrics, "%u", free_port());
    (void)execl(s->path, s->path, "-l", address, "-e", url, "-s", SECRET, "-H", health,
                "--metrics-port", metrics, "--log-level", "error", (char *)NULL);
    _exit(127);
}

static int try_connect(uint16_t port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        die("socket");
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa)) {
        (void)close(fd);
        return -1;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void server_start(struct server *s)
{
    int fd = s->path ? -1 : listener(&s->port);
    int64_t until = rk_mono_ms() + 20000;

    if (s->path)
        s->port = free_port();
    s->pid = fork();
    if (s->pid < 0)
        die("fork");
    if (s->pid == 0) {
        if (s->path)
            exec_relay(s);
        bare_main(fd);
    }
    if (!s->path) {
        (void)close(fd);
        (void)usleep(50000);
        return;
    }
    while ((fd = try_connect(s->port)) < 0 && rk_mono_ms() < until)
        (void)usleep(20000);
    if (fd < 0)
        die(s->path);
    (void)close(fd);
}

static void server_stop(struct server *s)
{
    (void)kill(s->pid, SIGKILL);
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* ---- peers */

static void read_until_head(int fd)
{
    char buf[4096];
    size_t n = 0;

    while (!ws_head_size(rk_str_of(buf, n))) {
        ssize_t k = recv(fd, buf + n, 1, 0); /* nothing of what follows */

        if (k <= 0 || ++n == sizeof buf)
            die("upgrade");
    }
}

static void peer_auth(struct peer *p)
{
    char accept[WS_ACCEPT_LEN + 1];
    uint8_t msg[RLY_MAX_AUTH], head[4];
    struct rk_wr w = rk_wr_of(msg, sizeof msg);
    struct hmac_credential cred;
    struct hmac_relay_token token;
    struct rk_key key;
    struct rk_buf out;

    rk_buf_init(&out, 4096);
    ws_client_request(RK_STR("localhost"), RK_STR(RLY_WS_PATH), &out, accept);
    send_all(p->fd, out.p, out.n);
    read_until_head(p->fd);
    hmac_relay_key(rk_str_z(SECRET), &key);
    hmac_relay_credential(&key, rk_unix_ms() / 1000 + 3600, &cred);
    if (hmac_relay_token_build(rk_str_z(cred.payload), rk_str_z(cred.signature), &token, NULL))
        die("token");
    rly_put_auth(&w, &p->id, rk_str_of(token.b, token.n));
    rk_buf_clear(&out);
    ws_put(&out, WS_CLIENT, WS_OP_BINARY, rk_wr_done(&w));
    send_all(p->fd, out.p, out.n);
    if (recv(p->fd, head, 2, MSG_WAITALL) != 2 || head[0] != 0x82 || head[1] > 125 ||
        recv(p->fd, msg, head[1], MSG_WAITALL) != head[1] || msg[1] != RLY_AUTH_RESPONSE)
        die("authentication");
    rk_buf_done(&out);
}

static void peer_open(struct peer *p, const struct server *s, const char *name, unsigned i)
{
    char key[64];

    *p = (struct peer){.fd = try_connect(s->port)};
    if (p->fd < 0)
        die("connect");
    (void)snprintf(key, sizeof key, "%s %u", name, i);
    rly_peer_id_of(rk_str_z(key), &p->id);
    if (s->path)
        peer_auth(p);
}

static void pair_open(struct pair *p, const struct server *s, unsigned i)
{
    static uint8_t msg[RLY_TRANSPORT_HEADER + PACKET];
    struct rk_wr w = rk_wr_of(msg, sizeof msg);
    struct rk_buf out;
    char payload[PACKET];

    *p = (struct pair){0};
    peer_open(&p->from, s, "from", i);
    peer_open(&p->to, s, "to", i);
    memset(payload, 4, sizeof payload);
    rly_put_transport(&w, &p->to.id, rk_str_of(payload, sizeof payload));
    rk_buf_init(&out, 1 << 20);
    for (int k = 0; k < BATCH; k++)
        ws_put(&out, WS_CLIENT, WS_OP_BINARY, rk_wr_done(&w));
    p->batch = (uint8_t *)out.p; /* kept */
    p->batch_n = out.n;
}

static void pair_close(struct pair *p)
{
    (void)close(p->from.fd);
    (void)close(p->to.fd);
    free(p->batch);
}

static unsigned head_size(const struct peer *p)
{
    unsigned second = p->head[1], len = second & 0x7f, n = 2;

    if (p->head_n < 2)
        return n;
    if (len == 126)
        n += 2;
    else if (len == 127)
        n += 8;
    return second & 0x80 ? n + 4 : n;
}

/* Count the packets in received bytes; frames of the protocol itself are short and not counted. */
static void count_packets(struct peer *p, const uint8_t *b, size_t n)
{
    while (n) {
        if (p->skip) {
            size_t k = p->skip < n ? (size_t)p->skip : n;

            b += k;
            n -= k;
            p->skip -= k;
            continue;
        }
        p->head[p->head_n++] = *b++;
        n--;
        if (p->head_n < head_size(p))
            continue;
        p->skip = p->head[1] & 0x7f;
        if (p->skip == 126)
            p->skip = (uint64_t)p->head[2] << 8 | p->head[3];
        p->received += p->skip >= PACKET;
        p->head_n = 0;
    }
}

static bool receive(struct peer *p)
{
    static uint8_t buf[262144];
    ssize_t n = recv(p->fd, buf, sizeof buf, MSG_DONTWAIT);

    if (n > 0)
        count_packets(p, buf, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        die("the relay closed a connection");
    return n > 0;
}

/* Write while the window has room for a batch. */
static void fill_window(struct pair *p)
{
    while (p->at || p->sent + BATCH <= p->to.received + WINDOW) {
        ssize_t n =
            send(p->from.fd, p->batch + p->at, p->batch_n - p->at, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n <= 0)
            return; /* full: goes on when something was received */
        p->at += (size_t)n;
        if (p->at == p->batch_n) {
            p->at = 0;
            p->sent += BATCH;
        }
    }
}

/* ---- measuring */

static void throughput(struct server *s, struct pair *pairs, size_t n_pairs, double seconds,
                       struct result *r)
{
    int ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[MAX_PAIRS];
    int64_t began, cpu, wall;
    uint64_t before = 0, after = 0;
    bool warm = false;

    for (size_t i = 0; i < n_pairs; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u64 = i};

        if (epoll_ctl(ep, EPOLL_CTL_ADD, pairs[i].to.fd, &e))
            die("epoll");
        fill_window(&pairs[i]);
    }
    began = now_ns(CLOCK_MONOTONIC);
    cpu = cpu_ns(s->pid);
    for (;;) {
        int n = epoll_wait(ep, events, MAX_PAIRS, 10);

        for (int i = 0; i < n; i++) {
            struct pair *p = &pairs[events[i].data.u64];

            (void)receive(&p->to);
            fill_window(p);
        }
        for (size_t i = 0; n == 0 && i < n_pairs; i++)
            fill_window(&pairs[i]); /* a partial write waits for room */
        wall = now_ns(CLOCK_MONOTONIC) - began;
        if (!warm && wall > 300000000) { /* count from here */
            warm = true;
            for (size_t i = 0; i < n_pairs; i++)
                before += pairs[i].to.received;
            began = now_ns(CLOCK_MONOTONIC);
            cpu = cpu_ns(s->pid);
        } else if (warm && wall > (int64_t)(seconds * 1e9)) {
            break;
        }
    }
    cpu = cpu_ns(s->pid) - cpu;
    for (size_t i = 0; i < n_pairs; i++)
        after += pairs[i].to.received;
    (void)close(ep);
    if (after == before)
        die("nothing came through");
    r->packets_per_s = (double)(after - before) / ((double)wall / 1e9);
    r->cpu_ns = (double)cpu / (double)(after - before);
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* One packet at a time through the first pair. */
static void latency(struct pair *p, struct result *r)
{
    static int64_t took[PINGS];

    while (p->sent > p->to.received) /* what throughput left in flight */
        if (!receive(&p->to))
            (void)usleep(100);
    for (int i = 0; i < PINGS; i++) {
        uint64_t want = p->to.received + 1;
        int64_t began = now_ns(CLOCK_MONOTONIC);

        send_all(p->from.fd, p->batch, p->batch_n / BATCH);
        while (p->to.received < want) {
            struct pollfd pfd = {p->to.fd, POLLIN, 0};

            (void)poll(&pfd, 1, 1000);
            (void)receive(&p->to);
        }
        took[i] = now_ns(CLOCK_MONOTONIC) - began;
    }
    qsort(took, PINGS, sizeof took[0], by_time);
    r->p50_us = (double)took[PINGS / 2] / 1000;
    r->p99_us = (double)took[PINGS / 100 * 99] / 1000;
}

static void idle_memory(struct server *s, unsigned n, struct result *r)
{
    static struct peer peers[MAX_IDLE];
    double before = rss_bytes(s->pid);

    for (unsigned i = 0; i < n; i++)
        peer_open(&peers[i], s, "idle", i);
    (void)usleep(500000);
    r->idle_bytes = (rss_bytes(s->pid) - before) / n;
    for (unsigned i = 0; i < n; i++)
        (void)close(peers[i].fd);
}

static void measure(struct server *s, size_t n_pairs, double seconds, unsigned idle,
                    struct result *best)
{
    static struct pair pairs[MAX_PAIRS];
    struct result r = {0};

    server_start(s);
    if (s->path && idle) /* first: a relay that has worked keeps memory for it */
        idle_memory(s, idle, &r);
    for (unsigned i = 0; i < n_pairs; i++)
        pair_open(&pairs[i], s, i);
    throughput(s, pairs, n_pairs, seconds, &r);
    for (size_t i = 1; i < n_pairs; i++) {
        while (pairs[i].sent > pairs[i].to.received && !pairs[i].at)
            if (!receive(&pairs[i].to))
                (void)usleep(100);
        pair_close(&pairs[i]);
    }
    if (pairs[0].at) { /* the rest of a batch */
        send_all(pairs[0].from.fd, pairs[0].batch + pairs[0].at, pairs[0].batch_n - pairs[0].at);
        pairs[0].at = 0;
        pairs[0].sent += BATCH;
    }
    latency(&pairs[0], &r);
    pair_close(&pairs[0]);
    server_stop(s);
    if (best->packets_per_s <= 0 || r.cpu_ns < best->cpu_ns)
        *best = r;
}

static void print_result(const struct server *s, const struct result *r)
{
    printf("%-8s %10.0f packets/s %8.2f Gbit/s %8.0f ns CPU/packet  latency %6.1f us p50 %6.1f us "
           "p99",
           s->name, r->packets_per_s, r->packets_per_s * PACKET * 8 / 1e9, r->cpu_ns, r->p50_us,
           r->p99_us);
    if (r->idle_bytes > 0)
        printf("  %6.0f bytes/idle peer", r->idle_bytes);
    printf("\n");
}

static void print_ratios(const char *what, const struct result *ours, const struct result *limit)
{
    printf("ratio ours/%s: throughput %.2f, CPU per packet %.2f, latency p50 %.2f", what,
           ours->packets_per_s / limit->packets_per_s, ours->cpu_ns / limit->cpu_ns,
           ours->p50_us / limit->p50_us);
    if (limit->idle_bytes > 0)
        printf(", memory per idle peer %.2f", ours->idle_bytes / limit->idle_bytes);
    printf("\n");
}

int main(int argc, char **argv)
{
    static const struct option long_opts[] = {{"other", required_argument, NULL, 'o'},
                                              {"seconds", required_argument, NULL, 's'},
                                              {"pairs", required_argument, NULL, 'p'},
                                              {"idle", required_argument, NULL, 'i'},
                                              {NULL, 0, NULL, 0}};
    struct server servers[3] = {
        {.name = "bare"}, {.name = "ours", .path = "./rookery-relay"}, {.name = "other"}};
    struct result results[3] = {0};
    int64_t seconds = 3, pairs = 4, idle = 1000;
    int c, n = 2;

    while ((c = getopt_long(argc, argv, "", long_opts, NULL)) != -1) {
        struct rk_str v = rk_str_z(optarg);

        if (c == 'o') {
            servers[2].path = optarg;
            n = 3;
        } else if ((c == 's' && rk_parse_i64(v, 1, 600, &seconds, NULL)) ||
                   (c == 'p' && rk_parse_i64(v, 1, MAX_PAIRS, &pairs, NULL)) ||
                   (c == 'i' && rk_parse_i64(v, 0, MAX_IDLE, &idle, NULL)) || c == '?') {
            return 2;
        }
    }
    if (optind < argc)
        servers[1].path = argv[optind];
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < n; i++)
            measure(&servers[i], (size_t)pairs, (double)seconds, (unsigned)idle, &results[i]);
    printf("%d pairs, %d bytes per packet, best of %d rounds of %d s\n", (int)pairs, PACKET, ROUNDS,
           (int)seconds);
    for (int i = 0; i < n; i++)
        print_result(&servers[i], &results[i]);
    print_ratios("bare", &results[1], &results[0]);
    if (n == 3)
        print_ratios("other", &results[1], &results[2]);
    return EXIT_SUCCESS;
}
