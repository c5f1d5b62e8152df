/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Structured log lines: a fixed lower-case event, then key=value pairs, one line on stderr (or as
 * JSON). When the descriptor is the journal's (systemd.exec(5), JOURNAL_STREAM) each line begins
 * with its priority, "<6>", and has no time of its own. Child loggers carry fields. Any thread.
 * Secrets never go in. ERROR: someone must act. WARN: degraded, and how we go on. INFO: life
 * events. DEBUG: traffic.
 */
#ifndef RK_BASE_LOG_H
#define RK_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

enum rk_log_level { RK_DEBUG, RK_INFO, RK_WARN, RK_ERROR };

struct rk_kv { /* build with kv_str … below; borrowed for the call */
    const char *key;
    enum { RK_KV_STR, RK_KV_I64, RK_KV_BOOL } kind;
    struct rk_str s;
    int64_t i;
};

static inline struct rk_kv kv_str(const char *key, struct rk_str s)
{
    return (struct rk_kv){.key = key, .kind = RK_KV_STR, .s = s};
}

static inline struct rk_kv kv_z(const char *key, const char *z)
{
    return kv_str(key, rk_str_z(z));
}

static inline struct rk_kv kv_i64(const char *key, int64_t i)
{
    return (struct rk_kv){.key = key, .kind = RK_KV_I64, .i = i};
}

static inline struct rk_kv kv_bool(const char *key, bool b)
{
    return (struct rk_kv){.key = key, .kind = RK_KV_BOOL, .i = b};
}

/** "error=<text> code=<name>" of an rk_err. Use as two arguments: KV_ERR(&err). */
#define KV_ERR(e) kv_z("code", rk_code_name((e)->code)), kv_z("error", (e)->msg)

struct rk_log;

/** Root logger writing to a file descriptor (borrowed). Owned: rk_log_free. */
struct rk_log *rk_log_new(int fd, enum rk_log_level level, bool json);

/** Child that adds fields to every line; keeps a reference to its parent's sink. Owned. */
struct rk_log *rk_log_child(struct rk_log *parent, const struct rk_kv *fields, size_t n);
#define rk_log_with(parent, ...)                                                                   \
    rk_log_child((parent), (const struct rk_kv[]){__VA_ARGS__},                                    \
                 sizeof((const struct rk_kv[]){__VA_ARGS__}) / sizeof(struct rk_kv))
void rk_log_free(struct rk_log *log); /* accepts NULL */

/** Parse "debug|info|warn|warning|error|trace"; RK_BAD_REQUEST otherwise. */
enum rk_code rk_log_level_parse(struct rk_str s, enum rk_log_level *out,
                                struct rk_err *err) RK_MUST;
void rk_log_set_level(struct rk_log *log, enum rk_log_level level); /* for the whole tree */
bool rk_log_enabled(const struct rk_log *log, enum rk_log_level level);

/**
 * A part that many requests need is gone, and its owner has said so in one line (the store, see
 * management/store/probe.h): until it is back, failures of single requests are not worth a line.
 * For the whole tree; log may be NULL.
 */
void rk_log_set_outage(struct rk_log *log, bool on);
/** Level for "this request failed with err": ERROR for our bugs, WARN for what is unavailable
 * (DEBUG during an outage), INFO for what the client did. */
enum rk_log_level rk_log_failure_level(const struct rk_log *log, const struct rk_err *err);

/** Keep the last lines in memory too, so many bytes of them (0: none), for the whole tree. */
void rk_log_keep(struct rk_log *log, size_t bytes);
/** Append what is kept, whole lines, oldest first. Any thread. */
void rk_log_kept(struct rk_log *log, struct rk_buf *out);

/** Write one line. log may be NULL (nothing happens). */
void rk_log_write(struct rk_log *log, enum rk_log_level level, const char *event,
                  const struct rk_kv *fields, size_t n);

/* rk_log(log, RK_INFO, "peer login", kv_str("peer", id), kv_i64("dur_ms", d)); */
#define rk_log(log, level, event, ...)                                                             \
    rk_log_write((log), (level), (event), (const struct rk_kv[]){{0}, ##__VA_ARGS__} + 1,          \
                 sizeof((const struct rk_kv[]){{0}, ##__VA_ARGS__}) / sizeof(struct rk_kv) - 1)

/** For repeats: at most one line per every_ms for this gate; the next one says how many were held
 *  back ("suppressed="). At debug level nothing is held back. */
struct rk_log_gate {
    _Atomic int64_t next_mono_ms;
    _Atomic int64_t held;
};
bool rk_log_gate_open(struct rk_log_gate *g, int64_t every_ms, int64_t *suppressed);
#define rk_log_every(gate, every_ms, log, level, event, ...)                                       \
    do {                                                                                           \
        int64_t rk_held_ = 0;                                                                      \
        if (rk_log_gate_open((gate), (every_ms), &rk_held_) || rk_log_enabled((log), RK_DEBUG))    \
            rk_log((log), (level), (event), kv_i64("suppressed", rk_held_), ##__VA_ARGS__);        \
    } while (0)

#endif
