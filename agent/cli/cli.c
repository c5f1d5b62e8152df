/* SPDX-License-Identifier: BSD-3-Clause */
/* Which command a line means, and what its options are. */
#include "config.h"

#include "agent/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/cli_priv.h"
#include "agent/cli/foreign.h"
#include "agent/control/client.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/manual.h"
#include "lib/crypto/secret.h"

#define WORDS_MAX 3 /* of a command's name */

static int cmd_version(struct cli *c RK_UNUSED)
{
    (void)printf("%s\n", PACKAGE_VERSION);
    return 0;
}

#define WITH_DAEMON OPTIONS_CLI
#define UP          (OPTIONS_CLI | OPTIONS_CONNECT | OPTIONS_PROFILE | OPTIONS_SETTINGS | OPTIONS_DAEMON)
#define LOGIN       (OPTIONS_CLI | OPTIONS_CONNECT | OPTIONS_PROFILE | OPTIONS_SETTINGS | OPTIONS_LOGIN)
#define STATUS      (OPTIONS_CLI | OPTIONS_STATUS | OPTIONS_ANON)
#define NETWORKS    (OPTIONS_CLI | OPTIONS_NETWORKS)
#define BUNDLE      (OPTIONS_CLI | OPTIONS_BUNDLE | OPTIONS_ANON)
#define SERVICE     (OPTIONS_SERVICE | OPTIONS_SETTINGS | OPTIONS_DAEMON)

static const struct cli_command COMMANDS[] = {
    {"up", UP, cmd_up, NULL, 0, 0, "register if needed, then connect; changed settings are kept"},
    {"down", WITH_DAEMON, cmd_down, NULL, 0, 0, "disconnect"},
    {"status", STATUS, cmd_status, NULL, 0, 0, "show connection and peers"},
    {"login", LOGIN, cmd_login, NULL, 0, 0, "register without connecting"},
    {"logout", OPTIONS_CLI | OPTIONS_PROFILE, cmd_logout, NULL, 0, 0,
     "remove this peer from management and disconnect (also: deregister)"},
    {"networks list", NETWORKS, cmd_networks_list, NULL, 0, 0,
     "networks behind peers (also: routes list)"},
    {"networks select", NETWORKS, cmd_networks_select, "ID…|all", 1, 1024,
     "use these, and with --append what is selected already"},
    {"networks deselect", NETWORKS, cmd_networks_deselect, "ID…|all", 1, 1024, "do not use these"},
    {"networks", NETWORKS, cmd_networks_list, NULL, 0, 0, NULL},
    {"forwarding list", WITH_DAEMON, cmd_forwarding_list, NULL, 0, 0,
     "ports of this host that lead to peers"},
    {"profile list", OPTIONS_CLI | OPTIONS_PROFILES, cmd_profile_list, NULL, 0, 0,
     "identities of this machine, each with settings of its own"},
    {"profile add", WITH_DAEMON, cmd_profile_add, "NAME", 1, 1, "make a new one"},
    {"profile select", WITH_DAEMON, cmd_profile_select, "NAME|ID", 1, 1,
     "make one the active one; disconnects"},
    {"profile rename", WITH_DAEMON, cmd_profile_rename, "NAME|ID NEW", 2, 2, "name one anew"},
    {"profile remove", WITH_DAEMON, cmd_profile_remove, "NAME|ID", 1, 1,
     "forget one with its keys; it stays known to management (see logout --profile)"},
    {"doctor", OPTIONS_CLI | OPTIONS_DOCTOR, cmd_doctor, NULL, 0, 0,
     "look for what is wrong, and say what to do; 1: there is a problem"},
    {"debug bundle", BUNDLE, cmd_debug_bundle, NULL, 0, 0,
     "an archive for who looks for an error: status, settings without secrets, log, routes …"},
    {"debug for", BUNDLE, cmd_debug_for, "DURATION", 1, 1,
     "log everything for a while, then make such an archive"},
    {"debug log level", WITH_DAEMON, cmd_debug_log_level, "debug|info|warn|error", 1, 1,
     "what the running daemon logs"},
    {"debug persistence", WITH_DAEMON, cmd_debug_persistence, "on|off", 1, 1,
     "keep the last network map for such archives"},
    {"debug config", WITH_DAEMON, cmd_debug_config, NULL, 0, 0, "the daemon's settings as JSON"},
    {"state list", WITH_DAEMON, cmd_state_list, NULL, 0, 0,
     "what the daemon notes to undo after a crash"},
    {"state clean", OPTIONS_CLI | OPTIONS_STATE, cmd_state_clean, "NAME|--all", 0, 1,
     "undo it now; only while disconnected"},
    {"state delete", OPTIONS_CLI | OPTIONS_STATE, cmd_state_delete, "NAME|--all", 0, 1,
     "forget it, undoing nothing"},
    {"service", SERVICE, cmd_service,
     "run|install|reconfigure|reset-params|uninstall|start|stop|restart|status", 1, 1,
     "the daemon itself (run), and as a unit of systemd"},
    {"ssh detect", 0, cmd_ssh_detect, "HOST [PORT [any]]", 1, 3,
     "whose SSH server is there; 0: the mesh's, wants a token, 1: without (any: also 0), 2: "
     "another"},
    {"version", 0, cmd_version, NULL, 0, 0, "print the version"},
};

const struct cli_command *cli_commands(size_t *n)
{
    *n = RK_ARRAY_LEN(COMMANDS);
    return COMMANDS;
}

/* ---- for all commands */

int cli_complain(const struct rk_err *err)
{
    (void)fprintf(stderr, "Error: %s\n", err->msg);
    return 1;
}

json_t *cli_ask(struct cli *c, const char *call, json_t *args, int64_t timeout_ms)
{
    json_t *result = NULL;
    struct rk_err err = {0};

    if (ctl_call(c->v.cli.daemon_addr, call, args, timeout_ms, &result, &err))
        (void)cli_complain(&err);
    return result;
}

int cli_do(struct cli *c, const char *call, json_t *args, int64_t timeout_ms, const char *done)
{
    json_t *result = cli_ask(c, call, args, timeout_ms);

    if (!result)
        return 1;
    json_decref(result);
    (void)printf("%s\n", done);
    return 0;
}

json_t *cli_text_json(struct rk_str s)
{
    return json_stringn(s.p ? s.p : "", s.n);
}

void cli_print_json(const json_t *v)
{
    (void)json_dumpf(v, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    (void)printf("\n");
}

enum cli_anon cli_anon_level(const struct cli *c)
{
    if (rk_str_eqz(c->v.cli.anonymize_level, "strict"))
        return CLI_ANON_STRICT;
    return c->v.cli.anonymize || c->v.cli.anonymize_level.n ? CLI_ANON_DEFAULT : CLI_ANON_NO;
}

struct rk_str cli_opt_text(struct cli *c, const struct rk_opt *row, const void *at)
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

bool cli_next_setting(struct cli *c, size_t *i, struct rk_str *flag, struct rk_str *value)
{
    size_t n;
    const struct rk_opt *rows = options_settings(&n);

    for (; *i < n; ++*i) {
        if (rk_opt_source_of(&c->o, rows[*i].flag) == RK_OPT_DEFAULT)
            continue;
        *flag = rk_str_z(rows[*i].flag);
        *value = cli_opt_text(c, &rows[*i], (const char *)&c->v.settings + rows[*i].at);
        ++*i;
        return true;
    }
    return false;
}

/* ---- help */

static int usage(FILE *out)
{
    (void)fprintf(out, "Usage: rook COMMAND [options]\n\nCommands:\n");
    for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++)
        if (COMMANDS[i].help)
            (void)fprintf(out, "  %-17s %s\n", COMMANDS[i].name, COMMANDS[i].help);
    (void)fprintf(out, "\n\"rook COMMAND --help\" lists the options of a command.\n");
    return out == stdout ? 0 : 1;
}

/* Of all commands whose name begins with this word. */
static int usage_of(FILE *out, const char *word)
{
    size_t n = strlen(word);

    (void)fprintf(out, "Usage:\n");
    for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++) {
        const struct cli_command *cmd = &COMMANDS[i];

        if (strncmp(cmd->name, word, n) == 0 && (!cmd->name[n] || cmd->name[n] == ' ') && cmd->help)
            (void)fprintf(out, "  rook %s%s%s\n        %s\n", cmd->name, cmd->args ? " " : "",
                          cmd->args ? cmd->args : "", cmd->help);
    }
    return out == stdout ? 0 : 1;
}

static int help(const struct cli_command *cmd, const struct rk_opt *table, size_t n)
{
    struct rk_buf text;

    rk_buf_init(&text, 1 << 20);
    rk_opts_help(table, n, &text);
    (void)printf("Usage: rook %s%s%s [options]\n%s.\n\n%.*s", cmd->name, cmd->args ? " " : "",
                 cmd->args ? cmd->args : "", cmd->help ? cmd->help : "", (int)text.n,
                 text.p ? text.p : "");
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
        const struct cli_command *cmd = &COMMANDS[i];
        const struct rk_opt *table = options_table(mem, cmd->groups, &n);

        if (!cmd->help)
            continue;
        rk_manual_command(&out, cmd->name, cmd->args ? cmd->args : "", cmd->help);
        rk_manual_options(&out, table, n, NULL);
    }
    rk_manual_print(&out);
    return 0;
}

/* ---- running one */

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

/* groups that have the same option: the row of the first stands for both */
static void share(struct cli *c, unsigned groups)
{
    if (groups & OPTIONS_CLI)
        c->v.daemon.daemon_addr = c->v.cli.daemon_addr;
    if (groups & OPTIONS_CONNECT) {
        c->v.daemon.setup_key = c->v.cli.setup_key;
        c->v.daemon.setup_key_file = c->v.cli.setup_key_file;
    }
}

static void tell_notes(const struct cli *c)
{
    for (size_t i = 0; i < c->o.notes.n; i++)
        (void)fprintf(stderr, "%.*s\n", RK_STR_ARG(c->o.notes.items[i]));
}

static int run(const struct cli_command *cmd, int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct cli c = {.mem = mem, .rest = argv};
    struct rk_err err = {0};
    size_t n;
    const struct rk_opt *table = options_table(mem, cmd->groups, &n);

    if (rk_opts_load(&c.o, table, n, &c.v, mem, argc, argv, &c.n_rest, &c.help, &err))
        return cli_complain(&err);
    if (c.help)
        return cmd->help ? help(cmd, table, n) : usage_of(stdout, cmd->name);
    tell_notes(&c);
    if (c.n_rest < cmd->min || c.n_rest > cmd->max) {
        if (c.n_rest > cmd->max)
            (void)fprintf(stderr, "Error: unexpected argument %s\n", c.rest[cmd->max]);
        else
            (void)fprintf(stderr, "Error: usage: rook %s %s\n", cmd->name, cmd->args);
        return 1;
    }
    share(&c, cmd->groups);
    if (cmd->groups & OPTIONS_DAEMON)
        foreign_env_apply(&c.o, &c.v.daemon);
    if (key_from_file(&c, cmd->groups, &err))
        return cli_complain(&err);
    return cmd->run(&c);
}

/* ---- which one */

/* Other words for the same, at the first and the second place. */
static const char *same_word(const char *word, int at)
{
    static const struct {
        const char *from, *to;
        int at;
    } words[] = {{"routes", "networks", 0},
                 {"deregister", "logout", 0},
                 {"ls", "list", 1},
                 {"rm", "remove", 1}};

    for (size_t i = 0; i < RK_ARRAY_LEN(words); i++)
        if (words[i].at == at && strcmp(word, words[i].from) == 0)
            return words[i].to;
    return word;
}

/* How many of the words are the name of cmd; 0: not all of it. */
static int fits(const struct cli_command *cmd, int argc, char **argv)
{
    const char *name = cmd->name;

    for (int i = 0; i < argc && i < WORDS_MAX; i++) {
        const char *word = same_word(argv[i], i);
        size_t n = strlen(word);

        if (strncmp(name, word, n) != 0 || (name[n] && name[n] != ' '))
            return 0;
        if (!name[n])
            return i + 1;
        name += n + 1;
    }
    return 0;
}

static bool is_group(const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++)
        if (strncmp(COMMANDS[i].name, word, n) == 0 && COMMANDS[i].name[n] == ' ')
            return true;
    return false;
}

/* Options may stand before the command, as the official client's may: they go behind it. */
static void command_first(int argc, char **argv)
{
    static const char letters[] = "mlknsc"; /* of those with a value */
    int at = 1;
    char *option[64];

    while (at < argc && at < 64 && argv[at][0] == '-' && strcmp(argv[at], "--help") != 0 &&
           strcmp(argv[at], "--version") != 0 && strcmp(argv[at], "-h") != 0) {
        bool is_long = argv[at][1] == '-';
        bool value = is_long ? !strchr(argv[at], '=') && strcmp(argv[at], "--anonymize") != 0
                             : strchr(letters, argv[at][1]) && !argv[at][2];

        at += value ? 2 : 1;
    }
    if (at == 1 || at >= argc || at >= 64)
        return;
    memcpy(option, argv + 1, (size_t)(at - 1) * sizeof *option);
    memmove(argv + 1, argv + at, (size_t)(argc - at) * sizeof *argv);
    memcpy(argv + argc - at + 1, option, (size_t)(at - 1) * sizeof *option);
}

static int unknown_command(const char *word)
{
    struct rk_nearest near = {0};

    for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++)
        rk_nearest_offer(&near, rk_str_z(word), COMMANDS[i].name);
    (void)fprintf(stderr, "Error: unknown command %s%s%s%s\n", word,
                  near.best ? "; did you mean " : "", near.best ? near.best : "",
                  near.best ? "?" : "");
    return usage(stderr);
}

/* A group alone, or its --help. */
static bool asks_for_help(int argc, char **argv)
{
    return argc == 2 || strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0;
}

/* What others have and we do not, with the reason. */
static int not_here(int argc, char **argv)
{
    bool two = argc > 2 && is_group(argv[1]);

    (void)fprintf(stderr, "Error: there is no \"rook %s%s%s\": %s\n", argv[1], two ? " " : "",
                  two ? argv[2] : "", foreign_verb(argc - 1, argv + 1));
    return 1;
}

int cli_main(int argc, char **argv)
{
    const struct cli_command *best = NULL;
    int words = 0;
    const char *verb;
    bool asked;

    if (argc < 2)
        return usage(stderr);
    if (rk_manual_asked(argc - 1, argv + 1))
        return print_manual();
    command_first(argc, argv);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return usage(stdout);
    if (strcmp(argv[1], "--version") == 0)
        return cmd_version(NULL);
    for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++) {
        int n = fits(&COMMANDS[i], argc - 1, argv + 1);

        if (n > words) {
            words = n;
            best = &COMMANDS[i];
        }
    }
    verb = same_word(argv[1], 0);
    asked = asks_for_help(argc, argv);
    if (foreign_verb(argc - 1, argv + 1) && !(asked && argc > 2 && is_group(argv[1])))
        return not_here(argc, argv);
    if (best)
        return run(best, argc - 1 - words, argv + 1 + words);
    if (is_group(verb)) {
        if (!asked)
            (void)fprintf(stderr, "Error: unknown command %s %s\n", argv[1], argv[2]);
        return usage_of(asked ? stdout : stderr, verb);
    }
    return unknown_command(argv[1]);
}
