/* SPDX-License-Identifier: BSD-3-Clause */
/* What the relay's bench measures; see bench.h. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/relay/bench.h"

enum {
    WARM_NS = 300000000, /* not counted */
    NAP_NS = 20000,
    WINDOW_NS = 100000000,
    WINDOWS = 6000,
    SAMPLES = 1000000, /* of one window */
    SETTLE_US = 500000
};

void die(const char *what)
{
    (void)fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int64_t read_clock(clockid_t clock)
{
    struct timespec t;

    if (clock_gettime(clock, &t))
        die("clock");
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t process_cpu_ns(pid_t pid)
{
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock))
        die("CPU clock");
    return read_clock(clock);
}

double process_private_bytes(pid_t pid)
{
    char path[64], line[256];
    double kb = -1;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    f = fopen(path, "re");
    while (f && kb < 0 && fgets(line, sizeof line, f))
        if (strncmp(line, "RssAnon:", 8) == 0)
            kb = strtod(line + 8, NULL);
    if (kb < 0)
        die(path);
    (void)fclose(f);
    return kb * 1024;
}

static int epoll_of(struct pair *pairs, size_t n)
{
    int ep = epoll_create1(EPOLL_CLOEXEC);

    for (size_t i = 0; i < n; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u64 = i};

        if (epoll_ctl(ep, EPOLL_CTL_ADD, pairs[i].to.stream.fd, &e))
            die("epoll");
    }
    return ep;
}

static uint64_t received(const struct pair *pairs, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += pairs[i].to.received;
    return sum;
}

void measure_throughput(const struct server *s, struct pair *pairs, size_t n_pairs, double seconds,
                        struct result *r)
{
    struct epoll_event events[MAX_PAIRS];
    int ep = epoll_of(pairs, n_pairs);
    int64_t began = now_ns(), cpu = 0, wall;
    uint64_t before = 0, got;
    bool warm = false;

    for (size_t i = 0; i < n_pairs; i++)
        pair_fill(&pairs[i]);
    for (;;) {
        int n = epoll_wait(ep, events, MAX_PAIRS, 10);

        for (int i = 0; i < n; i++) {
            struct pair *p = &pairs[events[i].data.u64];

            (void)peer_receive(&p->to);
            pair_fill(p);
        }
        for (size_t i = 0; n == 0 && i < n_pairs; i++)
            pair_fill(&pairs[i]); /* a partial write waits for room */
        wall = now_ns() - began;
        if (!warm && wall > WARM_NS) { /* count from here */
            warm = true;
            before = received(pairs, n_pairs);
            began = now_ns();
            cpu = process_cpu_ns(s->pid);
        } else if (warm && wall > (int64_t)(seconds * 1e9)) {
            break;
        }
    }
    cpu = process_cpu_ns(s->pid) - cpu;
    got = received(pairs, n_pairs) - before;
    (void)close(ep);
    if (!got)
        die("nothing came through");
    r->packets_per_s = (double)got / ((double)wall / 1e9);
    r->cpu_ns = (double)cpu / (double)got;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* The p50 and p99 of what one window brought. */
static void window_over(struct samples *ages, struct samples *p50, struct samples *p99)
{
    if (ages->n && p50->n < p50->max) {
        qsort(ages->ns, ages->n, sizeof *ages->ns, by_time);
        p50->ns[p50->n++] = ages->ns[ages->n / 2];
        p99->ns[p99->n++] = ages->ns[ages->n * 99 / 100];
    }
    ages->n = 0;
}

static double median_us(struct samples *s)
{
    if (!s->n)
        die("nothing came through");
    qsort(s->ns, s->n, sizeof *s->ns, by_time);
    return (double)s->ns[s->n / 2] / 1000;
}

void measure_latency(const struct server *s, struct pair *pairs, size_t n_pairs, double seconds,
                     struct result *r)
{
    static int64_t took[SAMPLES], took50[WINDOWS], took99[WINDOWS];
    struct samples ages = {took, 0, SAMPLES}, p50 = {took50, 0, WINDOWS},
                   p99 = {took99, 0, WINDOWS};
    struct epoll_event events[MAX_PAIRS];
    int ep = epoll_of(pairs, n_pairs);
    int64_t began = now_ns(), cpu = s ? process_cpu_ns(s->pid) : 0, wall, window = 1;
    /* not a busy loop: a thread of real-time priority that never sleeps is made to */
    const struct timespec nap = {.tv_nsec = NAP_NS};
    size_t next = 0;
    double due = 0;

    for (size_t i = 0; i < n_pairs; i++)
        pairs[i].to.ages = &ages;
    while ((wall = now_ns() - began) < (int64_t)(seconds * 1e9)) {
        int got;

        for (; due < r->rate * (double)wall / 1e9; due++) {
            (void)pair_send_stamped(&pairs[next]);
            next = (next + 1) % n_pairs;
        }
        got = epoll_pwait2(ep, events, MAX_PAIRS, &nap, NULL);
        for (int i = 0; i < got; i++)
            (void)peer_receive(&pairs[events[i].data.u64].to);
        if (wall > window * WINDOW_NS) {
            window_over(&ages, &p50, &p99);
            window = wall / WINDOW_NS + 1;
        }
    }
    for (size_t i = 0; i < n_pairs; i++)
        pairs[i].to.ages = NULL;
    (void)close(ep);
    r->busy = s ? (double)(process_cpu_ns(s->pid) - cpu) / (double)wall : 0;
    r->p50_us = median_us(&p50);
    r->p99_us = median_us(&p99);
}

void measure_idle(const struct server *s, unsigned n, struct result *r)
{
    static struct peer peers[MAX_IDLE];
    double before = process_private_bytes(s->pid);

    for (unsigned i = 0; i < n; i++)
        peer_open(&peers[i], s, "idle", i);
    (void)usleep(SETTLE_US);
    r->idle_bytes = (process_private_bytes(s->pid) - before) / n;
    for (unsigned i = 0; i < n; i++)
        stream_close(&peers[i].stream);
}
