/* SPDX-License-Identifier: BSD-3-Clause */
/* See mgmt_proc.h. */
#include "config.h"

#include "tests/lib/mgmt_proc.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/base/str.h"

#define PROGRAM  "./rookery-management"
#define START_MS 120000
#define STOP_MS  120000
#define ARGS_MAX 32

static uint16_t free_port(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, n), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    close(fd);
    return ntohs(sa.sin_port);
}

/* ---- HTTP */

static int dial(uint16_t port)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static char *read_all(int fd, size_t *n)
{
    size_t cap = 65536;
    char *buf = rk_malloc(cap + 1);
    ssize_t got;

    *n = 0;
    while ((got = read(fd, buf + *n, cap - *n)) > 0 || (got < 0 && errno == EINTR)) {
        *n += got > 0 ? (size_t)got : 0;
        if (*n == cap)
            buf = rk_realloc(buf, (cap *= 2) + 1, 1);
    }
    buf[*n] = 0;
    return buf;
}

/* Status, or 0 when nobody answers. */
static int http(struct mgmt_proc *p, const char *method, const char *path, const char *body,
                json_t **answer)
{
    int fd = dial(p->port), status = 0;
    char head[1024], *all, *at;
    size_t n;

    if (fd < 0)
        return 0;
    (void)snprintf(head, sizeof head,
                   "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s%s%s"
                   "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                   method, path, p->token[0] ? "Authorization: Token " : "", p->token,
                   p->token[0] ? "\r\n" : "", body ? strlen(body) : 0);
    if (write(fd, head, strlen(head)) > 0 && body)
        RK_IGNORE(write(fd, body, strlen(body)));
    all = read_all(fd, &n);
    close(fd);
    if (n > 12 && !strncmp(all, "HTTP/1.1 ", 9))
        status = (int)strtol(all + 9, NULL, 10);
    at = strstr(all, "\r\n\r\n");
    if (answer)
        *answer = at ? json_loads(at + 4, JSON_DECODE_ANY, NULL) : NULL;
    free(all);
    return status;
}

int mgmt_rest(struct mgmt_proc *p, const char *method, const char *path, json_t *body,
              json_t **answer)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    int status = http(p, method, path, text, answer);

    free(text);
    ck_assert_msg(status != 0, "%s %s: no answer", method, path);
    return status;
}

const char *mgmt_setup_key(struct mgmt_proc *p, const char *type)
{
    static char key[64];
    json_t *a = NULL;
    json_t *body = json_pack("{s:s,s:s,s:i,s:[],s:i}", "name", "test", "type", type, "expires_in",
                             86400, "auto_groups", "usage_limit", 0);
    int status = mgmt_rest(p, "POST", "/api/setup-keys", body, &a);

    ck_assert_int_eq(status, 200);
    (void)snprintf(key, sizeof key, "%s", json_string_value(json_object_get(a, "key")));
    json_decref(a);
    json_decref(body);
    return key;
}

/* ---- the process */

static void spawn(struct mgmt_proc *p, const char *const *extra)
{
    char listen[32], log[128];
    const char *argv[ARGS_MAX] = {PROGRAM,
                                  "--listen-address",
                                  listen,
                                  "--datadir",
                                  p->dir,
                                  "--signal",
                                  "http://127.0.0.1:1",
                                  "--relay",
                                  "rel://127.0.0.1:2",
                                  "--relay-secret",
                                  "secret",
                                  "--setup-open",
                                  "--setup-pat",
                                  "--metrics-port",
                                  "0",
                                  "--health-listen-address",
                                  "",
                                  "--loops",
                                  "2"};
    size_t n = 0;

    while (argv[n])
        n++;
    for (size_t i = 0; extra && extra[i] && n < ARGS_MAX - 1; i++)
        argv[n++] = extra[i];
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", p->port);
    (void)snprintf(log, sizeof log, "%s/log", p->dir);
    p->pid = fork();
    if (p->pid == 0) {
        if (!freopen(log, "a", stderr))
            _exit(126);
        (void)execv(PROGRAM, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    ck_assert_int_gt(p->pid, 0);
}

static void wait_serving(struct mgmt_proc *p)
{
    for (int64_t end = rk_mono_ms() + START_MS; rk_mono_ms() < end; (void)usleep(10000)) {
        ck_assert_msg(waitpid(p->pid, NULL, WNOHANG) == 0, "the server ended, see %s/log", p->dir);
        if (http(p, "GET", "/api/instance", NULL, NULL) == 200)
            return;
    }
    ck_abort_msg("the server does not serve, see %s/log", p->dir);
}

void mgmt_proc_again(struct mgmt_proc *p, const char *const *extra)
{
    spawn(p, extra);
    wait_serving(p);
}

void mgmt_proc_start(struct mgmt_proc *p, const char *const *extra)
{
    json_t *a = NULL, *body;

    *p = (struct mgmt_proc){.port = free_port()};
    (void)snprintf(p->dir, sizeof p->dir, "/tmp/rookery-mgmt-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(p->dir));
    mgmt_proc_again(p, extra);
    body = json_pack("{s:s,s:s,s:s,s:b}", "email", "owner@example.com", "password",
                     "Correct-Horse-7", "name", "Owner", "create_pat", 1);
    ck_assert_int_eq(mgmt_rest(p, "POST", "/api/setup", body, &a), 200);
    (void)snprintf(p->token, sizeof p->token, "%s",
                   json_string_value(json_object_get(a, "personal_access_token")));
    json_decref(a);
    json_decref(body);
}

void mgmt_proc_kill(struct mgmt_proc *p)
{
    if (p->pid <= 0)
        return;
    (void)kill(p->pid, SIGKILL);
    (void)waitpid(p->pid, NULL, 0);
    p->pid = 0;
}

void mgmt_proc_stop(struct mgmt_proc *p)
{
    int status = 0;
    pid_t got = 0;

    ck_assert_int_gt(p->pid, 0);
    (void)kill(p->pid, SIGTERM);
    for (int64_t end = rk_mono_ms() + STOP_MS; !got && rk_mono_ms() < end; (void)usleep(5000))
        got = waitpid(p->pid, &status, WNOHANG);
    if (!got)
        mgmt_proc_kill(p);
    p->pid = 0;
    ck_assert_msg(got && WIFEXITED(status) && WEXITSTATUS(status) == 0,
                  "the server did not end well (status %d), see %s/log", status, p->dir);
}

void mgmt_proc_done(struct mgmt_proc *p)
{
    char cmd[128];

    mgmt_proc_kill(p);
    (void)snprintf(cmd, sizeof cmd, "%s", p->dir);
    if (fork() == 0) {
        (void)execlp("rm", "rm", "-rf", cmd, (char *)NULL);
        _exit(127);
    }
    (void)wait(NULL);
}
