/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Load for a signal server; tests/bench/signal.sh starts servers for it. Each agent has one HTTP/2
 * connection with its stream and its Sends, as clients have, and a partner that it sends to. The
 * frames are made by hand (headers by index, as clients do from their second call on), so that the
 * generator leaves most of the machine to the server.
 *
 *   idle         streams without messages: resident bytes of the server for each
 *   full load    each agent keeps --window Sends under way: messages per second, CPU time each
 *   half load    half as many per second: from before Send to the partner's stream (generator and
 *                server share the machine, so a server that costs little is told what the load
 * costs) same load    --rate messages per second, the same for every server
 *
 * Prints one JSON line. Every message is counted at its receiver.
 */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/cfg.h"
#include "lib/base/num.h"
#include "lib/base/rd.h"
#include "lib/base/wr.h"
#include "lib/grpc/frame.h"
#include "lib/net/transport.h"

enum {
    KEY_LEN = 44,                     /* base64 of 32 bytes */
    STAMP_AT = 2 * (2 + KEY_LEN) + 3, /* of the time in a message: behind both keys */
    MESSAGE_MIN = STAMP_AT + 8,
    MESSAGE_MAX = 8192,
    FRAME_HEAD = 9,
    WINDOW_BACK = 16 * 1024, /* bytes after which we give window back, as Go does */
    WINDOW = 65535,          /* RFC 9113's first window; we leave it at that */
    STREAM_REGISTER = 1,
    SAMPLES = 1 << 20,
    DRAIN_WAITS = 20, /* seconds, for what is still under way at the end */
    PACES = 2,
    WARM_MS = 500,
    PACE_NS = 100000,
    STREAMS_MAX = 100, /* of a connection, that every server allows */
};

enum { DATA = 0, HEADERS = 1, RST = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, WINDOW_UPDATE = 8 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

struct options {
    struct rk_str address, ca_file, name;
    int64_t pid, agents, window, seconds, idle, bytes, rate;
};

struct agent {
    struct net_conn_user user;
    struct net_conn *conn;
    struct bench *b;
    uint32_t i, next_stream;
    uint32_t under_way; /* Sends without an answer */
    uint8_t head[FRAME_HEAD];
    size_t head_n, left;   /* bytes of the frame's payload still to come */
    struct rk_buf control; /* payload of a PING */
    struct grpc_reader reader;
    size_t conn_debt, stream_debt; /* received, window not given back */
    bool registered, indexed;      /* the server's table has the headers of a Send */
};

struct paced { /* half load, same load */
    double p50_us, p99_us, cpu_us;
};

struct bench {
    struct options o;
    struct rk_loop *loop;
    struct tls_ctx *tls;
    struct agent *agents;
    size_t n, n_registered, n_down, n_open, next;
    uint64_t sent, received;
    bool filling, pacing, closing;
    pthread_t pacer;
    struct rk_task pace;
    _Atomic bool paced_turn; /* the loop has done the task */
    _Atomic bool paced_last;
    double rate; /* messages per second while pacing */
    int64_t paced_from_ns;
    uint64_t paced;
    double *samples;
    size_t n_samples;
    struct rk_timer *timer;
    void (*registered)(struct bench *b);
    int64_t began_ns, cpu_ns;
    uint64_t counted_from;
    double rss_before, idle_bytes, per_s, cpu_us;
    struct paced paces[PACES];
    size_t n_paces, n_waits;
};

static _Noreturn void die(const char *what, const char *detail)
{
    (void)fprintf(stderr, "bench: %s: %s\n", what, detail);
    exit(EXIT_FAILURE);
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t = {0};

    (void)clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static int64_t server_cpu_ns(const struct bench *b)
{
    clockid_t clock;

    if (clock_getcpuclockid((pid_t)b->o.pid, &clock))
        die("--pid", "no such process");
    return clock_ns(clock);
}

static double server_rss(const struct bench *b)
{
    char path[64];
    long pages = 0;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%lld/statm", (long long)b->o.pid);
    f = fopen(path, "re");
    if (!f || fscanf(f, "%*d %ld", &pages) != 1)
        die("--pid", path);
    (void)fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* ---- frames */

static void put_frame(struct rk_wr *w, size_t n, unsigned type, unsigned flags, uint32_t stream)
{
    rk_wr_u8(w, (uint8_t)(n >> 16));
    rk_wr_u16(w, (uint16_t)n);
    rk_wr_u8(w, (uint8_t)type);
    rk_wr_u8(w, (uint8_t)flags);
    rk_wr_u32(w, stream);
}

static void put_z(struct rk_wr *w, unsigned lead, const char *text)
{
    rk_wr_u8(w, (uint8_t)lead);
    rk_wr_u8(w, (uint8_t)strlen(text));
    rk_wr_mem(w, text, strlen(text));
}

static void put_new(struct rk_wr *w, unsigned lead, const char *name, const char *value)
{
    put_z(w, lead, name);
    rk_wr_u8(w, (uint8_t)strlen(value));
    rk_wr_mem(w, value, strlen(value));
}

static void key_of(uint32_t i, char out[KEY_LEN + 1])
{
    (void)snprintf(out, KEY_LEN + 1, "%043u=", i);
}

/* Preface, SETTINGS, and the stream that registers. Its headers enter the server's table in this
 * order: path, authority, content-type, user-agent, te (RFC 7541: the newest has index 62). */
static void send_first(struct agent *a)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    char bytes[1024], key[KEY_LEN + 1];
    uint8_t block[512];
    struct rk_wr w = rk_wr_of(bytes, sizeof bytes), h = rk_wr_of(block, sizeof block);

    key_of(a->i, key);
    rk_wr_mem(&w, preface, sizeof preface - 1);
    put_frame(&w, 0, SETTINGS, 0, 0);
    rk_wr_u8(&h, 0x83);                    /* :method POST */
    rk_wr_u8(&h, a->b->tls ? 0x87 : 0x86); /* :scheme */
    put_z(&h, 0x44, "/signalexchange.SignalExchange/ConnectStream");
    put_z(&h, 0x41, "127.0.0.1");
    put_z(&h, 0x5f, "application/grpc");
    put_z(&h, 0x7a, "grpc-go/1.80.0");
    put_new(&h, 0x40, "te", "trailers");
    put_new(&h, 0x00, "x-wiretrustee-peer-id", key);
    put_frame(&w, rk_wr_done(&h).n, HEADERS, END_HEADERS, STREAM_REGISTER);
    rk_wr_mem(&w, block, rk_wr_done(&h).n);
    a->next_stream = STREAM_REGISTER + 2;
    net_conn_send(a->conn, rk_wr_done(&w));
}

/* A message: both keys and a body that begins with the time. */
static void put_message(struct rk_wr *w, const struct agent *a)
{
    static const uint8_t filler[MESSAGE_MAX];
    size_t body = (size_t)a->b->o.bytes - STAMP_AT;
    char key[KEY_LEN + 1];

    key_of(a->i, key);
    put_z(w, 0x12, key);
    key_of(a->i ^ 1, key);
    put_z(w, 0x1a, key);
    rk_wr_u8(w, 0x22);
    rk_wr_u8(w, (uint8_t)(0x80 | (body & 0x7f)));
    rk_wr_u8(w, (uint8_t)(body >> 7));
    rk_wr_u64(w, (uint64_t)now_ns());
    rk_wr_mem(w, filler, body - 8);
}

static void send_message(struct agent *a)
{
    static const uint8_t again[] = {0xbe, 0xc2, 0xc1, 0xc0, 0xbf},
                         rest[] = {0xc2, 0xc1, 0xc0, 0xbf};
    char bytes[MESSAGE_MAX + 256];
    uint8_t block[128], prefix[GRPC_PREFIX];
    struct rk_wr w = rk_wr_of(bytes, sizeof bytes), h = rk_wr_of(block, sizeof block);

    rk_wr_u8(&h, 0x83);
    rk_wr_u8(&h, a->b->tls ? 0x87 : 0x86);
    if (a->indexed) {
        rk_wr_mem(&h, again, sizeof again);
    } else {
        put_z(&h, 0x44, "/signalexchange.SignalExchange/Send");
        rk_wr_mem(&h, rest, sizeof rest);
    }
    put_new(&h, 0x00, "grpc-timeout", "4999871u");
    a->indexed = true;
    put_frame(&w, rk_wr_done(&h).n, HEADERS, END_HEADERS, a->next_stream);
    rk_wr_mem(&w, block, rk_wr_done(&h).n);
    put_frame(&w, GRPC_PREFIX + (size_t)a->b->o.bytes, DATA, END_STREAM, a->next_stream);
    grpc_prefix(prefix, (size_t)a->b->o.bytes);
    rk_wr_mem(&w, prefix, sizeof prefix);
    put_message(&w, a);
    a->next_stream += 2;
    a->under_way++;
    a->b->sent++;
    net_conn_send(a->conn, rk_wr_done(&w));
}

static void fill_window(struct agent *a)
{
    while (a->b->filling && a->under_way < (uint32_t)a->b->o.window)
        send_message(a);
}

static void give_back(struct agent *a, uint32_t stream, size_t *debt, size_t n)
{
    char bytes[FRAME_HEAD + 4];
    struct rk_wr w = rk_wr_of(bytes, sizeof bytes);

    *debt += n;
    if (*debt < WINDOW_BACK)
        return;
    put_frame(&w, 4, WINDOW_UPDATE, 0, stream);
    rk_wr_u32(&w, (uint32_t)*debt);
    *debt = 0;
    net_conn_send(a->conn, rk_wr_done(&w));
}

/* ---- what comes */

static void take_message(struct bench *b, struct rk_str msg)
{
    b->received++;
    if (b->pacing && b->n_samples < SAMPLES && msg.n >= MESSAGE_MIN) {
        struct rk_rd rd = rk_rd_of(rk_str_sub(msg, STAMP_AT, 8));

        b->samples[b->n_samples++] = (double)(now_ns() - (int64_t)rk_rd_u64(&rd)) / 1000;
    }
}

static void stream_data(struct agent *a, struct rk_str in)
{
    struct rk_err err = {0};
    struct rk_str msg;
    bool have = true;

    give_back(a, STREAM_REGISTER, &a->stream_debt, in.n);
    while (in.n || have) {
        if (grpc_reader_next(&a->reader, &in, &msg, &have, &err))
            die("message", err.msg);
        if (!have)
            break;
        if (msg.n)
            take_message(a->b, msg);
    }
}

static void frame_payload(struct agent *a, struct rk_str in)
{
    uint32_t stream = ((uint32_t)a->head[5] << 24 | (uint32_t)a->head[6] << 16 |
                       (uint32_t)a->head[7] << 8 | a->head[8]) &
                      0x7fffffff;

    if (a->head[3] == DATA) {
        give_back(a, 0, &a->conn_debt, in.n);
        if (stream == STREAM_REGISTER)
            stream_data(a, in);
    } else if (a->head[3] == PING) {
        rk_buf_add(&a->control, in);
    }
}

static void acknowledge(struct agent *a)
{
    char bytes[FRAME_HEAD + 8];
    struct rk_wr w = rk_wr_of(bytes, sizeof bytes);

    put_frame(&w, a->control.n, a->head[3], ACK, 0);
    rk_wr_mem(&w, a->control.p, a->control.n);
    rk_buf_clear(&a->control);
    net_conn_send(a->conn, rk_wr_done(&w));
}

static void headers_came(struct agent *a, uint32_t stream)
{
    struct bench *b = a->b;
    bool end = a->head[4] & END_STREAM;

    if (stream == STREAM_REGISTER) {
        if (end || a->registered)
            die("server", "a registration was ended");
        a->registered = true;
        if (++b->n_registered == b->n)
            b->registered(b);
    } else if (end) {
        a->under_way--;
        fill_window(a);
    }
}

static void frame_over(struct agent *a)
{
    uint32_t stream = (uint32_t)a->head[7] << 8 | a->head[8] | (uint32_t)a->head[6] << 16;

    a->head_n = 0;
    switch (a->head[3]) {
    case HEADERS:
        headers_came(a, stream);
        break;
    case SETTINGS:
    case PING:
        if (!(a->head[4] & ACK))
            acknowledge(a);
        break;
    case GOAWAY:
        die("server", "GOAWAY");
    case RST:
        die("server", "RST_STREAM");
    default:
        break;
    }
}

static void conn_data(struct net_conn_user *u, struct rk_str in)
{
    struct agent *a = rk_container_of(u, struct agent, user);

    while (in.n) {
        size_t part;

        if (a->head_n < FRAME_HEAD) {
            part = rk_min_size(in.n, FRAME_HEAD - a->head_n);
            memcpy(a->head + a->head_n, in.p, part);
            a->head_n += part;
            in = rk_str_sub(in, part, in.n);
            if (a->head_n < FRAME_HEAD)
                return;
            a->left = (size_t)a->head[0] << 16 | (size_t)a->head[1] << 8 | a->head[2];
        }
        part = rk_min_size(in.n, a->left);
        if (part)
            frame_payload(a, rk_str_sub(in, 0, part));
        a->left -= part;
        in = rk_str_sub(in, part, in.n);
        if (!a->left)
            frame_over(a);
    }
}

static void conn_opened(struct net_conn_user *u)
{
    send_first(rk_container_of(u, struct agent, user));
}

static void conn_closed(struct net_conn_user *u, const struct rk_err *why)
{
    struct agent *a = rk_container_of(u, struct agent, user);
    struct bench *b = a->b;

    if (!b->closing)
        die("connection lost", why->msg);
    grpc_reader_done(&a->reader);
    rk_buf_done(&a->control);
    a->conn = NULL;
    b->n_down++;
}

static const struct net_conn_ops CONN_OPS = {conn_opened, conn_data, NULL, conn_closed};

/* ---- agents */

static void open_agent(struct bench *b, uint32_t i)
{
    struct agent *a = &b->agents[i];
    struct net_connect_opts opts = {.alpn = "h2", .tls = b->tls, .timeout_ms = 120000};
    struct rk_addr to;
    char host[RK_ADDR_TEXT];
    struct rk_err err = {0};

    *a = (struct agent){.user.ops = &CONN_OPS, .b = b, .i = i};
    grpc_reader_init(&a->reader, MESSAGE_MAX);
    rk_buf_init(&a->control, 64);
    if (rk_addr_parse(b->o.address, &to, &err))
        die("--address", err.msg);
    (void)rk_ip_format(&to.ip, host);
    opts.host = host;
    opts.port = to.port;
    if (net_conn_connect(b->loop, &opts, &a->user, &a->conn, &err))
        die("connect", err.msg);
}

/* A few at a time, so that no backlog runs over. */
static void open_some(void *arg)
{
    struct bench *b = arg;

    while (b->n_open < b->n && b->n_open < b->n_registered + 100)
        open_agent(b, (uint32_t)b->n_open++);
    if (b->n_open < b->n)
        rk_timer_start(b->loop, &b->timer, 1, open_some, b);
}

static void open_all(struct bench *b, int64_t n, void (*registered)(struct bench *b))
{
    b->n = (size_t)n;
    b->n_registered = b->n_down = b->n_open = 0;
    b->closing = false;
    b->registered = registered;
    free(b->agents);
    b->agents = rk_calloc(b->n, sizeof *b->agents);
    open_some(b);
}

static void close_all(struct bench *b)
{
    b->closing = true;
    for (size_t i = 0; i < b->n; i++)
        net_conn_close(b->agents[i].conn);
}

static void after(struct bench *b, int64_t ms, rk_timer_fn *fn)
{
    rk_timer_start(b->loop, &b->timer, ms, fn, b);
}

/* ---- the steps */

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;

    return (a > b) - (a < b);
}

static void stop(void *arg)
{
    struct bench *b = arg;

    if (b->received < b->sent && b->n_waits++ < DRAIN_WAITS) {
        after(b, 1000, stop);
        return;
    }
    close_all(b);
    rk_loop_stop(b->loop);
}

static void paced_begin(void *arg);

static void paced_over(struct bench *b)
{
    struct paced *r = &b->paces[b->n_paces++];

    b->pacing = false;
    r->cpu_us =
        (double)(server_cpu_ns(b) - b->cpu_ns) / 1000 / (double)(b->received - b->counted_from + 1);
    qsort(b->samples, b->n_samples, sizeof *b->samples, by_value);
    r->p50_us = b->samples[b->n_samples / 2];
    r->p99_us = b->samples[b->n_samples / 100 * 99];
    after(b, 1000, b->n_paces < PACES ? paced_begin : stop);
}

static void pace(struct rk_task *t)
{
    struct bench *b = rk_container_of(t, struct bench, pace);
    int64_t passed = now_ns() - b->paced_from_ns;
    uint64_t due = (uint64_t)((double)passed * b->rate / 1e9);

    if (atomic_load(&b->paced_last)) {
        (void)pthread_join(b->pacer, NULL);
        paced_over(b);
        return;
    }
    atomic_store(&b->paced_turn, true);
    for (size_t passed_over = 0; b->paced < due && passed_over < b->n;) {
        struct agent *a = &b->agents[b->next++ % b->n];

        if (a->under_way >= STREAMS_MAX) {
            passed_over++;
            continue;
        }
        b->paced++;
        send_message(a);
    }
}

/* Timers of a loop are too coarse: a message in flight for 50 us would wait for the others. */
static void *pacer(void *arg)
{
    struct bench *b = arg;
    struct timespec step = {.tv_nsec = PACE_NS};
    int64_t end = b->paced_from_ns + b->o.seconds * 1000000000;
    bool last = false;

    while (!last) {
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &step, NULL);
        last = now_ns() > end;
        while (!atomic_exchange(&b->paced_turn, false))
            (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &step, NULL);
        atomic_store(&b->paced_last, last);
        rk_loop_post(b->loop, &b->pace);
    }
    return NULL;
}

static void paced_begin(void *arg)
{
    struct bench *b = arg;

    b->rate = b->n_paces ? (double)b->o.rate : b->per_s / 2;
    b->paced = 0;
    b->n_samples = 0;
    atomic_store(&b->paced_last, false);
    b->paced_from_ns = now_ns();
    b->pacing = true;
    b->cpu_ns = server_cpu_ns(b);
    b->counted_from = b->received;
    b->pace.run = pace;
    atomic_store(&b->paced_turn, true);
    if (pthread_create(&b->pacer, NULL, pacer, b))
        die("thread", "cannot start");
}

static void full_over(void *arg)
{
    struct bench *b = arg;
    int64_t wall = now_ns() - b->began_ns, cpu = server_cpu_ns(b) - b->cpu_ns;
    double n = (double)(b->received - b->counted_from);

    b->filling = false;
    if (n < 1)
        die("server", "no message came");
    b->per_s = n * 1e9 / (double)wall;
    b->cpu_us = (double)cpu / 1000 / n;
    after(b, 1000, paced_begin);
}

static void full_warm(void *arg)
{
    struct bench *b = arg;

    b->began_ns = now_ns();
    b->cpu_ns = server_cpu_ns(b);
    b->counted_from = b->received;
    after(b, b->o.seconds * 1000, full_over);
}

static void full_begin(struct bench *b)
{
    b->filling = true;
    for (size_t i = 0; i < b->n; i++)
        fill_window(&b->agents[i]);
    after(b, WARM_MS, full_warm);
}

static void idle_gone(void *arg)
{
    struct bench *b = arg;

    if (b->n_down < b->n)
        after(b, 50, idle_gone);
    else
        open_all(b, b->o.agents, full_begin);
}

static void idle_measured(void *arg)
{
    struct bench *b = arg;

    b->idle_bytes = (server_rss(b) - b->rss_before) / (double)b->n;
    close_all(b);
    idle_gone(b);
}

static void idle_settle(struct bench *b)
{
    after(b, 1000, idle_measured);
}

static void begin(void *arg)
{
    struct bench *b = arg;

    b->rss_before = server_rss(b);
    if (b->o.idle) /* first: a server that has worked keeps memory for it */
        open_all(b, b->o.idle, idle_settle);
    else
        open_all(b, b->o.agents, full_begin);
}

/* ---- options */

#define AT(member) offsetof(struct options, member)

static const struct rk_opt TABLE[] = {
    {.flag = "address",
     .type = RK_OPT_TEXT,
     .at = AT(address),
     .required = true,
     .arg = "ADDR:PORT",
     .help = "of the signal server"},
    {.flag = "pid",
     .type = RK_OPT_I64,
     .min = 1,
     .max = INT32_MAX,
     .at = AT(pid),
     .required = true,
     .help = "process of the server"},
    {.flag = "ca-file", .type = RK_OPT_TEXT, .at = AT(ca_file), .help = "TLS, trusting this"},
    {.flag = "name",
     .type = RK_OPT_TEXT,
     .def = "server",
     .at = AT(name),
     .help = "what the line calls the server"},
    {.flag = "agents",
     .type = RK_OPT_I64,
     .def = "50",
     .min = 2,
     .max = 10000,
     .at = AT(agents),
     .help = "that send; an even number"},
    {.flag = "window",
     .type = RK_OPT_I64,
     .def = "16",
     .min = 1,
     .max = 80,
     .at = AT(window),
     .help = "Sends under way per agent"},
    {.flag = "bytes",
     .type = RK_OPT_I64,
     .def = "600",
     .min = STAMP_AT + 128,
     .max = MESSAGE_MAX,
     .at = AT(bytes),
     .help = "of a message"},
    {.flag = "seconds",
     .type = RK_OPT_I64,
     .def = "4",
     .min = 1,
     .max = 600,
     .at = AT(seconds),
     .help = "of each step"},
    {.flag = "rate",
     .type = RK_OPT_I64,
     .def = "5000",
     .min = 1,
     .max = 1000000,
     .at = AT(rate),
     .help = "messages per second of the step that is the same for every server"},
    {.flag = "idle",
     .type = RK_OPT_I64,
     .def = "2000",
     .max = 18000,
     .at = AT(idle),
     .help = "streams of the step that measures memory; 0 for none"},
};

int main(int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct bench b = {0};
    struct tls_client_opts t = {.no_system_roots = true};
    struct rlimit files;
    struct rk_opts opts;
    struct rk_err err = {0};
    bool help = false;
    int rest = 0;

    if (rk_opts_load(&opts, TABLE, RK_ARRAY_LEN(TABLE), &b.o, mem, argc - 1, argv + 1, &rest, &help,
                     &err))
        die("options", err.msg);
    if (help) {
        struct rk_buf text;

        rk_buf_init(&text, 1 << 16);
        rk_opts_help(TABLE, RK_ARRAY_LEN(TABLE), &text);
        (void)fwrite(text.p, 1, text.n, stdout);
        rk_buf_done(&text);
        return EXIT_SUCCESS;
    }
    b.o.agents &= ~INT64_C(1);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    if (b.o.ca_file.n) {
        t.ca_file = rk_arena_dupz(mem, b.o.ca_file);
        if (tls_client_new(&t, &b.tls, &err))
            die("TLS", err.msg);
    }
    b.samples = rk_calloc(SAMPLES, sizeof *b.samples);
    if (rk_loop_new(&b.loop, &err))
        die("loop", err.msg);
    rk_timer_start(b.loop, &b.timer, 0, begin, &b);
    rk_loop_run(b.loop);
    printf("{\"server\":\"%.*s\",\"tls\":%s,\"messages_per_s\":%.0f,\"cpu_us\":%.2f,"
           "\"per_core\":%.0f,\"half_p50_us\":%.0f,\"half_p99_us\":%.0f,\"half_cpu_us\":%.2f,"
           "\"rate\":%lld,\"rate_p50_us\":%.0f,\"rate_p99_us\":%.0f,\"rate_cpu_us\":%.2f,"
           "\"lost\":%llu,\"idle_stream_bytes\":%.0f}\n",
           RK_STR_ARG(b.o.name), b.tls ? "true" : "false", b.per_s, b.cpu_us, 1e6 / b.cpu_us,
           b.paces[0].p50_us, b.paces[0].p99_us, b.paces[0].cpu_us, (long long)b.o.rate,
           b.paces[1].p50_us, b.paces[1].p99_us, b.paces[1].cpu_us,
           (unsigned long long)(b.sent - b.received), b.idle_bytes);
    rk_loop_free(b.loop);
    tls_ctx_free(b.tls);
    free(b.agents);
    free(b.samples);
    return EXIT_SUCCESS;
}
