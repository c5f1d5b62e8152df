/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes on beside the packets whose age the relay's bench measures; see bench.h. */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/relay/bench.h"

enum { JOINS_PER_S = 500 };

bool beside_known(const char *name)
{
    return strcmp(name, "greedy") == 0 || strcmp(name, "joins") == 0;
}

/* One pair that always has its window full. */
__attribute__((noreturn)) static void greedy(const struct server *s)
{
    static struct pair p;
    struct epoll_event e = {.events = EPOLLIN};
    int ep = epoll_create1(EPOLL_CLOEXEC);

    pair_open(&p, s, MAX_PAIRS);
    if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, p.to.stream.fd, &e))
        die("epoll");
    for (;;) {
        pair_fill(&p);
        (void)epoll_wait(ep, &e, 1, 1);
        (void)peer_receive(&p.to);
    }
}

/* Strangers without a token: connected, upgraded and refused, JOINS_PER_S of them. */
__attribute__((noreturn)) static void joins(const struct server *s)
{
    for (int64_t began = now_ns(), n = 0;; n++) {
        while (now_ns() - began < n * 1000000000 / JOINS_PER_S)
            (void)usleep(500);
        peer_stranger(s);
    }
}

pid_t beside_start(const char *name, const struct server *s)
{
    pid_t pid;

    if (!name || (!s->path && strcmp(name, "joins") == 0))
        return 0;
    pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (strcmp(name, "greedy") == 0)
            greedy(s);
        joins(s);
    }
    (void)usleep(200000);
    return pid;
}

void beside_stop(pid_t pid)
{
    if (!pid)
        return;
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}
