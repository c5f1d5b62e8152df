/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread that keeps the certificate fresh; see acme.h. */
#include "config.h"

#include "server/acme.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/crypto/acme_cert.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/tls.h"
#include "lib/json/json.h"
#include "server/acme_http.h"

extern char **environ;

enum {
    CHILD_MS = 300000,         /* the authority's patience is shorter */
    LOOK_MS = 3600000,         /* the clock may have jumped: look again at least this often */
    BACKOFF_MAX_MS = 21600000, /* six hours */
    OUTPUT_MAX = 65536,
    LINE_MAX_BYTES = 1024,
};

struct acme {
    struct acme_opts o;
    struct rk_arena *mem;
    const char *dir, *uacme, *self, *sock;
    struct acme_http *http;
    pthread_t thread;
    bool started;
    int wake, hook; /* hook: the listening socket */

    pthread_mutex_t lock; /* guards the rest */
    const char *state;
    char error[240];
    int64_t next_ms, good_ms; /* Unix time */
    unsigned failures;
    struct rk_metric *m_next, *m_good, *m_failed;
};

/* ---- files */

static const char *path_in(struct rk_arena *mem, const char *dir, const char *name)
{
    return rk_arena_printf(mem, "%s/%s", dir, name).p;
}

static bool make_dir(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* `current` is a link that is put into place by rename: certificate and key change together. */
static enum rk_code point_current(struct rk_arena *mem, const char *dir, const char *live,
                                  struct rk_err *err)
{
    const char *tmp = path_in(mem, dir, "current.new");

    (void)unlink(tmp);
    if (symlink(live, tmp) || rename(tmp, path_in(mem, dir, "current")))
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "make %s/current", dir);
    return RK_OK;
}

static const char *find_uacme(struct rk_arena *mem)
{
    const char *path = getenv("PATH");
    struct rk_str rest = rk_str_z(path && *path ? path : "/usr/bin:/bin"), one;

    while (rest.n) {
        const char *p;

        (void)rk_str_cut(rest, ':', &one, &rest);
        p = rk_arena_printf(mem, "%.*s/uacme", RK_STR_ARG(one)).p;
        if (access(p, X_OK) == 0)
            return p;
    }
    return NULL;
}

bool acme_missing(struct rk_arena *mem)
{
    return !find_uacme(mem);
}

enum rk_code acme_prepare(struct rk_arena *mem, const struct server_config *c, struct rk_err *err)
{
    const char *dir = rk_arena_dupz(mem, c->acme_dir), *live = path_in(mem, dir, "live-0");
    const char *cert = rk_arena_dupz(mem, c->tls_cert), *key = rk_arena_dupz(mem, c->tls_key);
    enum rk_code rc = RK_OK;

    if (!find_uacme(mem))
        return rk_fail(err, RK_PRECONDITION,
                       "server.tls.letsencrypt: the program uacme is not installed (apt install "
                       "uacme)");
    if (!make_dir(rk_arena_dupz(mem, c->data_dir)) || !make_dir(dir))
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "make %s", dir);
    if (access(cert, R_OK) || access(key, R_OK)) {
        if (!make_dir(live))
            return rk_fail_errno(err, RK_UNAVAILABLE, errno, "make %s", live);
        rc = acme_placeholder(c->acme_domains.items[0], path_in(mem, live, "cert.pem"),
                              path_in(mem, live, "key.pem"), err);
        if (rc == RK_OK)
            rc = point_current(mem, dir, "live-0", err);
    }
    return rc;
}

/* ---- is it time? */

static bool is_placeholder(struct acme *a)
{
    char to[64];
    ssize_t n = readlink(path_in(a->mem, a->dir, "current"), to, sizeof to - 1);

    to[n > 0 ? n : 0] = '\0';
    return n <= 0 || strcmp(to, "live-0") == 0;
}

/* When the certificate in use is to be replaced: at two thirds of its life, which suits those of
 * ninety days and of six; at once when it is a placeholder or lacks a name. */
static int64_t due_ms(struct acme *a)
{
    const char *cert = path_in(a->mem, a->dir, "current/cert.pem");
    const struct rk_strs *names = &a->o.c->acme_domains;
    struct acme_cert_info i = {0};

    if (is_placeholder(a))
        return 0;
    for (size_t k = 0; k < names->n; k++)
        if (acme_cert_read(cert, names->items[k], &i, NULL) || !i.covers)
            return 0;
    return (i.not_before_s + (i.not_after_s - i.not_before_s) * 2 / 3) * 1000;
}

/* ---- the hook's end in this process */

static bool challenge(struct acme *a, struct rk_str line)
{
    struct rk_str method, type, ident, token, auth;
    bool begin;

    (void)rk_str_cut(line, ' ', &method, &line);
    (void)rk_str_cut(line, ' ', &type, &line);
    (void)rk_str_cut(line, ' ', &ident, &line);
    (void)rk_str_cut(line, ' ', &token, &auth);
    begin = rk_str_eqz(method, "begin");
    if (!rk_str_eq(type, a->o.c->acme_challenge))
        return false; /* uacme then offers the next kind */
    if (rk_str_eqz(type, "tls-alpn-01")) {
        struct rk_err err = {0};

        if (!begin)
            acme_answer_drop(ident);
        else if (acme_answer_put(ident, auth, &err))
            rk_log(a->o.log, RK_WARN, "acme challenge", KV_ERR(&err));
        return err.code == RK_OK;
    }
    acme_http_answer(a->http, token, begin ? auth : (struct rk_str){0});
    return a->http != NULL;
}

static void hook_answer(struct acme *a)
{
    struct timeval limit = {.tv_sec = 2};
    char line[LINE_MAX_BYTES];
    size_t n = 0;
    int fd = accept4(a->hook, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    while (n < sizeof line) {
        ssize_t got = recv(fd, line + n, sizeof line - n, 0);

        if (got <= 0)
            break;
        n += (size_t)got;
        if (line[n - 1] == '\n') {
            const char *yes = challenge(a, rk_str_of(line, n - 1)) ? "y" : "n";

            RK_IGNORE(send(fd, yes, 1, MSG_NOSIGNAL));
            break;
        }
    }
    (void)close(fd);
}

static int hook_listen(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof at.sun_path)
        return -1;
    memcpy(at.sun_path, path, strlen(path) + 1);
    (void)unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 &&
        (bind(fd, (const struct sockaddr *)&at, sizeof at) || chmod(path, 0600) || listen(fd, 8))) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

int server_acme_hook_main(int argc, char **argv)
{
    const char *path = getenv("ROOKERY_ACME_HOOK");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char line[LINE_MAX_BYTES], answer = 'n';
    int fd, n;

    if (argc != 5 || !path || strlen(path) >= sizeof to.sun_path)
        return EXIT_FAILURE;
    memcpy(to.sun_path, path, strlen(path) + 1);
    n = snprintf(line, sizeof line, "%s %s %s %s %s\n", argv[0], argv[1], argv[2], argv[3],
                 argv[4]);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || n < 0 || (size_t)n >= sizeof line ||
        connect(fd, (const struct sockaddr *)&to, sizeof to) ||
        send(fd, line, (size_t)n, MSG_NOSIGNAL) != n || recv(fd, &answer, 1, 0) != 1)
        return EXIT_FAILURE;
    return answer == 'y' ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- the child */

static enum rk_code spawn(struct acme *a, char *const *argv, int out, pid_t *pid,
                          struct rk_err *err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none;
    int why;

    (void)sigemptyset(&none);
    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&files, out, 1);
    (void)posix_spawn_file_actions_adddup2(&files, out, 2);
    (void)posix_spawnattr_init(&attr);
    (void)posix_spawnattr_setsigmask(&attr, &none); /* ours blocks what ends a program */
    (void)posix_spawnattr_setpgroup(&attr, 0);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    why = posix_spawn(pid, a->uacme, &files, &attr, argv, environ);
    (void)posix_spawn_file_actions_destroy(&files);
    (void)posix_spawnattr_destroy(&attr);
    return why ? rk_fail_errno(err, RK_UNAVAILABLE, why, "start %s", a->uacme) : RK_OK;
}

/* What it said last, for people: its final complaint in one line. */
static void last_words(struct rk_str out, char text[240])
{
    struct rk_str line, best = {0};

    while (out.n) {
        (void)rk_str_cut(out, '\n', &line, &out);
        line = rk_str_trim(line);
        if (line.n && (rk_str_find(line, RK_STR("detail")) < line.n || !best.n ||
                       rk_str_find(best, RK_STR("detail")) == best.n))
            best = line;
    }
    if (rk_str_starts(best, RK_STR("uacme: ")))
        best = rk_str_sub(best, 7, best.n);
    (void)snprintf(text, 240, "%.*s", (int)rk_min_size(best.n, 220), best.n ? best.p : "");
}

/* Until it closes its output, answering its hook meanwhile. false: it had to be killed. */
static bool attend(struct acme *a, int fd, struct rk_buf *said)
{
    int64_t until = rk_mono_ms() + CHILD_MS;

    for (;;) {
        struct pollfd p[3] = {{.fd = fd, .events = POLLIN},
                              {.fd = a->hook, .events = POLLIN},
                              {.fd = a->wake, .events = POLLIN}};
        int64_t left = until - rk_mono_ms();
        char *room;
        ssize_t n;

        if (left <= 0)
            return false;
        if (poll(p, 3, (int)left) < 0 && errno != EINTR)
            return false;
        if (p[2].revents)
            return false;
        if (p[1].revents)
            hook_answer(a);
        if (!p[0].revents)
            continue;
        if (said->n > OUTPUT_MAX / 2)
            rk_buf_clear(said); /* its last words count */
        room = rk_buf_room(said, 4096);
        n = room ? read(fd, room, 4096) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return true;
        rk_buf_added(said, (size_t)n);
    }
}

static enum rk_code child(struct acme *a, char *const *argv, struct rk_err *err)
{
    struct rk_buf said;
    char words[240];
    int fd[2], status = 0;
    bool ended;
    pid_t pid;
    enum rk_code rc;

    if (pipe2(fd, O_CLOEXEC))
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "pipe");
    rc = spawn(a, argv, fd[1], &pid, err);
    (void)close(fd[1]);
    if (rc) {
        (void)close(fd[0]);
        return rc;
    }
    rk_buf_init(&said, OUTPUT_MAX);
    ended = attend(a, fd[0], &said);
    if (!ended)
        (void)kill(-pid, SIGKILL);
    (void)close(fd[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    last_words(rk_buf_str(&said), words);
    rk_buf_done(&said);
    if (!ended)
        return rk_fail(err, RK_TIMEOUT, "uacme did not end within %d s: %s", CHILD_MS / 1000,
                       words);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return RK_OK;
    return rk_fail(err, RK_UNAVAILABLE, "%s", words[0] ? words : "uacme failed");
}

/* ---- one certificate */

/* Each time: it answers with the account that is there, and a key file alone does not say that the
 * authority knows it (the first try may have ended in between). */
static enum rk_code account(struct acme *a, struct rk_arena *mem, struct rk_err *err)
{
    const struct server_config *c = a->o.c;
    char *argv[16], *email = rk_arena_dupz(mem, c->acme_email);
    struct rk_err why = {0};
    size_t n = 0;

    argv[n++] = (char *)(uintptr_t) "uacme";
    argv[n++] = (char *)(uintptr_t) "-y";
    argv[n++] = (char *)(uintptr_t) "-c";
    argv[n++] = (char *)(uintptr_t)a->dir;
    argv[n++] = (char *)(uintptr_t) "-a";
    argv[n++] = rk_arena_dupz(mem, c->acme_directory);
    argv[n++] = (char *)(uintptr_t) "new";
    if (*email)
        argv[n++] = email;
    argv[n] = NULL;
    if (child(a, argv, &why) &&
        rk_str_find(rk_str_z(why.msg), RK_STR("already exists")) == strlen(why.msg))
        return rk_fail(err, why.code, "account at %.*s: %s", RK_STR_ARG(c->acme_directory),
                       why.msg);
    return RK_OK;
}

static enum rk_code order(struct acme *a, struct rk_arena *mem, struct rk_err *err)
{
    const struct server_config *c = a->o.c;
    const char *fixed[] = {"uacme", "-v",    "-v",   "-y",
                           "-f",    "-o",    "-t",   "EC",
                           "-c",    a->dir,  "-a",   rk_arena_dupz(mem, c->acme_directory),
                           "-h",    a->self, "issue"};
    char **argv = rk_new_n(mem, char *, RK_ARRAY_LEN(fixed) + c->acme_domains.n + 1);
    size_t n = 0;

    for (; n < RK_ARRAY_LEN(fixed); n++)
        argv[n] = (char *)(uintptr_t)fixed[n];
    for (size_t i = 0; i < c->acme_domains.n; i++)
        argv[n++] = rk_arena_dupz(mem, c->acme_domains.items[i]);
    if (child(a, argv, err))
        return rk_wrap(err, "certificate for %.*s", RK_STR_ARG(c->acme_domains.items[0]));
    return RK_OK;
}

static enum rk_code copy_file(const char *from, const char *to, struct rk_err *err)
{
    char buf[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    ssize_t n = in >= 0 ? read(in, buf, sizeof buf) : -1;
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = n > 0 && n < (ssize_t)sizeof buf && out >= 0 && write(out, buf, (size_t)n) == n &&
              fsync(out) == 0;
    enum rk_code rc = ok ? RK_OK : rk_fail_errno(err, RK_UNAVAILABLE, errno, "copy %s", from);

    if (in >= 0)
        (void)close(in);
    if (out >= 0)
        (void)close(out);
    rk_secret_wipe(buf, sizeof buf);
    return rc;
}

static void drop_live(struct rk_arena *mem, const char *dir, const char *name)
{
    const char *live = path_in(mem, dir, name);

    (void)unlink(path_in(mem, live, "cert.pem"));
    (void)unlink(path_in(mem, live, "key.pem"));
    (void)rmdir(live);
}

/* From uacme's places into a folder of its own, which becomes the current one when it holds up. */
static enum rk_code install(struct acme *a, struct rk_arena *mem, struct rk_err *err)
{
    struct rk_str name = a->o.c->acme_domains.items[0];
    struct tls_server_opts t = {0};
    struct tls_ctx *ctx = NULL;
    char before[64] = "";
    const char *live, *dir;
    ssize_t n = readlink(path_in(mem, a->dir, "current"), before, sizeof before - 1);
    enum rk_code rc;

    live = rk_arena_printf(mem, "live-%lld", (long long)rk_unix_us() / 1000).p;
    dir = path_in(mem, a->dir, live);
    if (!make_dir(dir))
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "make %s", dir);
    t.cert_file = path_in(mem, dir, "cert.pem");
    t.key_file = path_in(mem, dir, "key.pem");
    rc = copy_file(rk_arena_printf(mem, "%s/%.*s/cert.pem", a->dir, RK_STR_ARG(name)).p,
                   t.cert_file, err);
    if (rc == RK_OK)
        rc = copy_file(rk_arena_printf(mem, "%s/private/%.*s/key.pem", a->dir, RK_STR_ARG(name)).p,
                       t.key_file, err);
    if (rc == RK_OK)
        rc = tls_server_new(&t, &ctx, err);
    tls_ctx_free(ctx);
    if (rc == RK_OK)
        rc = point_current(mem, a->dir, live, err);
    drop_live(mem, a->dir, rc ? live : n > 0 ? before : "live-0");
    return rc;
}

static enum rk_code renew(struct acme *a, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    enum rk_code rc = account(a, mem, err);

    if (rc == RK_OK)
        rc = order(a, mem, err);
    if (rc == RK_OK)
        rc = install(a, mem, err);
    if (rc == RK_OK)
        a->o.reload(a->o.arg);
    return rc;
}

/* ---- the thread */

/* Twice as long after each failure, and not all servers of the world at the same moment. */
static int64_t back_off_ms(struct acme *a)
{
    int64_t ms = a->o.c->acme_retry_ms;

    for (unsigned i = 1; i < a->failures && ms < BACKOFF_MAX_MS; i++)
        ms *= 2;
    ms = rk_min_i64(ms, BACKOFF_MAX_MS);
    return ms * 3 / 4 + rk_secret_random_below((uint32_t)(ms / 2 + 1));
}

static void note(struct acme *a, const char *state, const struct rk_err *err, int64_t next_ms)
{
    (void)pthread_mutex_lock(&a->lock);
    a->state = state;
    a->next_ms = next_ms;
    (void)snprintf(a->error, sizeof a->error, "%s", err ? err->msg : "");
    (void)pthread_mutex_unlock(&a->lock);
    rk_metric_set(a->m_next, next_ms / 1000);
}

/* One look: renew when it is due. Returns when to look again. */
static int64_t look(struct acme *a)
{
    int64_t now = rk_unix_ms(), due = due_ms(a);
    struct rk_err err = {0};

    if (due > now) {
        note(a, "valid", NULL, due);
        return due;
    }
    note(a, "ordering", NULL, now);
    rk_log(a->o.log, RK_DEBUG, "certificate ordered",
           kv_str("name", a->o.c->acme_domains.items[0]));
    if (renew(a, &err) == RK_OK) {
        a->failures = 0;
        a->good_ms = rk_unix_ms();
        rk_metric_set(a->m_good, a->good_ms / 1000);
        due = rk_max_i64(due_ms(a), rk_unix_ms() + 1000);
        rk_log(a->o.log, RK_INFO, "certificate renewed",
               kv_str("name", a->o.c->acme_domains.items[0]),
               kv_i64("renew_in_s", (due - rk_unix_ms()) / 1000));
        note(a, "valid", NULL, due);
        return due;
    }
    a->failures++;
    rk_metric_add(a->m_failed, 1);
    due = rk_unix_ms() + back_off_ms(a);
    rk_log(a->o.log, RK_WARN, "certificate not renewed, the old one stays", KV_ERR(&err),
           kv_i64("next_try_in_s", (due - rk_unix_ms()) / 1000));
    note(a, is_placeholder(a) ? "waiting for the first certificate" : "not renewed", &err, due);
    return due;
}

static void *acme_main(void *arg)
{
    struct acme *a = arg;

    for (;;) {
        int64_t wait = rk_min_i64(rk_max_i64(look(a) - rk_unix_ms(), 0), LOOK_MS);
        struct pollfd p = {.fd = a->wake, .events = POLLIN};

        if (poll(&p, 1, (int)wait) > 0)
            return NULL;
    }
}

static enum rk_code start_http(struct acme *a, struct rk_err *err)
{
    const struct server_config *c = a->o.c;
    struct rk_addr at;
    enum rk_code rc;

    if (!c->http_address.n)
        return RK_OK;
    rc = rk_addr_parse_listen(c->http_address, &at, err);
    return rc ? rk_wrap(err, "server.x.httpAddress")
              : acme_http_new(&at, c->exposed_address, &a->http, err);
}

enum rk_code acme_new(const struct acme_opts *opts, struct acme **out, struct rk_err *err)
{
    struct acme *a = rk_calloc(1, sizeof *a);
    struct rk_metrics *m = opts->metrics;
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    enum rk_code rc;

    a->o = *opts;
    a->mem = rk_arena_new(0);
    a->dir = rk_arena_dupz(a->mem, opts->c->acme_dir);
    a->uacme = find_uacme(a->mem);
    a->self = rk_arena_dupz(a->mem, rk_str_of(self, n > 0 ? (size_t)n : 0));
    a->sock = path_in(a->mem, a->dir, "hook.sock");
    a->state = "starting";
    a->wake = eventfd(0, EFD_CLOEXEC);
    a->hook = hook_listen(a->sock);
    (void)pthread_mutex_init(&a->lock, NULL);
    a->m_next = rk_metric_gauge(m, "rookery_acme_next_try_timestamp_seconds", NULL,
                                "When the certificate is ordered next, Unix time.");
    a->m_good = rk_metric_gauge(m, "rookery_acme_last_success_timestamp_seconds", NULL,
                                "When a certificate was last received, Unix time.");
    a->m_failed = rk_metric_counter(m, "rookery_acme_failures_total", NULL, "Orders that failed.");
    rc = a->hook < 0 ? rk_fail_errno(err, RK_UNAVAILABLE, errno, "make %s", a->sock)
                     : start_http(a, err);
    if (rc == RK_OK && setenv("ROOKERY_ACME_HOOK", a->sock, 1))
        rc = rk_fail_errno(err, RK_INTERNAL, errno, "environment");
    if (rc == RK_OK) {
        a->started = pthread_create(&a->thread, NULL, acme_main, a) == 0;
        rc = a->started ? RK_OK : rk_fail(err, RK_INTERNAL, "no thread");
    }
    if (rc) {
        acme_free(a);
        return rc;
    }
    *out = a;
    return RK_OK;
}

void acme_free(struct acme *a)
{
    uint64_t one = 1;

    if (!a)
        return;
    if (a->started && write(a->wake, &one, sizeof one) == (ssize_t)sizeof one)
        (void)pthread_join(a->thread, NULL);
    acme_http_free(a->http);
    if (a->hook >= 0)
        (void)close(a->hook);
    (void)unlink(a->sock);
    (void)close(a->wake);
    (void)pthread_mutex_destroy(&a->lock);
    rk_arena_free(a->mem);
    free(a);
}

void acme_json(struct acme *a, struct rk_buf *out)
{
    char when[RK_TIME_TEXT];

    (void)pthread_mutex_lock(&a->lock);
    json_put_obj(out);
    json_put_key_str(out, "state", rk_str_z(a->state));
    json_put_key_str(out, "next_try", rk_time_format_us(a->next_ms * 1000, when));
    if (a->error[0])
        json_put_key_str(out, "error", rk_str_z(a->error));
    json_put_obj_end(out);
    (void)pthread_mutex_unlock(&a->lock);
}
