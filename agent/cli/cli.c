/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands: parse, ask the daemon, print. `service run` and `up -F` are the daemon themselves. */
#include "config.h"

#include "agent/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/foreign.h"
#include "agent/cli/service.h"
#include "agent/cli/status.h"
#include "agent/client/sso.h"
#include "agent/config/options.h"
#include "agent/config/version.h"
#include "agent/control/client.h"
#include "agent/daemon/app.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/manual.h"
#include "lib/crypto/secret.h"

struct cli {
    struct rk_arena *mem; /* wiping */
    struct all_opts v;
    struct rk_opts o;
    int n_rest;
    char **rest;
    bool help;
};

struct command {
    const char *name;
    unsigned groups;
    int (*run)(struct cli *c);
    const char *help; /* NULL: another name of the one before */
    const char *args; /* its words, a|b|c; NULL: none */
};

static int complain(const struct rk_err *err)
{
    (void)fprintf(stderr, "Error: %s\n", err->msg);
    return 1;
}

/* ---- the daemon */

static struct rk_str join(struct rk_arena *mem, struct rk_str dir, const char *name)
{
    return rk_arena_printf(mem, "%.*s/%s", RK_STR_ARG(dir), name);
}

/* Settings that this command line or the environment gives go to the profile. */
static enum rk_code settings_to_profile(struct cli *c, struct profile *p, struct rk_err *err);

static int run_daemon(struct cli *c, bool foreground)
{
    const struct daemon_opts *d = &c->v.daemon;
    struct rk_str config = d->config.n ? d->config : join(c->mem, d->state_dir, "default.json");
    struct app_opts opts = {.daemon = d,
                            .state_path = join(c->mem, d->state_dir, "state.json").p,
                            .resolv_backup = join(c->mem, d->state_dir, "resolv.conf.original").p,
                            .connect = foreground || d->setup_key.n,
                            .foreground = foreground};
    enum rk_log_level level = RK_INFO;
    struct rk_err err = {0};
    enum rk_code rc;

    RK_IGNORE(rk_log_level_parse(d->log_level, &level, NULL));
    opts.log = rk_log_new(STDERR_FILENO, level, d->log_json);
    foreign_env(opts.log);
    rc = profile_load(config.p, &opts.profile, &err);
    if (rc == RK_OK)
        rc = settings_to_profile(c, opts.profile, &err);
    if (rc == RK_OK)
        rc = app_run(&opts, &err);
    profile_free(opts.profile);
    rk_log_free(opts.log);
    return rc ? complain(&err) : 0;
}

/* ---- settings of a command line */

/* The text of a value as profile_set takes it. */
static struct rk_str opt_text(struct cli *c, const struct rk_opt *row, const void *at)
{
    const struct rk_strs *list = at;
    struct rk_str out = RK_STR("");

    switch (row->type) {
    case RK_OPT_BOOL:
        return *(const bool *)at ? RK_STR("true") : RK_STR("false");
    case RK_OPT_I64:
        return rk_arena_printf(c->mem, "%lld", (long long)*(const int64_t *)at);
    case RK_OPT_DURATION:
        return rk_arena_printf(c->mem, "%lldms", (long long)*(const int64_t *)at);
    case RK_OPT_LIST:
        for (size_t i = 0; i < list->n; i++)
            out = rk_arena_printf(c->mem, "%.*s%s%.*s", RK_STR_ARG(out), i ? "," : "",
                                  RK_STR_ARG(list->items[i]));
        return out;
    case RK_OPT_TEXT:
    case RK_OPT_SECRET:
    case RK_OPT_CHOICE:
        break;
    }
    return *(const struct rk_str *)at;
}

/* Only what the user really set. */
static bool next_setting(struct cli *c, size_t *i, struct rk_str *flag, struct rk_str *value)
{
    size_t n;
    const struct rk_opt *rows = options_settings(&n);

    for (; *i < n; ++*i) {
        if (rk_opt_source_of(&c->o, rows[*i].flag) == RK_OPT_DEFAULT)
            continue;
        *flag = rk_str_z(rows[*i].flag);
        *value = opt_text(c, &rows[*i], (const char *)&c->v.settings + rows[*i].at);
        ++*i;
        return true;
    }
    return false;
}

static enum rk_code settings_to_profile(struct cli *c, struct profile *p, struct rk_err *err)
{
    struct rk_str flag, value;
    bool any = false;
    size_t i = 0;

    while (next_setting(c, &i, &flag, &value)) {
        enum rk_code rc = profile_set(p, flag, value, err);

        if (rc)
            return rc;
        any = true;
    }
    return any ? profile_save(p, err) : RK_OK;
}

/* A unit is for everybody to read. */
static bool names_secret(const struct cli *c)
{
    return rk_opt_source_of(&c->o, "setup-key") == RK_OPT_ARGV ||
           rk_opt_source_of(&c->o, "preshared-key") == RK_OPT_ARGV;
}

/* What this command line says about daemon and settings, for the daemon's own command line. What
 * the environment says stays there, and secrets never come into a unit. */
static const char *const *daemon_args(struct cli *c, size_t *n)
{
    const struct rk_opt *groups[2];
    size_t counts[2];
    const char **out;

    groups[0] = options_daemon(&counts[0]);
    groups[1] = options_settings(&counts[1]);
    out = rk_new_n(c->mem, const char *, counts[0] + counts[1] + 1);
    *n = 0;
    for (size_t g = 0; g < 2; g++) {
        const char *base = g ? (const char *)&c->v.settings : (const char *)&c->v.daemon;

        for (size_t i = 0; i < counts[g]; i++) {
            const struct rk_opt *row = &groups[g][i];

            if (rk_opt_source_of(&c->o, row->flag) == RK_OPT_ARGV && row->type != RK_OPT_SECRET)
                out[(*n)++] = rk_arena_printf(c->mem, "--%s=%.*s", row->flag,
                                              RK_STR_ARG(opt_text(c, row, base + row->at)))
                                  .p;
        }
    }
    return out;
}

static int cmd_service(struct cli *c)
{
    struct service_opts o = {
        .name = c->v.cli.service, .root = c->v.cli.root, .env = c->v.cli.service_env};
    struct rk_err err = {0};

    if (c->n_rest == 1 && strcmp(c->rest[0], "run") == 0)
        return run_daemon(c, false);
    if (c->n_rest == 1 && names_secret(c)) {
        (void)fprintf(stderr, "Error: everybody may read a unit: give keys to \"rook up\" once the "
                              "service runs\n");
        return 1;
    }
    if (c->n_rest == 1) {
        o.args = daemon_args(c, &o.n_args);
        if (service_do(c->rest[0], &o, &err) == RK_OK)
            return 0;
        if (err.code != RK_NOT_FOUND)
            return complain(&err);
    }
    (void)fprintf(stderr, "Error: usage: rook service run | install | uninstall | start | stop | "
                          "restart | status [options]\n");
    return 1;
}

static json_t *text_json(struct rk_str s)
{
    return json_stringn(s.p ? s.p : "", s.n);
}

static json_t *up_args(struct cli *c, struct rk_str token)
{
    json_t *settings = json_object(), *args = json_object();
    struct rk_str flag, value;
    size_t i = 0;

    while (next_setting(c, &i, &flag, &value))
        (void)json_object_set_new(settings, flag.p, text_json(value));
    (void)json_object_set_new(args, "settings", settings);
    if (c->v.cli.setup_key.n)
        (void)json_object_set_new(args, "setup_key", text_json(c->v.cli.setup_key));
    if (token.n)
        (void)json_object_set_new(args, "token", text_json(token));
    (void)json_object_set_new(args, "timeout_ms", json_integer(c->v.cli.timeout_ms));
    return args;
}

/* ---- commands */

/* Longer than the daemon waits for the connection, so that its error arrives. */
static int64_t patience(const struct cli *c)
{
    return c->v.cli.timeout_ms + 45000;
}

/* ---- people log in by a browser */

static void show_prompt(struct sso_user *u RK_UNUSED, const struct sso_prompt *p)
{
    (void)printf("Open this address in a browser to log in:\n\n  %.*s\n\n", RK_STR_ARG(p->url));
    if (p->code.n)
        (void)printf("The page must show the code %.*s. Waiting ...\n", RK_STR_ARG(p->code));
    (void)fflush(stdout);
}

/* `up` or `login`; when a person has to log in, that first. */
static enum rk_code connect_daemon(struct cli *c, const char *call, json_t **result,
                                   struct rk_err *err)
{
    struct sso_user user = {.show = show_prompt};
    struct rk_str addr = c->v.cli.daemon_addr, none = RK_STR(""), token;
    json_t *flow = NULL;
    struct rk_err why = {0};
    enum rk_code rc = ctl_call(addr, call, up_args(c, none), patience(c), result, err);

    if (rc != RK_FORBIDDEN || c->v.cli.setup_key.n)
        return rc;
    rc = ctl_call(addr, "sso", NULL, patience(c), &flow, &why);
    if (rc == RK_NOT_FOUND)
        return RK_FORBIDDEN; /* with the first text: it says what is missing */
    if (rc)
        return rk_fail(err, rc, "%s", why.msg);
    rc = sso_device(c->mem, flow, &user, &token, err);
    json_decref(flow);
    return rc ? rc : ctl_call(addr, call, up_args(c, token), patience(c), result, err);
}

static int cmd_up(struct cli *c)
{
    json_t *result = NULL;
    struct rk_err err = {0};
    bool already;

    if (c->v.cli.foreground)
        return run_daemon(c, true);
    if (connect_daemon(c, "up", &result, &err))
        return complain(&err);
    already = json_is_true(json_object_get(result, "already"));
    (void)printf(already ? "Already connected\n" : "Connected\n");
    json_decref(result);
    return 0;
}

static int simple(struct cli *c, const char *call, json_t *args, int64_t timeout_ms,
                  const char *done)
{
    json_t *result = NULL;
    struct rk_err err = {0};

    if (ctl_call(c->v.cli.daemon_addr, call, args, timeout_ms, &result, &err))
        return complain(&err);
    json_decref(result);
    (void)printf("%s\n", done);
    return 0;
}

static int cmd_login(struct cli *c)
{
    json_t *result = NULL;
    struct rk_err err = {0};

    if (connect_daemon(c, "login", &result, &err))
        return complain(&err);
    json_decref(result);
    (void)printf("Logged in\n");
    return 0;
}

static int cmd_down(struct cli *c)
{
    return simple(c, "down", NULL, 20000, "Disconnected");
}

static int cmd_logout(struct cli *c)
{
    return simple(c, "logout", NULL, 35000, "Deregistered successfully");
}

static int print_address(const json_t *status, const char *name)
{
    const char *cidr = json_string_value(json_object_get(status, name));

    if (!cidr || !*cidr) {
        (void)fprintf(stderr, "Error: no such address\n");
        return 1;
    }
    (void)printf("%.*s\n", (int)strcspn(cidr, "/"), cidr);
    return 0;
}

static int cmd_status(struct cli *c)
{
    json_t *status = NULL;
    struct rk_err err = {0};
    const struct cli_opts *o = &c->v.cli;
    struct status_filter filter = {.ips = &o->filter_ips,
                                   .names = &o->filter_names,
                                   .status = o->filter_status,
                                   .path = o->filter_path};
    bool filtered = o->filter_ips.n || o->filter_names.n || o->filter_status.n || o->filter_path.n;
    int rc = 0;

    if (ctl_call(c->v.cli.daemon_addr, "status", NULL, 10000, &status, &err))
        return complain(&err);
    (void)json_object_set_new(status, "cliVersion", json_string(PACKAGE_VERSION));
    if (!cli_status_filter(status, &filter)) {
        (void)fprintf(stderr, "Error: --filter-by-status is idle, connecting or connected; "
                              "--filter-by-connection-type is P2P or Relayed\n");
        rc = 1;
    } else if (c->v.cli.check.n) {
        rc = cli_status_check(status, c->v.cli.check.p);
        if (rc == 2)
            (void)fprintf(stderr, "Error: --check is live, ready or startup\n");
        rc = rc != 0;
    } else if (c->v.cli.ipv4 || c->v.cli.ipv6) {
        rc = print_address(status, c->v.cli.ipv4 ? "netbirdIp" : "netbirdIpv6");
    } else if (c->v.cli.json) {
        (void)json_dumpf(status, stdout, JSON_INDENT(2));
        (void)printf("\n");
    } else {
        cli_status_print(stdout, status, c->v.cli.detail || filtered);
    }
    json_decref(status);
    return rc;
}

static void print_networks(const json_t *list)
{
    const json_t *one, *domains, *d;
    size_t i, k;

    if (!json_array_size(list))
        (void)printf("No networks available.\n");
    json_array_foreach (list, i, one) {
        domains = json_object_get(one, "domains");
        (void)printf("- ID: %s\n  %s: ", json_string_value(json_object_get(one, "id")),
                     json_array_size(domains) ? "Domains" : "Network");
        json_array_foreach (domains, k, d)
            (void)printf("%s%s", k ? ", " : "", json_string_value(d));
        (void)printf("%s\n  Status: %s\n", json_string_value(json_object_get(one, "network")),
                     json_is_true(json_object_get(one, "selected")) ? "Selected" : "Not Selected");
    }
}

static int list_networks(struct cli *c)
{
    json_t *result = NULL;
    struct rk_err err = {0};

    if (ctl_call(c->v.cli.daemon_addr, "networks", NULL, 10000, &result, &err))
        return complain(&err);
    if (c->v.cli.json) {
        (void)json_dumpf(json_object_get(result, "networks"), stdout, JSON_INDENT(2));
        (void)printf("\n");
    } else {
        print_networks(json_object_get(result, "networks"));
    }
    json_decref(result);
    return 0;
}

static int cmd_networks(struct cli *c)
{
    const char *verb = c->n_rest ? c->rest[0] : "list";
    bool select = strcmp(verb, "select") == 0;
    json_t *ids = json_array(), *args;

    for (int i = 1; i < c->n_rest; i++) { /* several words, or one list with commas */
        struct rk_str id, rest = rk_str_z(c->rest[i]);

        while (rest.n) {
            (void)rk_str_cut(rest, ',', &id, &rest);
            if (id.n)
                (void)json_array_append_new(ids, text_json(id));
        }
    }
    if (!json_array_size(ids) && (strcmp(verb, "list") == 0 || strcmp(verb, "ls") == 0)) {
        json_decref(ids);
        return list_networks(c);
    }
    if (!json_array_size(ids) || (!select && strcmp(verb, "deselect") != 0)) {
        json_decref(ids);
        (void)fprintf(stderr, "Error: usage: rook networks list | select ID…|all | deselect "
                              "ID…|all\n");
        return 1;
    }
    args = json_pack("{s:o,s:b}", "ids", ids, "append", c->v.cli.append);
    return simple(c, select ? "networks_select" : "networks_deselect", args, 10000,
                  select ? "Networks selected" : "Networks deselected");
}

static int cmd_version(struct cli *c RK_UNUSED)
{
    (void)printf("%s\n", PACKAGE_VERSION);
    return 0;
}

static const struct command COMMANDS[] = {
    {"up", OPTIONS_CLI | OPTIONS_CONNECT | OPTIONS_SETTINGS | OPTIONS_DAEMON, cmd_up,
     "register if needed, then connect; changed settings are kept"},
    {"down", OPTIONS_CLI, cmd_down, "disconnect"},
    {"status", OPTIONS_CLI | OPTIONS_STATUS, cmd_status, "show connection and peers"},
    {"networks", OPTIONS_CLI | OPTIONS_NETWORKS, cmd_networks,
     "networks behind peers: list, select ID…|all, deselect ID…|all", "list|select|deselect"},
    {"routes", OPTIONS_CLI | OPTIONS_NETWORKS, cmd_networks, NULL},
    {"login", OPTIONS_CLI | OPTIONS_CONNECT | OPTIONS_SETTINGS, cmd_login,
     "register without connecting"},
    {"logout", OPTIONS_CLI, cmd_logout, "remove this peer from management and disconnect"},
    {"deregister", OPTIONS_CLI, cmd_logout, NULL},
    {"service", OPTIONS_SERVICE | OPTIONS_SETTINGS | OPTIONS_DAEMON, cmd_service,
     "run: the daemon; install, uninstall, start, stop, restart, status: as a unit of systemd",
     "run|install|uninstall|start|stop|restart|status"},
    {"version", 0, cmd_version, "print the version"},
};

static int usage(FILE *out)
{
    (void)fprintf(out, "Usage: rook COMMAND [options]\n\nCommands:\n");
    for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++)
        if (COMMANDS[i].help)
            (void)fprintf(out, "  %-10s %s\n", COMMANDS[i].name, COMMANDS[i].help);
    (void)fprintf(out, "\n\"rook COMMAND --help\" lists the options of a command.\n");
    return out == stdout ? 0 : 1;
}

static int help(const struct command *cmd, const struct rk_opt *table, size_t n)
{
    struct rk_buf text;

    rk_buf_init(&text, 1 << 20);
    rk_opts_help(table, n, &text);
    (void)printf("Usage: rook %s [options]\n%s.\n\n%.*s", cmd->name, cmd->help ? cmd->help : "",
                 (int)text.n, text.p ? text.p : "");
    rk_buf_done(&text);
    return 0;
}

static int print_manual(void)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct rk_buf out;
    size_t n;

    rk_buf_init(&out, 1 << 20);
    rk_manual_program(&out, "rook", "agent of a WireGuard mesh: daemon and commands");
    for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++) {
        const struct command *cmd = &COMMANDS[i];
        const struct rk_opt *table = options_table(mem, cmd->groups, &n);

        if (!cmd->help)
            continue;
        rk_manual_command(&out, cmd->name, cmd->args ? cmd->args : "", cmd->help);
        rk_manual_options(&out, table, n, NULL);
    }
    rk_manual_print(&out);
    return 0;
}

/* --setup-key-file into setup_key, for commands and the daemon alike. */
static enum rk_code key_from_file(struct cli *c, unsigned groups, struct rk_err *err)
{
    struct rk_str file = c->v.daemon.setup_key_file, key;
    struct rk_buf text;
    enum rk_code rc;

    if (!(groups & (OPTIONS_CONNECT | OPTIONS_DAEMON)) || !file.n)
        return RK_OK;
    if (c->v.daemon.setup_key.n)
        return rk_fail(err, RK_INVALID, "give either --setup-key or --setup-key-file");
    rk_buf_init(&text, 4096);
    rc = rk_file_read(file.p, 0, &text, err);
    key = rk_str_trim(rk_buf_str(&text));
    if (rc == RK_OK && !key.n)
        rc = rk_fail(err, RK_INVALID, "%s is empty", file.p);
    if (rc == RK_OK)
        c->v.daemon.setup_key = c->v.cli.setup_key = rk_arena_dup(c->mem, key);
    if (text.p)
        rk_secret_wipe(text.p, text.n);
    rk_buf_done(&text);
    return rc;
}

static int run(const struct command *cmd, int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct cli c = {.mem = mem, .rest = argv};
    struct rk_err err = {0};
    size_t n;
    const struct rk_opt *table = options_table(mem, cmd->groups, &n);

    if (foreign_args(&argc, argv, &err))
        return complain(&err);
    if (rk_opts_load(&c.o, table, n, &c.v, mem, argc, argv, &c.n_rest, &c.help, &err))
        return complain(&err);
    if (c.help)
        return help(cmd, table, n);
    if (c.n_rest && cmd->run != cmd_service && cmd->run != cmd_networks) {
        (void)fprintf(stderr, "Error: unexpected argument %s\n", argv[0]);
        return 1;
    }
    /* groups that have the same option: the row of the first stands for both */
    if (cmd->groups & OPTIONS_CLI)
        c.v.daemon.daemon_addr = c.v.cli.daemon_addr;
    if (cmd->groups & OPTIONS_CONNECT)
        c.v.daemon.setup_key = c.v.cli.setup_key;
    if (cmd->groups & OPTIONS_CONNECT)
        c.v.daemon.setup_key_file = c.v.cli.setup_key_file;
    if (key_from_file(&c, cmd->groups, &err))
        return complain(&err);
    return cmd->run(&c);
}

int cli_main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr);
    if (rk_manual_asked(argc - 1, argv + 1))
        return print_manual();
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return usage(stdout);
    for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++)
        if (strcmp(argv[1], COMMANDS[i].name) == 0)
            return run(&COMMANDS[i], argc - 2, argv + 2);
    if (foreign_verb(argv[1])) {
        (void)fprintf(stderr, "Error: there is no \"rook %s\": %s\n", argv[1],
                      foreign_verb(argv[1]));
        return 1;
    }
    (void)fprintf(stderr, "Error: unknown command %s\n", argv[1]);
    return usage(stderr);
}
