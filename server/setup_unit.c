/* SPDX-License-Identifier: BSD-3-Clause */
/* The service manager, by its own command; see setup_priv.h. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/crypto/keyfile.h"
#include "server/setup_priv.h"

extern char **environ;

enum { TOOL_MS = 10000, START_MS = 120000, SAID_MAX = 1 << 18 };

#define DROPIN_DIR "/etc/systemd/system/rookery.service.d"
#define TLS_DIR    "/run/rookery/tls"

/* ---- a command with a limit */

/* Until it ends its output. False: the time is over. */
static bool collect(int fd, int64_t limit_ms, struct rk_buf *said)
{
    int64_t until = rk_mono_ms() + limit_ms;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = until - rk_mono_ms();
        char buf[4096];
        ssize_t n;

        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return false;
        n = read(fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return true;
        rk_buf_add(said, rk_str_of(buf, (size_t)n));
    }
}

/* Its status; -1 when it cannot be run or takes too long. What it says is appended. */
static int tool(const char *const *words, int64_t limit_ms, struct rk_buf *said)
{
    posix_spawn_file_actions_t files;
    int fd[2], status = 0, why;
    bool ended;
    pid_t pid;

    if (pipe2(fd, O_CLOEXEC))
        return -1;
    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&files, fd[1], 1);
    (void)posix_spawn_file_actions_adddup2(&files, fd[1], 2);
    why = posix_spawnp(&pid, words[0], &files, NULL, (char *const *)(uintptr_t)words, environ);
    (void)posix_spawn_file_actions_destroy(&files);
    (void)close(fd[1]);
    if (why) {
        (void)close(fd[0]);
        return -1;
    }
    ended = collect(fd[0], limit_ms, said);
    (void)close(fd[0]);
    if (!ended)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return ended && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define SYSTEMCTL(said, limit, ...)                                                                \
    tool((const char *const[]){"systemctl", __VA_ARGS__, NULL}, limit, said)

static bool quiet(const char *const *words, int64_t limit_ms)
{
    struct rk_buf said;
    int status;

    rk_buf_init(&said, SAID_MAX);
    status = tool(words, limit_ms, &said);
    rk_buf_done(&said);
    return status == 0;
}

#define QUIET(...) quiet((const char *const[]){"systemctl", __VA_ARGS__, NULL}, TOOL_MS)

bool setup_unit_there(struct setup *s)
{
    struct rk_buf said;
    struct rk_str text;
    bool yes;

    if (access("/run/systemd/system", F_OK) || geteuid() != 0 || !s->path)
        return false;
    rk_buf_init(&said, SAID_MAX);
    yes = SYSTEMCTL(&said, TOOL_MS, "show", "-P", "ExecStart", SETUP_UNIT) == 0;
    text = rk_str_trim(rk_buf_str(&said));
    yes = yes && text.n > 0; /* empty: there is no such unit */
    if (yes && rk_str_find(text, rk_str_z(s->path)) == text.n) {
        setup_say(s, "note: %s reads another configuration than %s: start the server yourself\n",
                  SETUP_UNIT, s->path);
        yes = false;
    }
    rk_buf_done(&said);
    return yes;
}

bool setup_unit_holds_ports(void)
{
    return QUIET("is-active", SETUP_SOCKET);
}

/* ---- what the unit is told besides */

/* A path in a unit file: nothing that it would read as something else. */
static bool plain(struct rk_str path)
{
    static const char good[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/@:+-";

    for (size_t i = 0; i < path.n; i++)
        if (rk_str_find_c(rk_str_z(good), path.p[i]) == sizeof good - 1)
            return false;
    return path.n > 0 && path.p[0] == '/';
}

/* Files that root alone may read are handed over by the service manager, at each start and reload.
 */
static void put_certificate(struct rk_buf *b, const struct server_config *c)
{
    static const char *const when[] = {"ExecStartPre", "ExecReload"};

    rk_buf_addz(b, "Environment=ROOKERY_TLS_CERT_FILE=" TLS_DIR "/cert.pem "
                   "ROOKERY_TLS_KEY_FILE=" TLS_DIR "/key.pem\nExecReload=\n");
    for (size_t i = 0; i < RK_ARRAY_LEN(when); i++)
        rk_buf_printf(b,
                      "%s=+/usr/bin/install -d -m 0750 -g " SETUP_USER " " TLS_DIR "\n"
                      "%s=+/usr/bin/install -m 0440 -g " SETUP_USER " %.*s " TLS_DIR "/cert.pem\n"
                      "%s=+/usr/bin/install -m 0440 -g " SETUP_USER " %.*s " TLS_DIR "/key.pem\n",
                      when[i], when[i], RK_STR_ARG(c->tls_cert), when[i], RK_STR_ARG(c->tls_key));
    rk_buf_addz(b, "ExecReload=/bin/kill -HUP $MAINPID\n");
}

static enum rk_code put_dropin(struct setup *s, struct rk_err *err)
{
    const struct server_config *c = &s->c;
    bool certificate = c->tls_cert.n && !c->acme_enabled;
    bool elsewhere = !rk_str_eqz(c->data_dir, SETUP_DATA);
    struct rk_buf b;
    FILE *f;
    bool ok;

    if (!certificate && !elsewhere)
        return RK_OK;
    if (!plain(c->data_dir) || (certificate && (!plain(c->tls_cert) || !plain(c->tls_key))))
        return rk_fail(err, RK_INVALID,
                       "folders and files that the unit is told must be full paths without blanks "
                       "and quotes");
    if (keyfile_dir(RK_STR(DROPIN_DIR), err) || chmod(DROPIN_DIR, 0755))
        return rk_fail(err, RK_UNAVAILABLE, "cannot make " DROPIN_DIR);
    rk_buf_init(&b, 1 << 16);
    rk_buf_addz(&b, "# Written by rookery setup.\n[Service]\n");
    if (elsewhere)
        rk_buf_printf(&b, "ReadWritePaths=\nReadWritePaths=%.*s\n", RK_STR_ARG(c->data_dir));
    if (certificate)
        put_certificate(&b, c);
    f = fopen(DROPIN_DIR "/setup.conf", "we");
    ok = f && fwrite(b.p, 1, b.n, f) == b.n;
    ok = f && fclose(f) == 0 && ok;
    rk_buf_done(&b);
    return ok ? RK_OK : rk_fail(err, RK_UNAVAILABLE, "cannot write " DROPIN_DIR "/setup.conf");
}

enum rk_code setup_unit_start(struct setup *s, struct rk_err *err)
{
    bool active = QUIET("is-active", SETUP_UNIT);
    struct rk_buf said;
    struct rk_str text;
    int status;
    enum rk_code rc;

    if (active && !s->wrote)
        return RK_OK;
    rc = s->wrote ? put_dropin(s, err) : RK_OK;
    if (rc)
        return rc;
    (void)QUIET("daemon-reload");
    (void)QUIET("reset-failed", SETUP_UNIT);
    setup_say(s, "%s %s (at most %d s)\n", active ? "restarting" : "starting", SETUP_UNIT,
              START_MS / 1000);
    rk_buf_init(&said, SAID_MAX);
    status = SYSTEMCTL(&said, START_MS, active ? "restart" : "start", SETUP_UNIT);
    text = rk_str_trim(rk_buf_str(&said));
    if (status)
        rc = rk_fail(err, RK_UNAVAILABLE, "%s does not start: %.*s", SETUP_UNIT,
                     (int)rk_min_size(text.n, 120), text.n ? text.p : "");
    rk_buf_done(&said);
    if (rc)
        return rc;
    if (!QUIET("enable", SETUP_UNIT))
        setup_say(s, "note: %s could not be enabled: it will not start with the machine\n",
                  SETUP_UNIT);
    (void)QUIET("enable", "--now", "rookery-backup.timer");
    return RK_OK;
}

void setup_unit_tail(struct setup *s)
{
    static const char *const words[] = {"journalctl", "-u", SETUP_UNIT, "--no-pager", "-o",
                                        "cat",        "-n", "15",       NULL};
    struct rk_buf said;

    if (!s->unit)
        return;
    rk_buf_init(&said, SAID_MAX);
    if (tool(words, TOOL_MS, &said) == 0 && said.n)
        (void)fprintf(stderr, "The last lines of its log (journalctl -u rookery):\n%.*s",
                      (int)said.n, said.p);
    rk_buf_done(&said);
}
