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
#include "server/printable.h"

struct question { /* of every command of this file */
    struct rk_str config, protocol, at, kind, since;
    int64_t port, page, limit;
    bool json;
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

static void print_history(const json_t *rows)
{
    const json_t *o;
    size_t i;

    json_array_foreach (rows, i, o)
        printf("%8lld  %.19s  %-7s %-12s %s%s%s  (%s)\n",
               (long long)json_integer_value(json_object_get(o, "entry")), text_of(o, "time"),
               text_of(o, "op"), text_of(o, "kind"), text_of(o, "name"),
               *text_of(o, "fields") ? ": " : "", text_of(o, "fields"), text_of(o, "who"));
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

static json_t *request_of(const struct asked *k, const struct question *q, char **word)
{
    json_t *args = json_object();

    for (size_t i = 0; i < k->n_words; i++)
        if (strcmp(word[i], "-") != 0)
            put_text(args, k->word[i], rk_str_z(word[i]));
    put_text(args, "protocol", q->protocol);
    put_text(args, "at", q->at);
    put_text(args, "kind", q->kind);
    put_text(args, "since", q->since);
    (void)json_object_set_new(args, "port", json_integer(q->port));
    (void)json_object_set_new(args, "page", json_integer(q->page));
    (void)json_object_set_new(args, "limit", json_integer(q->limit));
    return json_pack("{s:s, s:o}", "command", k->name, "args", args);
}

static enum rk_code check_usage(const struct asked *k, const struct rk_opts *opts, int n,
                                struct rk_err *err)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(OPTS); i++)
        if (rk_opt_source_of(opts, OPTS[i].flag) == RK_OPT_ARGV && !takes(k, OPTS[i].flag))
            return rk_fail(err, RK_INVALID, "takes no --%s", OPTS[i].flag);
    if ((size_t)n != k->n_words)
        return rk_fail(err, RK_INVALID, "usage: rookery %s %s", k->name, k->words);
    return RK_OK;
}

static int ask(const struct asked *k, int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct admin a = {.mem = mem};
    struct question q = {0};
    struct rk_err err = {0};
    json_t *reply = NULL;
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
    if (rc == RK_OK)
        rc = admin_load(&a, &err);
    if (rc == RK_OK)
        rc = admin_ask(&a, request_of(k, &q, argv), &reply, &err);
    if (rc) {
        (void)fprintf(stderr, "rookery %s: %s\n", k->name, err.msg);
        return 2;
    }
    if (!q.json)
        printable(reply);
    status = answer(k, &q, reply);
    json_decref(reply);
    return status;
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
