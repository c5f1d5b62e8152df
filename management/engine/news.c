/* SPDX-License-Identifier: BSD-3-Clause */
/* Commits of other processes, as they are heard of: see news.h. */
#include "config.h"

#include "management/engine/news.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "management/engine/cluster.h"
#include "management/engine/engine_impl.h"
#include "management/engine/presence_impl.h"

#define LOOK_EVERY_MS 3000
#define RETRY_MS      1000
#define LOG_EVERY_MS  60000

/* Messages that are taken together: an account that many of them name is followed once. */
#define TOGETHER_MAX 1000

static const char SQL_VERSIONS[] =
    "SELECT account_id, version, journal_seq, journal_hash FROM account_head";

struct news_reader {
    struct mgmt *m;
    pthread_t thread;
    int wake_fd;   /* eventfd: stop */
    struct db *db; /* its thread; listens */
    bool listening;
    int64_t look_next_ms;
    struct rk_log_gate gate;
};

static void complain(struct news_reader *r, const char *what, const struct rk_err *err)
{
    rk_log_every(&r->gate, LOG_EVERY_MS, r->m->opts.log, rk_log_failure_level(r->m->opts.log, err),
                 what, KV_ERR(err));
}

/* Accounts that are loaded here and have news, each once. In the arena of the round. */
struct behind {
    struct rk_arena *mem;
    struct str_list ids;
    size_t cap;
};

static void behind_add(struct behind *b, struct rk_str account_id)
{
    if (str_list_has(&b->ids, account_id))
        return;
    b->ids.v = rk_arena_grow(b->mem, b->ids.v, b->ids.n, &b->cap, sizeof *b->ids.v);
    b->ids.v[b->ids.n++] = rk_arena_dup(b->mem, account_id);
}

static void behind_follow(struct news_reader *r, const struct behind *b)
{
    for (size_t i = 0; i < b->ids.n && !r->m->closing; i++) {
        struct actor actor = ACTOR_SYSTEM;
        /* a mutation without a function only brings the account up to date */
        struct mgmt_mutation load = {.account_id = b->ids.v[i], .actor = &actor};
        const struct snapshot *s = mgmt_snapshot_try(r->m, b->ids.v[i]);
        struct rk_err err = {0};

        if (!s)
            continue;
        snap_unref(s);
        if (mgmt_run(r->m, &load, &err) && err.code != RK_NOT_FOUND) {
            complain(r, "changes of another process were not read", &err);
            r->look_next_ms = 0; /* nobody says it again */
        }
    }
}

/* Who is connected to others: those that are named; all, when they were too many for the news. */
static void presence_heard(struct news_reader *r, struct rk_str ids)
{
    struct rk_err err = {0};

    if (!ids.n)
        r->look_next_ms = 0;
    else if (presence_look_at(r->m, r->db, ids, &err))
        complain(r, "who is connected elsewhere was not read", &err);
}

/* "<node> <account>", or "<node> " PRESENCE_NEWS "<ids>" */
static void heard(struct news_reader *r, struct behind *b, struct rk_str payload)
{
    struct rk_str node, what;

    if (!rk_str_cut(payload, ' ', &node, &what) || rk_str_eqz(node, r->m->node))
        return;
    if (rk_str_starts(what, RK_STR(PRESENCE_NEWS)))
        presence_heard(r, rk_str_sub(what, 1, what.n));
    else
        behind_add(b, what);
}

/* Wait for the first message, then take those that came with it. */
static enum rk_code listen_some(struct news_reader *r, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct behind b = {.mem = mem};
    int64_t left = r->look_next_ms - rk_mono_ms();
    enum rk_code rc = RK_OK;
    bool got = true;

    for (int i = 0; rc == RK_OK && got && i < TOGETHER_MAX; i++) {
        struct rk_str payload = {0};

        rc = db_wait_notify(r->db, i == 0 && left > 0 ? (int)left : 0, r->wake_fd, mem, &got,
                            &payload, err);
        if (rc == RK_OK && got)
            heard(r, &b, payload);
    }
    behind_follow(r, &b);
    return rc;
}

/* News can be lost with a connection, and reading them can fail: what the database has decides. */
static enum rk_code versions_look(struct news_reader *r, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct behind b = {.mem = mem};
    int64_t lag = 0;
    enum rk_code rc = db_query(r->db, &rows, err, SQL_VERSIONS, DB_NOARGS);

    while (rc == RK_OK && db_next(rows)) {
        struct journal_head head = {.seq = db_col_i64(rows, 2)};
        struct rk_str hash = db_col_blob_peek(rows, 3);

        if (hash.n == sizeof head.hash)
            memcpy(head.hash, hash.p, hash.n);
        if (!mgmt_differs(r->m, db_col_text_peek(rows, 0), db_col_i64(rows, 1), &head))
            continue;
        lag = rk_max_i64(lag, mgmt_lag(r->m, db_col_text_peek(rows, 0), db_col_i64(rows, 1)));
        behind_add(&b, db_col_text_peek(rows, 0));
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc)
        return rc;
    cluster_set_lag(r->m, lag, lag ? r->m->follow.lag_us : 0);
    behind_follow(r, &b);
    return RK_OK;
}

static bool stopping(const struct news_reader *r)
{
    struct pollfd p = {.fd = r->wake_fd, .events = POLLIN};

    return poll(&p, 1, 0) > 0;
}

static void round_do(struct news_reader *r)
{
    struct rk_err err = {0};
    struct pollfd p = {.fd = r->wake_fd, .events = POLLIN};

    if (!r->listening) {
        r->listening = db_listen(r->db, NEWS_CHANNEL, &err) == RK_OK;
        r->look_next_ms = 0; /* nothing is known of the time in between */
    }
    if (r->listening && rk_mono_ms() >= r->look_next_ms) {
        r->look_next_ms = rk_mono_ms() + LOOK_EVERY_MS;
        if (presence_look(r->m, r->db, &err) || versions_look(r, &err)) {
            complain(r, "what other processes did was not read", &err);
            r->look_next_ms = rk_mono_ms() + RETRY_MS;
        }
    }
    if (r->listening && listen_some(r, &err) == RK_OK)
        return;
    r->listening = false;
    complain(r, "waiting for other processes failed", &err);
    (void)poll(&p, 1, RETRY_MS);
}

static void *news_main(void *arg)
{
    struct news_reader *r = arg;

    while (!stopping(r))
        round_do(r);
    return NULL;
}

enum rk_code news_start(struct news_reader **out, struct mgmt *m, struct rk_err *err)
{
    struct news_reader *r;
    enum rk_code rc;

    *out = NULL;
    if (!m->shared)
        return RK_OK;
    r = rk_calloc(1, sizeof *r);
    r->m = m;
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = r->wake_fd < 0 ? rk_fail_errno(err, RK_UNAVAILABLE, errno, "eventfd") : RK_OK;
    if (rc == RK_OK)
        rc = mgmt_db_open(m, &r->db, err);
    if (rc == RK_OK)
        rc = db_listen(r->db, NEWS_CHANNEL, err);
    r->listening = rc == RK_OK;
    if (rc == RK_OK && pthread_create(&r->thread, NULL, news_main, r))
        rc = rk_fail(err, RK_UNAVAILABLE, "cannot start a thread");
    if (rc) {
        db_close(r->db);
        if (r->wake_fd >= 0)
            (void)close(r->wake_fd);
        free(r);
        return rc;
    }
    *out = r;
    return RK_OK;
}

void news_stop(struct news_reader *r)
{
    uint64_t one = 1;

    if (!r)
        return;
    if (write(r->wake_fd, &one, sizeof one) < 0)
        rk_log(r->m->opts.log, RK_WARN, "the reader of news was not woken");
    (void)pthread_join(r->thread, NULL);
    db_close(r->db);
    (void)close(r->wake_fd);
    free(r);
}
