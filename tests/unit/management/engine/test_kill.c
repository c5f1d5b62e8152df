/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kill -9 in a write loop: a child process stores groups from several threads and tells each
 * acknowledged id through a pipe; it is killed at a random moment; then every acknowledged id must
 * be there, the store intact and the journal's chain whole. All the while, on SQLite, another
 * program (sqlite3) reads, backs up and checkpoints the same file, as an operator would.
 * RK_KILL_ROUNDS sets the rounds (20; `make check-long` runs 200).
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "lib/base/num.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/vault.h"
#include "management/engine/engine.h"
#include "management/engine/presence.h"
#include "management/snapshot/snapshot.h"
#include "management/store/journal.h"
#include "management/store/store.h"
#include "tests/unit/management/store_env.h"
/* after store_env.h: uses libcheck */
#include "tests/unit/management/sample.h"
#include "tests/unit/run.h"

#define THREADS     3
#define ROUNDS      20
#define ID_LEN      15 /* "g-RRRR-T-IIIIII" and a line end: one atomic write */
#define KILL_AFTER  20 /* ms at least, and up to: */
#define KILL_SPREAD 120
#define ACKED_MAX   2000000

static const struct actor sys = {.id = {"sys", 3}};
static const struct rk_key key = {.b = {1, 2, 3}};

struct writer {
    struct mgmt *m;
    int fd, round, number;
};

static enum rk_code put_group(struct tx *tx, void *arg, struct rk_err *err)
{
    struct group g = {.id = rk_str_z(arg), .name = rk_str_z(arg)};
    enum rk_code rc = tx_put(tx, ENT_GROUP, &g, err);

    if (rc == RK_OK)
        rc = tx_group_add_peer(tx, g.id, RK_STR("peer-1"), err);
    return rc ? rc : tx_event(tx, 16, g.id, RK_STR("{}"), err);
}

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    struct rk_err err = {0};

    for (int i = 0;; i++) {
        char id[32];

        (void)snprintf(id, sizeof id, "g-%04d-%d-%06d\n", w->round, w->number, i);
        id[ID_LEN] = 0;
        if (mgmt_mutate(w->m, RK_STR("acc-1"), &sys, i % 2 ? MUT_STALE_SNAP : 0, put_group, id,
                        &err)) {
            (void)fprintf(stderr, "writer: %s\n", err.msg);
            _exit(3);
        }
        presence_seen(w->m, RK_STR("peer-1"));
        id[ID_LEN] = '\n';
        if (write(w->fd, id, ID_LEN + 1) != ID_LEN + 1)
            _exit(4);
    }
}

static void child_main(const struct env *e, int fd, int round)
{
    struct writer w[THREADS];
    pthread_t t[THREADS];
    struct vault *vault = vault_new();
    struct mgmt_opts o = {.store_url = e->url, .vault = vault};
    struct mgmt *m;
    struct rk_err err = {0};

    if (vault_add_key(vault, &key, &err) || mgmt_open(&m, &o, &err)) {
        (void)fprintf(stderr, "child: %s\n", err.msg);
        _exit(2);
    }
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct writer){.m = m, .fd = fd, .round = round, .number = i};
        if (pthread_create(&t[i], NULL, writer_main, &w[i]))
            _exit(2);
    }
    for (;;)
        (void)pause();
}

/* Everything the child told before it died. */
static char *acked_read(int fd, size_t *n)
{
    size_t cap = 1 << 16;
    char *buf = rk_malloc(cap);
    ssize_t got;

    *n = 0;
    while ((got = read(fd, buf + *n, cap - *n)) > 0) {
        *n += (size_t)got;
        if (*n == cap) {
            ck_assert_uint_lt(cap, ACKED_MAX);
            cap *= 2;
            buf = rk_realloc(buf, cap, 1);
        }
    }
    ck_assert_int_eq(got, 0);
    return buf;
}

static void verify(const struct env *e, const char *acked, size_t n, int64_t *groups)
{
    static const char find[] = "SELECT count(*) FROM grp g JOIN grp_peer p ON p.group_id = g.id "
                               "WHERE g.id = $1";
    static const char integrity[] = "SELECT count(*) FROM pragma_integrity_check WHERE "
                                    "integrity_check <> 'ok'";
    static const char half[] = "SELECT (SELECT count(*) FROM grp WHERE id LIKE 'g-%') - "
                               "(SELECT count(*) FROM event WHERE activity = 16)";
    static const char count[] = "SELECT count(*) FROM grp";
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct db *db = env_db(e);
    struct journal_report report = {0};
    struct account_data d = {0};
    struct vault *vault = vault_new();
    struct store s = {.db = db, .vault = vault, .mem = mem};
    struct rk_str account = {0};
    int64_t x = -1;

    ck_ok(vault_add_key(vault, &key, err));
    ck_assert_uint_eq(n % (ID_LEN + 1), 0);
    for (size_t i = 0; i < n; i += ID_LEN + 1) {
        ck_ok(db_get_i64(db, &x, err, find, DB_ARGS(db_text(rk_str_of(acked + i, ID_LEN)))));
        ck_assert_msg(x == 1, "acknowledged but lost: %.*s", ID_LEN, acked + i);
    }
    if (!e->pg) {
        ck_ok(db_get_i64(db, &x, err, integrity, DB_NOARGS));
        ck_assert_int_eq(x, 0);
    }
    ck_ok(db_get_i64(db, &x, err, half, DB_NOARGS));
    ck_assert_int_eq(x, 0); /* no half mutation */
    ck_ok(journal_verify_all(db, mem, &account, &report, err));
    ck_assert_msg(!report.broken, "journal row %lld: %s", (long long)report.bad_seq, report.reason);
    ck_ok(store_load(&s, RK_STR("acc-1"), &d, err));
    ck_ok(db_get_i64(db, groups, err, count, DB_NOARGS));
    ck_assert_int_eq((int64_t)d.n_groups, *groups);
    vault_free(vault);
    db_close(db);
}

static void account_make(const struct env *e)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct vault *vault = vault_new();
    struct mgmt_opts o = {.store_url = e->url, .vault = vault};
    struct account_data d = sample_account(mem);
    struct mgmt *m;

    ck_ok(vault_add_key(vault, &key, err));
    ck_ok(mgmt_open(&m, &o, err));
    ck_ok(mgmt_account_insert(m, &sys, &d, err));
    mgmt_close(m);
    vault_free(vault);
}

/* ---- the operator with sqlite3 */

#define OPERATOR_MIN 3 /* whole loops of it, or the test would say nothing */

/* Each command is a process of its own, so each is the first and the last user of the file in its
 * eyes, who removes the WAL at the end unless the server's locks are seen. "$0" is the folder.
 * Being locked out for a moment is no fault; anything else is told in operator.err. */
static const char OPERATOR[] =
    "cd \"$0\" || exit 1\n"
    "run() { sqlite3 -cmd '.timeout 2000' \"$@\" 2>&1 >operator.out | grep -v locked "
    ">>operator.err; }\n"
    "while kill -0 $1 2>/dev/null && ! [ -e operator.stop ]; do\n"
    "  run store.db 'SELECT count(*) FROM grp'\n"
    "  run store.db '.backup copy.db'\n"
    "  run copy.db 'PRAGMA integrity_check'\n"
    "  grep -qx ok operator.out || echo \"backup: $(head -n 3 operator.out)\" >>operator.err\n"
    "  run store.db 'PRAGMA wal_checkpoint(TRUNCATE)'\n"
    "  echo >>operator.loops\n"
    "done\n";

static pid_t operator_start(const struct env *e)
{
    char parent[16];
    pid_t pid;

    if (e->pg)
        return -1;
    (void)snprintf(parent, sizeof parent, "%d", (int)getpid());
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)execl("/bin/sh", e->dir, "-c", OPERATOR, e->dir, parent, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static off_t size_of(const struct env *e, const char *file)
{
    char path[120];
    struct stat st;

    (void)snprintf(path, sizeof path, "%s/%s", e->dir, file);
    return stat(path, &st) ? 0 : st.st_size;
}

static void operator_stop(const struct env *e, pid_t pid)
{
    static const char *const files[] = {"copy.db", "operator.out", "operator.err", "operator.loops",
                                        "operator.stop"};
    char path[120];
    int status;
    FILE *f;

    if (pid < 0)
        return;
    while (size_of(e, "operator.loops") < OPERATOR_MIN && size_of(e, "operator.err") == 0)
        (void)usleep(20000);
    (void)snprintf(path, sizeof path, "%s/operator.stop", e->dir);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    (void)fclose(f);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(size_of(e, "operator.err") == 0, "see %s/operator.err", e->dir);
    (void)fprintf(stderr, "sqlite3 went round %lld times beside it\n",
                  (long long)size_of(e, "operator.loops"));
    for (size_t i = 0; i < RK_ARRAY_LEN(files); i++)
        env_unlink(e, files[i]);
}

static size_t round_run(const struct env *e, int round)
{
    int fds[2], status;
    int64_t groups = 0;
    size_t n = 0;
    char *acked;
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)close(fds[0]);
        child_main(e, fds[1], round);
    }
    (void)close(fds[1]);
    {
        /* wait for the first acknowledgement, then a random while */
        char first[ID_LEN + 1];
        size_t have = 0;
        ssize_t got;
        char *rest;

        while (have < sizeof first && (got = read(fds[0], first + have, sizeof first - have)) > 0)
            have += (size_t)got;
        ck_assert_uint_eq(have, sizeof first);
        (void)usleep((KILL_AFTER + rk_secret_random_below(KILL_SPREAD)) * 1000);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        rest = acked_read(fds[0], &n);
        acked = rk_malloc(n + sizeof first);
        memcpy(acked, first, sizeof first);
        if (n)
            memcpy(acked + sizeof first, rest, n);
        n += sizeof first;
        free(rest);
    }
    (void)close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
    verify(e, acked, n, &groups);
    free(acked);
    return n / (ID_LEN + 1);
}

START_TEST(no_acknowledged_write_is_lost_on_kill)
{
    const char *rounds = getenv("RK_KILL_ROUNDS");
    int64_t n = ROUNDS;
    size_t total = 0;
    pid_t other;
    struct env e;

    if (rounds)
        ck_ok(rk_parse_i64(rk_str_z(rounds), 1, 9999, &n, err));
    if (_i == 1 && !rounds)
        n = 5; /* PostgreSQL's own promise, mostly */
    env_open(&e, _i);
    account_make(&e);
    other = operator_start(&e);
    for (int i = 0; i < (int)n; i++)
        total += round_run(&e, i);
    operator_stop(&e, other);
    (void)fprintf(stderr, "%s: %d rounds, %zu acknowledged writes, none lost\n",
                  e.pg ? "PostgreSQL" : "SQLite", (int)n, total);
    env_close(&e);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kill");
    TCase *tc = tcase_create("kill");
    int engines = env_engines();

    tcase_set_timeout(tc, 900);
    tcase_add_loop_test(tc, no_acknowledged_write_is_lost_on_kill, env_first(), engines);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
