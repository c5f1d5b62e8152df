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

struct question {
    struct rk_str config, protocol;
    int64_t port, page;
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

static void help(void)
{
    struct rk_buf text;

    (void)puts(
        "Usage: rookery reach FROM TO [OPTION…]\n\n"
        "May FROM open a connection to TO, by which policies and routes, and if not, what is\n"
        "missing? Both are a peer, group or network resource (name or id), an address or a DNS\n"
        "name; \"-\" for every peer. \"peer:\", \"group:\", \"resource:\", \"ip:\" and \"name:\"\n"
        "in front settle what is meant.\n\n"
        "Status: 0 all of it is reachable, 1 some or all is not, 2 the question has no answer.\n");
    rk_buf_init(&text, 1 << 16);
    rk_opts_help(OPTS, RK_ARRAY_LEN(OPTS), &text);
    printf("Options:\n%.*s", (int)text.n, text.p ? text.p : "");
    rk_buf_done(&text);
}

static void print_manual(void)
{
    struct rk_buf out;

    rk_buf_init(&out, 1 << 16);
    rk_manual_command(&out, "reach", "FROM TO", "who can reach what, and why (not)");
    rk_manual_options(&out, OPTS, RK_ARRAY_LEN(OPTS), NULL);
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

static int answer(const struct question *q, const json_t *a)
{
    const json_t *result = json_object_get(a, "result");

    if (!json_is_true(json_object_get(a, "ok"))) {
        (void)fprintf(stderr, "rookery reach: %s\n", text_of(a, "error"));
        return 2;
    }
    if (q->json) {
        (void)json_dumpf(result, stdout, JSON_INDENT(2));
        (void)putchar('\n');
    } else {
        print_answer(result);
    }
    return all_reachable(result) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static json_t *request_of(const struct question *q, char **word)
{
    const char *from = strcmp(word[0], "-") == 0 ? "" : word[0];
    const char *to = strcmp(word[1], "-") == 0 ? "" : word[1];

    return json_pack("{s:s, s:{s:s, s:s, s:s%, s:I, s:I}}", "command", "reach", "args", "from",
                     from, "to", to, "protocol", q->protocol.p, q->protocol.n, "port",
                     (json_int_t)q->port, "page", (json_int_t)q->page);
}

int server_reach_main(int argc, char **argv)
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
        print_manual();
        return EXIT_SUCCESS;
    }
    rc = rk_opts_load(&opts, OPTS, RK_ARRAY_LEN(OPTS), &q, mem, argc, argv, &n, &want_help, &err);
    if (want_help) {
        help();
        return EXIT_SUCCESS;
    }
    if (rc == RK_OK && n != 2)
        rc = rk_fail(&err, RK_INVALID, "from where to where? rookery reach FROM TO");
    a.o.config = q.config;
    if (rc == RK_OK)
        rc = admin_load(&a, &err);
    if (rc == RK_OK)
        rc = admin_ask(&a, request_of(&q, argv), &reply, &err);
    if (rc) {
        (void)fprintf(stderr, "rookery reach: %s\n", err.msg);
        return 2;
    }
    status = answer(&q, reply);
    json_decref(reply);
    return status;
}
