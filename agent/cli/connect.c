/* SPDX-License-Identifier: BSD-3-Clause */
/* `up`, `login`, `down`, `logout`; people log in by a browser. */
#include "config.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/cli_priv.h"
#include "agent/cli/qr.h"
#include "agent/client/sso.h"
#include "agent/control/client.h"
#include "lib/base/num.h"

extern char **environ;

/* Longer than the daemon waits for the connection, so that its error arrives. */
static int64_t patience(const struct cli *c)
{
    return c->v.cli.timeout_ms + 45000;
}

static json_t *up_args(struct cli *c, struct rk_str token)
{
    json_t *settings = json_object(), *args = json_object();
    struct rk_str flag, value;
    size_t i = 0;

    while (cli_next_setting(c, &i, &flag, &value))
        (void)json_object_set_new(settings, flag.p, cli_text_json(value));
    (void)json_object_set_new(args, "settings", settings);
    if (c->v.cli.setup_key.n)
        (void)json_object_set_new(args, "setup_key", cli_text_json(c->v.cli.setup_key));
    if (token.n)
        (void)json_object_set_new(args, "token", cli_text_json(token));
    if (c->v.cli.profile.n)
        (void)json_object_set_new(args, "profile", cli_text_json(c->v.cli.profile));
    (void)json_object_set_new(args, "timeout_ms", json_integer(c->v.cli.timeout_ms));
    return args;
}

/* ---- people log in by a browser */

struct person {
    struct sso_user user;
    struct cli *c;
};

/* A desktop, and so a browser that can come back to this machine. */
static bool has_desktop(void)
{
    const char *const names[] = {"DISPLAY", "WAYLAND_DISPLAY"};

    for (size_t i = 0; i < RK_ARRAY_LEN(names); i++)
        if (getenv(names[i]) && *getenv(names[i]))
            return true;
    return false;
}

/* A browser as root would be nobody's: only what the user's own session starts. */
static void open_browser(const char *url)
{
    char opener[] = "xdg-open";
    char *argv[3] = {opener, (char *)(uintptr_t)url, NULL};
    posix_spawn_file_actions_t fa;
    pid_t pid;

    if (geteuid() == 0 || posix_spawn_file_actions_init(&fa))
        return;
    (void)posix_spawn_file_actions_addopen(&fa, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    (void)posix_spawn_file_actions_addopen(&fa, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&pid, opener, &fa, NULL, argv, environ) == 0)
        (void)pid; /* it outlives us; init takes it */
    (void)posix_spawn_file_actions_destroy(&fa);
}

static void show_prompt(struct sso_user *u, const struct sso_prompt *p)
{
    struct cli *c = rk_container_of(u, struct person, user)->c;
    struct rk_err err = {0};

    (void)printf("Open this address in a browser to log in:\n\n  %.*s\n\n", RK_STR_ARG(p->url));
    if (c->v.cli.qr && qr_print(stdout, p->url, &err))
        (void)fprintf(stderr, "No QR code: %s\n", err.msg);
    if (p->code.n)
        (void)printf("The page must show the code %.*s. Waiting ...\n", RK_STR_ARG(p->code));
    (void)fflush(stdout);
    if (!c->v.cli.no_browser && has_desktop())
        open_browser(rk_arena_dupz(c->mem, p->url));
}

/* The browser flow where a browser can come back to this machine, else the other; and the other,
 * too, when none of the ports for it is free. */
static enum rk_code log_in(struct cli *c, const json_t *flows, struct rk_str *token,
                           struct rk_err *err)
{
    struct person person = {.user = {.show = show_prompt}, .c = c};
    const json_t *pkce = json_object_get(flows, "pkce"), *device = json_object_get(flows, "device");
    const char *hint = json_string_value(json_object_get(flows, "login_hint"));
    enum rk_code rc;

    if (pkce && (has_desktop() || !device)) {
        rc = sso_pkce(c->mem, pkce, rk_str_z(hint), &person.user, token, err);
        if (rc != RK_PRECONDITION || !device)
            return rc;
        (void)fprintf(stderr, "%s; another way is used\n", err->msg);
        *err = (struct rk_err){0};
    }
    return sso_device(c->mem, device, &person.user, token, err);
}

static enum rk_code get_token(struct cli *c, struct rk_str *token, struct rk_err *err)
{
    json_t *flows = NULL;
    enum rk_code rc =
        ctl_call(c->v.cli.daemon_addr, "sso", up_args(c, RK_STR("")), patience(c), &flows, err);

    if (rc == RK_OK)
        rc = log_in(c, flows, token, err);
    json_decref(flows);
    return rc;
}

/* `up` or `login`; when a person has to log in, that first. */
static enum rk_code connect_daemon(struct cli *c, const char *call, json_t **result,
                                   struct rk_err *err)
{
    struct rk_str addr = c->v.cli.daemon_addr, token;
    struct rk_err why = {0};
    enum rk_code rc = ctl_call(addr, call, up_args(c, RK_STR("")), patience(c), result, err);

    if (rc != RK_FORBIDDEN || c->v.cli.setup_key.n || strcmp(err->msg, "") == 0)
        return rc;
    rc = get_token(c, &token, &why);
    if (rc == RK_FORBIDDEN && strcmp(err->msg, why.msg) == 0)
        return rc; /* this user may not do it: no login changes that */
    if (rc == RK_NOT_FOUND || rc == RK_FORBIDDEN)
        return rk_wrap(err, "%s", why.msg);
    if (rc)
        return rk_fail(err, rc, "%s", why.msg);
    *err = (struct rk_err){0};
    return ctl_call(addr, call, up_args(c, token), patience(c), result, err);
}

/* Options of the daemon do nothing to one that runs already. */
static void tell_without_effect(struct cli *c)
{
    static const char *const ours[] = {"daemon-addr", "setup-key", "setup-key-file"};
    size_t n;
    const struct rk_opt *rows = options_daemon(&n);

    for (size_t i = 0; i < n; i++) {
        bool known = false;

        for (size_t k = 0; k < RK_ARRAY_LEN(ours); k++)
            known = known || strcmp(rows[i].flag, ours[k]) == 0;
        if (!known && rk_opt_source_of(&c->o, rows[i].flag) == RK_OPT_ARGV)
            (void)fprintf(stderr,
                          "--%s has no effect: it is an option of the daemon, \"rook service run\" "
                          "or \"rook up -F\"\n",
                          rows[i].flag);
    }
}

int cmd_up(struct cli *c)
{
    json_t *result = NULL;
    struct rk_err err = {0};
    bool already;

    if (c->v.cli.foreground)
        return cli_run_daemon(c, true);
    tell_without_effect(c);
    if (connect_daemon(c, "up", &result, &err))
        return cli_complain(&err);
    already = json_is_true(json_object_get(result, "already"));
    (void)printf(already ? "Already connected\n" : "Connected\n");
    json_decref(result);
    return 0;
}

static int extend(struct cli *c)
{
    struct rk_str token;
    json_t *result = NULL, *args;
    struct rk_err err = {0};
    char when[RK_TIME_TEXT];
    int64_t ms;

    /* without a token first: whether there is a session to extend is known before anybody logs in
     */
    if (ctl_call(c->v.cli.daemon_addr, "extend", NULL, patience(c), &result, &err) &&
        err.code != RK_UNAUTHENTICATED)
        return cli_complain(&err);
    json_decref(result);
    result = NULL;
    err = (struct rk_err){0};
    if (get_token(c, &token, &err))
        return cli_complain(&err);
    args = json_pack("{s:o,s:I}", "token", cli_text_json(token), "timeout_ms",
                     (json_int_t)c->v.cli.timeout_ms);
    if (ctl_call(c->v.cli.daemon_addr, "extend", args, patience(c), &result, &err))
        return cli_complain(&err);
    ms = json_integer_value(json_object_get(result, "expires_unix_ms"));
    json_decref(result);
    if (ms)
        (void)printf("Session extended until %.*s\n",
                     RK_STR_ARG(rk_time_format_us(ms * 1000, when)));
    else
        (void)printf("Session extended; management names no end of it\n");
    return 0;
}

int cmd_login(struct cli *c)
{
    json_t *result = NULL;
    struct rk_err err = {0};

    if (c->v.cli.extend)
        return extend(c);
    if (c->v.cli.foreground) {
        (void)fprintf(stderr, "Error: --foreground-mode is for \"rook up\"\n");
        return 1;
    }
    if (connect_daemon(c, "login", &result, &err))
        return cli_complain(&err);
    (void)printf(json_is_true(json_object_get(result, "already"))
                     ? "Already logged in and connected (--extend makes the session last longer)\n"
                     : "Logged in\n");
    json_decref(result);
    return 0;
}

int cmd_down(struct cli *c)
{
    return cli_do(c, "down", NULL, 20000, "Disconnected");
}

int cmd_logout(struct cli *c)
{
    json_t *args = json_object();

    if (c->v.cli.profile.n)
        (void)json_object_set_new(args, "profile", cli_text_json(c->v.cli.profile));
    return cli_do(c, "logout", args, 35000, "Deregistered successfully");
}
