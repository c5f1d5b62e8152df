/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The frame of a service that runs as a program of its own: log, metrics, loops, the edge, the
 * operators' pages, signals and an orderly end. Main thread.
 *
 *   svc_open ─▶ the service registers at svc->edge ─▶ svc_run (until SIGTERM) ─▶ free the service
 *                                                                            ─▶ svc_close
 */
#ifndef RK_SERVE_SVC_H
#define RK_SERVE_SVC_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/cfg.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/metrics.h"
#include "lib/http/edge.h"

#define SVC_LISTEN_MAX 4
#define SVC_LOOPS_MAX  64
#define SVC_STOP_MS    30000 /* for everything after the first SIGTERM; then the process just ends */

/* What the options of every service have in common; the rows are below. Plain data. */
struct svc_common {
    struct rk_str log_level, log_file, log_format;
    struct rk_str tls_cert, tls_key;
    struct rk_str health_listen;
    struct rk_strs trusted_proxies;
    int64_t metrics_port, loops, max_connections, max_per_address;
};

/* Rows of an option table for a struct with a member `common`; P is the environment prefix, N the
 * further names of official programs (each literal starts with a blank). */
#define SVC_OPTS(T, P, N_LEVEL, N_FILE, N_METRICS, N_HEALTH, N_PROXIES, DEF_HEALTH)                \
    {.flag = "metrics-port",                                                                       \
     .env = P "METRICS_PORT" N_METRICS,                                                            \
     .type = RK_OPT_I64,                                                                           \
     .def = "0",                                                                                   \
     .max = 65535,                                                                                 \
     .at = offsetof(T, common.metrics_port),                                                       \
     .help = "TCP port of /metrics, on the address of the first listener, or loopback "            \
             "where that is every address; 0 for none"},                                           \
        {.flag = "health-listen-address",                                                          \
         .letter = 'H',                                                                            \
         .env = P "HEALTH_LISTEN_ADDRESS" N_HEALTH,                                                \
         .type = RK_OPT_TEXT,                                                                      \
         .def = DEF_HEALTH,                                                                        \
         .at = offsetof(T, common.health_listen),                                                  \
         .arg = "ADDR:PORT",                                                                       \
         .help = "where /health, /livez and /readyz are served; empty for none"},                  \
        {.flag = "trusted-proxies",                                                                \
         .env = P "TRUSTED_PROXIES" N_PROXIES,                                                     \
         .type = RK_OPT_LIST,                                                                      \
         .at = offsetof(T, common.trusted_proxies),                                                \
         .arg = "PREFIX,...",                                                                      \
         .help = "reverse proxies whose X-Forwarded-For and X-Real-IP are believed"},              \
        {.flag = "loops",                                                                          \
         .env = P "LOOPS",                                                                         \
         .type = RK_OPT_I64,                                                                       \
         .def = "0",                                                                               \
         .max = SVC_LOOPS_MAX,                                                                     \
         .at = offsetof(T, common.loops),                                                          \
         .help = "event loop threads; 0 for one per processor"},                                   \
        {.flag = "max-connections",                                                                \
         .env = P "MAX_CONNECTIONS",                                                               \
         .type = RK_OPT_I64,                                                                       \
         .def = "50000",                                                                           \
         .min = 1,                                                                                 \
         .max = 1000000,                                                                           \
         .at = offsetof(T, common.max_connections),                                                \
         .help = "open connections in total"},                                                     \
        {.flag = "max-connections-per-address",                                                    \
         .env = P "MAX_CONNECTIONS_PER_ADDRESS",                                                   \
         .type = RK_OPT_I64,                                                                       \
         .def = "1000",                                                                            \
         .min = 1,                                                                                 \
         .max = 1000000,                                                                           \
         .at = offsetof(T, common.max_per_address),                                                \
         .help = "open connections of one IPv4 address or IPv6 /64; trusted proxies excepted"},    \
        {.flag = "log-level",                                                                      \
         .env = P "LOG_LEVEL" N_LEVEL,                                                             \
         .type = RK_OPT_CHOICE,                                                                    \
         .def = "info",                                                                            \
         .choices = "trace|debug|info|warn|warning|error|fatal|panic",                             \
         .at = offsetof(T, common.log_level),                                                      \
         .help = "least severity that is logged"},                                                 \
        {.flag = "log-file",                                                                       \
         .env = P "LOG_FILE" N_FILE,                                                               \
         .type = RK_OPT_TEXT,                                                                      \
         .def = "console",                                                                         \
         .at = offsetof(T, common.log_file),                                                       \
         .arg = "PATH",                                                                            \
         .help = "file that is appended to and reopened on SIGHUP; console for stderr"},           \
    {                                                                                              \
        .flag = "log-format", .env = P "LOG_FORMAT NB_LOG_FORMAT", .type = RK_OPT_CHOICE,          \
        .def = "text", .choices = "text|json", .at = offsetof(T, common.log_format),               \
        .help = "form of the log lines"                                                            \
    }

/* Variables that every official server reads and that mean nothing here. */
#define SVC_IDLE_ENV                                                                               \
    {.flag = "$NB_PPROF_ADDR",                                                                     \
     .env = "NB_PPROF_ADDR",                                                                       \
     .type = RK_OPT_TEXT,                                                                          \
     .idle = "this is no Go program"},                                                             \
        {.flag = "$GRPC_GO_LOG_SEVERITY_LEVEL",                                                    \
         .env = "GRPC_GO_LOG_SEVERITY_LEVEL",                                                      \
         .type = RK_OPT_TEXT,                                                                      \
         .idle = "this is no Go program"},                                                         \
        {.flag = "$GRPC_GO_LOG_VERBOSITY_LEVEL",                                                   \
         .env = "GRPC_GO_LOG_VERBOSITY_LEVEL",                                                     \
         .type = RK_OPT_TEXT,                                                                      \
         .idle = "this is no Go program"},                                                         \
        {.flag = "$NB_LOG_DISABLE_ROTATION",                                                       \
         .env = "NB_LOG_DISABLE_ROTATION",                                                         \
         .type = RK_OPT_TEXT,                                                                      \
         .quiet = "true",                                                                          \
         .idle = "log files are turned by logrotate"},                                             \
    {                                                                                              \
        .flag = "$NB_LOG_MAX_SIZE_MB", .env = "NB_LOG_MAX_SIZE_MB", .type = RK_OPT_TEXT,           \
        .idle = "log files are turned by logrotate"                                                \
    }

struct svc_program {   /* open, static */
    const char *name;  /* "rookery-relay" */
    const char *what;  /* a sentence for --help */
    const char *alias; /* a first argument that may stand there ("run"), or NULL */
    const struct rk_opt *table;
    size_t n;
};

/** Load the options; values is the program's struct. False when the program is to end with *status:
 *  after --help or --version (stdout), or after an error (stderr). mem outlives the values. */
bool svc_options(const struct svc_program *prog, int argc, char **argv, struct rk_arena *mem,
                 void *values, int *status);

/* The reason in rows of options that ask for a certificate of Let's Encrypt. */
#define SVC_NO_ACME                                                                                \
    "Let's Encrypt is not built in: use a certificate file that certbot or another client keeps "  \
    "fresh (SIGHUP reads it again), or a reverse proxy"

/** What options and configuration left without effect, a line each on stderr. */
void svc_print_notes(const char *program, const struct rk_strs *notes);

struct svc { /* open for reading; made by svc_open */
    const char *name;
    struct rk_log *log;
    struct rk_metrics *metrics;
    struct rk_loop **loops;
    size_t n_loops;
    struct edge *edge;
    struct svc_priv *priv;
};

/** log, metrics, loops and the edge with its listeners (at most SVC_LISTEN_MAX); nothing runs yet.
 *  Call before any thread exists. Owned: svc_close. Errors: RK_INVALID naming the option. */
enum rk_code svc_open(const char *name, const struct svc_common *common,
                      const struct edge_listen *listen, size_t n_listen, struct svc **out,
                      struct rk_err *err) RK_MUST;

struct svc_user;

struct svc_user_ops { /* all but start may be NULL */
    /** The loops run; open what the service needs besides the edge. */
    enum rk_code (*start)(struct svc_user *u, struct rk_err *err);
    /** SIGTERM: say goodbye while connections are still there; done(arg) from any thread. */
    void (*stop)(struct svc_user *u, void (*done)(void *arg), void *arg);
    /** After the last connection of the edge is gone, while the loops still turn: finish work under
     *  way, write what waits; done(arg) from any thread. */
    void (*finish)(struct svc_user *u, void (*done)(void *arg), void *arg);
    /** Whether the service can serve, for /readyz and /health. Any thread, must not block. */
    bool (*ready)(struct svc_user *u, const char **why);
    /** The JSON body of /health in place of the plain one. Any thread. */
    /** Optional: not ready, and yet something goes on that only this process can do for those who
     *  are connected to it: /readyz stays 200, so that no balancer cuts them off. */
    bool (*useful)(struct svc_user *u);
    void (*describe)(struct svc_user *u, bool ready, const char *why, struct rk_buf *out);
    /** SIGHUP: read again what the service reads from files; what is bad stays as it was. Main
     *  thread. */
    enum rk_code (*reload)(struct svc_user *u, struct rk_err *err);
};

struct svc_user { /* embedded in the program's struct */
    const struct svc_user_ops *ops;
};

/** Serve until SIGTERM or SIGINT, reload log file and certificates on SIGHUP, end in order: stop(),
 *  the edge with grace_ms for calls in progress, finish(), the operators' pages, the loops. When it
 * returns no thread of the service runs. RK_OK after an orderly end. Errors: what start or binding
 * said (everything is closed again). Does not return when the end takes longer than SVC_STOP_MS or
 * a second SIGTERM comes: the process ends with status 1. */
enum rk_code svc_run(struct svc *s, struct svc_user *user, int64_t grace_ms,
                     struct rk_err *err) RK_MUST;
void svc_close(struct svc *s); /* accepts NULL */

/** Where the metrics port is opened: where the first listener is; loopback where that takes every
 *  address, for the figures are for operators (who may give health-listen-address, which has
 *  /metrics too, any address). */
struct rk_addr svc_metrics_addr(const struct rk_addr *listener, int64_t port);

/** A listener from its text, ":8080" or "1.2.3.4:5"; TLS when a certificate is configured.
 *  RK_INVALID naming the flag. */
enum rk_code svc_listener(const char *flag, struct rk_str text, const struct svc_common *common,
                          struct edge_listen *out, struct rk_err *err) RK_MUST;

#endif
