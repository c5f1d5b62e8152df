/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets that a service manager hands over: which is taken for which address, and what becomes of
 * the rest. Each case is a process of its own, as the real ones are. */
#include "config.h"

#include <check.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/net/lsock.h"
#include "lib/net/tcp.h"

#define MUST(x)                                                                                    \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            (void)fprintf(stderr, "line %d: %s\n", __LINE__, #x);                                  \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static int listener(struct rk_addr *addr)
{
    int fd;

    MUST(tcp_listen(addr, true, &fd, NULL) == RK_OK);
    MUST(tcp_local(fd, addr, NULL) == RK_OK);
    return fd;
}

/* As a manager does it: the sockets from 3 on. */
static void hand_over(const int *fds, size_t n, const char *names, pid_t pid)
{
    char text[32];

    for (size_t i = 0; i < n; i++) /* first out of the way */
        MUST(dup2(fds[i], (int)(100 + i)) >= 0);
    for (size_t i = 0; i < n; i++)
        MUST(dup2((int)(100 + i), (int)(3 + i)) >= 0 && close((int)(100 + i)) == 0);
    (void)snprintf(text, sizeof text, "%d", (int)pid);
    (void)setenv("LISTEN_PID", text, 1);
    (void)snprintf(text, sizeof text, "%zu", n);
    (void)setenv("LISTEN_FDS", text, 1);
    (void)setenv("LISTEN_FDNAMES", names, 1);
    lsock_inherit();
    MUST(!getenv("LISTEN_FDS") && !getenv("LISTEN_PID") && !getenv("LISTEN_FDNAMES"));
}

static int high(int fd)
{
    int to = fcntl(fd, F_DUPFD_CLOEXEC, 50);

    MUST(to >= 50 && close(fd) == 0);
    return to;
}

static void takes_its_own_address(void)
{
    struct rk_addr one = {.ip = rk_ip4(127, 0, 0, 1)}, two = {.ip = rk_ip4(127, 0, 0, 2)}, none;
    int fds[2] = {high(listener(&one)), high(listener(&two))}, got;

    hand_over(fds, 2, "rookery.socket:rookery.socket", getpid());
    none = (struct rk_addr){.ip = rk_ip4(127, 0, 0, 3), .port = one.port};
    MUST(lsock_take(SOCK_STREAM, &none) == -1);
    MUST(lsock_take(SOCK_DGRAM, &one) == -1);
    got = lsock_take(SOCK_STREAM, &two);
    MUST(got == 4);
    MUST(fcntl(got, F_GETFD) & FD_CLOEXEC);
    MUST(fcntl(got, F_GETFL) & O_NONBLOCK);
    MUST(lsock_take(SOCK_STREAM, &two) == -1);
    MUST(lsock_take(SOCK_STREAM, &one) == 3);
}

static void all_addresses_are_one_socket(void)
{
    struct rk_addr any = {0}, v4;
    int fd, got;

    MUST(tcp_listen(&any, false, &fd, NULL) == RK_OK && tcp_local(fd, &any, NULL) == RK_OK);
    fd = high(fd);
    hand_over(&fd, 1, "x", getpid());
    v4 = (struct rk_addr){.ip = {.family = 4}, .port = any.port};
    if (any.ip.family == 6)
        MUST(lsock_take(SOCK_STREAM, &v4) == -1); /* the configuration wants IPv4 alone */
    any.ip.family = 0;
    got = lsock_take(SOCK_STREAM, &any);
    MUST(got == 3);
}

static void others_sockets_are_left(void)
{
    struct rk_addr a = {.ip = rk_ip4(127, 0, 0, 1)};
    int fd = high(listener(&a));

    hand_over(&fd, 1, "x", getpid() + 1);
    MUST(lsock_take(SOCK_STREAM, &a) == -1);
    MUST(fcntl(3, F_GETFD) >= 0);
}

/* What the manager is told, by a socket of ours in its place. */
static int manager(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char name[64];
    int len = snprintf(name, sizeof name, "@rookery-test-%d", (int)getpid());
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memcpy(at.sun_path + 1, name + 1, (size_t)len - 1); /* outside of the file system */
    MUST(bind(fd, (struct sockaddr *)&at,
              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)) == 0);
    (void)setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static bool told(int fd, char *text, size_t size)
{
    ssize_t n = recv(fd, text, size - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static void the_rest_is_given_back(void)
{
    struct rk_addr a = {.ip = rk_ip4(127, 0, 0, 1)}, b = {.ip = rk_ip4(127, 0, 0, 1)};
    int fds[2] = {high(listener(&a)), high(listener(&b))}, m = high(manager());
    struct rk_log *log = rk_log_new(high(open("/dev/null", O_WRONLY | O_CLOEXEC)), RK_WARN, false);
    char text[256];

    hand_over(fds, 2, "kept-1-2-3:rookery.socket", getpid());
    lsock_rest(log);
    MUST(told(m, text, sizeof text));
    MUST(strcmp(text, "FDSTOREREMOVE=1\nFDNAME=kept-1-2-3") == 0);
    MUST(!told(m, text, sizeof text)); /* a unit's socket is the unit's */
    MUST(fcntl(3, F_GETFD) < 0 && fcntl(4, F_GETFD) < 0);
    lsock_keep(high(listener(&a)));
    MUST(told(m, text, sizeof text));
    MUST(strncmp(text, "FDSTORE=1\n", 10) == 0 && strstr(text, "\nFDNAME=kept-"));
    rk_log_free(log);
}

static void another_address_takes_the_port(void)
{
    struct rk_addr any = {0}, one;
    int m = high(manager()), fd;
    char text[256];

    MUST(tcp_listen(&any, false, &fd, NULL) == RK_OK && tcp_local(fd, &any, NULL) == RK_OK);
    fd = high(fd);
    hand_over(&fd, 1, "kept-1-2-3", getpid());
    (void)close(fd);
    one = (struct rk_addr){.ip = rk_ip4(127, 0, 0, 1), .port = any.port};
    MUST(lsock_take(SOCK_STREAM, &one) == -1);
    MUST(told(m, text, sizeof text));
    MUST(strstr(text, "FDNAME=kept-1-2-3"));
    MUST(told(m, text, sizeof text));
    MUST(strcmp(text, "BARRIER=1") == 0);
    MUST(tcp_listen(&one, false, &fd, NULL) == RK_OK);
}

static void (*const CASES[])(void) = {takes_its_own_address, all_addresses_are_one_socket,
                                      others_sockets_are_left, the_rest_is_given_back,
                                      another_address_takes_the_port};

START_TEST(handed_over)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        CASES[_i]();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "case %d", _i);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lsock");
    TCase *t = tcase_create("lsock");
    SRunner *r;
    int failed;

    tcase_add_loop_test(t, handed_over, 0, (int)(sizeof CASES / sizeof *CASES));
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
