/* SPDX-License-Identifier: BSD-3-Clause */
/* The scenarios; see swarm.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/swarm/swarm.h"

#define ENROL_PARALLEL 64   /* while a scenario is only being prepared */
#define QUIET_MS       1500 /* nothing received for so long: every push has arrived */
#define ROUND_PAUSE_MS 2500 /* longer than any server collects changes */
#define JOIN_WATCH_MS  3000

struct result {
    double p50, p99, last, per_second, cpu_s, floor_s;
    uint64_t bytes, messages;
    size_t reached, wanted;
    struct usage now;
};

static struct result measure(struct fleet *f, const struct usage *before, size_t wanted)
{
    struct result r = {.wanted = wanted, .now = usage_of(f->o->server_pid)};
    double *t = times_of(f, &r.reached);

    r.p50 = percentile(t, r.reached, 0.5);
    r.p99 = percentile(t, r.reached, 0.99);
    r.last = percentile(t, r.reached, 1);
    r.per_second = r.last > 0 ? (double)r.reached / r.last : 0;
    r.cpu_s = r.now.cpu_s - before->cpu_s;
    r.bytes = atomic_load(&f->bytes);
    r.messages = atomic_load(&f->messages);
    free(t);
    return r;
}

static json_t *num(double v)
{
    return json_real((double)(long long)(v * 1e6 + 0.5) / 1e6);
}

static void print(const struct fleet *f, const struct result *r, json_t *more)
{
    const struct options *o = f->o;
    double speed = limit_seal_speed(), floor_s = (double)r->bytes / speed;
    json_t *j = json_object();

    (void)json_object_set_new(j, "scenario", json_stringn(o->scenario.p, o->scenario.n));
    (void)json_object_set_new(j, "shape", json_stringn(o->shape.p, o->shape.n));
    (void)json_object_set_new(j, "agents", json_integer(o->agents));
    (void)json_object_set_new(j, "reached", json_integer((json_int_t)r->reached));
    (void)json_object_set_new(j, "wanted", json_integer((json_int_t)r->wanted));
    (void)json_object_set_new(j, "wall_p50_s", num(r->p50));
    (void)json_object_set_new(j, "wall_p99_s", num(r->p99));
    (void)json_object_set_new(j, "wall_last_s", num(r->last));
    (void)json_object_set_new(j, "per_second", num(r->per_second));
    (void)json_object_set_new(j, "server_cpu_s", num(r->cpu_s));
    (void)json_object_set_new(j, "rss_now_kb", json_integer(r->now.rss_kb));
    (void)json_object_set_new(j, "rss_peak_kb", json_integer(r->now.peak_kb));
    (void)json_object_set_new(j, "bytes", json_integer((json_int_t)r->bytes));
    (void)json_object_set_new(j, "messages", json_integer((json_int_t)r->messages));
    (void)json_object_set_new(j, "rejects", json_integer((json_int_t)atomic_load(&f->rejects)));
    (void)json_object_set_new(j, "lost", json_integer((json_int_t)atomic_load(&f->lost)));
    (void)json_object_set_new(j, "serials_backwards",
                              json_integer((json_int_t)atomic_load(&f->bad)));
    (void)json_object_set_new(j, "seal_mb_per_s", num(speed / 1e6));
    (void)json_object_set_new(j, "floor_cpu_s", num(floor_s));
    (void)json_object_set_new(j, "floor_ratio",
                              floor_s > 0 && r->cpu_s > 0 ? num(r->cpu_s / floor_s) : json_null());
    if (more) {
        (void)json_object_update(j, more);
        json_decref(more);
    }
    (void)json_dumpf(j, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    (void)putchar('\n');
    json_decref(j);
}

static bool enrol(struct fleet *f, size_t n)
{
    if (!fleet_run(f, GOAL_LOGIN, 0, n, ENROL_PARALLEL)) {
        (void)fprintf(stderr, "swarm: only %zu of %zu agents could enrol\n", atomic_load(&f->done),
                      n);
        return false;
    }
    atomic_store(&f->rejects, 0);
    atomic_store(&f->lost, 0);
    return true;
}

static bool connect_all(struct fleet *f, size_t n)
{
    if (!fleet_run(f, GOAL_SYNC, 0, n, ENROL_PARALLEL)) {
        (void)fprintf(stderr, "swarm: only %zu of %zu agents got a map\n", atomic_load(&f->done),
                      n);
        return false;
    }
    fleet_quiet(f, QUIET_MS);
    return true;
}

static int run_register(struct fleet *f)
{
    struct usage before = usage_of(f->o->server_pid);
    bool ok = fleet_run(f, GOAL_LOGIN, 0, f->n, (size_t)f->o->parallel);
    struct result r = measure(f, &before, f->n);

    print(f, &r, NULL);
    return ok ? 0 : 1;
}

static int run_reconnect(struct fleet *f)
{
    struct usage before;
    struct result r;
    bool ok;

    if (!enrol(f, f->n))
        return 1;
    (void)usleep((useconds_t)f->o->settle_ms * 1000);
    usage_reset_peak(f->o->server_pid);
    before = usage_of(f->o->server_pid);
    atomic_store(&f->bytes, 0);
    atomic_store(&f->messages, 0);
    ok = fleet_run(f, GOAL_SYNC, 0, f->n, 0);
    r = measure(f, &before, f->n);
    print(f, &r, NULL);
    return ok ? 0 : 1;
}

static int by_last(const void *a, const void *b)
{
    const struct result *x = a, *y = b;

    return (x->last > y->last) - (x->last < y->last);
}

/* The median round is reported, by the time of its last agent. */
static int run_push(struct fleet *f)
{
    size_t n = (size_t)f->o->rounds;
    struct result *r;
    bool ok = true;

    if (!enrol(f, f->n) || !connect_all(f, f->n))
        return 1;
    usage_reset_peak(f->o->server_pid);
    r = rk_calloc(n, sizeof *r);
    for (size_t i = 0; i < n && ok; i++) {
        struct usage before;
        size_t wanted;

        fleet_quiet(f, ROUND_PAUSE_MS);
        before = usage_of(f->o->server_pid);
        wanted = fleet_round_begin(f, plan_affected);
        plan_edit(f->api, f->plan);
        ok = fleet_wait(f, wanted);
        fleet_quiet(f, 200); /* the server's last CPU tick */
        r[i] = measure(f, &before, wanted);
    }
    qsort(r, n, sizeof *r, by_last);
    print(f, &r[n / 2],
          json_pack("{s:i,s:o,s:o}", "rounds", (int)n, "wall_best_s", num(r[0].last),
                    "wall_worst_s", num(r[n - 1].last)));
    free(r);
    return ok ? 0 : 1;
}

static int run_join(struct fleet *f)
{
    size_t others = f->n - 1, wanted, strangers = 0;
    struct usage before;
    uint64_t stray = 0;
    struct result r;
    bool ok;

    if (!enrol(f, others) || !connect_all(f, others))
        return 1;
    fleet_quiet(f, ROUND_PAUSE_MS);
    usage_reset_peak(f->o->server_pid);
    before = usage_of(f->o->server_pid);
    wanted = fleet_round_begin(f, plan_meets_newcomer);
    /* The newcomer's own goal counts as one more. */
    fleet_run_more(f, GOAL_SYNC, others, f->n);
    ok = fleet_wait(f, wanted + 1);
    (void)usleep(JOIN_WATCH_MS * 1000);
    r = measure(f, &before, wanted + 1);
    for (size_t i = 0; i < others; i++)
        if (!plan_meets_newcomer(f->plan, i)) {
            strangers++;
            stray += atomic_load(&f->agents[i].bytes);
        }
    print(f, &r,
          json_pack("{s:I,s:I,s:I}", "affected", (json_int_t)wanted, "unaffected",
                    (json_int_t)strangers, "unaffected_bytes", (json_int_t)stray));
    return ok ? 0 : 1;
}

static int run_idle(struct fleet *f)
{
    struct usage before, after;
    struct result r;

    if (!enrol(f, f->n))
        return 1;
    (void)usleep((useconds_t)f->o->settle_ms * 1000);
    before = usage_of(f->o->server_pid);
    if (!connect_all(f, f->n))
        return 1;
    (void)usleep((useconds_t)f->o->settle_ms * 1000);
    r = measure(f, &before, f->n);
    after = usage_of(f->o->server_pid);
    (void)sleep(5);
    print(f, &r,
          json_pack("{s:o,s:o,s:I}", "kb_per_stream",
                    num((double)(after.rss_kb - before.rss_kb) / (double)f->n), "idle_cpu_s_per_5s",
                    num(usage_of(f->o->server_pid).cpu_s - after.cpu_s), "rss_before_kb",
                    (json_int_t)before.rss_kb));
    return 0;
}

static int run_limit(void)
{
    printf("{\"scenario\":\"limit\",\"seal_mb_per_s\":%.0f}\n", limit_seal_speed() / 1e6);
    return 0;
}

int scenario_run(const struct options *o)
{
    static const struct {
        const char *name;
        int (*run)(struct fleet *f);
        size_t extra;
    } SCENARIOS[] = {{"register", run_register, 0},
                     {"reconnect", run_reconnect, 0},
                     {"push", run_push, 0},
                     {"join", run_join, 1},
                     {"idle", run_idle, 0}};
    struct plan *plan;
    struct fleet f;
    struct api api;
    int status = 2;

    if (rk_str_eqz(o->scenario, "limit"))
        return run_limit();
    api_open(&api, o);
    plan = rk_calloc(1, sizeof *plan);
    plan_make(&api, o, plan);
    for (size_t i = 0; i < RK_ARRAY_LEN(SCENARIOS); i++)
        if (rk_str_eqz(o->scenario, SCENARIOS[i].name)) {
            fleet_open(&f, o, &api, plan, (size_t)o->agents + SCENARIOS[i].extra);
            usage_reset_peak(o->server_pid);
            status = SCENARIOS[i].run(&f);
            (void)fflush(stdout);
            fleet_close(&f);
        }
    json_decref(plan->body[0]);
    json_decref(plan->body[1]);
    free(plan);
    tls_ctx_free(api.tls_ctx);
    return status;
}
