/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bench of the REST API: starts tests/contract/restd on a fresh store, enrols peers, and measures
 * requests on kept connections: one at a time for the time of each, several at once for the rate.
 * Prints one JSON line per kind of request, with the ratio to the rate of a bare libmicrohttpd that
 * says "hello" in the same run: what no server on that library can exceed.
 *
 *   rest RESTD [--peers N] [--seconds S] [--connections C]
 */
#include "config.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/num.h"

#define CONNECTIONS_MAX 64
#define SAMPLES_MAX     1000000

struct options {
    const char *restd;
    int64_t peers, seconds, connections;
};

struct server {
    pid_t pid;
    int to, from; /* its standard input and output */
    uint16_t port;
    char dir[64];
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- one connection */

static int dial(uint16_t port)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa))
        die("connect");
    return fd;
}

/* Send a request and read its whole answer into b; returns the offset of the body. */
static size_t ask(int fd, struct rk_str request, struct rk_buf *b)
{
    size_t want = 0, body = 0;

    if (send(fd, request.p, request.n, MSG_NOSIGNAL) != (ssize_t)request.n)
        die("send");
    rk_buf_clear(b);
    while (!body || b->n < want) {
        char *room = rk_buf_room(b, 256 * 1024), *end, *length;
        ssize_t n = room ? recv(fd, room, 256 * 1024 - 1, 0) : -1;

        if (n <= 0)
            die("recv");
        rk_buf_added(b, (size_t)n);
        room[n] = '\0';
        if (body)
            continue;
        end = strstr(b->p, "\r\n\r\n");
        if (!end)
            continue;
        body = (size_t)(end - b->p) + 4;
        length = strcasestr(b->p, "content-length:");
        if (!length || strncmp(b->p, "HTTP/1.1 200", 12) != 0) {
            (void)fprintf(stderr, "rest: %.200s\n", b->p);
            exit(1);
        }
        want = body + strtoul(length + 15, NULL, 10);
    }
    return body;
}

/* ---- load */

struct load {
    uint16_t port;
    struct rk_str request;
    int64_t until_ms;
    int64_t *us; /* a sample per request; NULL: only count */
    size_t n, bytes;
};

static int64_t now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void *run_load(void *arg)
{
    struct load *l = arg;
    struct rk_buf b;
    int fd = dial(l->port);

    rk_buf_init(&b, (size_t)256 << 20);
    (void)ask(fd, l->request, &b); /* warm */
    while (rk_mono_ms() < l->until_ms && l->n < SAMPLES_MAX) {
        int64_t start = now_us();

        (void)ask(fd, l->request, &b);
        if (l->us)
            l->us[l->n] = now_us() - start;
        l->n++;
        l->bytes = b.n;
    }
    rk_buf_done(&b);
    close(fd);
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static double rate(const struct options *o, uint16_t port, struct rk_str request)
{
    struct load l[CONNECTIONS_MAX];
    pthread_t t[CONNECTIONS_MAX];
    int64_t start = rk_mono_ms();
    size_t n = 0;

    for (int64_t i = 0; i < o->connections; i++) {
        l[i] =
            (struct load){.port = port, .request = request, .until_ms = start + o->seconds * 1000};
        if (pthread_create(&t[i], NULL, run_load, &l[i]))
            die("thread");
    }
    for (int64_t i = 0; i < o->connections; i++) {
        pthread_join(t[i], NULL);
        n += l[i].n;
    }
    return (double)n * 1000 / (double)(rk_mono_ms() - start);
}

static double measure(const struct options *o, const char *what, uint16_t port,
                      struct rk_str request, double hello)
{
    struct load one = {.port = port, .request = request};
    double per_second;

    one.us = rk_calloc(SAMPLES_MAX, sizeof *one.us);
    one.until_ms = rk_mono_ms() + o->seconds * 1000;
    (void)run_load(&one);
    if (!one.n)
        die("no answer in time");
    qsort(one.us, one.n, sizeof *one.us, by_value);
    per_second = rate(o, port, request);
    printf("{\"what\":\"%s\",\"peers\":%lld,\"bytes\":%zu,\"ms_p50\":%.3f,\"ms_p99\":%.3f,"
           "\"per_second\":%.0f,\"hello_ratio\":%.3f}\n",
           what, (long long)o->peers, one.bytes, (double)one.us[one.n / 2] / 1000,
           (double)one.us[one.n * 99 / 100] / 1000, per_second,
           hello > 0 ? per_second / hello : 1.0);
    (void)fflush(stdout);
    free(one.us);
    return per_second;
}

/* ---- the bare library */

static enum MHD_Result say_hello(void *arg, struct MHD_Connection *c, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *size, void **state)
{
    static char hello[] = "hello\n";
    struct MHD_Response *r;
    enum MHD_Result rc;

    (void)arg;
    (void)url;
    (void)method;
    (void)version;
    (void)data;
    (void)size;
    if (!*state) { /* an answer before the request's end would close the connection */
        *state = hello;
        return MHD_YES;
    }
    r = MHD_create_response_from_buffer(sizeof hello - 1, hello, MHD_RESPMEM_PERSISTENT);
    rc = MHD_queue_response(c, 200, r);
    MHD_destroy_response(r);
    return rc;
}

static pid_t start_hello(uint16_t *port)
{
    int pipes[2];
    pid_t pid;

    if (pipe(pipes))
        die("pipe");
    pid = fork();
    if (pid < 0)
        die("fork");
    if (!pid) {
        struct MHD_Daemon *d;
        const union MHD_DaemonInfo *i;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when we die early */
        d = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, 0, NULL, NULL,
                             say_hello, NULL, MHD_OPTION_END);
        i = d ? MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT) : NULL;

        if (!i || write(pipes[1], &i->port, sizeof i->port) != sizeof i->port)
            _exit(1);
        for (;;)
            (void)pause();
    }
    if (read(pipes[0], port, sizeof *port) != sizeof *port)
        die("hello server");
    close(pipes[0]);
    close(pipes[1]);
    return pid;
}

/* ---- restd */

static void read_line(const struct server *s, char *line, size_t size)
{
    size_t n = 0;

    while (n + 1 < size && read(s->from, line + n, 1) == 1 && line[n] != '\n')
        n++;
    line[n] = '\0';
}

static struct server start_restd(const char *program)
{
    struct server s = {.dir = "/tmp/rookery-bench-rest.XXXXXX"};
    int in[2], out[2];
    char line[100];

    if (!mkdtemp(s.dir) || pipe(in) || pipe(out))
        die("start");
    s.pid = fork();
    if (s.pid < 0)
        die("fork");
    if (!s.pid) {
        char url[100];

        (void)snprintf(url, sizeof url, "sqlite:%s/store.db", s.dir);
        (void)dup2(in[0], 0);
        (void)dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        (void)execl(program, program, url, (char *)NULL);
        die(program);
    }
    close(in[0]);
    close(out[1]);
    s.to = in[1];
    s.from = out[0];
    read_line(&s, line, sizeof line);
    s.port = (uint16_t)strtoul(line + strcspn(line, "0123456789"), NULL, 10);
    return s;
}

static void stop_restd(const struct server *s)
{
    char path[100];
    static const char *const FILES[] = {"store.db", "store.db-wal", "store.db-shm",
                                        "store.db.lock"};

    close(s->to);
    (void)waitpid(s->pid, NULL, 0);
    for (size_t i = 0; i < RK_ARRAY_LEN(FILES); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", s->dir, FILES[i]);
        (void)unlink(path);
    }
    (void)rmdir(s->dir);
}

/* The text between `key":"` and the next quote of an answer. */
static void pick(const struct rk_buf *b, const char *key, char *out, size_t size)
{
    char *at = strstr(b->p, key);

    out[0] = '\0';
    if (!at)
        die(key);
    at += strlen(key) + 3;
    (void)snprintf(out, size, "%.*s", (int)strcspn(at, "\""), at);
}

static void post(const struct server *s, const char *path, const char *token, const char *body,
                 struct rk_buf *b)
{
    char request[1000];
    int fd = dial(s->port);
    int n = snprintf(request, sizeof request,
                     "POST %s HTTP/1.1\r\nHost: x\r\n%s%s%sContent-Length: %zu\r\n\r\n%s", path,
                     token ? "Authorization: Token " : "", token ? token : "", token ? "\r\n" : "",
                     strlen(body), body);

    (void)ask(fd, rk_str_of(request, (size_t)n), b);
    close(fd);
}

static struct rk_str get(char *out, size_t size, const char *path, const char *token)
{
    int n = snprintf(out, size, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Token %s\r\n\r\n",
                     path, token);

    return rk_str_of(out, (size_t)n);
}

static void fill(const struct options *o, const struct server *s, char token[64], char peer[64])
{
    char key[64], line[200];
    struct rk_buf b;
    int fd, n;

    rk_buf_init(&b, (size_t)256 << 20);
    post(s, "/api/setup", NULL,
         "{\"email\":\"a@b.co\",\"password\":\"Bench-1234\",\"name\":\"B\",\"create_pat\":true}",
         &b);
    pick(&b, "personal_access_token", token, 64);
    post(s, "/api/setup-keys", token,
         "{\"name\":\"b\",\"type\":\"reusable\",\"expires_in\":0,\"auto_groups\":[],"
         "\"usage_limit\":0}",
         &b);
    pick(&b, "\"key", key, sizeof key);
    n = snprintf(line, sizeof line, "enrol %s %lld\n", key, (long long)o->peers);
    if (write(s->to, line, (size_t)n) != n)
        die("restd");
    read_line(s, line, sizeof line);
    fd = dial(s->port); /* not before: the server closes what is idle that long */
    (void)ask(fd, get(line, sizeof line, "/api/peers", token), &b);
    pick(&b, "{\"id", peer, 64);
    rk_buf_done(&b);
    close(fd);
}

static void parse(int argc, char **argv, struct options *o)
{
    *o = (struct options){.peers = 1000, .seconds = 3, .connections = 4};
    for (int i = 1; i < argc; i++) {
        int64_t *to = !strcmp(argv[i], "--peers")         ? &o->peers
                      : !strcmp(argv[i], "--seconds")     ? &o->seconds
                      : !strcmp(argv[i], "--connections") ? &o->connections
                                                          : NULL;

        if (!to)
            o->restd = argv[i];
        else if (++i == argc || rk_parse_i64(rk_str_z(argv[i]), 1, 1000000, to, NULL))
            o->restd = NULL;
    }
    if (o->restd && o->connections <= CONNECTIONS_MAX)
        return;
    (void)fprintf(stderr, "usage: rest RESTD [--peers N] [--seconds S] [--connections C]\n");
    exit(2);
}

int main(int argc, char **argv)
{
    struct options o;
    char token[64], peer[64], path[100], request[300];
    struct server s;
    uint16_t port;
    pid_t hello_pid;
    double hello;

    parse(argc, argv, &o);
    hello_pid = start_hello(&port);
    s = start_restd(o.restd);
    fill(&o, &s, token, peer);
    hello = measure(&o, "hello", port, RK_STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 0);
    (void)kill(hello_pid, SIGTERM);
    (void)waitpid(hello_pid, NULL, 0);
    (void)snprintf(path, sizeof path, "/api/peers/%s", peer);
    (void)measure(&o, "one peer", s.port, get(request, sizeof request, path, token), hello);
    (void)measure(&o, "list of peers", s.port, get(request, sizeof request, "/api/peers", token),
                  hello);
    (void)measure(&o, "list of groups", s.port, get(request, sizeof request, "/api/groups", token),
                  hello);
    stop_restd(&s);
    return 0;
}
