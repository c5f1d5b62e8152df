/* SPDX-License-Identifier: BSD-3-Clause */
/* Frame of a service program; see svc.h. */
#include "config.h"

#include "lib/serve/svc.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/manual.h"
#include "lib/base/notify.h"
#include "lib/base/num.h"
#include "lib/base/proc.h"
#include "lib/base/procstat.h"
#include "lib/base/trim.h"
#include "lib/net/lsock.h"
#include "lib/serve/pages.h"

enum { TRIM_BURST_MS = 500 };

struct svc_priv {
    struct rk_proc *proc;
    struct rk_arena *mem;
    char *log_file;
    int log_fd;
    struct rk_addr pages_listen[2];
    size_t n_pages;
    struct serve_pages *pages;
    struct svc_user *user;
    _Atomic bool over; /* what we wait for has happened */
    size_t n_started;  /* loops with a thread */
    int64_t stop_by_ms;
};

/* ---- options */

static void print_help(const struct svc_program *prog)
{
    struct rk_buf help;

    rk_buf_init(&help, 1 << 16);
    rk_opts_help(prog->table, prog->n, &help);
    printf(
        "Usage: %s%s%s%s [OPTION...]\n\n%s\n\n%.*s      --help, --version\n\nDurations: 15s, 1h30m."
        " Signals: SIGTERM ends in order, SIGHUP reopens the log and reads certificates again.\n",
        prog->name, prog->alias ? " [" : "", prog->alias ? prog->alias : "", prog->alias ? "]" : "",
        prog->what, (int)help.n, help.p ? help.p : "");
    rk_buf_done(&help);
}

static void print_manual(const struct svc_program *prog)
{
    struct rk_buf out;

    rk_buf_init(&out, 1 << 16);
    rk_manual_program(&out, prog->name, prog->what);
    rk_manual_options(&out, prog->table, prog->n, NULL);
    rk_manual_print(&out);
}

bool svc_options(const struct svc_program *prog, int argc, char **argv, struct rk_arena *mem,
                 void *values, int *status)
{
    struct rk_err err = {0};
    struct rk_opts o;
    bool want_help = false;
    int rest = 0;
    enum rk_code rc;

    argv++;
    argc--;
    if (argc && prog->alias && strcmp(argv[0], prog->alias) == 0) {
        argv++;
        argc--;
    }
    *status = EXIT_SUCCESS;
    if (argc == 1 && (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "version") == 0)) {
        printf("%s %s\n", prog->name, PACKAGE_VERSION);
        return false;
    }
    if (rk_manual_asked(argc, argv)) {
        print_manual(prog);
        return false;
    }
    rc = rk_opts_load(&o, prog->table, prog->n, values, mem, argc, argv, &rest, &want_help, &err);
    if (want_help) {
        print_help(prog);
        return false;
    }
    if (rc == RK_OK && rest)
        rc = rk_fail(&err, RK_INVALID, "unexpected argument \"%s\"", argv[0]);
    if (rc) {
        (void)fprintf(stderr, "%s: %s\n", prog->name, err.msg);
        *status = 2;
        return false;
    }
    svc_print_notes(prog->name, &o.notes);
    return true;
}

void svc_print_notes(const char *program, const struct rk_strs *notes)
{
    for (size_t i = 0; i < notes->n; i++)
        (void)fprintf(stderr, "%s: %.*s\n", program, RK_STR_ARG(notes->items[i]));
}

enum rk_code svc_listener(const char *flag, struct rk_str text, const struct svc_common *common,
                          struct edge_listen *out, struct rk_err *err)
{
    struct edge_listen l = {.tls = common->tls_cert.n > 0};

    if (rk_addr_parse_listen(text, &l.addr, err)) {
        if (err)
            (void)rk_wrap(err, "--%s", flag);
        return RK_INVALID;
    }
    *out = l;
    return RK_OK;
}

/* ---- set-up */

static enum rk_code open_log(struct svc *s, const struct svc_common *c, struct rk_err *err)
{
    struct svc_priv *p = s->priv;
    enum rk_log_level level;

    if (rk_log_level_parse(c->log_level, &level, err))
        return RK_INVALID;
    p->log_file = rk_str_dupz(c->log_file);
    if (rk_proc_log_open(p->log_file, &p->log_fd, err))
        return RK_INVALID;
    s->log = rk_log_new(p->log_fd, level, rk_str_eqz(c->log_format, "json"));
    return RK_OK;
}

static enum rk_code open_loops(struct svc *s, int64_t n, struct rk_err *err)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    if (n <= 0)
        n = cpus > 0 ? cpus : 1;
    n = rk_min_i64(n, SVC_LOOPS_MAX);
    s->loops = rk_calloc((size_t)n, sizeof *s->loops);
    while (s->n_loops < (size_t)n) {
        if (rk_loop_new(&s->loops[s->n_loops], err))
            return RK_INTERNAL;
        s->n_loops++;
    }
    return RK_OK;
}

static enum rk_code open_edge(struct svc *s, const struct svc_common *c,
                              const struct edge_listen *listen, size_t n_listen, struct rk_err *err)
{
    struct rk_arena *mem = s->priv->mem;
    struct rk_prefix *trusted = rk_new_n(mem, struct rk_prefix, c->trusted_proxies.n + 1);
    struct edge_opts opts = {.loops = s->loops,
                             .n_loops = s->n_loops,
                             .listen = listen,
                             .n_listen = n_listen,
                             .trusted = trusted,
                             .n_trusted = c->trusted_proxies.n,
                             .limits = {.max_conns = (size_t)c->max_connections,
                                        .max_conns_per_addr = (size_t)c->max_per_address},
                             .log = s->log,
                             .metrics = s->metrics};

    if (!c->tls_cert.n != !c->tls_key.n)
        return rk_fail(err, RK_INVALID, "a certificate file needs a key file, and the other way");
    if (c->tls_cert.n) {
        opts.cert_file = rk_arena_dupz(mem, c->tls_cert);
        opts.key_file = rk_arena_dupz(mem, c->tls_key);
    }
    for (size_t i = 0; i < c->trusted_proxies.n; i++)
        if (rk_prefix_parse_or_ip(c->trusted_proxies.items[i], &trusted[i], err)) {
            if (err)
                (void)rk_wrap(err, "--trusted-proxies");
            return RK_INVALID;
        }
    return edge_new(&opts, &s->edge, err);
}

struct rk_addr svc_metrics_addr(const struct rk_addr *listener, int64_t port)
{
    struct rk_addr a = {.ip = listener->ip, .port = (uint16_t)port};

    if (!a.ip.family || rk_ip_is_unspecified(&a.ip))
        a.ip = rk_ip4(127, 0, 0, 1);
    return a;
}

static enum rk_code open_pages(struct svc *s, const struct svc_common *c,
                               const struct rk_addr *listener, struct rk_err *err)
{
    struct svc_priv *p = s->priv;

    if (c->health_listen.n &&
        rk_addr_parse_listen(c->health_listen, &p->pages_listen[p->n_pages++], err)) {
        if (err)
            (void)rk_wrap(err, "--health-listen-address");
        return RK_INVALID;
    }
    if (c->metrics_port)
        p->pages_listen[p->n_pages++] = svc_metrics_addr(listener, c->metrics_port);
    return RK_OK;
}

enum rk_code svc_open(const char *name, const struct svc_common *common,
                      const struct edge_listen *listen, size_t n_listen, struct svc **out,
                      struct rk_err *err)
{
    struct svc *s = rk_calloc(1, sizeof *s);
    enum rk_code rc;

    s->name = name;
    s->priv = rk_calloc(1, sizeof *s->priv);
    s->priv->mem = rk_arena_new(0);
    s->priv->log_fd = -1;
    lsock_inherit();
    rc = rk_proc_new(&s->priv->proc, err);
    if (rc == RK_OK)
        rc = open_log(s, common, err);
    s->metrics = rk_metrics_new();
    rk_procstat_register(s->metrics, name);
    if (rc == RK_OK)
        rc = open_loops(s, common->loops, err);
    if (rc == RK_OK)
        rc = open_edge(s, common, listen, n_listen, err);
    if (rc == RK_OK)
        rc = open_pages(s, common, &listen[0].addr, err);
    if (rc) {
        svc_close(s);
        return rc;
    }
    *out = s;
    return RK_OK;
}

void svc_close(struct svc *s)
{
    if (!s)
        return;
    serve_pages_free(s->priv->pages);
    edge_free(s->edge);
    for (size_t i = 0; i < s->n_loops; i++)
        rk_loop_free(s->loops[i]);
    free(s->loops);
    rk_metrics_free(s->metrics);
    rk_log_free(s->log);
    if (s->priv->log_fd > STDERR_FILENO)
        (void)close(s->priv->log_fd);
    rk_proc_free(s->priv->proc);
    free(s->priv->log_file);
    rk_arena_free(s->priv->mem);
    free(s->priv);
    free(s);
}

/* ---- run */

static bool is_ready(void *arg, const char **why)
{
    const struct svc *s = arg;
    struct svc_user *u = s->priv->user;

    *why = "";
    return !u->ops->ready || u->ops->ready(u, why);
}

static bool is_useful(void *arg)
{
    const struct svc *s = arg;
    struct svc_user *u = s->priv->user;

    return u->ops->useful && u->ops->useful(u);
}

static void describe(void *arg, bool ready, const char *why, struct rk_buf *out)
{
    const struct svc *s = arg;

    s->priv->user->ops->describe(s->priv->user, ready, why, out);
}

static void part_over(void *arg)
{
    struct svc *s = arg;

    atomic_store(&s->priv->over, true);
    rk_proc_wake(s->priv->proc);
}

/* Wait for part_over. Who does not want to wait any longer ends the process as it is. */
static void await(struct svc *s, const char *what)
{
    struct svc_priv *p = s->priv;

    while (!atomic_load(&p->over)) {
        int64_t left = p->stop_by_ms - rk_mono_ms();
        enum rk_proc_event e = rk_proc_wait(p->proc, rk_max_i64(left, 0));

        if (e == RK_PROC_TERMINATE || (e == RK_PROC_TIMEOUT && left <= 0)) {
            rk_log(s->log, RK_ERROR, "stopped the hard way", kv_z("waiting_for", what));
            _exit(EXIT_FAILURE);
        }
    }
    atomic_store(&p->over, false);
}

static void cert_metric(void *arg, struct rk_buf *out)
{
    const struct svc *s = arg;
    int64_t end_ms = edge_cert_not_after_ms(s->edge);

    if (end_ms)
        rk_buf_printf(out,
                      "# HELP rookery_certificate_not_after_seconds When the certificate in use "
                      "ends, Unix time.\n"
                      "# TYPE rookery_certificate_not_after_seconds gauge\n"
                      "rookery_certificate_not_after_seconds %lld\n",
                      (long long)(end_ms / 1000));
}

static void reload(struct svc *s)
{
    struct rk_err err = {0};

    rk_notify("RELOADING=1");

    if (rk_proc_log_reopen(s->priv->log_file, s->priv->log_fd, &err))
        rk_log(s->log, RK_ERROR, "reload log file", KV_ERR(&err));
    err = (struct rk_err){0};
    if (s->priv->user && s->priv->user->ops->reload &&
        s->priv->user->ops->reload(s->priv->user, &err))
        rk_log(s->log, RK_ERROR, "reload", KV_ERR(&err));
    err = (struct rk_err){0};
    if (edge_reload_tls(s->edge, &err))
        rk_log(s->log, RK_ERROR, "reload certificate", KV_ERR(&err));
    else
        rk_log(s->log, RK_INFO, "reloaded", kv_z("program", s->name));
    rk_notify("READY=1");
}

static void stop_loops(struct svc *s)
{
    for (size_t i = 0; i < s->priv->n_started; i++)
        rk_loop_stop(s->loops[i]);
    for (size_t i = 0; i < s->priv->n_started; i++)
        rk_loop_join(s->loops[i]);
    s->priv->n_started = 0;
}

/* Begin everything; *started tells how far it came, for the way back. */
enum stage { NOTHING, LOOPS, SERVICE, EDGE, PAGES };

static enum rk_code begin(struct svc *s, enum stage *at, struct rk_err *err)
{
    struct svc_priv *p = s->priv;
    struct serve_pages_opts pages = {.loop = s->loops[0],
                                     .listen = p->pages_listen,
                                     .n_listen = p->n_pages,
                                     .metrics = s->metrics,
                                     .log = s->log,
                                     .ready = is_ready,
                                     .useful = is_useful,
                                     .describe = p->user->ops->describe ? describe : NULL,
                                     .arg = s};
    enum rk_code rc = RK_OK;

    *at = LOOPS;
    for (; p->n_started < s->n_loops && rc == RK_OK; p->n_started += rc == RK_OK)
        rc = rk_loop_start(s->loops[p->n_started], "loop", err);
    if (rc == RK_OK)
        rc = p->user->ops->start(p->user, err);
    if (rc)
        return rc;
    *at = SERVICE;
    rc = edge_start(s->edge, err);
    if (rc)
        return rc;
    *at = EDGE;
    rc = serve_pages_new(&pages, &p->pages, err);
    if (rc == RK_OK)
        *at = PAGES;
    return rc;
}

static void end(struct svc *s, enum stage at, int64_t grace_ms)
{
    struct svc_priv *p = s->priv;

    p->stop_by_ms = rk_mono_ms() + SVC_STOP_MS;
    if (at >= SERVICE && p->user->ops->stop) {
        p->user->ops->stop(p->user, part_over, s);
        await(s, "service");
    }
    if (at >= EDGE) {
        edge_stop(s->edge, grace_ms, part_over, s);
        await(s, "connections");
    }
    if (at >= SERVICE && p->user->ops->finish) {
        p->user->ops->finish(p->user, part_over, s);
        await(s, "work under way");
    }
    if (at >= PAGES) {
        serve_pages_stop(p->pages, part_over, s);
        await(s, "health and metrics pages");
    }
    stop_loops(s);
}

/* What strangers made us keep is gone: give it back, a moment later. Any thread. */
static void much_freed(void *arg)
{
    const struct svc *s = arg;

    rk_proc_wake(s->priv->proc);
}

/* The end of the wait for the next event: what is due first, memory or the watchdog. */
static int64_t wait_ms(int64_t trim_at_ms, int64_t dog_ms)
{
    int64_t left = trim_at_ms ? rk_max_i64(trim_at_ms - rk_mono_ms(), 0) : -1;

    return dog_ms && (left < 0 || dog_ms < left) ? dog_ms : left;
}

/* Until SIGTERM. The loops answer for themselves (health pages); the watchdog is this thread's. */
static void serve(struct svc *s)
{
    int64_t trim_at_ms = rk_mono_ms() + RK_TRIM_AFTER_MS, dog_ms = rk_notify_watchdog_ms();
    enum rk_proc_event e;
    bool settled = false;

    while ((e = rk_proc_wait(s->priv->proc, wait_ms(trim_at_ms, dog_ms))) != RK_PROC_TERMINATE) {
        if (dog_ms)
            rk_notify("WATCHDOG=1");
        if (e == RK_PROC_RELOAD)
            reload(s);
        if (e == RK_PROC_WOKEN) /* by much_freed */
            trim_at_ms = rk_mono_ms() + TRIM_BURST_MS;
        if (trim_at_ms && rk_mono_ms() >= trim_at_ms) {
            if (settled)
                rk_trim_heap();
            else
                rk_trim();
            settled = true;
            trim_at_ms = 0;
        }
    }
}

enum rk_code svc_run(struct svc *s, struct svc_user *user, int64_t grace_ms, struct rk_err *err)
{
    struct svc_priv *p = s->priv;
    enum stage at;
    enum rk_code rc;

    p->user = user;
    rk_budget_on_fall(edge_budget(s->edge), much_freed, s);
    rc = begin(s, &at, err);
    if (rc) {
        end(s, at, 0);
        return rc;
    }
    rk_metrics_collect(s->metrics, cert_metric, s);
    rk_log(s->log, RK_INFO, "serving", kv_z("program", s->name), kv_z("version", PACKAGE_VERSION),
           kv_i64("port", edge_port(s->edge, 0)), kv_i64("loops", (int64_t)s->n_loops));
    lsock_rest(s->log);
    rk_notify("READY=1");
    serve(s);
    rk_notify("STOPPING=1");
    rk_log(s->log, RK_INFO, "stopping", kv_z("program", s->name));
    end(s, at, grace_ms);
    rk_log(s->log, RK_INFO, "stopped", kv_z("program", s->name));
    return RK_OK;
}
