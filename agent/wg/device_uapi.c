/* SPDX-License-Identifier: BSD-3-Clause */
/* A userspace WireGuard daemon: its process and its UNIX socket. The text is in uapi_text.c. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/wg/backend.h"
#include "lib/base/num.h"

/* An answer this large is ten thousand peers with a hundred routes each. */
#define ANSWER_MAX_BYTES ((size_t)64 << 20)
/* The daemon lives on this host; it answers within milliseconds unless it is stuck. Our loop waits
 * for it, so one that is stuck is asked only now and then. */
#define ANSWER_TIMEOUT_S 1
#define SILENT_PAUSE_MS  2000

struct wg_uapi {
    int fd;
    int64_t silent_since_ms; /* 0: it answers */
    int64_t ask_again_ms;
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
};

static enum rk_code open_socket(struct wg_uapi *u, struct rk_err *err)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct timeval tv = {.tv_sec = ANSWER_TIMEOUT_S};
    int e;

    memcpy(sa.sun_path, u->path, sizeof sa.sun_path);
    u->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (u->fd < 0)
        return rk_fail_errno(err, RK_INTERNAL, errno, "socket");
    (void)setsockopt(u->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    (void)setsockopt(u->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    if (connect(u->fd, (const struct sockaddr *)&sa, sizeof sa) == 0)
        return RK_OK;
    e = errno;
    (void)close(u->fd);
    u->fd = -1;
    return rk_fail_errno(err,
                         e == ENOENT         ? RK_NOT_FOUND
                         : e == ECONNREFUSED ? RK_UNAVAILABLE
                                             : RK_INTERNAL,
                         e, "connect to %s", u->path);
}

enum rk_code wg_uapi_connect(const char *path, struct wg_uapi **out, struct rk_err *err)
{
    struct wg_uapi *u;
    enum rk_code rc;

    if (strlen(path) >= sizeof u->path)
        return rk_fail(err, RK_INVALID, "socket path %s is too long", path);
    u = rk_calloc(1, sizeof *u);
    (void)snprintf(u->path, sizeof u->path, "%s", path);
    rc = open_socket(u, err);
    if (rc) {
        free(u);
        return rc;
    }
    *out = u;
    return RK_OK;
}

void wg_uapi_free(struct wg_uapi *u)
{
    if (!u)
        return;
    if (u->fd >= 0)
        (void)close(u->fd);
    free(u);
}

static enum rk_code send_all(int fd, struct rk_str s, struct rk_err *err)
{
    while (s.n) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rk_fail_errno(err, errno == EAGAIN ? RK_TIMEOUT : RK_UNAVAILABLE, errno,
                                 "wireguard daemon: send");
        s = rk_str_sub(s, (size_t)n, s.n);
    }
    return RK_OK;
}

/* Up to the empty line that ends an answer. */
static enum rk_code receive(int fd, struct rk_buf *in, struct rk_err *err)
{
    for (;;) {
        char *room = rk_buf_room(in, 16384);
        ssize_t n;

        if (!room)
            return rk_fail(err, RK_LIMIT, "wireguard daemon: answer is too long");
        n = recv(fd, room, 16384, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rk_fail_errno(err, errno == EAGAIN ? RK_TIMEOUT : RK_UNAVAILABLE, errno,
                                 "wireguard daemon: receive");
        if (n == 0)
            return rk_fail(err, RK_UNAVAILABLE, "wireguard daemon closed its socket");
        rk_buf_added(in, (size_t)n);
        if (rk_str_ends(rk_buf_str(in), RK_STR("\n\n")))
            return RK_OK;
    }
}

/* One question on the kept connection; a connection that failed is not used again. */
static enum rk_code ask(struct wg_uapi *u, struct rk_str text, struct rk_arena *mem,
                        struct wg_state *out, struct rk_err *err)
{
    int64_t now = rk_mono_ms();
    struct rk_buf in;
    enum rk_code rc;

    if (u->silent_since_ms && now < u->ask_again_ms)
        return rk_fail(err, RK_TIMEOUT, "the wireguard daemon has not answered for %lld s",
                       (long long)((now - u->silent_since_ms) / 1000));
    if (u->fd < 0) {
        rc = open_socket(u, err);
        if (rc)
            return rc;
    }
    rk_buf_init(&in, ANSWER_MAX_BYTES);
    rc = send_all(u->fd, text, err);
    if (rc == RK_OK)
        rc = receive(u->fd, &in, err);
    if (rc != RK_TIMEOUT)
        u->silent_since_ms = 0;
    else if (!u->silent_since_ms)
        u->silent_since_ms = now;
    u->ask_again_ms = rk_mono_ms() + SILENT_PAUSE_MS;
    if (rc) {
        (void)close(u->fd);
        u->fd = -1;
    } else {
        rc = wg_uapi_decode(rk_buf_str(&in), mem, out, err);
    }
    rk_secret_wipe(in.p, in.n); /* the private key is in it */
    rk_buf_done(&in);
    return rc;
}

static size_t change_size(const struct wg_change *c)
{
    size_t size = 512;

    for (size_t i = 0; i < c->n_peers; i++)
        size += 384 + c->peers[i].n_allowed * (RK_ADDR_TEXT + 12);
    return size;
}

enum rk_code wg_uapi_apply(struct wg_uapi *u, const struct wg_change *c, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct wg_state none;
    struct rk_buf text;
    enum rk_code rc;

    rk_buf_init(&text, ANSWER_MAX_BYTES);
    (void)rk_buf_room(&text, change_size(c)); /* growing would leave copies of keys behind */
    wg_uapi_encode(c, &text);
    if (text.full)
        rc = rk_fail(err, RK_LIMIT, "wireguard change is too large");
    else
        rc = ask(u, rk_buf_str(&text), mem, &none, err);
    rk_secret_wipe(text.p, text.n);
    rk_buf_done(&text);
    return rc;
}

int64_t wg_uapi_silent_ms(const struct wg_uapi *u)
{
    return u->silent_since_ms ? rk_mono_ms() - u->silent_since_ms : 0;
}

enum rk_code wg_uapi_read(struct wg_uapi *u, struct rk_arena *mem, struct wg_state *out,
                          struct rk_err *err)
{
    return ask(u, RK_STR("get=1\n\n"), mem, out, err);
}

/* ---- the process */

/* Where execvp would find it; done before the fork so that the error is a sentence. */
static enum rk_code find_program(const char *name, char *out, size_t cap, struct rk_err *err)
{
    static const char usual[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    const char *path = getenv("PATH");
    struct rk_str rest = rk_str_z(path ? path : usual), dir;

    if (strchr(name, '/')) {
        if (access(name, X_OK) != 0)
            return rk_fail_errno(err, RK_NOT_FOUND, errno, "%s", name);
        (void)snprintf(out, cap, "%s", name);
        return RK_OK;
    }
    while (rest.n) {
        (void)rk_str_cut(rest, ':', &dir, &rest);
        if (!dir.n || snprintf(out, cap, "%.*s/%s", RK_STR_ARG(dir), name) >= (int)cap)
            continue;
        if (access(out, X_OK) == 0)
            return RK_OK;
    }
    return rk_fail(err, RK_NOT_FOUND,
                   "this kernel has no WireGuard, and %s is not in PATH: install it", name);
}

/* wireguard-go knows one folder for its socket. In a mount namespace of the daemon's own, another
 * one stands in that place, so the socket is made where it was asked for. Safe after fork. */
static bool stand_in(const char *dir)
{
    (void)mkdir(WG_SOCKET_DIR, 0700);
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount(dir, WG_SOCKET_DIR, NULL, MS_BIND, NULL) == 0;
}

/* Only calls that are safe between fork and exec. dir: NULL for the daemon's own folder. */
static void child(const char *program, const char *name, const char *dir, pid_t parent)
{
    static char foreground[] = "-f", env1[] = "WG_PROCESS_FOREGROUND=1", env2[] = "LOG_LEVEL=error";
    char *argv[] = {(char *)(uintptr_t)program, foreground, (char *)(uintptr_t)name, NULL};
    char *envp[] = {env1, env2, NULL};
    int null = open("/dev/null", O_RDWR);
    sigset_t none;

    if (null >= 0) {
        (void)dup2(null, STDIN_FILENO);
        (void)dup2(null, STDOUT_FILENO);
    }
    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid(); /* a ^C for the agent is not for the daemon: the agent ends it in order */
    /* when the agent dies without a word the tunnel must not live on without anybody's control */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent && (!dir || stand_in(dir)))
        (void)execve(program, argv, envp);
    _exit(127);
}

enum rk_code wg_daemon_start(const char *program, const char *name, const char *dir, pid_t *pid,
                             int *pidfd, struct rk_err *err)
{
    char path[4096];
    pid_t parent = getpid(), made;
    sigset_t all, old;
    enum rk_code rc = find_program(program, path, sizeof path, err);
    bool other = dir && strcmp(dir, WG_SOCKET_DIR) != 0;
    int fd;

    if (rc)
        return rc;
    if (other && mkdir(dir, 0700) && errno != EEXIST)
        return rk_fail_errno(err, RK_INVALID, errno, "folder %s for the daemon's socket", dir);
    /* a signal for the child before its exec must not run a handler of ours in it: libuv's would
     * write into the pipe that both share */
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &old);
    made = fork();
    if (made == 0)
        child(path, name, other ? dir : NULL, parent);
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    if (made < 0)
        return rk_fail_errno(err, RK_INTERNAL, errno, "start %s", path);
    fd = (int)syscall(SYS_pidfd_open, made, 0);
    if (fd < 0) {
        int e = errno;

        (void)kill(made, SIGKILL);
        (void)waitpid(made, NULL, 0);
        return rk_fail_errno(err, RK_INTERNAL, e, "watch %s", path);
    }
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    *pid = made;
    *pidfd = fd;
    return RK_OK;
}
