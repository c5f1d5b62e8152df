/* SPDX-License-Identifier: BSD-3-Clause */
/* One write(2) per line, so that lines of several threads and processes never mix. */
#include "config.h"

#include "lib/base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/escape.h"
#include "lib/base/num.h"

enum { LINE_MAX_BYTES = 8192, VALUE_MAX = 1024 };

struct sink {
    _Atomic int level;
    _Atomic int refs;
    _Atomic bool outage;
    int fd;
    bool json;
    bool journal;              /* the other end is journald */
    pthread_mutex_t keep_lock; /* guards the three below */
    char *kept;                /* the last keep_size bytes, as a ring; NULL: nothing is kept */
    size_t keep_size, keep_at; /* keep_at: written since the start */
};

struct rk_log {
    struct sink *sink; /* shared by the tree */
    struct rk_buf fields;
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const priorities[] = {"<7>", "<6>", "<4>", "<3>"}; /* sd-daemon(3) */

/* JOURNAL_STREAM is "device:inode" of the stream that the service manager connected to journald. */
static bool is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char text[64];
    struct stat st;

    if (!stream || fstat(fd, &st))
        return false;
    (void)snprintf(text, sizeof text, "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    return strcmp(text, stream) == 0;
}

struct rk_log *rk_log_new(int fd, enum rk_log_level level, bool json)
{
    struct rk_log *log = rk_calloc(1, sizeof *log);

    log->sink = rk_calloc(1, sizeof *log->sink);
    log->sink->fd = fd;
    log->sink->json = json;
    log->sink->journal = is_journal(fd);
    log->sink->level = (int)level;
    (void)pthread_mutex_init(&log->sink->keep_lock, NULL);
    log->sink->refs = 1;
    rk_buf_init(&log->fields, LINE_MAX_BYTES / 2);
    return log;
}

static void add_quoted(struct rk_buf *b, struct rk_str s)
{
    rk_buf_addc(b, '"');
    rk_json_escape(b, rk_str_sub(s, 0, VALUE_MAX));
    rk_buf_addc(b, '"');
}

static bool needs_quotes(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
            return true;
    }
    return s.n == 0;
}

static void add_field(struct rk_buf *b, bool json, const struct rk_kv *kv)
{
    if (json) {
        rk_buf_addc(b, ',');
        add_quoted(b, rk_str_z(kv->key));
        rk_buf_addc(b, ':');
    } else {
        rk_buf_addc(b, ' ');
        rk_buf_addz(b, kv->key);
        rk_buf_addc(b, '=');
    }
    switch (kv->kind) {
    case RK_KV_STR: {
        bool text_ok = rk_str_utf8_ok(rk_str_sub(kv->s, 0, VALUE_MAX));
        struct rk_str s = text_ok ? kv->s : RK_STR("(not UTF-8)");

        if (json || needs_quotes(s))
            add_quoted(b, s);
        else
            rk_buf_add(b, rk_str_sub(s, 0, VALUE_MAX));
        break;
    }
    case RK_KV_I64:
        rk_buf_printf(b, "%lld", (long long)kv->i);
        break;
    case RK_KV_BOOL:
        rk_buf_addz(b, kv->i ? "true" : "false");
        break;
    }
}

struct rk_log *rk_log_child(struct rk_log *parent, const struct rk_kv *fields, size_t n)
{
    struct rk_log *log;

    if (!parent)
        return NULL;
    log = rk_calloc(1, sizeof *log);
    log->sink = parent->sink;
    atomic_fetch_add(&log->sink->refs, 1);
    rk_buf_init(&log->fields, LINE_MAX_BYTES / 2);
    rk_buf_add(&log->fields, rk_buf_str(&parent->fields));
    for (size_t i = 0; i < n; i++)
        add_field(&log->fields, log->sink->json, &fields[i]);
    return log;
}

void rk_log_free(struct rk_log *log)
{
    if (!log)
        return;
    if (atomic_fetch_sub(&log->sink->refs, 1) == 1) {
        (void)pthread_mutex_destroy(&log->sink->keep_lock);
        free(log->sink->kept);
        free(log->sink);
    }
    rk_buf_done(&log->fields);
    free(log);
}

enum rk_code rk_log_level_parse(struct rk_str s, enum rk_log_level *out, struct rk_err *err)
{
    if (rk_str_ieq(s, RK_STR("debug")) || rk_str_ieq(s, RK_STR("trace")))
        *out = RK_DEBUG;
    else if (rk_str_ieq(s, RK_STR("info")))
        *out = RK_INFO;
    else if (rk_str_ieq(s, RK_STR("warn")) || rk_str_ieq(s, RK_STR("warning")))
        *out = RK_WARN;
    else if (rk_str_ieq(s, RK_STR("error")) || rk_str_ieq(s, RK_STR("fatal")) ||
             rk_str_ieq(s, RK_STR("panic")))
        *out = RK_ERROR;
    else
        return rk_fail(err, RK_BAD_REQUEST,
                       "log level \"%.*s\" is none of debug, info, warn, error", RK_STR_ARG(s));
    return RK_OK;
}

void rk_log_set_level(struct rk_log *log, enum rk_log_level level)
{
    log->sink->level = (int)level;
}

bool rk_log_enabled(const struct rk_log *log, enum rk_log_level level)
{
    return log && (int)level >= log->sink->level;
}

void rk_log_set_outage(struct rk_log *log, bool on)
{
    if (log)
        log->sink->outage = on;
}

enum rk_log_level rk_log_failure_level(const struct rk_log *log, const struct rk_err *err)
{
    if (err->code == RK_INTERNAL)
        return RK_ERROR;
    if (err->code != RK_UNAVAILABLE)
        return RK_INFO;
    return log && log->sink->outage ? RK_DEBUG : RK_WARN;
}

/* Time and level, or for the journal the priority: it knows the time. */
static void add_head(const struct sink *sink, struct rk_buf *b, enum rk_log_level level)
{
    char when[RK_TIME_TEXT];

    if (sink->journal)
        rk_buf_addz(b, priorities[level]);
    if (sink->journal && !sink->json) {
        rk_buf_addz(b, "event=");
        return;
    }
    (void)rk_time_format_us(rk_unix_us() / 1000 * 1000, when);
    rk_buf_printf(
        b, sink->json ? "{\"time\":\"%s\",\"level\":\"%s\",\"event\":" : "%s level=%s event=", when,
        level_names[level]);
}

/* ---- what was written last */

void rk_log_keep(struct rk_log *log, size_t bytes)
{
    struct sink *s = log->sink;

    (void)pthread_mutex_lock(&s->keep_lock);
    free(s->kept);
    s->kept = bytes ? rk_malloc(bytes) : NULL; /* pages come as they are written */
    s->keep_size = bytes;
    s->keep_at = 0;
    (void)pthread_mutex_unlock(&s->keep_lock);
}

static void keep_bytes(struct sink *s, struct rk_str text)
{
    while (text.n) {
        size_t at = s->keep_at % s->keep_size;
        size_t n = text.n < s->keep_size - at ? text.n : s->keep_size - at;

        memcpy(s->kept + at, text.p, n);
        s->keep_at += n;
        text = rk_str_sub(text, n, text.n);
    }
}

/* The journal knows the time; what is kept must say it. */
static void keep_line(struct sink *s, struct rk_str line)
{
    char when[RK_TIME_TEXT];

    (void)pthread_mutex_lock(&s->keep_lock);
    if (s->kept && s->journal) {
        keep_bytes(s, rk_time_format_us(rk_unix_us() / 1000 * 1000, when));
        keep_bytes(s, RK_STR(" "));
    }
    if (s->kept)
        keep_bytes(s, line);
    (void)pthread_mutex_unlock(&s->keep_lock);
}

void rk_log_kept(struct rk_log *log, struct rk_buf *out)
{
    struct sink *s = log->sink;
    struct rk_str text = {0};
    size_t at, newline;

    (void)pthread_mutex_lock(&s->keep_lock);
    if (s->kept && s->keep_at <= s->keep_size) {
        rk_buf_add(out, rk_str_of(s->kept, s->keep_at));
    } else if (s->kept) { /* it has gone round: from the first whole line */
        at = s->keep_at % s->keep_size;
        text = rk_str_of(s->kept + at, s->keep_size - at);
        newline = rk_str_find_c(text, '\n');
        if (newline < text.n)
            rk_buf_add(out, rk_str_sub(text, newline + 1, text.n));
        rk_buf_add(out, rk_str_of(s->kept, at));
    }
    (void)pthread_mutex_unlock(&s->keep_lock);
}

void rk_log_write(struct rk_log *log, enum rk_log_level level, const char *event,
                  const struct rk_kv *fields, size_t n)
{
    struct rk_buf b;
    bool json;
    ssize_t done;

    if (!rk_log_enabled(log, level))
        return;
    json = log->sink->json;
    rk_buf_init(&b, LINE_MAX_BYTES);
    add_head(log->sink, &b, level);
    add_quoted(&b, rk_str_z(event));
    rk_buf_add(&b, rk_buf_str(&log->fields));
    for (size_t i = 0; i < n; i++)
        add_field(&b, json, &fields[i]);
    if (b.full) { /* the line is cut, never lost */
        b.full = false;
        b.n = b.n > LINE_MAX_BYTES - 16 ? LINE_MAX_BYTES - 16 : b.n;
        rk_buf_addz(&b, json ? "" : " cut=true");
    }
    rk_buf_addz(&b, json ? "}\n" : "\n");
    keep_line(log->sink, rk_buf_str(&b));
    done = write(log->sink->fd, b.p, b.n); /* a lost log line must not stop the program */
    (void)done;
    rk_buf_done(&b);
}

bool rk_log_gate_open(struct rk_log_gate *g, int64_t every_ms, int64_t *suppressed)
{
    int64_t now = rk_mono_ms(), next = atomic_load(&g->next_mono_ms);

    if ((next && now < next) ||
        !atomic_compare_exchange_strong(&g->next_mono_ms, &next, now + every_ms)) {
        atomic_fetch_add(&g->held, 1);
        return false;
    }
    *suppressed = atomic_exchange(&g->held, 0);
    return true;
}
