/* SPDX-License-Identifier: BSD-3-Clause */
/* See ask.h. */
#include "config.h"

#include "server/ask.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/cfg.h"
#include "lib/base/manual.h"
#include "server/admin.h"
#include "server/network.h"
#include "server/printable.h"

struct question { /* of every command of this file */
    struct rk_str config, protocol, at, kind, since;
    int64_t port, page, limit;
    bool json;
    struct network_opts network;
};

#define OPT(member) .at = offsetof(struct question, member)

static const struct rk_opt OPTS[] = {
    {.flag = "config",
     .letter = 'c',
     .env = "ROOKERY_CONFIG",
     .type = RK_OPT_TEXT,
     OPT(config),
     .arg = "FILE",
     .help = "configuration file of the server"},
    {.flag = "json", .type = RK_OPT_BOOL, OPT(json), .help = "print JSON instead of text"},
    {.flag = "at",
     .type = RK_OPT_TEXT,
     OPT(at),
     .arg = "TIME",
     .help = "as it was then: yesterday, 90m or 7d ago, or 2026-01-02T15:04:05Z"},
    {.flag = "kind",
     .type = RK_OPT_TEXT,
     OPT(kind),
     .arg = "KIND",
     .help = "only peer, group, group_peer, policy, route, …"},
    {.flag = "since", .type = RK_OPT_TEXT, OPT(since), .arg = "TIME", .help = "only behind it"},
    {.flag = "limit",
     .type = RK_OPT_I64,
     OPT(limit),
     .min = 1,
     .max = 1000,
     .def = "50",
     .help = "at most so many"},
    {.flag = "protocol",
     .type = RK_OPT_CHOICE,
     OPT(protocol),
     .choices = "all|tcp|udp|icmp|netbird-ssh",
     .def = "all",
     .help = "what is asked about"},
    {.flag = "port", .type = RK_OPT_I64, OPT(port), .max = 65535, .help = "0: any port"},
    {.flag = "page",
     .type = RK_OPT_I64,
     OPT(page),
     .max = 1000000,
     .help = "of long lists, 1000 to a page"},
    {.flag = "out",
     .type = RK_OPT_TEXT,
     OPT(network.out),
     .arg = "FILE",
     .help = "keep the plan for rookery apply --plan"},
    {.flag = "plan",
     .type = RK_OPT_TEXT,
     OPT(network.plan_file),
     .arg = "FILE",
     .help = "what rookery plan --out wrote, refused when the network has moved since"},
    {.flag = "serial",
     .type = RK_OPT_I64,
     OPT(network.serial),
     .min = -1,
     .max = INT64_MAX,
     .def = "-1",
     .help = "refuse when the network has another one (-1: whatever)"},
    {.flag = "url",
     .env = "ROOKERY_URL",
     .type = RK_OPT_TEXT,
     OPT(network.url),
     .arg = "URL",
     .help = "ask this server instead of the one of this machine"},
    {.flag = "token-file",
     .type = RK_OPT_TEXT,
     OPT(network.token),
     .arg = "FILE",
     .help = "personal access token for --url (or in ROOKERY_TOKEN)"},
};

typedef void print_fn(const json_t *result);
typedef bool verdict_fn(const json_t *result); /* true: status 0 */

static print_fn print_answer, print_history, print_diff, print_undone;
static verdict_fn all_reachable;

static const struct asked {
    const char *name, *words, *flags, *what, *text;
    size_t n_words;
    const char *word[2]; /* arguments of the command in server/command */
    print_fn *print;
    verdict_fn *verdict; /* NULL: an answer is enough */
    bool network;        /* about the network as a file */
    bool may_lack;       /* the words may be left out */
} ASKED[] = {
    {.name = "reach",
     .words = "FROM TO",
     .flags = "config json protocol port page at",
     .what = "who can reach what, and why (not)",
     .text =
         "May FROM open a connection to TO, by which policies and routes, and if not, what is\n"
         "missing? Both are a peer, group or network resource (name or id), an address or a DNS\n"
         "name; \"-\" for every peer. \"peer:\", \"group:\", \"resource:\", \"ip:\" and "
         "\"name:\"\nin front settle what is meant.\n\n"
         "Status: 0 all of it is reachable, 1 some or all is not, 2 the question has no answer.\n",
     .n_words = 2,
     .word = {"from", "to"},
     .print = print_answer,
     .verdict = all_reachable},
    {.name = "history",
     .words = "",
     .flags = "config json kind since limit",
     .what = "what was changed, by whom, newest first",
     .text = "Every changed object, from the journal.\n",
     .print = print_history},
    {.name = "diff",
     .words = "TIME TIME",
     .flags = "config json",
     .what = "what is different between two moments",
     .text = "Objects that were changed between them, and who can send what to whom since.\n"
             "A moment is 2026-01-02T15:04:05Z, now, yesterday, or how long ago (90m, 7d).\n",
     .n_words = 2,
     .word = {"from", "to"},
     .print = print_diff},
    {.name = "undo",
     .words = "ENTRY",
     .flags = "config json",
     .what = "take a change back",
     .text = "Everything that was changed together with an entry of rookery history is put back, "
             "as a\nnew change; refused when something of it was changed since.\n",
     .n_words = 1,
     .word = {"entry"},
     .print = print_undone},
    {.name = "plan",
     .words = "FILE",
     .flags = "config json out url token-file",
     .what = "what a file of the network would change",
     .text =
         "Objects to make, change and delete until the network is as FILE (YAML) says, who could "
         "send\nwhat to whom then and not before, and whether the tests in it would hold. "
         "Nothing is done.\n\nStatus: 0 all tests hold, 1 one does not, 2 there is no "
         "plan.\n",
     .n_words = 1,
     .word = {"file"},
     .print = network_print,
     .verdict = network_holds,
     .network = true},
    {.name = "apply",
     .words = "FILE",
     .flags = "config json plan serial url token-file",
     .what = "make the network what a file says",
     .text = "All of it, as one change, or nothing: when a step or a test in FILE fails, or the "
             "network\nhas moved since the plan. With --plan no FILE is given.\n",
     .n_words = 1,
     .word = {"file"},
     .print = network_print,
     .network = true,
     .may_lack = true},
    {.name = "export",
     .words = "",
     .flags = "config url token-file",
     .what = "write the network as a file",
     .text = "In the form that rookery plan reads, to the standard output.\n",
     .print = network_print_export,
     .network = true},
};

static bool takes(const struct asked *k, const char *flag)
{
    char padded[40], list[120];

    (void)snprintf(padded, sizeof padded, " %s ", flag);
    (void)snprintf(list, sizeof list, " %s ", k->flags);
    return strstr(list, padded) != NULL;
}

static void help(const struct asked *k)
{
    struct rk_buf text;

    printf("Usage: rookery %s %s%s[OPTION…]\n\n%s\nOptions:\n", k->name, k->words,
           *k->words ? " " : "", k->text);
    for (size_t i = 0; i < RK_ARRAY_LEN(OPTS); i++) {
        if (!takes(k, OPTS[i].flag))
            continue;
        rk_buf_init(&text, 1 << 14);
        rk_opts_help(&OPTS[i], 1, &text);
        printf("%.*s", (int)text.n, text.p ? text.p : "");
        rk_buf_done(&text);
    }
}

static void print_manual(const struct asked *k)
{
    struct rk_buf out;

    rk_buf_init(&out, 1 << 16);
    rk_manual_command(&out, k->name, k->words, k->what);
    rk_manual_options(&out, OPTS, RK_ARRAY_LEN(OPTS), k->flags);
    rk_manual_print(&out);
}

/* ---- the answer as text */

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? text : "";
}

static const char *name_of(const json_t *o, const char *key)
{
    return text_of(json_object_get(o, key), "name");
}

static void print_rule(const json_t *o)
{
    if (json_object_get(o, "policy"))
        printf(" policy \"%s\"", name_of(o, "policy"));
    if (json_object_get(o, "rule"))
        printf(", rule \"%s\"", name_of(o, "rule"));
}

static void print_verdict(const json_t *a)
{
    const json_t *o;
    size_t i;

    printf("%-3s  %s -> %s: %s\n", json_is_true(json_object_get(a, "reachable")) ? "yes" : "no",
           name_of(a, "from"), name_of(a, "to"), text_of(a, "flows"));
    json_array_foreach (json_object_get(a, "over"), i, o)
        printf("     over %s %s \"%s\" (%s%s) by %s\n", text_of(o, "type"), text_of(o, "id"),
               text_of(o, "name"), text_of(o, "network"), text_of(o, "domain"),
               name_of(o, "router"));
    json_array_foreach (json_object_get(a, "by"), i, o) {
        printf("     by");
        print_rule(o);
        printf("%s%s\n", json_is_true(json_object_get(o, "open_route")) ? " a route for all" : "",
               json_is_true(json_object_get(o, "reverse")) ? " (in reverse)" : "");
    }
    json_array_foreach (json_object_get(a, "missing"), i, o) {
        printf("     %s", text_of(o, "message"));
        if (json_object_get(o, "policy"))
            printf(":");
        print_rule(o);
        printf("%s%s\n", *text_of(o, "id") ? ": " : "", text_of(o, "id"));
    }
}

static void print_answer(const json_t *a)
{
    const json_t *pairs = json_object_get(a, "pairs"), *peers = json_object_get(a, "peers"), *o;
    size_t i;

    if (!pairs && !peers) {
        print_verdict(a);
        return;
    }
    json_array_foreach (pairs, i, o)
        print_verdict(o);
    json_array_foreach (peers, i, o)
        printf("%-24s %-15s %s\n", name_of(o, "peer"), text_of(json_object_get(o, "peer"), "ip"),
               text_of(o, "flows"));
    printf("%zu of %lld\n", json_array_size(pairs ? pairs : peers),
           (long long)json_integer_value(json_object_get(a, "total")));
}

static bool all_reachable(const json_t *a)
{
    const json_t *pairs = json_object_get(a, "pairs"), *o;
    bool all = true;
    size_t i;

    json_array_foreach (pairs, i, o)
        all &= json_is_true(json_object_get(o, "reachable"));
    return pairs ? all && json_array_size(pairs) > 0
                 : json_array_size(json_object_get(a, "peers")) > 0 ||
                       json_is_true(json_object_get(a, "reachable"));
}

/* ---- the past */

static const char *either(const json_t *o, const char *key, const char *other)
{
    return *text_of(o, key) ? text_of(o, key) : text_of(o, other);
}

static void print_history(const json_t *rows)
{
    const json_t *o;
    size_t i;

    json_array_foreach (rows, i, o) {
        const json_t *fields = json_object_get(o, "fields"), *f;
        size_t k;

        printf("%8lld  %.19s  %-7s %-12s %s%s%s",
               (long long)json_integer_value(json_object_get(o, "entry")), text_of(o, "time"),
               text_of(o, "op"), text_of(o, "kind"), either(o, "name", "id"),
               *text_of(o, "peer") ? ": " : "", text_of(o, "peer"));
        json_array_foreach (fields, k, f)
            printf("%s%s", k ? ", " : ": ", json_string_value(f));
        printf("  (%s)\n", either(json_object_get(o, "actor"), "name", "id"));
    }
}

static void print_diff(const json_t *a)
{
    const json_t *flows = json_object_get(a, "flows"), *o;
    size_t i;

    json_array_foreach (json_object_get(a, "changes"), i, o)
        printf("%-7s %-12s %s%s%s\n", text_of(o, "op"), text_of(o, "kind"), text_of(o, "name"),
               *text_of(o, "peer") ? ": " : "", text_of(o, "peer"));
    json_array_foreach (json_object_get(flows, "list"), i, o)
        printf("%s -> %s%s%s: %s, was %s\n", name_of(o, "from"), name_of(o, "to"),
               json_object_get(o, "route") ? " into " : "", name_of(o, "route"),
               text_of(o, "after"), text_of(o, "before"));
    printf("flows: %lld gained, %lld lost, %lld changed%s\n",
           (long long)json_integer_value(json_object_get(flows, "gained")),
           (long long)json_integer_value(json_object_get(flows, "lost")),
           (long long)json_integer_value(json_object_get(flows, "changed")),
           json_is_true(json_object_get(flows, "complete")) ? "" : ", and more");
}

static void print_undone(const json_t *a)
{
    (void)a;
    (void)puts("taken back");
}

/* ---- asking */

static int answer(const struct asked *k, const struct question *q, const json_t *a)
{
    const json_t *result = json_object_get(a, "result");

    if (!json_is_true(json_object_get(a, "ok"))) {
        (void)fprintf(stderr, "rookery %s: %s\n", k->name, text_of(a, "error"));
        return 2;
    }
    if (q->json) {
        (void)json_dumpf(result, stdout, JSON_INDENT(2));
        (void)putchar('\n');
    } else {
        k->print(result);
    }
    return !k->verdict || k->verdict(result) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void put_text(json_t *o, const char *key, struct rk_str v)
{
    if (v.n)
        (void)json_object_set_new(o, key, json_stringn(v.p, v.n));
}

static json_t *args_of(const struct asked *k, const struct question *q, int n, char **word)
{
    json_t *args = json_object();

    for (size_t i = 0; i < (size_t)n; i++)
        if (strcmp(word[i], "-") != 0)
            put_text(args, k->word[i], rk_str_z(word[i]));
    put_text(args, "protocol", q->protocol);
    put_text(args, "at", q->at);
    put_text(args, "kind", q->kind);
    put_text(args, "since", q->since);
    (void)json_object_set_new(args, "port", json_integer(q->port));
    (void)json_object_set_new(args, "page", json_integer(q->page));
    (void)json_object_set_new(args, "limit", json_integer(q->limit));
    return args;
}

/* By the server on this machine, or elsewhere. */
static enum rk_code have_answered(struct admin *a, const struct asked *k, struct question *q,
                                  json_t *args, json_t **reply, struct rk_err *err)
{
    enum rk_code rc = k->network ? network_args(a->mem, &q->network, args, err) : RK_OK;

    if (rc == RK_OK && k->may_lack && !json_object_get(args, "text"))
        rc = rk_fail(err, RK_INVALID, "usage: rookery %s %s", k->name, k->words);
    if (rc == RK_OK && q->network.url.n) {
        rc = network_ask(a->mem, &q->network, k->name, args, reply, err);
    } else if (rc == RK_OK) {
        rc = admin_load(a, err);
        if (rc == RK_OK)
            rc =
                admin_ask(a, json_pack("{s:s, s:O}", "command", k->name, "args", args), reply, err);
    }
    if (rc == RK_OK && json_is_true(json_object_get(*reply, "ok")))
        rc = network_keep(a->mem, &q->network, args, json_object_get(*reply, "result"), err);
    return rc;
}

static enum rk_code check_usage(const struct asked *k, const struct rk_opts *opts, int n,
                                struct rk_err *err)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(OPTS); i++)
        if (rk_opt_source_of(opts, OPTS[i].flag) == RK_OPT_ARGV && !takes(k, OPTS[i].flag))
            return rk_fail(err, RK_INVALID, "takes no --%s", OPTS[i].flag);
    if ((size_t)n != k->n_words && !(k->may_lack && n == 0))
        return rk_fail(err, RK_INVALID, "usage: rookery %s %s", k->name, k->words);
    return RK_OK;
}

static int ask(const struct asked *k, int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct admin a = {.mem = mem};
    struct question q = {0};
    struct rk_err err = {0};
    json_t *args, *reply = NULL;
    struct rk_opts opts;
    bool want_help = false;
    int n = 0, status;
    enum rk_code rc;

    if (rk_manual_asked(argc, argv)) {
        print_manual(k);
        return EXIT_SUCCESS;
    }
    rc = rk_opts_load(&opts, OPTS, RK_ARRAY_LEN(OPTS), &q, mem, argc, argv, &n, &want_help, &err);
    if (want_help) {
        help(k);
        return EXIT_SUCCESS;
    }
    if (rc == RK_OK)
        rc = check_usage(k, &opts, n, &err);
    a.o.config = q.config;
    if (k->network && n)
        q.network.file = rk_str_z(argv[0]);
    args = args_of(k, &q, rc == RK_OK ? n : 0, argv);
    if (rc == RK_OK)
        rc = have_answered(&a, k, &q, args, &reply, &err);
    json_decref(args);
    if (rc) {
        (void)fprintf(stderr, "rookery %s: %s\n", k->name, err.msg);
        json_decref(reply);
        return 2;
    }
    if (!q.json && k->print != network_print_export) /* that is a file, and quotes by itself */
        printable(reply);
    status = answer(k, &q, reply);
    json_decref(reply);
    return status;
}

int server_plan_main(int argc, char **argv)
{
    return ask(&ASKED[4], argc, argv);
}

int server_apply_main(int argc, char **argv)
{
    return ask(&ASKED[5], argc, argv);
}

int server_export_main(int argc, char **argv)
{
    return ask(&ASKED[6], argc, argv);
}

int server_reach_main(int argc, char **argv)
{
    return ask(&ASKED[0], argc, argv);
}

int server_history_main(int argc, char **argv)
{
    return ask(&ASKED[1], argc, argv);
}

int server_diff_main(int argc, char **argv)
{
    return ask(&ASKED[2], argc, argv);
}

int server_undo_main(int argc, char **argv)
{
    return ask(&ASKED[3], argc, argv);
}
