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
#define RELISTEN_MS   20
#define LOG_EVERY_MS  60000

/* Messages that are taken together: an account that many of them name is followed once. */
#define TOGETHER_MAX 1000

static const char SQL_VERSIONS[] =
    "SELECT account_id, version, journal_seq, journal_hash FROM account_head";

struct news_reader {
    struct mgmt *m;
    pthread_t thread;
    int wake_fd;   /* eventfd: stop, or a question */
    struct db *db; /* its thread; listens */
    bool listening;
    int64_t look_next_ms;
    pthread_mutex_t lock;    /* guards the next five */
    pthread_cond_t answered; /* questions and asked are empty */
    struct rk_list questions;
    size_t n_open; /* questions, and those that are being answered */
    bool stop;
    bool down; /* the database is away: questions are refused */
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

static enum rk_code behind_follow(struct news_reader *r, const struct behind *b, struct rk_err *err)
{
    enum rk_code worst = RK_OK, rc;

    for (size_t i = 0; i < b->ids.n && !r->m->closing; i++) {
        struct actor actor = ACTOR_SYSTEM;
        /* a mutation without a function only brings the account up to date */
        struct mgmt_mutation load = {.account_id = b->ids.v[i], .actor = &actor};
        const struct snapshot *s = mgmt_snapshot_try(r->m, b->ids.v[i]);

        if (!s)
            continue;
        snap_unref(s);
        rc = mgmt_run(r->m, &load, worst ? NULL : err);
        if (rc && rc != RK_NOT_FOUND)
            worst = rc;
    }
    if (worst) /* nobody says it again */
        r->look_next_ms = 0;
    else if (err)
        *err = (struct rk_err){0}; /* a deleted account is no fault */
    return worst;
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
    return rc ? rc : behind_follow(r, &b, err);
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
    return behind_follow(r, &b, err);
}

/* ---- questions */

static void wake(struct news_reader *r)
{
    uint64_t one = 1;

    if (write(r->wake_fd, &one, sizeof one) < 0) /* full: it is awake */
        rk_log(r->m->opts.log, RK_DEBUG, "the reader of news was not woken");
}

enum rk_code mgmt_current(struct mgmt *m, struct mgmt_current *c, bool *now, struct rk_err *err)
{
    struct news_reader *r = m->news;
    bool down, first;

    *now = r == NULL;
    if (!r)
        return RK_OK;
    (void)pthread_mutex_lock(&r->lock);
    down = r->down || r->stop;
    first = rk_list_empty(&r->questions);
    if (!down) {
        rk_list_push_back(&r->questions, &c->link);
        r->n_open++;
    }
    (void)pthread_mutex_unlock(&r->lock);
    if (down)
        return rk_fail(err, RK_UNAVAILABLE, "the database cannot be asked for the present state");
    if (first)
        wake(r);
    return RK_OK;
}

static void questions_take(struct news_reader *r, struct rk_list *out)
{
    rk_list_init(out);
    (void)pthread_mutex_lock(&r->lock);
    rk_list_splice(out, &r->questions);
    (void)pthread_mutex_unlock(&r->lock);
}

static void questions_answer(struct news_reader *r, struct rk_list *list, const struct rk_err *err)
{
    size_t n = 0;

    for (struct rk_list *it; (it = rk_list_pop_front(list)) != NULL; n++) {
        struct mgmt_current *c = rk_container_of(it, struct mgmt_current, link);

        c->err = *err;
        c->done(c); /* may free it */
    }
    (void)pthread_mutex_lock(&r->lock);
    r->n_open -= n;
    if (r->n_open == 0)
        (void)pthread_cond_broadcast(&r->answered);
    (void)pthread_mutex_unlock(&r->lock);
}

void news_drain(struct news_reader *r)
{
    if (!r)
        return;
    (void)pthread_mutex_lock(&r->lock);
    while (r->n_open)
        (void)pthread_cond_wait(&r->answered, &r->lock);
    (void)pthread_mutex_unlock(&r->lock);
}

/* ---- the thread */

/* While the database does not answer nobody shall wait for it. */
static void down_set(struct news_reader *r, bool down, const struct rk_err *err)
{
    struct rk_list asked;

    (void)pthread_mutex_lock(&r->lock);
    r->down = down;
    (void)pthread_mutex_unlock(&r->lock);
    if (!down)
        return;
    questions_take(r, &asked); /* no more of them come */
    questions_answer(r, &asked, err);
}

static bool stopping(struct news_reader *r)
{
    bool yes;

    (void)pthread_mutex_lock(&r->lock);
    yes = r->stop;
    (void)pthread_mutex_unlock(&r->lock);
    return yes;
}

/* What the database has now: when it is time, or when somebody asks. */
static enum rk_code look(struct news_reader *r, bool asked, struct rk_err *err)
{
    bool due = rk_mono_ms() >= r->look_next_ms;
    enum rk_code rc = RK_OK;

    if (due) {
        r->look_next_ms = rk_mono_ms() + LOOK_EVERY_MS;
        rc = presence_look(r->m, r->db, err);
    }
    if (rc == RK_OK && (due || asked))
        rc = versions_look(r, err);
    return rc;
}

/* Listen again where that was lost, look, answer. */
static enum rk_code state_read(struct news_reader *r, struct rk_err *err)
{
    struct rk_list asked;
    enum rk_code rc = RK_OK;

    if (!r->listening) {
        rc = db_listen(r->db, NEWS_CHANNEL, err);
        r->look_next_ms = 0; /* nothing is known of the time in between */
    }
    questions_take(r, &asked);
    if (rc == RK_OK)
        rc = look(r, !rk_list_empty(&asked), err);
    r->listening = rc == RK_OK;
    questions_answer(r, &asked, err);
    down_set(r, rc != RK_OK, err);
    return rc;
}

static void *news_main(void *arg)
{
    struct news_reader *r = arg;
    struct pollfd p = {.fd = r->wake_fd, .events = POLLIN};

    while (!stopping(r)) {
        struct rk_err err = {0};
        uint64_t count;
        int wait_ms = RETRY_MS;

        if (read(r->wake_fd, &count, sizeof count) < 0)
            count = 0;
        if (state_read(r, &err) == RK_OK) {
            if (listen_some(r, &err) == RK_OK)
                continue;
            r->listening = false;
            wait_ms = RELISTEN_MS; /* a connection was lost: most often there is a next one */
        }
        complain(r, "waiting for other processes failed", &err);
        (void)poll(&p, 1, wait_ms);
    }
    return NULL;
}

static void metrics_make(struct mgmt *m)
{
    static const int64_t US[] = {1000,   2000,   5000,    10000,   20000,   50000,
                                 100000, 500000, 1000000, 3000000, 10000000};
    static const char HELP[] = "Times that an account was brought up to commits of others.";
    struct follow_stats *f = &m->follow;
    struct rk_metrics *ms = m->opts.metrics;

    f->m_followed = rk_metric_counter(ms, "rookery_cluster_follow_total", "way=\"journal\"", HELP);
    f->m_reloaded = rk_metric_counter(ms, "rookery_cluster_follow_total", "way=\"reload\"", HELP);
    f->m_versions = rk_metric_counter(ms, "rookery_cluster_followed_commits_total", NULL,
                                      "Commits of other processes that were applied.");
    f->m_delay = rk_metric_histogram_micro(
        ms, "rookery_cluster_follow_delay_seconds", NULL,
        "From a commit of another process to its place here, by both clocks.", US,
        RK_ARRAY_LEN(US));
}

enum rk_code news_start(struct news_reader **out, struct mgmt *m, struct rk_err *err)
{
    struct news_reader *r;
    enum rk_code rc;

    *out = NULL;
    if (!m->shared)
        return RK_OK;
    metrics_make(m);
    r = rk_calloc(1, sizeof *r);
    r->m = m;
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->answered, NULL);
    rk_list_init(&r->questions);
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
        (void)pthread_cond_destroy(&r->answered);
        (void)pthread_mutex_destroy(&r->lock);
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
    struct rk_err err = {0};

    if (!r)
        return;
    (void)pthread_mutex_lock(&r->lock);
    r->stop = true;
    (void)pthread_mutex_unlock(&r->lock);
    wake(r);
    (void)pthread_join(r->thread, NULL);
    (void)rk_fail(&err, RK_UNAVAILABLE, "the service is stopping");
    down_set(r, true, &err);
    (void)pthread_cond_destroy(&r->answered);
    (void)pthread_mutex_destroy(&r->lock);
    db_close(r->db);
    (void)close(r->wake_fd);
    free(r);
}
