/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our JSON reader and writer beside Jansson on the same text, in the same run:
 *
 *   json [ROUNDS]     one line of JSON: nanoseconds per kilobyte and the ratios
 *
 * read_body: a policy as the REST API gets it, into a struct by a table (json_body_read), against a
 * tree and look-ups. read_row: the same text step by step (json_pull), checked only. write_list:
 * 1,000 rows as the REST API answers them.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/json/json.h"
#include "lib/json/pull.h"

struct rule {
    struct rk_str name, action;
    bool enabled;
    struct json_strs sources, destinations, ports;
};

struct policy {
    struct rk_str name, description;
    bool enabled;
    struct json_arr rules;
};

static const struct json_field RULE[] = {
    JSON_FIELD(struct rule, name, JSON_STR),          JSON_FIELD(struct rule, action, JSON_STR),
    JSON_FIELD(struct rule, enabled, JSON_BOOL),      JSON_FIELD(struct rule, sources, JSON_STRS),
    JSON_FIELD(struct rule, destinations, JSON_STRS), JSON_FIELD(struct rule, ports, JSON_STRS),
};
static const struct json_field POLICY[] = {
    JSON_FIELD(struct policy, name, JSON_STR),
    JSON_FIELD(struct policy, description, JSON_STR),
    JSON_FIELD(struct policy, enabled, JSON_BOOL),
    JSON_FIELD_SUB(struct policy, rules, "rules", JSON_ARR, struct rule, RULE),
};

static const char BODY[] =
    "{\"name\":\"web to databases\",\"description\":\"what the shop needs\",\"enabled\":true,"
    "\"rules\":[{\"name\":\"pg\",\"action\":\"accept\",\"enabled\":true,\"sources\":"
    "[\"d2f0c1k0p6s73a1k2q30\",\"d2f0c1k0p6s73a1k2q3g\"],\"destinations\":"
    "[\"d2f0c1k0p6s73a1k2q40\"],\"ports\":[\"5432\",\"6432\"]},{\"name\":\"redis\","
    "\"action\":\"accept\",\"enabled\":false,\"sources\":[\"d2f0c1k0p6s73a1k2q30\"],"
    "\"destinations\":[\"d2f0c1k0p6s73a1k2q4g\"],\"ports\":[\"6379\"]}]}";

static size_t used; /* so that nothing is optimised away */

static void read_body_ours(struct rk_arena *mem)
{
    struct policy p = {0};

    if (json_body_read(mem, rk_str_of(BODY, sizeof BODY - 1), POLICY, RK_ARRAY_LEN(POLICY), &p,
                       NULL))
        exit(1);
    used += p.rules.n;
    rk_arena_reset(mem);
}

static size_t texts_of(const json_t *rule, const char *key)
{
    const json_t *list = json_object_get(rule, key);
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(list); i++)
        n += json_string_length(json_array_get(list, i));
    return n;
}

static void read_body_jansson(struct rk_arena *mem)
{
    json_t *root = json_loadb(BODY, sizeof BODY - 1, 0, NULL), *rules;

    (void)mem;
    rules = json_object_get(root, "rules");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *r = json_array_get(rules, i);

        used += texts_of(r, "sources") + texts_of(r, "destinations") + texts_of(r, "ports");
        used += json_string_length(json_object_get(r, "name"));
    }
    json_decref(root);
}

static void read_row_ours(struct rk_arena *mem)
{
    struct json_pull r = json_pull_of(rk_str_of(BODY, sizeof BODY - 1), mem);

    json_pull_skip(&r);
    used += json_pull_done(&r);
}

static void write_list_ours(struct rk_arena *mem)
{
    struct rk_buf b;

    (void)mem;
    rk_buf_init(&b, (size_t)16 << 20);
    json_put_arr(&b);
    for (int64_t i = 0; i < 1000; i++) {
        json_put_obj(&b);
        json_put_key_str(&b, "id", RK_STR("d2f0c1k0p6s73a1k2q30"));
        json_put_key_str(&b, "name", RK_STR("machine \xc3\xa4 7"));
        json_put_key_int(&b, "port", i);
        json_put_key_bool(&b, "connected", i % 2 == 0);
        json_put_obj_end(&b);
    }
    json_put_arr_end(&b);
    used = b.n;
    rk_buf_done(&b);
}

static void write_list_jansson(struct rk_arena *mem)
{
    json_t *list = json_array();
    char *text;

    (void)mem;
    for (int i = 0; i < 1000; i++) {
        json_t *o = json_object();

        (void)json_object_set_new(o, "id", json_string("d2f0c1k0p6s73a1k2q30"));
        (void)json_object_set_new(o, "name", json_string("machine \xc3\xa4 7"));
        (void)json_object_set_new(o, "port", json_integer(i));
        (void)json_object_set_new(o, "connected", json_boolean(i % 2 == 0));
        (void)json_array_append_new(list, o);
    }
    text = json_dumps(list, JSON_COMPACT);
    used = strlen(text);
    free(text);
    json_decref(list);
}

/* Best of five, in nanoseconds per call: the machine may be busy with something else. */
static double best_ns(void (*fn)(struct rk_arena *mem), long rounds)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    double best = 0;

    for (int k = 0; k < 5; k++) {
        int64_t from = rk_mono_us();
        double ns;

        for (long i = 0; i < rounds; i++)
            fn(mem);
        ns = (double)(rk_mono_us() - from) * 1000 / (double)rounds;
        best = k == 0 || ns < best ? ns : best;
    }
    return best;
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 20000;
    double body = best_ns(read_body_ours, rounds), body_j = best_ns(read_body_jansson, rounds);
    double row = best_ns(read_row_ours, rounds);
    double list = best_ns(write_list_ours, rounds / 100 + 1);
    double list_j = best_ns(write_list_jansson, rounds / 100 + 1);

    (void)printf("{\"read_body_ns\":%.0f,\"read_body_jansson_ns\":%.0f,\"read_body_ratio\":%.2f,"
                 "\"read_row_ns\":%.0f,\"write_list_ns\":%.0f,\"write_list_jansson_ns\":%.0f,"
                 "\"write_list_ratio\":%.2f}\n",
                 body, body_j, body_j / body, row, list, list_j, list_j / list);
    return used ? 0 : 1;
}
