/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting iptables' programs; see iptables.h. */
#include "config.h"

#include "agent/os/iptables.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/loop.h"
#include "lib/base/num.h"

/* They wait for each other's lock (-w): somebody who reloads a large ruleset holds it for long. */
#define LIMIT_MS 20000
#define LOCK_S   "10"
#define OUT_MAX  ((size_t)64 << 20)
#define ARGS_MAX 24

/* ---- which */

static const char *pick(const char *const *paths, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (access(paths[i], X_OK) == 0)
            return paths[i];
    return NULL;
}

/* [family 6][kind][of restore or save] */
#define PATHS(name)                                                                                \
    {                                                                                              \
        "/usr/sbin/" name, "/sbin/" name, "/usr/local/sbin/" name                                  \
    }
#define PATHS_N 3

static const char *find(bool v6, enum iptables_kind kind, int what)
{
    static const char *const all[2][3][3][PATHS_N] = {
        {{PATHS("iptables"), PATHS("iptables-restore"), PATHS("iptables-save")},
         {PATHS("iptables-nft"), PATHS("iptables-nft-restore"), PATHS("iptables-nft-save")},
         {PATHS("iptables-legacy"), PATHS("iptables-legacy-restore"),
          PATHS("iptables-legacy-save")}},
        {{PATHS("ip6tables"), PATHS("ip6tables-restore"), PATHS("ip6tables-save")},
         {PATHS("ip6tables-nft"), PATHS("ip6tables-nft-restore"), PATHS("ip6tables-nft-save")},
         {PATHS("ip6tables-legacy"), PATHS("ip6tables-legacy-restore"),
          PATHS("ip6tables-legacy-save")}}};
    const char *found = pick(all[v6][kind][what], PATHS_N);

    return found || kind == IPTABLES_ANY ? found : pick(all[v6][IPTABLES_ANY][what], PATHS_N);
}

const char *iptables_find(bool v6, enum iptables_kind kind)
{
    return find(v6, kind, 0);
}

bool iptables_legacy_used(bool v6)
{
    FILE *f =
        fopen(v6 ? "/proc/self/net/ip6_tables_names" : "/proc/self/net/ip_tables_names", "re");
    char line[64];
    bool used = false;

    while (f && !used && fgets(line, sizeof line, f))
        used = strcmp(line, "filter\n") == 0;
    if (f)
        (void)fclose(f);
    return used;
}

/* ---- running */

struct child {
    const char *argv[ARGS_MAX];
    size_t n;
    struct rk_str in;
    struct rk_buf out, complaint;
};

static void arg(struct child *c, const char *text)
{
    if (c->n < ARGS_MAX - 1)
        c->argv[c->n++] = text;
}

static int input_of(struct rk_str text)
{
    int fd = memfd_create("iptables", MFD_CLOEXEC);

    for (size_t at = 0; fd >= 0 && at < text.n;) {
        ssize_t n = write(fd, text.p + at, text.n - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            (void)close(fd);
            return -1;
        }
        at += (size_t)n;
    }
    if (fd >= 0)
        (void)lseek(fd, 0, SEEK_SET);
    return fd;
}

/* Only calls that are safe between fork and exec. */
_Noreturn static void be_child(const struct child *c, int in, int out, int complaint)
{
    char *env[] = {(char *)(uintptr_t) "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                   (char *)(uintptr_t) "LC_ALL=C", NULL};

    if (in >= 0)
        (void)dup2(in, STDIN_FILENO);
    (void)dup2(out, STDOUT_FILENO);
    (void)dup2(complaint, STDERR_FILENO);
    (void)execve(c->argv[0], (char **)(uintptr_t)c->argv, env);
    _exit(127);
}

/* Read both until they end; false: the time is over. */
static bool read_all(struct child *c, int out, int complaint)
{
    struct pollfd fds[2] = {{.fd = out, .events = POLLIN}, {.fd = complaint, .events = POLLIN}};
    struct rk_buf *const into[2] = {&c->out, &c->complaint};
    int64_t end = rk_mono_ms() + LIMIT_MS;
    char bytes[16384];

    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        int64_t left = end - rk_mono_ms();

        if (left <= 0 || (poll(fds, 2, (int)left) < 0 && errno != EINTR))
            return false;
        for (int i = 0; i < 2; i++) {
            ssize_t n;

            if (fds[i].fd < 0 || !fds[i].revents)
                continue;
            n = read(fds[i].fd, bytes, sizeof bytes);
            if (n > 0)
                rk_buf_add(into[i], rk_str_of(bytes, (size_t)n));
            else if (n == 0 || errno != EINTR)
                fds[i].fd = -1;
        }
    }
    return true;
}

static enum rk_code complain(struct child *c, const char *what, struct rk_err *err)
{
    /* this kernel has no such filter, or not for us */
    static const char *const never[] = {"Table does not exist", "Permission denied",
                                        "Operation not permitted", "not supported",
                                        "Could not fetch rule set generation id"};
    struct rk_str line, rest;

    (void)rk_str_cut(rk_buf_str(&c->complaint), '\n', &line, &rest);
    for (size_t i = 0; i < RK_ARRAY_LEN(never); i++)
        if (rk_str_find(rk_buf_str(&c->complaint), rk_str_z(never[i])) < c->complaint.n)
            return rk_fail(err, RK_PRECONDITION, "%s: %.*s", c->argv[0],
                           RK_STR_ARG(rk_str_sub(line, 0, 160)));
    return rk_fail(err, RK_INVALID, "%s: %.*s", c->argv[0],
                   RK_STR_ARG(line.n ? rk_str_sub(line, 0, 160) : rk_str_z(what)));
}

static enum rk_code collect(struct child *c, pid_t pid, int out, int complaint, struct rk_err *err)
{
    bool in_time = read_all(c, out, complaint);
    int how = 0;

    if (!in_time)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &how, 0) < 0 && errno == EINTR)
        ;
    if (!in_time)
        return complain(c, "did not come to an end", err);
    return WIFEXITED(how) && WEXITSTATUS(how) == 0 ? RK_OK : complain(c, "failed", err);
}

static enum rk_code run(struct child *c, struct rk_err *err)
{
    int out[2] = {-1, -1}, complaint[2] = {-1, -1}, in = input_of(c->in);
    enum rk_code rc;
    pid_t pid = -1;

    rk_buf_init(&c->out, OUT_MAX);
    rk_buf_init(&c->complaint, 65536);
    if (in >= 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(complaint, O_CLOEXEC) == 0) {
        pid = fork();
        if (pid == 0)
            be_child(c, in, out[1], complaint[1]);
    }
    if (out[1] >= 0)
        (void)close(out[1]);
    if (complaint[1] >= 0)
        (void)close(complaint[1]);
    rc = pid < 0 ? rk_fail_errno(err, RK_UNAVAILABLE, errno, "start %s", c->argv[0])
                 : collect(c, pid, out[0], complaint[0], err);
    if (out[0] >= 0)
        (void)close(out[0]);
    if (complaint[0] >= 0)
        (void)close(complaint[0]);
    if (in >= 0)
        (void)close(in);
    return rc;
}

static void child_done(struct child *c)
{
    rk_buf_done(&c->out);
    rk_buf_done(&c->complaint);
}

/* ---- calls */

static enum rk_code way(const char *verb, const char *program, const char *chain, const char *iface,
                        bool out, const char *comment, struct rk_err *err)
{
    struct child c = {0};
    enum rk_code rc;

    arg(&c, program);
    arg(&c, "-w");
    arg(&c, LOCK_S);
    arg(&c, verb);
    arg(&c, chain);
    arg(&c, out ? "-o" : "-i");
    arg(&c, iface);
    if (out) {
        arg(&c, "-m");
        arg(&c, "conntrack");
        arg(&c, "--ctstate");
        arg(&c, "RELATED,ESTABLISHED");
    }
    arg(&c, "-m");
    arg(&c, "comment");
    arg(&c, "--comment");
    arg(&c, comment);
    arg(&c, "-j");
    arg(&c, "ACCEPT");
    rc = run(&c, err);
    child_done(&c);
    return rc;
}

enum rk_code iptables_way(const char *program, const char *chain, const char *iface, bool out,
                          const char *comment, bool add, struct rk_err *err)
{
    return way(add ? "-I" : "-D", program, chain, iface, out, comment, err);
}

bool iptables_has_way(const char *program, const char *chain, const char *iface, bool out,
                      const char *comment)
{
    return way("-C", program, chain, iface, out, comment, NULL) == RK_OK;
}

enum rk_code iptables_restore(bool v6, enum iptables_kind kind, struct rk_str text,
                              struct rk_err *err)
{
    struct child c = {.in = text};
    const char *program = find(v6, kind, 1);
    enum rk_code rc;

    if (!program)
        return rk_fail(err, RK_PRECONDITION, "%s is not installed",
                       v6 ? "ip6tables-restore" : "iptables-restore");
    arg(&c, program);
    arg(&c, "-w");
    arg(&c, LOCK_S);
    arg(&c, "--noflush");
    rc = run(&c, err);
    child_done(&c);
    return rc;
}

enum rk_code iptables_save(bool v6, enum iptables_kind kind, const char *table,
                           struct rk_arena *mem, struct rk_str *out, struct rk_err *err)
{
    struct child c = {0};
    const char *program = find(v6, kind, 2);
    enum rk_code rc;

    if (!program)
        return rk_fail(err, RK_PRECONDITION, "%s is not installed",
                       v6 ? "ip6tables-save" : "iptables-save");
    arg(&c, program);
    arg(&c, "-t");
    arg(&c, table);
    rc = run(&c, err);
    if (rc == RK_OK)
        *out = rk_arena_dup(mem, rk_buf_str(&c.out));
    child_done(&c);
    return rc;
}

/* ---- chains of our own */

static enum rk_code one_jump(bool v6, enum iptables_kind kind, const char *verb, const char *table,
                             const char *from, const char *to, const char *iface,
                             struct rk_err *err)
{
    const char *program = find(v6, kind, 0);
    struct child c = {0};
    enum rk_code rc;

    if (!program)
        return rk_fail(err, RK_PRECONDITION, "iptables is not installed");
    arg(&c, program);
    arg(&c, "-w");
    arg(&c, LOCK_S);
    arg(&c, "-t");
    arg(&c, table);
    arg(&c, verb);
    arg(&c, from);
    if (iface) {
        arg(&c, "-i");
        arg(&c, iface);
    }
    arg(&c, "-j");
    arg(&c, to);
    rc = run(&c, err);
    child_done(&c);
    return rc;
}

enum rk_code iptables_jump(bool v6, enum iptables_kind kind, const char *table, const char *from,
                           const char *to, const char *iface, struct rk_err *err)
{
    if (one_jump(v6, kind, "-C", table, from, to, iface, NULL) == RK_OK)
        return RK_OK;
    return one_jump(v6, kind, "-I", table, from, to, iface, err);
}

void iptables_unjump(bool v6, enum iptables_kind kind, const char *table, const char *from,
                     const char *to, const char *iface)
{
    while (one_jump(v6, kind, "-D", table, from, to, iface, NULL) == RK_OK)
        ; /* also what was made twice */
}

enum rk_code iptables_drop_chains(bool v6, enum iptables_kind kind, const char *table,
                                  struct rk_str prefix, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct rk_str have = {0}, line, rest;
    struct rk_buf text, ends;
    enum rk_code rc = iptables_save(v6, kind, table, mem, &have, err);

    if (rc)
        return rc;
    rk_buf_init(&text, OUT_MAX);
    rk_buf_init(&ends, OUT_MAX);
    rk_buf_printf(&text, "*%s\n", table);
    for (rest = have; rest.n;) { /* ":name POLICY [0:0]" */
        struct rk_str name, behind;

        (void)rk_str_cut(rest, '\n', &line, &rest);
        if (line.n < 2 || line.p[0] != ':')
            continue;
        (void)rk_str_cut(rk_str_sub(line, 1, line.n), ' ', &name, &behind);
        if (!rk_str_starts(name, prefix))
            continue;
        rk_buf_printf(&text, ":%.*s - [0:0]\n", RK_STR_ARG(name)); /* empties it */
        rk_buf_printf(&ends, "-X %.*s\n", RK_STR_ARG(name));
    }
    rk_buf_add(&text, rk_buf_str(&ends));
    rk_buf_addz(&text, "COMMIT\n");
    if (ends.n)
        rc = iptables_restore(v6, kind, rk_buf_str(&text), err);
    rk_buf_done(&text);
    rk_buf_done(&ends);
    return rc;
}
