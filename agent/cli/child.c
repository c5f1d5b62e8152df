/* SPDX-License-Identifier: BSD-3-Clause */
/* Running a program for its words; see child.h. */
#include "config.h"

#include "agent/cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/num.h"

#define LIMIT_MS 15000

/* Until its end or the limit; false: it is still there. */
static bool read_all(int fd, struct rk_buf *out)
{
    int64_t until = rk_mono_ms() + LIMIT_MS;
    char buf[16384];

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = until - rk_mono_ms();
        ssize_t n;

        if (left <= 0)
            return false;
        if (poll(&p, 1, (int)left) <= 0)
            continue;
        n = read(fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return true;
        rk_buf_add(out, rk_str_of(buf, (size_t)n)); /* what does not fit is read and dropped */
    }
}

int child_output(const char *const *argv, struct rk_buf *out)
{
    int ends[2], how = 0;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    pid = fork();
    if (pid == 0) {
        int none = open("/dev/null", O_RDONLY);

        (void)dup2(none, STDIN_FILENO);
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)execvp(argv[0], (char **)(uintptr_t)argv);
        _exit(127);
    }
    (void)close(ends[1]);
    if (pid > 0 && !read_all(ends[0], out))
        (void)kill(pid, SIGKILL);
    (void)close(ends[0]);
    if (pid < 0 || waitpid(pid, &how, 0) != pid || !WIFEXITED(how))
        return -1;
    return WEXITSTATUS(how);
}
