/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of `rookery admin`: which command takes what, asking the server, printing. */
#include "config.h"

#include "server/admin.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cfg.h"
#include "lib/base/manual.h"
#include "lib/base/num.h"
#include "lib/crypto/vault.h"
#include "management/rest/rest.h"
#include "server/command/socket.h"
#include "server/options.h"
#include "server/printable.h"
#include "server/wiring.h"

#define OPT(member) .at = offsetof(struct admin_opts, member)

enum { DAY_MS = 86400000, DAYS_MAX = 36500 };

/* "30d" as the official commands take it, and what durations are elsewhere. */
static enum rk_code time_of(struct rk_str s, int64_t *out_ms, struct rk_err *err)
{
    int64_t days;

    if (!rk_str_ends(s, RK_STR("d")))
        return rk_parse_duration_ms(s, out_ms, err);
    if (rk_parse_i64(rk_str_sub(s, 0, s.n - 1), 0, DAYS_MAX, &days, err))
        return RK_INVALID;
    *out_ms = days * DAY_MS;
    return RK_OK;
}

static enum rk_code check_time(struct rk_str s, struct rk_err *err)
{
    int64_t ms;

    return time_of(s, &ms, err);
}

static const struct rk_opt OPTS[] = {
    {.flag = "config",
     .letter = 'c',
     .env = "ROOKERY_CONFIG",
     .type = RK_OPT_TEXT,
     OPT(config),
     .arg = "FILE",
     .help = "configuration file of the server"},
    {.flag = "json", .type = RK_OPT_BOOL, OPT(json), .help = "print JSON instead of text"},
    {.flag = "email", .type = RK_OPT_TEXT, OPT(email), .arg = "ADDRESS", .help = "which user"},
    {.flag = "user-id", .type = RK_OPT_TEXT, OPT(user_id), .arg = "ID", .help = "which user"},
    {.flag = "name", .type = RK_OPT_TEXT, OPT(name), .arg = "NAME", .help = "name of what is made"},
    {.flag = "role",
     .type = RK_OPT_TEXT,
     OPT(role),
     .arg = "ROLE",
     .help = "admin, user, network_admin, billing_admin, auditor or owner"},
    {.flag = "password",
     .type = RK_OPT_SECRET,
     OPT(password),
     .help = "new password; better by --password-file; without it one is made up and shown"},
    {.flag = "groups",
     .type = RK_OPT_TEXT,
     OPT(groups),
     .arg = "GROUP,...",
     .help = "groups by name or id that machines get"},
    {.flag = "service", .type = RK_OPT_BOOL, OPT(service), .help = "a service user, without login"},
    {.flag = "type",
     .type = RK_OPT_CHOICE,
     OPT(type),
     .choices = "reusable|one-off",
     .def = "reusable",
     .help = "kind of setup key"},
    {.flag = "expires-in",
     .type = RK_OPT_TEXT,
     OPT(expires_in),
     .arg = "TIME",
     .check = check_time,
     .help = "such as 72h or 30d; without it: setup keys 7d, tokens 30d"},
    {.flag = "usage-limit",
     .type = RK_OPT_I64,
     OPT(usage_limit),
     .max = 1000000,
     .help = "how many machines a setup key enrols; 0 for any number"},
    {.flag = "ephemeral",
     .type = RK_OPT_BOOL,
     OPT(ephemeral),
     .help = "machines of the setup key go when they are away"},
    {.flag = "with-secrets",
     .type = RK_OPT_BOOL,
     OPT(with_secrets),
     .help = "put the store's keys into the backup, under the passphrase"},
    {.flag = "passphrase",
     .type = RK_OPT_SECRET,
     OPT(passphrase),
     .help = "of the secrets in a backup; better by --passphrase-file"},
    {.flag = "verify", .type = RK_OPT_BOOL, OPT(verify), .help = "only check the backup file"},
    {.flag = "force",
     .type = RK_OPT_BOOL,
     OPT(force),
     .help = "replace a store that is not empty; an SQLite file is kept as FILE.old (-2, …)"},
    {.flag = "keep",
     .type = RK_OPT_I64,
     OPT(keep),
     .max = 10000,
     .help = "with FILE a folder: how many backups stay in it; 0 for all"},
    {.flag = "to",
     .type = RK_OPT_CHOICE,
     OPT(to),
     .choices = "postgres|sqlite",
     .help = "engine to move the data to"},
    {.flag = "dsn",
     .type = RK_OPT_SECRET,
     OPT(dsn),
     .help = "PostgreSQL database to move to, or import: of the old server; better by --dsn-file"},
    {.flag = "data",
     .type = RK_OPT_TEXT,
     OPT(data),
     .arg = "DIR",
     .help = "data folder of the old server (store.db, idp.db, events.db)"},
    {.flag = "token",
     .type = RK_OPT_SECRET,
     OPT(token),
     .help = "what node-token printed on the other node; better by --token-file"},
    {.flag = "dry-run", .type = RK_OPT_BOOL, OPT(dry_run), .help = "only say what would be done"},
    {.flag = "file",
     .type = RK_OPT_TEXT,
     OPT(file),
     .arg = "FILE",
     .help = "SQLite file to move to"},
};

#define WHO "email user-id "

static const struct admin_command {
    const char *name, *alias, *flags, *word, *help;
    admin_fn *local; /* NULL: of server/command */
} COMMANDS[] = {
    {"user list", "users list", "", NULL, "all users", NULL},
    {"user create", "users create", "email name role groups service password ", NULL,
     "a user with a password, or a service user", NULL},
    {"user set-password", "user change-password", WHO "password ", NULL, "a new password", NULL},
    {"user reset-mfa", "users reset-mfa", WHO, NULL,
     "set up the second factor anew at the next login", NULL},
    {"user set-role", "user role", WHO "role ", NULL, "another role", NULL},
    {"user block", "users block", WHO, NULL, "nothing works any more for this user", NULL},
    {"user unblock", "users unblock", WHO, NULL, "everything works again for this user", NULL},
    {"user approve", "users approve", WHO, NULL, "let a waiting user in", NULL},
    {"user delete", "users delete", WHO, NULL, "remove a user with tokens and machines", NULL},
    {"mfa status", NULL, "", NULL, "must everybody have a second factor?", NULL},
    {"mfa enable", NULL, "", NULL, "demand it of everybody", NULL},
    {"mfa disable", NULL, "", NULL, "demand it of nobody", NULL},
    {"setup-key list", "setup-keys list", "", NULL, "all setup keys", NULL},
    {"setup-key create", "setup-keys create", "name type expires-in usage-limit ephemeral groups ",
     NULL, "a key that enrols machines", NULL},
    {"setup-key revoke", "setup-keys revoke", "", "id", "end a setup key (ID or name)", NULL},
    {"setup-key delete", "setup-keys delete", "", "id", "remove a setup key", NULL},
    {"pat list", "tokens list", WHO, NULL, "API tokens", NULL},
    {"pat create", "tokens create", WHO "name expires-in ", NULL, "an API token (of the owner)",
     NULL},
    {"pat revoke", "tokens revoke", "", "id", "end an API token (ID or name)", NULL},
    {"peer list", "peers list", "", NULL, "all machines", NULL},
    {"peer approve", "peers approve", "", "id", "let a waiting machine in (ID, name or address)",
     NULL},
    {"peer delete", "peers delete", "", "id", "remove a machine", NULL},
    {"account", NULL, "", NULL, "the account in numbers", NULL},
    {"status", NULL, "", NULL, "does the server run, since when, how many machines are connected",
     NULL},
    {"cluster", NULL, "", NULL, "which processes share the database, how far behind, who does what",
     NULL},
    {"node-token", NULL, "", NULL, "a token that makes another machine the next node, once",
     admin_node_token},
    {"node-join", NULL, "token ", NULL, "make this machine's data folder that of the next node",
     admin_node_join},
    {"log-level", NULL, "", "level", "debug, info, warn or error, until the next start", NULL},
    {"backup", NULL, "with-secrets passphrase verify keep ", "file",
     "copy the store into FILE (or a new one in a folder) while the server runs", admin_backup},
    {"restore", NULL, "passphrase force verify ", "file",
     "make the store from a backup; server stopped", admin_restore},
    {"export", NULL, "", "file", "everything but secrets as JSON, to FILE or the terminal",
     admin_export},
    {"db migrate", NULL, "to dsn file ", NULL,
     "copy the store to another engine and compare; server stopped", admin_db_migrate},
    {"import", NULL, "data dry-run dsn ", "from",
     "take over a stopped official server; --config names its configuration", admin_import},
    {"db version", NULL, "", NULL, "schema of the store and of this program", admin_db_version},
    {"db check", NULL, "", NULL, "are the pages and references of the store whole?",
     admin_db_check},
    {"journal verify", NULL, "", NULL,
     "was the journal of changes altered, or a table that it speaks of?", admin_journal_verify},
};

/* ---- help and options */

/* What stands behind a command's name; "" when nothing does. */
static const char *word_of(const struct admin_command *k)
{
    if (!k->word)
        return "";
    return strcmp(k->word, "id") == 0     ? "ID"
           : strcmp(k->word, "from") == 0 ? "netbird"
           : k->word[0] == 'f'            ? "FILE"
                                          : "LEVEL";
}

static void help_row(FILE *out, const struct admin_command *k)
{
    char left[64];

    (void)snprintf(left, sizeof left, "%s%s%s", k->name, k->word ? " " : "", word_of(k));
    (void)fprintf(out, "  %-22s %s\n", left, k->help);
    for (const char *f = k->flags; *f;) {
        size_t n = strcspn(f, " ");

        (void)fprintf(out, "%s--%.*s", f == k->flags ? "                         " : " ", (int)n,
                      f);
        f += n + (f[n] == ' ');
    }
    if (*k->flags)
        (void)putc('\n', out);
}

/* Does the command begin with this word, as it is or in its other spelling? */
static bool of_noun(const struct admin_command *k, const char *noun)
{
    size_t n = strlen(noun);

    return (strncmp(k->name, noun, n) == 0 && k->name[n] == ' ') ||
           (k->alias && strncmp(k->alias, noun, n) == 0 && k->alias[n] == ' ');
}

/* "user" alone: what there is of it. False: there is no such word. */
static bool help_noun(const char *noun)
{
    bool any = false;

    for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++) {
        if (!of_noun(&COMMANDS[i], noun))
            continue;
        if (!any)
            (void)fprintf(stderr, "rookery admin %s: what of it?\n", noun);
        help_row(stderr, &COMMANDS[i]);
        any = true;
    }
    return any;
}

static void help(void)
{
    struct rk_buf text;

    (void)puts(
        "Usage: rookery admin COMMAND [WORD] [OPTION…]\n\n"
        "Works on the accounts and the stored data: through a socket in the data folder that\n"
        "only root and the server's user may use, or on the store when the server is stopped.\n\n"
        "Commands:");
    for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++)
        help_row(stdout, &COMMANDS[i]);
    rk_buf_init(&text, 1 << 16);
    rk_opts_help(OPTS, RK_ARRAY_LEN(OPTS), &text);
    printf("\nOptions:\n%.*s", (int)text.n, text.p ? text.p : "");
    rk_buf_done(&text);
}

static void print_manual(void)
{
    struct rk_buf out;
    char name[80], flags[200];

    rk_buf_init(&out, 1 << 18);
    for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++) {
        const struct admin_command *k = &COMMANDS[i];

        (void)snprintf(name, sizeof name, "admin %s", k->name);
        (void)snprintf(flags, sizeof flags, "config json %s", k->flags);
        rk_manual_command(&out, name, word_of(k), k->help);
        rk_manual_options(&out, OPTS, RK_ARRAY_LEN(OPTS), flags);
    }
    rk_manual_print(&out);
}

static bool takes(const struct admin_command *k, const char *flag)
{
    char padded[40], list[200];

    (void)snprintf(padded, sizeof padded, " %s ", flag);
    (void)snprintf(list, sizeof list, " config json %s", k->flags);
    return strstr(list, padded) != NULL;
}

static const struct admin_command *command_of(int n, char **argv)
{
    char two[80];

    (void)snprintf(two, sizeof two, "%s %s", n > 0 ? argv[0] : "", n > 1 ? argv[1] : "");
    for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++) {
        const struct admin_command *k = &COMMANDS[i];

        if (strcmp(k->name, two) == 0 || (k->alias && strcmp(k->alias, two) == 0) ||
            (n > 0 && strcmp(k->name, argv[0]) == 0))
            return k;
    }
    return NULL;
}

/* Upstream's tokens of reverse proxies that serve all accounts. */
static bool is_proxy_token(int n, char **argv)
{
    return n > 0 && (strcmp(argv[0], "token") == 0 || strcmp(argv[0], "proxy") == 0);
}

static enum rk_code no_command(int n, char **argv, struct rk_err *err)
{
    char said[80];
    struct rk_nearest near = {0};

    if (is_proxy_token(n, argv))
        return rk_fail(err, RK_INVALID,
                       "reverse proxies and their tokens have no commands, but an API: POST "
                       "/api/reverse-proxies/proxy-tokens; API tokens: rookery admin pat create");
    (void)snprintf(said, sizeof said, "%s%s%s", n > 0 ? argv[0] : "", n > 1 ? " " : "",
                   n > 1 ? argv[1] : "");
    for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++) {
        rk_nearest_offer(&near, rk_str_z(said), COMMANDS[i].name);
        if (COMMANDS[i].alias)
            rk_nearest_offer(&near, rk_str_z(said), COMMANDS[i].alias);
    }
    if (near.best)
        return rk_fail(err, RK_INVALID, "no command \"%s\"; did you mean %s?", said, near.best);
    return rk_fail(err, RK_INVALID, "no command \"%s\"; see rookery admin --help", said);
}

static enum rk_code check_usage(const struct admin_command *k, const struct rk_opts *opts, int n,
                                char **argv, struct admin *a, struct rk_err *err)
{
    int words = strchr(k->name, ' ') ? 2 : 1;

    for (size_t i = 0; i < RK_ARRAY_LEN(OPTS); i++)
        if (rk_opt_source_of(opts, OPTS[i].flag) == RK_OPT_ARGV && !takes(k, OPTS[i].flag))
            return rk_fail(err, RK_INVALID, "%s takes no --%s", k->name, OPTS[i].flag);
    if (n > words + (k->word ? 1 : 0))
        return rk_fail(err, RK_INVALID, "unexpected argument \"%s\"", argv[n - 1]);
    a->word = n > words ? argv[words] : NULL;
    if (k->word && !a->word && strcmp(k->name, "export") != 0)
        return rk_fail(err, RK_INVALID, "%s: which one? (%s)", k->name, k->word);
    return RK_OK;
}

/* ---- commands of server/command */

static void put_text(json_t *o, const char *key, struct rk_str v)
{
    if (v.n)
        (void)json_object_set_new(o, key, json_stringn(v.p, v.n));
}

static json_t *request_of(const struct admin_command *k, const struct admin *a)
{
    const struct admin_opts *o = &a->o;
    json_t *args = json_object();
    int64_t ms;

    put_text(args, "email", o->email);
    put_text(args, "user-id", o->user_id);
    put_text(args, "name", o->name);
    put_text(args, "role", o->role);
    put_text(args, "password", o->password);
    put_text(args, "groups", o->groups);
    if (takes(k, "type"))
        put_text(args, "type", o->type);
    if (o->expires_in.n && time_of(o->expires_in, &ms, NULL) == RK_OK)
        (void)json_object_set_new(args, "expires-in", json_integer(ms));
    if (o->usage_limit)
        (void)json_object_set_new(args, "usage-limit", json_integer(o->usage_limit));
    (void)json_object_set_new(args, "service", json_boolean(o->service));
    (void)json_object_set_new(args, "ephemeral", json_boolean(o->ephemeral));
    if (a->word)
        (void)json_object_set_new(args, k->word, json_string(a->word));
    return json_pack("{s:s, s:o}", "command", k->name, "args", args);
}

/* The server is stopped: do here what it would have done. */
static enum rk_code run_here(struct admin *a, const json_t *request, json_t **answer,
                             struct rk_err *err)
{
    RK_CLEANUP(vault_freep) struct vault *vault = NULL;
    struct mgmt_opts o = {.store_url = a->store_url,
                          .dns_domain = rk_arena_dupz(a->mem, a->c.dns_domain)};
    struct commands all = {.version = PACKAGE_VERSION};
    enum rk_code rc = wiring_vault(a->mem, &a->c, &vault, err);

    if (rc)
        return rc;
    o.vault = vault;
    rc = mgmt_open(&all.m, &o, err);
    if (rc)
        return rc;
    rc = rest_new(&(struct rest_opts){.m = all.m, .version = PACKAGE_VERSION, .embedded_idp = true},
                  &all.rest, err);
    if (rc == RK_OK)
        *answer = command_run(&all, request);
    rest_stop(all.rest);
    mgmt_close(all.m);
    rest_free(all.rest);
    return rc;
}

static void print_scalar(const json_t *v)
{
    if (json_is_string(v))
        printf("%s", json_string_value(v));
    else if (json_is_integer(v))
        printf("%lld", (long long)json_integer_value(v));
    else
        printf("%s", json_is_true(v) ? "yes" : json_is_false(v) ? "no" : "-");
}

/* Characters, not bytes: what columns are lined up by. */
static size_t characters(const char *z)
{
    size_t n = 0;

    for (; *z; z++)
        n += ((unsigned char)*z & 0xc0) != 0x80;
    return n;
}

static size_t scalar_width(const json_t *v)
{
    char number[32];

    if (json_is_string(v))
        return characters(json_string_value(v));
    if (json_is_integer(v))
        return (size_t)snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
    return json_is_true(v) ? 3 : json_is_false(v) ? 2 : 1;
}

/* Rows with the same keys, as a table with its columns lined up. */
static void print_rows(const json_t *rows)
{
    size_t width[32] = {0}, n, i;
    const json_t *row, *v;
    const char *key;

    json_array_foreach (rows, i, row) {
        n = 0;
        json_object_foreach ((json_t *)(uintptr_t)row, key, v) {
            size_t w = scalar_width(v);

            if (n < RK_ARRAY_LEN(width)) {
                width[n] = width[n] > w ? width[n] : w;
                width[n] = width[n] > strlen(key) ? width[n] : strlen(key);
            }
            n++;
        }
    }
    n = 0;
    json_object_foreach (json_array_get(rows, 0), key, v) {
        printf("%-*s  ", (int)width[n % RK_ARRAY_LEN(width)], key);
        n++;
    }
    (void)putchar('\n');
    json_array_foreach (rows, i, row) {
        n = 0;
        json_object_foreach ((json_t *)(uintptr_t)row, key, v) {
            print_scalar(v);
            printf("%*s", (int)(width[n % RK_ARRAY_LEN(width)] - scalar_width(v) + 2), "");
            n++;
        }
        (void)putchar('\n');
    }
}

static void print_result(const struct admin_command *k, const json_t *result, bool as_json)
{
    const json_t *v;
    const char *key;

    if (as_json) {
        (void)json_dumpf(result, stdout, JSON_INDENT(2));
        (void)putchar('\n');
    } else if (json_is_array(result)) {
        if (json_array_size(result))
            print_rows(result);
        else
            printf("none\n");
    } else if (json_object_size(result) == 0) {
        printf("%s: done\n", k->name);
    } else {
        json_object_foreach ((json_t *)(uintptr_t)result, key, v) {
            if (json_is_string(v) && !*json_string_value(v))
                continue;
            printf("%-18s ", key);
            print_scalar(v);
            (void)putchar('\n');
        }
    }
}

enum rk_code admin_ask(struct admin *a, json_t *request, json_t **answer, struct rk_err *err)
{
    const char *socket = wiring_admin_socket(a->mem, &a->c);
    enum rk_code rc = command_ask(socket, request, answer, err);

    if (rc == RK_NOT_FOUND) {
        *err = (struct rk_err){0};
        rc = run_here(a, request, answer, err);
    }
    json_decref(request);
    return rc;
}

static enum rk_code command_row(const struct admin_command *k, struct admin *a, bool *failed,
                                struct rk_err *err)
{
    json_t *answer = NULL;
    enum rk_code rc = admin_ask(a, request_of(k, a), &answer, err);

    if (rc == RK_OK && !a->o.json)
        printable(answer);
    if (rc == RK_OK && json_is_true(json_object_get(answer, "ok"))) {
        print_result(k, json_object_get(answer, "result"), a->o.json);
    } else if (rc == RK_OK) {
        (void)fprintf(stderr, "rookery admin %s: %s\n", k->name,
                      json_string_value(json_object_get(answer, "error")));
        *failed = true;
    }
    json_decref(answer);
    return rc;
}

/* ---- main */

enum rk_code admin_load(struct admin *a, struct rk_err *err)
{
    enum rk_code rc;

    a->config_path = a->o.config.n ? rk_arena_dupz(a->mem, a->o.config) : NULL;
    if (!a->config_path && access("/etc/rookery/config.yaml", R_OK) == 0 &&
        !getenv("ROOKERY_DATA_DIR"))
        a->config_path = "/etc/rookery/config.yaml";
    rc = server_config_load(a->mem, a->config_path, &a->c, NULL, err);
    return rc ? rc : wiring_store_url(a->mem, &a->c, &a->store_url, err);
}

int server_admin_main(int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct admin a = {.mem = mem};
    const struct admin_command *k;
    struct rk_err err = {0};
    struct rk_opts opts;
    bool want_help = false, failed = false;
    int n = 0;
    enum rk_code rc;

    if (rk_manual_asked(argc, argv)) {
        print_manual();
        return EXIT_SUCCESS;
    }
    rc = rk_opts_load(&opts, OPTS, RK_ARRAY_LEN(OPTS), &a.o, mem, argc, argv, &n, &want_help, &err);

    if (want_help) {
        help();
        return EXIT_SUCCESS;
    }
    k = command_of(n, argv);
    if (rc == RK_OK && !k && n == 1 && help_noun(argv[0]))
        return 2;
    if (rc == RK_OK && !k)
        rc = no_command(n, argv, &err);
    if (rc == RK_OK)
        rc = check_usage(k, &opts, n, argv, &a, &err);
    if (rc) {
        (void)fprintf(stderr, "rookery admin: %s\n", err.msg);
        return 2;
    }
    if (k->local == admin_import && rk_opt_source_of(&opts, "config") == RK_OPT_ARGV) {
        const char *ours = getenv("ROOKERY_CONFIG");

        a.o.old_config = a.o.config; /* here --config is the old server's, as it was run */
        a.o.config = rk_str_z(ours ? ours : "");
    }
    rc = admin_load(&a, &err);
    if (rc == RK_OK)
        rc = k->local ? k->local(&a, &failed, &err) : command_row(k, &a, &failed, &err);
    if (rc)
        (void)fprintf(stderr, "rookery admin %s: %s\n", k->name, err.msg);
    return rc || failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
