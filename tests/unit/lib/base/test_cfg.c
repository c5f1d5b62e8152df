/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/base/cfg.c: precedence, every type, errors, secrets. */
#include "config.h"

#include "lib/base/cfg.h"

#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/vec.h"

struct opts {
    bool stun;
    struct rk_str route, listen, secret, level;
    int64_t max, timeout;
    struct rk_strs proxies;
};

static const struct rk_opt TABLE[] = {
    {.flag = "stun",
     .env = "T_STUN",
     .type = RK_OPT_BOOL,
     .at = offsetof(struct opts, stun),
     .help = "Answer STUN."},
    {.flag = "listen-address",
     .letter = 'l',
     .env = "T_LISTEN T_OLD_LISTEN",
     .type = RK_OPT_TEXT,
     .def = ":443",
     .max = 40,
     .at = offsetof(struct opts, listen),
     .help = "Address."},
    {.flag = "auth-secret",
     .letter = 's',
     .env = "T_SECRET",
     .type = RK_OPT_SECRET,
     .at = offsetof(struct opts, secret),
     .help = "Secret.",
     .required = true},
    {.flag = "route",
     .env = "T_ROUTE",
     .type = RK_OPT_TEXT,
     .def = "^/",
     .at = offsetof(struct opts, route),
     .help = "Never empty.",
     .required = true},
    {.flag = "log-level",
     .type = RK_OPT_CHOICE,
     .def = "info",
     .choices = "debug|info|warn|error",
     .at = offsetof(struct opts, level),
     .help = "Level."},
    {.flag = "max-peers",
     .env = "T_MAX",
     .type = RK_OPT_I64,
     .def = "100",
     .min = 1,
     .max = 1000,
     .at = offsetof(struct opts, max),
     .help = "Limit."},
    {.flag = "timeout",
     .type = RK_OPT_DURATION,
     .def = "10s",
     .min = 1000,
     .max = 60000,
     .at = offsetof(struct opts, timeout),
     .help = "Time."},
    {.flag = "trusted-proxies",
     .env = "T_PROXIES",
     .type = RK_OPT_LIST,
     .max = 3,
     .at = offsetof(struct opts, proxies),
     .help = "Proxies."},
};

static struct rk_arena *mem;
static struct opts o;
static struct rk_opts set;
static struct rk_err err;
static bool help;
static int rest;
static char *args[16];

static void setup(void)
{
    static const char *const vars[] = {"T_STUN",        "T_LISTEN", "T_OLD_LISTEN", "T_SECRET",
                                       "T_SECRET_FILE", "T_MAX",    "T_PROXIES"};

    mem = rk_arena_new(0);
    o = (struct opts){0};
    err = (struct rk_err){0};
    for (size_t i = 0; i < RK_ARRAY_LEN(vars); i++)
        ck_assert_int_eq(unsetenv(vars[i]), 0);
}

static void teardown(void)
{
    rk_arena_free(mem);
}

/* Load a command line given as one text with blanks. */
static enum rk_code load(const char *line)
{
    struct rk_str word, left = rk_str_z(line);
    int argc = 0;

    while (left.n && argc < (int)RK_ARRAY_LEN(args)) {
        (void)rk_str_cut(left, ' ', &word, &left);
        args[argc++] = rk_arena_dupz(mem, word);
    }
    return rk_opts_load(&set, TABLE, RK_ARRAY_LEN(TABLE), &o, mem, argc, args, &rest, &help, &err);
}

START_TEST(defaults_hold_without_anything)
{
    ck_assert_int_eq(load("-s x"), RK_OK);
    ck_assert(!o.stun && rk_str_eqz(o.listen, ":443") && rk_str_eqz(o.level, "info"));
    ck_assert(o.max == 100 && o.timeout == 10000 && o.proxies.n == 0);
    ck_assert_int_eq(rk_opt_source_of(&set, "max-peers"), RK_OPT_DEFAULT);
}
END_TEST

START_TEST(every_form_of_a_flag_is_read)
{
    ck_assert_int_eq(load("one --stun -l:1 two --auth-secret=s --max-peers 7 --timeout=1m "
                          "--log-level debug -- --three"),
                     RK_OK);
    ck_assert(o.stun && rk_str_eqz(o.listen, ":1") && rk_str_eqz(o.secret, "s"));
    ck_assert(o.max == 7 && o.timeout == 60000 && rk_str_eqz(o.level, "debug"));
    ck_assert_int_eq(rest, 3);
    ck_assert_str_eq(args[0], "one");
    ck_assert_str_eq(args[1], "two");
    ck_assert_str_eq(args[2], "--three");
    ck_assert_int_eq(load("-s x --stun=false -l=:2"), RK_OK);
    ck_assert(!o.stun && rk_str_eqz(o.listen, ":2"));
    ck_assert_int_eq(load("-s x --stun --no-stun"), RK_OK);
    ck_assert(!o.stun);
}
END_TEST

START_TEST(command_line_beats_environment_beats_file)
{
    ck_assert_int_eq(setenv("T_OLD_LISTEN", "old", 1), 0);
    ck_assert_int_eq(setenv("T_MAX", "8", 1), 0);
    ck_assert_int_eq(setenv("T_STUN", "on", 1), 0);
    ck_assert_int_eq(load("-s x --max-peers 9"), RK_OK);
    ck_assert(o.max == 9 && o.stun && rk_str_eqz(o.listen, "old"));
    ck_assert_int_eq(setenv("T_LISTEN", "new", 1), 0);
    ck_assert_int_eq(load("-s x"), RK_OK);
    ck_assert(rk_str_eqz(o.listen, "new") && o.max == 8);
    ck_assert_int_eq(rk_opt_set(&set, RK_STR("max-peers"), RK_STR("3"), RK_OPT_FILE, &err), RK_OK);
    ck_assert_int_eq(rk_opt_set(&set, RK_STR("timeout"), RK_STR("3s"), RK_OPT_FILE, &err), RK_OK);
    ck_assert(o.max == 8 && o.timeout == 3000);
    ck_assert_int_eq(rk_opt_set(&set, RK_STR("tiemout"), RK_STR("3s"), RK_OPT_FILE, &err),
                     RK_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "did you mean timeout?"));
}
END_TEST

START_TEST(lists_are_cut_and_bounded)
{
    ck_assert_int_eq(setenv("T_PROXIES", "a, b,,c", 1), 0);
    ck_assert_int_eq(load("-s x"), RK_OK);
    ck_assert(o.proxies.n == 3 && rk_str_eqz(o.proxies.items[1], "b"));
    ck_assert_int_eq(load("-s x --trusted-proxies d --trusted-proxies e"), RK_OK);
    ck_assert(o.proxies.n == 2 && rk_str_eqz(o.proxies.items[0], "d"));
    ck_assert_int_eq(load("-s x --trusted-proxies a,b,c,d"), RK_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "more than 3"));
}
END_TEST

START_TEST(mistakes_are_named)
{
    static const struct {
        const char *line, *text;
    } bad[] = {
        {"", "--auth-secret is required"},
        {"-s x --max-peers 0", "--max-peers: 0 is not between 1 and 1000"},
        {"-s x --max-peers 1001", "between"},
        {"-s x --max-peers many", "\"many\" is not a number"},
        {"-s x --timeout soon", "is not a duration"},
        {"-s x --timeout 5h", "not between"},
        {"-s x --log-level loud", "none of debug|info|warn|error"},
        {"-s x --stun=maybe", "neither true nor false"},
        {"-s x --no-stun=true", "takes no value"},
        {"-s x --listen-adress :1", "did you mean --listen-address?"},
        {"-s x --zzzzzzzzz 1", "unknown option --zzzzzzzzz (see --help)"},
        {"-s x -q", "unknown option -q"},
        {"-s x -l", "-l needs a value"},
        {"-s", "-s needs a value"},
        {"-s x -l 12345678901234567890123456789012345678901", "41 characters"},
        {"--auth-secret-file /nonexistent/x", "No such file"},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        o = (struct opts){0};
        ck_assert_msg(load(bad[i].line) == RK_INVALID, "%s", bad[i].line);
        ck_assert_msg(strstr(err.msg, bad[i].text), "%s: %s", bad[i].line, err.msg);
    }
    ck_assert_int_eq(setenv("T_MAX", "x", 1), 0);
    ck_assert_int_eq(load("-s x"), RK_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "environment variable T_MAX"));
}
END_TEST

START_TEST(secrets_are_hidden_and_may_come_from_files)
{
    char path[] = "/tmp/rk-test-cfg-XXXXXX";
    int fd = mkstemp(path);
    struct rk_buf out;

    ck_assert_int_eq(write(fd, "topsecret\n", 10), 10);
    ck_assert_int_eq(close(fd), 0);
    rk_buf_init(&out, 1 << 16);

    ck_assert_int_eq(load("--auth-secret hunter2 -l :1"), RK_OK);
    ck_assert_str_eq(args[1], "xxxxxxx");
    ck_assert(rk_str_eqz(o.secret, "hunter2"));
    rk_opts_show(&set, &out);
    ck_assert_uint_eq(rk_str_find(rk_buf_str(&out), RK_STR("hunter2")), out.n);
    ck_assert_uint_lt(rk_str_find(rk_buf_str(&out), RK_STR("auth-secret: (set)  # command line")),
                      out.n);
    ck_assert_uint_lt(rk_str_find(rk_buf_str(&out), RK_STR("timeout: 10000ms  # default")), out.n);

    ck_assert_int_eq(load(rk_arena_printf(mem, "--auth-secret-file %s", path).p), RK_OK);
    ck_assert(rk_str_eqz(o.secret, "topsecret"));
    o.secret = (struct rk_str){0};
    ck_assert_int_eq(setenv("T_SECRET_FILE", path, 1), 0);
    ck_assert_int_eq(load("-l :1"), RK_OK);
    ck_assert(rk_str_eqz(o.secret, "topsecret"));
    ck_assert_int_eq(unlink(path), 0);
    rk_buf_done(&out);
}
END_TEST

START_TEST(help_names_all)
{
    struct rk_buf out;

    rk_buf_init(&out, 1 << 16);
    ck_assert_int_eq(load("--bogus --help"), RK_OK);
    ck_assert(help);
    rk_opts_help(TABLE, RK_ARRAY_LEN(TABLE), &out);
    ck_assert(rk_str_find(rk_buf_str(&out), RK_STR("[required, $T_SECRET]")) < out.n);
    ck_assert(rk_str_find(rk_buf_str(&out), RK_STR("[default: ^/, $T_ROUTE]")) < out.n);
    for (size_t i = 0; i < RK_ARRAY_LEN(TABLE); i++)
        ck_assert_uint_lt(rk_str_find(rk_buf_str(&out), rk_str_z(TABLE[i].flag)), out.n);
    ck_assert_uint_lt(rk_str_find(rk_buf_str(&out), RK_STR("-l, --listen-address TEXT")), out.n);
    ck_assert_uint_lt(rk_str_find(rk_buf_str(&out), RK_STR("$T_LISTEN, $T_OLD_LISTEN]")), out.n);
    ck_assert_int_eq(load("-s x -- --help"), RK_OK);
    ck_assert(!help && rest == 1);
    rk_buf_done(&out);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("cfg");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, defaults_hold_without_anything);
    tcase_add_test(t, every_form_of_a_flag_is_read);
    tcase_add_test(t, command_line_beats_environment_beats_file);
    tcase_add_test(t, lists_are_cut_and_bounded);
    tcase_add_test(t, mistakes_are_named);
    tcase_add_test(t, secrets_are_hidden_and_may_come_from_files);
    tcase_add_test(t, help_names_all);
    return vec_run(t, "lib/base/cfg");
}
