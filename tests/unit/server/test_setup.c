/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests server/setup.c against a server of its own (`rookery run` in a child): the first owner is
 * made once, what was made up is told whatever fails after it, and refusals change nothing.
 */
#include "config.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/file.h"
#include "server/rest_call.h"
#include "server/run.h"
#include "server/setup.h"
#include "tests/unit/run.h"

enum { OUT_MAX = 1 << 16 };

static char flag[] = "--config";
static char dir[64], conf[96];
static struct rk_arena *mem;
static pid_t server;
static struct rk_str out, errors; /* what the last command said */

static int listener(unsigned *port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    *port = ntohs(sa.sin_port);
    return fd;
}

static void write_conf(unsigned port, const char *more)
{
    FILE *f = fopen(conf, "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fprintf(f,
                             "server:\n  listenAddress: '127.0.0.1:%u'\n"
                             "  exposedAddress: 'http://localhost:%u'\n  dataDir: %s\n"
                             "  stunPorts: [%u]\n  metricsPort: 0\n"
                             "  healthcheckAddress: ''\n  logLevel: error\n%s",
                             port, port, dir, port, more),
                     0);
    ck_assert_int_eq(fclose(f), 0);
}

static struct rk_str read_all(const char *name)
{
    struct rk_buf b;
    struct rk_str text;
    struct rk_err err = {0};
    char path[96];

    rk_buf_init(&b, OUT_MAX);
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    ck_assert_msg(rk_file_read(path, 0, &b, &err) == RK_OK, "%s", err.msg);
    text = rk_arena_dup(mem, rk_buf_str(&b));
    rk_buf_done(&b);
    return text;
}

static void redirect(const char *name, int to)
{
    char path[96];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || dup2(fd, to) < 0)
        _exit(99);
}

/* Runs `rookery COMMAND --config CONF ARGS…` in a process of its own; its exit status. */
static int run(int (*main_)(int, char **), const char *const *args)
{
    char *argv[16] = {flag, conf};
    int argc = 2, status, null;
    pid_t pid;

    for (; *args; args++)
        argv[argc++] = rk_arena_dupz(mem, rk_str_z(*args));
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        redirect("out", STDOUT_FILENO);
        redirect("err", STDERR_FILENO);
        null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null < 0 || dup2(null, STDIN_FILENO) < 0)
            _exit(99);
        status = main_(argc, argv);
        (void)fflush(NULL);
        _exit(status);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    out = read_all("out");
    errors = read_all("err");
    return WEXITSTATUS(status);
}

#define RUN(main_, ...) run(main_, (const char *const[]){__VA_ARGS__, NULL})

static bool says(struct rk_str text, const char *what)
{
    return rk_str_find(text, rk_str_z(what)) < text.n;
}

static void start(const char *more)
{
    unsigned port;

    ck_assert_int_eq(close(listener(&port)), 0);
    write_conf(port, more);
    server = fork();
    ck_assert_int_ge(server, 0);
    if (server == 0)
        _exit(server_run_main(2, (char *[]){flag, conf, NULL}));
}

static void setup(void)
{
    static const char tmpl[] = "/tmp/rookery-test-setup-XXXXXX";

    memcpy(dir, tmpl, sizeof tmpl);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(conf, sizeof conf, "%s/config.yaml", dir);
    mem = rk_arena_new(0);
    server = 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static void teardown(void)
{
    int status = 0;

    if (server) {
        ck_assert_int_eq(kill(server, SIGTERM), 0);
        ck_assert_int_eq(waitpid(server, &status, 0), server);
    }
    rk_arena_free(mem);
    ck_assert_int_eq(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Who the server says to be with these credentials: the status of a request that needs them. */
static long asks(const char *token)
{
    struct server_config c;
    struct rest_target t;
    struct rk_err err = {0};
    json_t *answer = NULL;
    long status = 0;

    ck_assert_int_eq(server_config_load(mem, conf, &c, NULL, &err), RK_OK);
    rest_target_of(mem, &c, &t);
    ck_assert_msg(rest_call(&t, "GET", "/api/users",
                            rk_arena_printf(mem, "Authorization: Token %s", token), NULL, &status,
                            &answer, &err) == RK_OK,
                  "%s", err.msg);
    json_decref(answer);
    return status;
}

START_TEST(owner_is_made_once)
{
    json_t *o;
    const char *password;

    start("");
    ck_assert_msg(RUN(server_setup_main, "--owner-email", "o@example.com", "--json") == 0, "%.*s",
                  RK_STR_ARG(errors));
    o = json_loadb(out.p, out.n, 0, NULL);
    ck_assert_ptr_nonnull(o);
    ck_assert_str_eq(json_string_value(json_object_get(o, "owner")), "o@example.com");
    ck_assert_uint_eq(strlen(json_string_value(json_object_get(o, "setup_key"))), 36);
    password = json_string_value(json_object_get(o, "password"));
    ck_assert_uint_eq(strlen(password), 20); /* 15 letters, 2 dashes, "!7K" */
    ck_assert_int_eq(asks(json_string_value(json_object_get(o, "api_token"))), 200);
    ck_assert_int_eq(asks("nbp_wrong"), 401);
    json_decref(o);

    ck_assert_int_eq(RUN(server_setup_main, "--owner-email", "other@example.com"), 0);
    ck_assert(says(out, "was set up before; nothing was changed"));
    ck_assert(!says(out, "other@example.com"));
    ck_assert_int_eq(RUN(server_health_main, NULL), 0);
    ck_assert(says(out, "ready"));
}
END_TEST

/* A refusal leaves the server without an owner, so that the next try is the first. */
START_TEST(refusals_change_nothing)
{
    start("");
    ck_assert_int_eq(RUN(server_setup_main, NULL), 1);
    ck_assert(says(errors, "--owner-email"));
    ck_assert_int_eq(RUN(server_setup_main, "--owner-email", "nobody"), 1);
    ck_assert(says(errors, "--owner-email"));
    ck_assert_int_eq(
        RUN(server_setup_main, "--owner-email", "o@example.com", "--owner-password", "short"), 1);
    ck_assert_msg(says(errors, "--owner-password: "), "%.*s", RK_STR_ARG(errors));
    ck_assert(!says(errors, "short")); /* given passwords are not repeated */

    ck_assert_int_eq(RUN(server_setup_main, "--owner-email", "o@example.com", "--owner-password",
                         "Correct-horse-1"),
                     0);
    ck_assert(says(out, "rook up --management-url") && says(out, "netbird up --management-url"));
    ck_assert(!says(out, "Correct-horse-1") && !says(out, "  password "));
}
END_TEST

/* The server's key is not the caller's: no owner by guessing. */
START_TEST(setup_token_is_needed)
{
    start("");
    ck_assert_int_eq(setenv("ROOKERY_SETUP_TOKEN", "of-somebody-else", 1), 0);
    ck_assert_int_eq(RUN(server_setup_main, "--owner-email", "o@example.com"), 1);
    ck_assert_msg(says(errors, "/api/setup answers 40"), "%.*s", RK_STR_ARG(errors));
    ck_assert(!says(errors, "password")); /* nobody was made: nothing to tell */
}
END_TEST

/* The owner stands, the rest fails: his password was made up here and is known to nobody else. */
START_TEST(password_is_told_when_the_rest_fails)
{
    start("  x: {setupPAT: false}\n");
    ck_assert_int_eq(RUN(server_setup_main, "--owner-email", "o@example.com"), 1);
    ck_assert_msg(says(errors, "setupPAT"), "%.*s", RK_STR_ARG(errors));
    ck_assert_msg(says(errors, "o@example.com") && says(errors, "!7K"), "%.*s", RK_STR_ARG(errors));
}
END_TEST

/* Says that a setup is needed, then takes the request for it and hangs up. */
static void hang_up_on_setup(int fd)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 23\r\nConnection: close\r\n\r\n"
        "{\"setup_required\":true}";
    char in[4096];

    for (int i = 0; i < 2; i++) {
        int c = accept(fd, NULL, NULL);

        if (c < 0 || read(c, in, sizeof in) <= 0)
            _exit(1);
        if (i == 0 && write(c, answer, sizeof answer - 1) < 0)
            _exit(1);
        (void)close(c);
    }
    _exit(0);
}

START_TEST(password_is_told_when_the_answer_is_lost)
{
    unsigned port;
    int fd = listener(&port), status;
    pid_t pid;

    write_conf(port, "  x: {setupToken: t}\n");
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        hang_up_on_setup(fd);
    ck_assert_int_eq(setenv("ROOKERY_SETUP_TOKEN", "t", 1), 0);
    ck_assert_int_eq(RUN(server_setup_main, "--owner-email", "o@example.com", "--wait", "0s"), 1);
    ck_assert_msg(says(errors, "o@example.com") && says(errors, "!7K"), "%.*s", RK_STR_ARG(errors));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    (void)close(fd);
}
END_TEST

START_TEST(nobody_answers)
{
    unsigned port;

    ck_assert_int_eq(close(listener(&port)), 0);
    write_conf(port, "");
    ck_assert_int_eq(RUN(server_setup_main, "--owner-email", "o@example.com", "--wait", "0s"), 1);
    ck_assert_msg(says(errors, "does not answer") && says(errors, "GET ") &&
                      !says(errors, "password"),
                  "%.*s", RK_STR_ARG(errors));
    ck_assert_int_eq(RUN(server_health_main, NULL), 1);
    ck_assert(says(errors, "rookery health: "));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("setup");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, owner_is_made_once);
    tcase_add_test(t, refusals_change_nothing);
    tcase_add_test(t, setup_token_is_needed);
    tcase_add_test(t, password_is_told_when_the_rest_fails);
    tcase_add_test(t, password_is_told_when_the_answer_is_lost);
    tcase_add_test(t, nobody_answers);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
