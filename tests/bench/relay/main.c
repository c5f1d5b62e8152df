/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bench of the relay over loopback, against limits that are measured in the same run:
 *
 *   bare     a process that copies bytes from stream to stream and looks at nothing but TLS
 *   ours     rookery-relay
 *   other    another relay program with the same flags, if one is named
 *
 *   relay [--other PATH] [--seconds S] [--pairs N] [--idle N] [--loops N] [--kinds LIST]
 *         [--rounds N] [--rate N]
 *         [--beside greedy|joins] [PATH_OF_OUR_RELAY]
 *
 * Throughput: each pair keeps a window of full WireGuard packets in flight, so nothing is lost and
 * the slowest part sets the pace. On few processors the load shares them with the relay, so the
 * CPU time per packet of the relay's process says more than packets per second. Latency: packets
 * one by one, at half of the rate that one core of the server could carry, through all pairs; what
 * a server adds is compared with sockets that have no server between them. Memory: private bytes
 * per idle authenticated peer. With --loops 1, as `make bench-relay` gives it,
 * what a packet costs is what it costs one core.
 */
#include "config.h"

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "lib/base/num.h"
#include "tests/bench/relay/bench.h"
#include "tests/unit/cert.h"

enum { DIRECT, BARE, OURS, OTHER, SERVERS };

struct options {
    int64_t seconds, pairs, idle, rounds, rate;
    bool kinds[KINDS];
    const char *beside;
    struct server servers[SERVERS];
};

static struct pair pairs[MAX_PAIRS];

static void open_pairs(const struct server *s, size_t n)
{
    for (unsigned i = 0; i < n; i++)
        pair_open(&pairs[i], s, i);
}

static void close_pairs(size_t n)
{
    for (unsigned i = 0; i < n; i++)
        pair_close(&pairs[i]);
}

static void measure(const struct options *o, struct server *s, struct result *best)
{
    struct result r = {0};
    size_t n = (size_t)o->pairs;
    pid_t beside;

    server_start(s);
    if (s->path && o->idle) /* first: a relay that has worked keeps memory for it */
        measure_idle(s, (unsigned)o->idle, &r);
    open_pairs(s, n);
    measure_throughput(s, pairs, n, (double)o->seconds, &r);
    for (size_t i = 0; i < n; i++)
        pair_settle(&pairs[i]);
    r.rate = 0.5e9 / r.cpu_ns < (double)o->rate ? 0.5e9 / r.cpu_ns : (double)o->rate;
    beside = beside_start(o->beside, s);
    measure_latency(s, pairs, n, (double)o->seconds, &r);
    beside_stop(beside);
    close_pairs(n);
    server_stop(s);
    if (best->packets_per_s <= 0 || r.cpu_ns < best->cpu_ns)
        *best = r;
}

/* The same rate as ours, without a server. */
static void measure_direct(const struct options *o, enum kind kind, double rate, struct result *r)
{
    size_t n = (size_t)o->pairs;

    for (unsigned i = 0; i < n; i++)
        pair_open_direct(&pairs[i], kind);
    r->rate = rate;
    measure_latency(NULL, pairs, n, (double)o->seconds, r);
    close_pairs(n);
}

static void print_result(enum kind kind, const char *name, const struct result *r)
{
    printf("%-6s %-6s", KIND_NAMES[kind], name);
    if (r->cpu_ns > 0)
        printf(" %8.0f packets/s %6.2f Gbit/s %6.0f ns CPU/packet = %4.0f k/s and core",
               r->packets_per_s, r->packets_per_s * PACKET * 8 / 1e9, r->cpu_ns, 1e6 / r->cpu_ns);
    printf("  latency at %3.0f k/s (%2.0f %% of a core): %5.0f us p50 %5.0f us p99", r->rate / 1000,
           r->busy * 100, r->p50_us, r->p99_us);
    if (r->idle_bytes > 0)
        printf("  %6.0f bytes/idle peer", r->idle_bytes);
    printf("\n");
}

static void print_ratios(const char *what, const struct result *ours, const struct result *limit)
{
    printf("       ours/%s: CPU per packet %.2f, throughput %.2f, p99 %.2f", what,
           ours->cpu_ns / limit->cpu_ns, ours->packets_per_s / limit->packets_per_s,
           ours->p99_us / limit->p99_us);
    if (limit->idle_bytes > 0)
        printf(", memory per idle peer %.2f", ours->idle_bytes / limit->idle_bytes);
    printf("\n");
}

static void run_kind(struct options *o, enum kind kind)
{
    struct result r[SERVERS] = {0};

    for (int64_t round = 0; round < o->rounds; round++)
        for (int i = BARE; i < SERVERS; i++) {
            struct server *s = &o->servers[i];

            s->kind = kind;
            if (i == BARE || s->path)
                measure(o, s, &r[i]);
        }
    measure_direct(o, kind, r[OURS].rate, &r[DIRECT]);
    for (int i = DIRECT; i < SERVERS; i++)
        if (i <= BARE || o->servers[i].path)
            print_result(kind, o->servers[i].name, &r[i]);
    print_ratios("bare", &r[OURS], &r[BARE]);
    if (o->servers[OTHER].path)
        print_ratios("other", &r[OURS], &r[OTHER]);
    printf("       p99 added: bare %.0f us, ours %.0f us\n", r[BARE].p99_us - r[DIRECT].p99_us,
           r[OURS].p99_us - r[DIRECT].p99_us);
    (void)fflush(stdout);
}

static bool read_kinds(struct options *o, struct rk_str list)
{
    struct rk_str name;

    for (int i = 0; i < KINDS; i++)
        o->kinds[i] = false;
    while (list.n) {
        bool known = false;

        (void)rk_str_cut(list, ',', &name, &list);
        for (int i = 0; i < KINDS; i++)
            if (rk_str_eqz(name, KIND_NAMES[i]))
                o->kinds[i] = known = true;
        if (!known)
            return false;
    }
    return true;
}

static bool read_options(struct options *o, int argc, char **argv)
{
    static const struct option long_opts[] = {
        {"other", required_argument, NULL, 'o'},  {"seconds", required_argument, NULL, 's'},
        {"pairs", required_argument, NULL, 'p'},  {"idle", required_argument, NULL, 'i'},
        {"loops", required_argument, NULL, 'l'},  {"kinds", required_argument, NULL, 'k'},
        {"rounds", required_argument, NULL, 'r'}, {"beside", required_argument, NULL, 'b'},
        {"rate", required_argument, NULL, 'R'},   {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", long_opts, NULL)) != -1) {
        struct rk_str v = rk_str_z(optarg);

        if (c == 'b' && beside_known(optarg))
            o->beside = optarg;
        else if (c == 'o')
            o->servers[OTHER].path = optarg;
        else if (c == 'l')
            o->servers[OURS].loops = optarg;
        else if (c == '?' || c == 'b' || (c == 'k' && !read_kinds(o, v)) ||
                 (c == 's' && rk_parse_i64(v, 1, 600, &o->seconds, NULL)) ||
                 (c == 'p' && rk_parse_i64(v, 1, MAX_PAIRS, &o->pairs, NULL)) ||
                 (c == 'r' && rk_parse_i64(v, 1, 100, &o->rounds, NULL)) ||
                 (c == 'R' && rk_parse_i64(v, 1, 1000000, &o->rate, NULL)) ||
                 (c == 'i' && rk_parse_i64(v, 0, MAX_IDLE, &o->idle, NULL)))
            return false;
    }
    if (optind < argc)
        o->servers[OURS].path = argv[optind];
    return true;
}

int main(int argc, char **argv)
{
    struct options o = {.seconds = 3,
                        .pairs = 50,
                        .idle = 1000,
                        .rate = 75000, /* the load must still be able to write one by one */
                        .rounds = 3,
                        .kinds = {true, true, true},
                        .servers = {{.name = "direct"},
                                    {.name = "bare"},
                                    {.name = "ours", .path = "./rookery-relay", .many = true},
                                    {.name = "other"}}};
    struct rlimit files;
    struct test_cert cert;

    if (!read_options(&o, argc, argv))
        return 2;
    /* buffers that come and go stay ours: no page faults in the load */
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 24);
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 28);
    if (getrlimit(RLIMIT_NOFILE, &files))
        die("open files");
    files.rlim_cur = files.rlim_max; /* the servers inherit it */
    if (setrlimit(RLIMIT_NOFILE, &files))
        die("open files");
    test_cert_new(&cert);
    server_files(cert.cert, cert.key);
    printf("%d pairs, %d bytes per packet, best of %d rounds of %d s\n", (int)o.pairs, PACKET,
           (int)o.rounds, (int)o.seconds);
    for (int kind = 0; kind < KINDS; kind++)
        if (o.kinds[kind])
            run_kind(&o, (enum kind)kind);
    test_cert_free(&cert);
    return EXIT_SUCCESS;
}
