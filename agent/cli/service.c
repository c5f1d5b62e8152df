/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon under systemd; see service.h. */
#include "config.h"

#include "agent/cli/service.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/os/files.h"
#include "lib/base/buf.h"

#define UNIT_DIR       "/etc/systemd/system"
#define UNIT_MAX_BYTES ((size_t)64 << 10)
#define NETWORKD_CONF  "/etc/systemd/networkd.conf"
#define NETWORKD_DIR   "/etc/systemd/networkd.conf.d"

/* systemd-networkd takes rules and routes that it did not make for leftovers and removes them. */
static const char NETWORKD_TEXT[] = "# Made by \"rook service install\": leave the overlay's rules "
                                    "and routes alone.\n"
                                    "[Network]\n"
                                    "ManageForeignRoutes=no\n"
                                    "ManageForeignRoutingPolicyRules=no\n";

static const char UNIT_HEAD[] = "# Made by \"rook service install\".\n"
                                "[Unit]\n"
                                "Description=Rook, agent of a WireGuard mesh\n"
                                "Wants=network-online.target\n"
                                "After=network-online.target\n"
                                "StartLimitIntervalSec=0\n"
                                "\n"
                                "[Service]\n";

static const char UNIT_TAIL[] = "Restart=always\n"
                                "RestartSec=2\n"
                                "TimeoutStopSec=30\n"
                                "LimitCORE=0\n"
                                "ProtectHome=read-only\n"
                                "PrivateTmp=yes\n"
                                "RestrictRealtime=yes\n"
                                "LockPersonality=yes\n"
                                "MemoryDenyWriteExecute=yes\n"
                                "SystemCallArchitectures=native\n"
                                "\n"
                                "[Install]\n"
                                "WantedBy=multi-user.target\n";

/* ---- texts */

static bool plain_name(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && !strchr("_.-@", s.p[i]))
            return false;
    return s.n > 0 && s.n < 200 && isalnum((unsigned char)s.p[0]);
}

/* One word of a unit's line: quoted, with systemd's own signs doubled. */
static enum rk_code put_word(struct rk_buf *out, struct rk_str word, struct rk_err *err)
{
    rk_buf_addc(out, '"');
    for (size_t i = 0; i < word.n; i++) {
        if ((unsigned char)word.p[i] < ' ')
            return rk_fail(err, RK_INVALID, "a control character in \"%.*s\"",
                           RK_STR_ARG(rk_str_sub(word, 0, 60)));
        if (word.p[i] == '"' || word.p[i] == '\\')
            rk_buf_addc(out, '\\');
        if (word.p[i] == '%' || word.p[i] == '$')
            rk_buf_addc(out, word.p[i]);
        rk_buf_addc(out, word.p[i]);
    }
    rk_buf_addc(out, '"');
    return RK_OK;
}

static enum rk_code put_env(struct rk_buf *out, struct rk_str list, struct rk_err *err)
{
    struct rk_str one;
    enum rk_code rc = RK_OK;

    while (rc == RK_OK && list.n) {
        (void)rk_str_cut(list, ',', &one, &list);
        one = rk_str_trim(one);
        if (!one.n)
            continue;
        if (rk_str_find(one, RK_STR("=")) >= one.n || one.p[0] == '=')
            return rk_fail(err, RK_INVALID, "--service-env: \"%.*s\" is not NAME=VALUE",
                           RK_STR_ARG(one));
        rk_buf_addz(out, "Environment=");
        rc = put_word(out, one, err);
        rk_buf_addc(out, '\n');
    }
    return rc;
}

enum rk_code service_unit(struct rk_arena *mem, const char *program, const struct service_opts *o,
                          struct rk_str *out, struct rk_err *err)
{
    struct rk_buf b;
    enum rk_code rc;

    if (!plain_name(o->name))
        return rk_fail(err, RK_INVALID, "\"%.*s\" cannot be the name of a unit",
                       RK_STR_ARG(rk_str_sub(o->name, 0, 60)));
    rk_buf_init(&b, UNIT_MAX_BYTES);
    rk_buf_addz(&b, UNIT_HEAD);
    rk_buf_printf(&b, "Environment=SYSTEMD_UNIT=%.*s\n", RK_STR_ARG(o->name));
    rc = put_env(&b, o->env, err);
    rk_buf_addz(&b, "ExecStart=");
    if (rc == RK_OK)
        rc = put_word(&b, rk_str_z(program), err);
    rk_buf_addz(&b, " service run");
    for (size_t i = 0; i < o->n_args && rc == RK_OK; i++) {
        rk_buf_addc(&b, ' ');
        rc = put_word(&b, rk_str_z(o->args[i]), err);
    }
    rk_buf_addc(&b, '\n');
    rk_buf_addz(&b, UNIT_TAIL);
    if (rc == RK_OK && b.full)
        rc = rk_fail(err, RK_LIMIT, "the unit would be larger than %zu bytes", UNIT_MAX_BYTES);
    if (rc == RK_OK)
        *out = rk_arena_dup(mem, rk_buf_str(&b));
    rk_buf_done(&b);
    return rc;
}

/* ---- systemctl */

static bool have_systemd(const struct service_opts *o)
{
    return o->root.n || access("/run/systemd/system", F_OK) == 0;
}

static enum rk_code systemctl(const char *verb, const char *unit, struct rk_err *err)
{
    const char *argv[] = {"systemctl", verb, unit, NULL};
    int how = 0;
    pid_t pid;

    pid = fork();
    if (pid == 0) {
        (void)execvp(argv[0], (char **)(uintptr_t)argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &how, 0) != pid)
        return rk_fail_errno(err, RK_INTERNAL, errno, "systemctl");
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0)
        return RK_OK;
    if (WIFEXITED(how) && WEXITSTATUS(how) == 127)
        return rk_fail(err, RK_PRECONDITION, "systemctl is not in PATH");
    return rk_fail(err, RK_UNAVAILABLE, "systemctl %s%s%s did not succeed", verb, unit ? " " : "",
                   unit ? unit : "");
}

/* ---- install */

static struct rk_str below(struct rk_arena *mem, const struct service_opts *o, const char *path)
{
    return rk_arena_printf(mem, "%.*s%s", RK_STR_ARG(o->root), path);
}

static struct rk_str unit_path(struct rk_arena *mem, const struct service_opts *o)
{
    return rk_arena_printf(mem, "%.*s" UNIT_DIR "/%.*s.service", RK_STR_ARG(o->root),
                           RK_STR_ARG(o->name));
}

static struct rk_str networkd_path(struct rk_arena *mem, const struct service_opts *o)
{
    return rk_arena_printf(mem, "%.*s" NETWORKD_DIR "/99-%.*s.conf", RK_STR_ARG(o->root),
                           RK_STR_ARG(o->name));
}

/* What `systemctl enable` makes; in an image there may be none to run. */
static struct rk_str wants_path(struct rk_arena *mem, const struct service_opts *o)
{
    return rk_arena_printf(mem, "%.*s" UNIT_DIR "/multi-user.target.wants/%.*s.service",
                           RK_STR_ARG(o->root), RK_STR_ARG(o->name));
}

/* Folders as everybody may read them; files_write would make them private. */
static enum rk_code public_dir(struct rk_arena *mem, struct rk_str path, struct rk_err *err)
{
    char *dir = rk_arena_dupz(mem, path), *at = dir;

    while ((at = strchr(at + 1, '/'))) {
        *at = '\0';
        if (mkdir(dir, 0755) != 0 && errno != EEXIST)
            return rk_fail_errno(err, RK_INTERNAL, errno, "make folder %s", dir);
        *at = '/';
    }
    return RK_OK;
}

static enum rk_code write_public(struct rk_arena *mem, struct rk_str path, struct rk_str text,
                                 struct rk_err *err)
{
    enum rk_code rc = public_dir(mem, path, err);

    return rc ? rc : files_write(path.p, text, 0644, err);
}

/* at: where the unit's file is. */
static enum rk_code enable(struct rk_arena *mem, const struct service_opts *o, struct rk_str unit,
                           const char *at, struct rk_err *err)
{
    struct rk_str link = wants_path(mem, o);
    enum rk_code rc;

    if (!o->root.n) {
        rc = systemctl("daemon-reload", NULL, err);
        return rc ? rc : systemctl("enable", unit.p, err);
    }
    rc = public_dir(mem, link, err);
    if (rc == RK_OK && symlink(at, link.p) != 0 && errno != EEXIST)
        rc = rk_fail_errno(err, RK_INTERNAL, errno, "link %s", link.p);
    return rc;
}

/* The unit of that name that a package brought; NULL: none. */
static const char *packaged_unit(struct rk_arena *mem, const struct service_opts *o)
{
    static const char *const dirs[] = {"/usr/lib/systemd/system", "/lib/systemd/system"};

    for (size_t i = 0; i < RK_ARRAY_LEN(dirs); i++) {
        const char *at = rk_arena_printf(mem, "%s/%.*s.service", dirs[i], RK_STR_ARG(o->name)).p;

        if (access(below(mem, o, at).p, F_OK) == 0)
            return at;
    }
    return NULL;
}

/* A unit of ours would shadow the package's, also what later versions of it bring. */
static enum rk_code use_packaged(struct rk_arena *mem, const struct service_opts *o, const char *at,
                                 struct rk_err *err)
{
    if (o->n_args || o->env.n)
        return rk_fail(err, RK_PRECONDITION,
                       "%s is there from a package: put options into /etc/default/%.*s (as "
                       "ROOK_LOG_LEVEL=debug), or name another unit (-s)",
                       at, RK_STR_ARG(o->name));
    (void)printf("Unit %s is there from a package and is used\n", at);
    (void)fflush(stdout);
    return enable(mem, o, rk_arena_printf(mem, "%.*s.service", RK_STR_ARG(o->name)), at, err);
}

static enum rk_code install(struct rk_arena *mem, const struct service_opts *o, struct rk_err *err)
{
    const char *packaged = packaged_unit(mem, o);
    struct rk_str text, unit = rk_arena_printf(mem, "%.*s.service", RK_STR_ARG(o->name));
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    enum rk_code rc;

    if (packaged && access(unit_path(mem, o).p, F_OK) != 0)
        return use_packaged(mem, o, packaged, err);
    if (n <= 0)
        return rk_fail_errno(err, RK_INTERNAL, errno, "where this program is");
    program[n] = '\0';
    rc = service_unit(mem, program, o, &text, err);
    if (rc == RK_OK)
        rc = write_public(mem, unit_path(mem, o), text, err);
    if (rc)
        return rc;
    (void)printf("Unit %s written\n", unit_path(mem, o).p);
    if (access(below(mem, o, NETWORKD_CONF).p, F_OK) == 0) {
        rc = write_public(mem, networkd_path(mem, o), rk_str_z(NETWORKD_TEXT), err);
        if (rc)
            return rc;
        (void)printf("%s written: systemd-networkd obeys it after its next start\n",
                     networkd_path(mem, o).p);
    }
    (void)fflush(stdout);
    return enable(mem, o, unit, rk_arena_printf(mem, UNIT_DIR "/%s", unit.p).p, err);
}

static enum rk_code uninstall(struct rk_arena *mem, const struct service_opts *o,
                              struct rk_err *err)
{
    struct rk_str unit = rk_arena_printf(mem, "%.*s.service", RK_STR_ARG(o->name));
    enum rk_code rc = RK_OK;

    if (access(unit_path(mem, o).p, F_OK) != 0)
        return rk_fail(err, RK_PRECONDITION, "%s is not installed", unit_path(mem, o).p);
    if (!o->root.n) {
        rc = systemctl("stop", unit.p, err);
        if (rc == RK_OK)
            rc = systemctl("disable", unit.p, err);
    }
    if (rc)
        return rc;
    (void)unlink(wants_path(mem, o).p);
    (void)unlink(networkd_path(mem, o).p);
    if (unlink(unit_path(mem, o).p) != 0)
        return rk_fail_errno(err, RK_INTERNAL, errno, "remove %s", unit_path(mem, o).p);
    (void)printf("Unit %s removed\n", unit.p);
    (void)fflush(stdout);
    return o->root.n ? RK_OK : systemctl("daemon-reload", NULL, err);
}

/* Install over an installation; what ran runs again. */
static enum rk_code reconfigure(struct rk_arena *mem, const struct service_opts *o,
                                struct rk_err *err)
{
    struct rk_str unit = rk_arena_printf(mem, "%.*s.service", RK_STR_ARG(o->name));
    bool ran;
    enum rk_code rc;

    if (access(unit_path(mem, o).p, F_OK) != 0)
        return rk_fail(err, RK_PRECONDITION, "%s is not installed: use \"rook service install\"",
                       unit_path(mem, o).p);
    ran = !o->root.n && systemctl("is-active", unit.p, NULL) == RK_OK;
    rc = install(mem, o, err);
    return rc || !ran ? rc : systemctl("restart", unit.p, err);
}

enum rk_code service_do(const char *verb, const struct service_opts *o, struct rk_err *err)
{
    static const char *const plain[] = {"start", "stop", "restart", "status"};
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    bool known = strcmp(verb, "install") == 0 || strcmp(verb, "uninstall") == 0 ||
                 strcmp(verb, "reconfigure") == 0;

    for (size_t i = 0; i < RK_ARRAY_LEN(plain); i++)
        known = known || strcmp(verb, plain[i]) == 0;
    if (!known)
        return rk_fail(err, RK_NOT_FOUND, "no verb \"%s\"", verb);
    if (!plain_name(o->name))
        return rk_fail(err, RK_INVALID, "\"%.*s\" cannot be the name of a unit",
                       RK_STR_ARG(rk_str_sub(o->name, 0, 60)));
    if (!have_systemd(o))
        return rk_fail(err, RK_PRECONDITION,
                       "systemd does not run here: have \"rook service run\" started by what does "
                       "(--root DIR installs into an image)");
    if (strcmp(verb, "install") == 0)
        return install(mem, o, err);
    if (strcmp(verb, "reconfigure") == 0)
        return reconfigure(mem, o, err);
    if (strcmp(verb, "uninstall") == 0)
        return uninstall(mem, o, err);
    return systemctl(strcmp(verb, "status") == 0 ? "is-active" : verb,
                     rk_arena_printf(mem, "%.*s.service", RK_STR_ARG(o->name)).p, err);
}
