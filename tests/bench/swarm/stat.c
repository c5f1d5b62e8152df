/* SPDX-License-Identifier: BSD-3-Clause */
/* Times and the server's use of the machine; see swarm.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/swarm/swarm.h"

int64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void usage_reset_peak(int64_t pid)
{
    char path[64];
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%lld/clear_refs", (long long)pid);
    f = pid ? fopen(path, "w") : NULL;
    if (f) {
        (void)fputs("5", f);
        (void)fclose(f);
    }
}

static long field_kb(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at ? strtol(at + strlen(name), NULL, 10) : 0;
}

struct usage usage_of(int64_t pid)
{
    struct usage u = {0};
    char path[64], text[8192];
    size_t n;
    FILE *f;

    if (!pid)
        return u;
    (void)snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    f = fopen(path, "r");
    if (f) {
        unsigned long user = 0, sys = 0;
        const char *at;

        n = fread(text, 1, sizeof text - 1, f);
        text[n] = 0;
        at = strrchr(text, ')');
        if (at &&
            sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) == 2)
            u.cpu_s = (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
        (void)fclose(f);
    }
    (void)snprintf(path, sizeof path, "/proc/%lld/status", (long long)pid);
    f = fopen(path, "r");
    if (f) {
        n = fread(text, 1, sizeof text - 1, f);
        text[n] = 0;
        u.rss_kb = field_kb(text, "VmRSS:");
        u.peak_kb = field_kb(text, "VmHWM:");
        (void)fclose(f);
    }
    return u;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double *times_of(const struct fleet *f, size_t *n)
{
    double *v = rk_calloc(f->n + 1, sizeof *v);

    *n = 0;
    for (size_t i = 0; i < f->n; i++) {
        int64_t t = atomic_load(&f->agents[i].done_ns);

        if (t)
            v[(*n)++] = (double)(t - atomic_load(&f->start_ns)) / NS_PER_S;
    }
    qsort(v, *n, sizeof *v, by_value);
    return v;
}

double percentile(const double *sorted, size_t n, double p)
{
    size_t i;

    if (!n)
        return 0;
    i = (size_t)(p * (double)(n - 1) + 0.5);
    return sorted[i < n ? i : n - 1];
}
