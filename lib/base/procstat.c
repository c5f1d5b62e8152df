/* SPDX-License-Identifier: BSD-3-Clause */
/* Metrics of the process; see procstat.h. */
#include "config.h"

#include "lib/base/file.h"
#include "lib/base/procstat.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/base/str.h"

enum { FIELD_THREADS = 20, FIELD_START = 22, FIELD_VSIZE = 23, FIELD_RSS = 24, FIELDS = 24 };

/* Fields of /proc/self/stat by proc(5)'s numbers; the second may hold blanks and brackets. */
static bool stat_fields(int64_t field[FIELDS + 1])
{
    char buf[1024];
    struct rk_str s = rk_str_of(buf, rk_file_peek("/proc/self/stat", buf, sizeof buf)), word;
    size_t at = s.n;

    while (at > 0 && s.p[at - 1] != ')')
        at--;
    if (at + 1 >= s.n)
        return false;
    s = rk_str_sub(s, at + 1, s.n);
    for (int i = 3; i <= FIELDS; i++) {
        (void)rk_str_cut(rk_str_trim(s), ' ', &word, &s);
        if (i > 3 && rk_parse_i64(word, INT64_MIN, INT64_MAX, &field[i], NULL))
            field[i] = 0;
    }
    return true;
}

static int64_t open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    int64_t n = 0;

    if (!d)
        return 0;
    while (readdir(d))
        n++;
    (void)closedir(d);
    return n - 3; /* ".", ".." and the folder itself */
}

/* From the clocks: /proc/stat is not there for a service with ProcSubset=pid. */
static int64_t boot_time_s(void)
{
    struct timespec up;

    if (clock_gettime(CLOCK_BOOTTIME, &up))
        return 0;
    return rk_unix_us() / 1000000 - up.tv_sec;
}

static void one(struct rk_buf *out, const char *type, const char *name, const char *help, int64_t v)
{
    rk_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %lld\n", name, help, name, type, name,
                  (long long)v);
}

static void write_usage(struct rk_buf *out)
{
    struct rusage u;

    if (getrusage(RUSAGE_SELF, &u))
        return;
    rk_buf_printf(out,
                  "# HELP process_cpu_seconds_total Processor time used.\n"
                  "# TYPE process_cpu_seconds_total counter\n"
                  "process_cpu_seconds_total %lld.%06lld\n",
                  (long long)(u.ru_utime.tv_sec + u.ru_stime.tv_sec +
                              (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000000),
                  (long long)((u.ru_utime.tv_usec + u.ru_stime.tv_usec) % 1000000));
}

static void write_process(void *arg, struct rk_buf *out)
{
    const char *program = arg;
    int64_t f[FIELDS + 1] = {0}, hz = sysconf(_SC_CLK_TCK);
    struct rlimit files;

    rk_buf_printf(out,
                  "# HELP rookery_build_info Which build runs; always 1.\n"
                  "# TYPE rookery_build_info gauge\n"
                  "rookery_build_info{program=\"%s\",version=\"%s\"} 1\n",
                  program, PACKAGE_VERSION);
    write_usage(out);
    one(out, "gauge", "process_open_fds", "Open file descriptors.", open_files());
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        one(out, "gauge", "process_max_fds", "Allowed file descriptors.", (int64_t)files.rlim_cur);
    if (!stat_fields(f))
        return;
    one(out, "gauge", "process_resident_memory_bytes", "Resident memory.",
        f[FIELD_RSS] * sysconf(_SC_PAGESIZE));
    one(out, "gauge", "process_virtual_memory_bytes", "Address space.", f[FIELD_VSIZE]);
    one(out, "gauge", "process_threads", "Threads.", f[FIELD_THREADS]);
    one(out, "gauge", "process_start_time_seconds", "When the process began, Unix time.",
        boot_time_s() + (hz > 0 ? f[FIELD_START] / hz : 0));
}

void rk_procstat_register(struct rk_metrics *m, const char *program)
{
    rk_metrics_collect(m, write_process, (void *)(uintptr_t)program);
}
