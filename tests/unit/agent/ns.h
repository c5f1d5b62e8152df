/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests that need a network namespace of their own; skipped where that is not allowed. */
#ifndef RK_TESTS_UNIT_AGENT_NS_H
#define RK_TESTS_UNIT_AGENT_NS_H

#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define NS_SKIP 77

/** Run a program (path search) with NULL at the end of its arguments; its exit status. */
static inline int ns_run(const char *program, ...)
{
    char *argv[32] = {(char *)(uintptr_t)program};
    va_list ap;
    int how = 0;
    pid_t pid;

    va_start(ap, program);
    for (size_t i = 1; i < 31; i++)
        if (!(argv[i] = va_arg(ap, char *)))
            break;
    va_end(ap);
    pid = fork();
    if (pid == 0) {
        (void)execvp(program, argv);
        _exit(127);
    }
    (void)waitpid(pid, &how, 0);
    return WIFEXITED(how) ? WEXITSTATUS(how) : 255;
}

/** Move this process to an empty network namespace with loopback up and to a mount namespace where
 *  /run is its own. False: not permitted here. */
static inline bool ns_enter(void)
{
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "/run", "tmpfs", 0, "size=1m") != 0)
        return false;
    if (ns_run("sh", "-c",
               "test ! -e /etc/iproute2/rt_tables || { : >/run/rt_tables && "
               "mount --bind /run/rt_tables /etc/iproute2/rt_tables; }",
               NULL) != 0)
        return false; /* agents write a name into it */
    return ns_run("ip", "link", "set", "lo", "up", NULL) == 0;
}

#endif
