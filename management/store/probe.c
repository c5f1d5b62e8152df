/* SPDX-License-Identifier: BSD-3-Clause */
/* Is the store usable: see probe.h. */
#include "config.h"

#include "management/store/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/base/num.h"

#define LOOK_EVERY_MS  1000
#define AGAIN_MS       250  /* while it is away */
#define CONNECT_S      2    /* the least that libpq takes: who waits longer is late at the return */
#define SILENT_MS      3000 /* a look that takes longer than this is an outage, too */
#define BUSY_MS        900
#define BUSY_LOOKS     5 /* somebody holds the write lock: an outage after this many looks */
#define PAGES_EVERY_MS 30000
#define PAGES_COST     200 /* checking all pages may take one part in this many of the time */
#define DISK_MIN_BYTES (INT64_C(1) << 20)
#define PROBE_BYTES    4096

static const char SQL_READ[] = "SELECT count(*) FROM schema_migration";
static const char SQL_PAGES[] = "PRAGMA quick_check(1)";
static const char SQL_RECOVERY[] = "SELECT CASE WHEN pg_is_in_recovery() OR "
                                   "current_setting('transaction_read_only') = 'on' THEN 1 ELSE 0 "
                                   "END::bigint";
static const char SQL_PG_SIZE[] = "SELECT pg_database_size(current_database())";
static const char SQL_WRITE[] = "INSERT INTO kv (name, value) VALUES ('probe', $1) ON CONFLICT "
                                "(name) DO UPDATE SET value = excluded.value";

struct probe {
    char *url;
    const char *path; /* SQLite's file, NULL for PostgreSQL */
    struct rk_log *log;
    struct db *db; /* PostgreSQL: kept; the thread's alone */
    pthread_t thread;
    bool started;
    int64_t pages_next_ms;
    int busy_looks;

    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t wake;
    bool stop;
    bool suspect; /* a write failed: only a real write clears it */
    bool down;
    struct rk_err err; /* of the outage */
    int64_t since_ms;  /* wall clock of the last change */
    int64_t looked_mono_ms, good_mono_ms, size_bytes;
    struct rk_metric *m_up, *m_size, *m_failures;
};

const char *probe_sqlite_path(const char *url)
{
    if (strncmp(url, "sqlite:", 7) == 0)
        url += 7;
    return strncmp(url, "//", 2) == 0 ? url + 2 : url;
}

/* ---- one look */

/* Room for what a write needs, asked from the file system itself: a quota or a file system that
 * became read-only shows only when something is written. */
static enum rk_code disk_look(const char *path, struct rk_err *err)
{
    char dir[4096], block[PROBE_BYTES] = {0};
    const char *slash = strrchr(path, '/');
    struct statvfs fs;
    int fd;
    enum rk_code rc = RK_OK;

    (void)snprintf(dir, sizeof dir, "%.*s", slash ? (int)rk_max_i64(slash - path, 1) : 1,
                   slash ? path : ".");
    if (statvfs(dir, &fs) == 0 && (int64_t)(fs.f_bavail * fs.f_frsize) < DISK_MIN_BYTES)
        return rk_fail(err, RK_UNAVAILABLE, "database %s: the disk is full (%lld bytes left)", path,
                       (long long)(fs.f_bavail * fs.f_frsize));
    fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT))
        return RK_OK; /* a file system without nameless files */
    if (fd < 0)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "database %s: folder %s", path, dir);
    if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
        rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "database %s: write to its disk", path);
    (void)close(fd);
    return rc;
}

static enum rk_code write_look(struct db *db, struct rk_err *err)
{
    char now[32];
    enum rk_code rc;

    (void)snprintf(now, sizeof now, "%lld", (long long)rk_unix_us());
    rc = db_begin(db, err);
    if (rc == RK_OK)
        rc = db_exec(db, err, NULL, SQL_WRITE, DB_ARGS(db_textz(now)));
    if (rc == RK_OK)
        return db_commit(db, err);
    db_rollback(db);
    return rc;
}

static enum rk_code pages_look(struct probe *p, struct db *db, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    int64_t began = rk_mono_ms();
    enum rk_code rc;

    if (began < p->pages_next_ms)
        return RK_OK;
    rc = db_query(db, &rows, err, SQL_PAGES, DB_NOARGS);
    if (rc == RK_OK && db_next(rows)) {
        struct rk_str s = db_col_text_peek(rows, 0);

        if (!rk_str_eqz(s, "ok"))
            return rk_fail(err, RK_UNAVAILABLE, "database %s is damaged: %.*s", p->path,
                           (int)rk_min_size(s.n, 120), s.p);
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc == RK_OK)
        p->pages_next_ms =
            rk_mono_ms() + rk_max_i64(PAGES_EVERY_MS, (rk_mono_ms() - began) * PAGES_COST);
    return rc;
}

/* A connection of its own each time: an old one has its pages and would see no harm. */
static enum rk_code sqlite_look(struct probe *p, bool suspect, int64_t *size, struct rk_err *err)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct db_opts o = {.url = p->url, .busy_ms = BUSY_MS, .existing = true};
    struct stat st;
    int64_t n;
    enum rk_code rc;

    if (stat(p->path,
             &st)) { /* opening it says more, and saves what was in a file that was removed */
        rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "database %s", p->path);
        return db_open(&db, &o, err) ? RK_UNAVAILABLE : rc;
    }
    *size = (int64_t)st.st_size;
    rc = disk_look(p->path, err);
    if (rc == RK_OK)
        rc = db_open(&db, &o, err);
    if (rc == RK_OK)
        rc = db_may_write(db, err);
    if (rc == RK_OK)
        rc = db_get_i64(db, &n, err, SQL_READ, DB_NOARGS);
    if (rc == RK_OK)
        rc = pages_look(p, db, err);
    if (rc == RK_OK && suspect)
        rc = write_look(db, err);
    if (rc == RK_UNAVAILABLE && db && db_should_retry(db) && ++p->busy_looks < BUSY_LOOKS)
        rc = RK_OK; /* locked, by a long write perhaps */
    else
        p->busy_looks = rc ? p->busy_looks : 0;
    return rc;
}

static enum rk_code pg_look(struct probe *p, bool suspect, int64_t *size, struct rk_err *err)
{
    struct db_opts o = {.url = p->url, .busy_ms = BUSY_MS, .connect_s = CONNECT_S};
    int64_t standby = 0;
    enum rk_code rc = p->db ? RK_OK : db_open(&p->db, &o, err);

    if (rc == RK_OK)
        rc = db_get_i64(p->db, &standby, err, SQL_RECOVERY, DB_NOARGS);
    if (rc == RK_OK && standby)
        rc = rk_fail(err, RK_UNAVAILABLE, "database: the server takes no writes (a standby)");
    if (rc == RK_OK && rk_mono_ms() >= p->pages_next_ms) {
        rc = db_get_i64(p->db, size, err, SQL_PG_SIZE, DB_NOARGS);
        p->pages_next_ms = rk_mono_ms() + PAGES_EVERY_MS;
    }
    if (rc == RK_OK && suspect)
        rc = write_look(p->db, err);
    return rc;
}

/* ---- what it means */

/* Under the lock. The log lines are the caller's, outside of it. */
static bool turn(struct probe *p, const struct rk_err *err)
{
    bool down = err != NULL, changed = down != p->down;

    if (down && !p->down)
        p->err = *err;
    if (changed)
        p->since_ms = rk_unix_us() / 1000;
    p->down = down;
    rk_metric_set(p->m_up, !down);
    if (changed)
        rk_log_set_outage(p->log, down);
    return changed;
}

static void say(struct probe *p, bool down, const struct rk_err *err, int64_t lasted_ms)
{
    if (down)
        rk_log(p->log, RK_ERROR, "store unavailable", KV_ERR(err));
    else
        rk_log(p->log, RK_WARN, "store available again", kv_i64("lasted_s", lasted_ms / 1000));
}

static void look(struct probe *p)
{
    struct rk_err err = {0};
    int64_t size = -1, since;
    bool suspect, changed;
    enum rk_code rc;

    (void)pthread_mutex_lock(&p->lock);
    suspect = p->suspect || p->down;
    (void)pthread_mutex_unlock(&p->lock);
    rc = p->path ? sqlite_look(p, suspect, &size, &err) : pg_look(p, suspect, &size, &err);
    (void)pthread_mutex_lock(&p->lock);
    if (rc == RK_OK && suspect)
        p->suspect = false; /* the write went through */
    since = p->since_ms;
    p->looked_mono_ms = rk_mono_ms();
    if (rc == RK_OK)
        p->good_mono_ms = p->looked_mono_ms;
    if (size >= 0) {
        p->size_bytes = size;
        rk_metric_set(p->m_size, size);
    }
    changed = turn(p, rc ? &err : NULL);
    (void)pthread_mutex_unlock(&p->lock);
    if (rc)
        rk_metric_add(p->m_failures, 1);
    if (changed)
        say(p, rc != RK_OK, &err, rk_unix_us() / 1000 - since);
}

static void wait_until(struct timespec *t, int64_t ms)
{
    t->tv_sec += ms / 1000;
    t->tv_nsec += ms % 1000 * 1000000;
    if (t->tv_nsec >= 1000000000) {
        t->tv_sec++;
        t->tv_nsec -= 1000000000;
    }
}

static void *probe_main(void *arg)
{
    struct probe *p = arg;
    struct timespec until;

    (void)pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        (void)pthread_mutex_unlock(&p->lock);
        look(p);
        (void)pthread_mutex_lock(&p->lock);
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        wait_until(&until, p->down && !p->path ? AGAIN_MS : LOOK_EVERY_MS);
        if (!p->stop)
            (void)pthread_cond_timedwait(&p->wake, &p->lock, &until);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

struct probe *probe_new(const struct probe_opts *opts)
{
    struct probe *p = rk_calloc(1, sizeof *p);
    pthread_condattr_t attr;

    p->url = rk_str_dupz(rk_str_z(opts->url));
    p->path = db_url_is_pg(p->url) ? NULL : probe_sqlite_path(p->url);
    p->log = opts->log;
    p->since_ms = rk_unix_us() / 1000;
    p->looked_mono_ms = p->good_mono_ms = rk_mono_ms();
    p->m_up = rk_metric_gauge(opts->metrics, "rookery_store_up", NULL, "1: the store can be used.");
    p->m_size =
        rk_metric_gauge(opts->metrics, "rookery_store_size_bytes", NULL, "Size of the database.");
    p->m_failures = rk_metric_counter(opts->metrics, "rookery_store_failed_checks_total", NULL,
                                      "Looks at the store that found it unusable.");
    rk_metric_set(p->m_up, 1);
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&p->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    return p;
}

enum rk_code probe_start(struct probe *p, struct rk_err *err)
{
    p->looked_mono_ms = rk_mono_ms();
    p->started = pthread_create(&p->thread, NULL, probe_main, p) == 0;
    return p->started ? RK_OK : rk_fail(err, RK_INTERNAL, "store probe: no thread");
}

void probe_free(struct probe *p)
{
    if (!p)
        return;
    (void)pthread_mutex_lock(&p->lock);
    p->stop = true;
    (void)pthread_cond_signal(&p->wake);
    (void)pthread_mutex_unlock(&p->lock);
    if (p->started)
        (void)pthread_join(p->thread, NULL);
    rk_log_set_outage(p->log, false);
    db_close(p->db);
    (void)pthread_cond_destroy(&p->wake);
    (void)pthread_mutex_destroy(&p->lock);
    free(p->url);
    free(p);
}

bool probe_ok(struct probe *p, char why[240])
{
    int64_t silent;
    bool ok;

    why[0] = '\0';
    if (!p)
        return true;
    (void)pthread_mutex_lock(&p->lock);
    silent = p->started ? rk_mono_ms() - p->looked_mono_ms : 0;
    ok = !p->down && silent < SILENT_MS;
    if (p->down)
        (void)snprintf(why, 240, "%s", p->err.msg);
    else if (!ok)
        (void)snprintf(why, 240, "the store has not answered for %lld s", (long long)silent / 1000);
    (void)pthread_mutex_unlock(&p->lock);
    return ok;
}

int64_t probe_age_ms(struct probe *p)
{
    char why[240];
    int64_t good;

    if (probe_ok(p, why))
        return 0;
    (void)pthread_mutex_lock(&p->lock);
    good = p->good_mono_ms;
    (void)pthread_mutex_unlock(&p->lock);
    return rk_max_i64(rk_mono_ms() - good, 1);
}

void probe_note(struct probe *p, const struct rk_err *err)
{
    bool changed;

    if (!p || err->code != RK_UNAVAILABLE)
        return;
    (void)pthread_mutex_lock(&p->lock);
    p->suspect = true;
    changed = turn(p, err);
    (void)pthread_cond_signal(&p->wake);
    (void)pthread_mutex_unlock(&p->lock);
    if (changed)
        say(p, true, err, 0);
}

static void json_text(struct rk_buf *out, const char *z)
{
    rk_buf_addc(out, '"');
    for (; *z; z++) {
        if (*z == '"' || *z == '\\')
            rk_buf_addc(out, '\\');
        rk_buf_addc(out, (unsigned char)*z < ' ' ? ' ' : *z);
    }
    rk_buf_addc(out, '"');
}

void probe_json(struct probe *p, struct rk_buf *out)
{
    char why[240];
    bool ok = probe_ok(p, why);

    rk_buf_printf(out, "{\"ok\":%s,\"engine\":\"%s\"", ok ? "true" : "false",
                  p && !p->path ? "postgres" : "sqlite");
    if (p) {
        (void)pthread_mutex_lock(&p->lock);
        rk_buf_printf(out, ",\"since_unix_ms\":%lld,\"size_bytes\":%lld", (long long)p->since_ms,
                      (long long)p->size_bytes);
        (void)pthread_mutex_unlock(&p->lock);
    }
    if (!ok) {
        rk_buf_addz(out, ",\"error\":");
        json_text(out, why);
    }
    rk_buf_addc(out, '}');
}
