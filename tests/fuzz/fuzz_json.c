/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz the JSON reader with a table of all kinds; what it accepts is written and read again. */
#include "config.h"

#include "lib/json/json.h"
#include "lib/json/pull.h"
#include "tests/fuzz/fuzz.h"

struct inner {
    int64_t n;
    struct rk_str s;
};

struct outer {
    struct rk_str name;
    bool on;
    struct json_opt_bool maybe;
    int64_t count;
    struct json_opt_int limit;
    struct json_strs groups;
    struct inner in;
    struct inner *opt;
    struct json_arr rules;
    struct json_map labels, users;
};

static const struct json_field INNER[] = {JSON_FIELD(struct inner, n, JSON_INT),
                                          JSON_FIELD(struct inner, s, JSON_STR)};
static const struct json_field OUTER[] = {
    JSON_FIELD(struct outer, name, JSON_STR),
    JSON_FIELD(struct outer, on, JSON_BOOL),
    JSON_FIELD(struct outer, maybe, JSON_OPT_BOOL),
    JSON_FIELD(struct outer, count, JSON_INT),
    JSON_FIELD(struct outer, limit, JSON_OPT_INT),
    JSON_FIELD(struct outer, groups, JSON_STRS),
    JSON_FIELD_SUB(struct outer, in, "in", JSON_OBJ, struct inner, INNER),
    JSON_FIELD_SUB(struct outer, opt, "opt", JSON_OPT_OBJ, struct inner, INNER),
    JSON_FIELD_SUB(struct outer, rules, "rules", JSON_ARR, struct inner, INNER),
    JSON_FIELD(struct outer, labels, JSON_MAP_STR),
    JSON_FIELD(struct outer, users, JSON_MAP_STRS),
};

static void write_strs(struct rk_buf *b, const struct json_strs *l)
{
    json_put_arr(b);
    for (size_t i = 0; i < l->n; i++)
        json_put_str(b, l->items[i]);
    json_put_arr_end(b);
}

static void write_outer(struct rk_buf *b, const struct outer *o)
{
    json_put_obj(b);
    json_put_key_str(b, "name", o->name);
    json_put_key_bool(b, "on", o->on);
    json_put_key_int(b, "count", o->count);
    if (o->groups.items) {
        json_put_key(b, "groups");
        write_strs(b, &o->groups);
    }
    json_put_key_obj(b, "users");
    for (size_t i = 0; i < o->users.n; i++) {
        json_put_key_any(b, o->users.items[i].key);
        write_strs(b, &o->users.items[i].strs);
    }
    json_put_obj_end(b);
    json_put_obj_end(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct outer first = {0}, second = {0};
    struct rk_err err = {0};
    struct rk_buf b;
    struct json_pull in;
    enum rk_code rc =
        json_body_read(mem, rk_str_of(data, size), OUTER, RK_ARRAY_LEN(OUTER), &first, &err);

    rk_buf_init(&b, (size_t)64 << 20);
    FUZZ_CHECK(rc == RK_OK || (rc == RK_BAD_REQUEST && err.msg[0]));
    if (!rc) {
        FUZZ_CHECK(rk_str_utf8_ok(first.name));
        write_outer(&b, &first);
        FUZZ_CHECK(!b.full);
        rc = json_body_read(mem, rk_buf_str(&b), OUTER, RK_ARRAY_LEN(OUTER), &second, NULL);
        FUZZ_CHECK(!rc && rk_str_eq(first.name, second.name) && first.count == second.count &&
                   first.groups.n == second.groups.n && first.users.n == second.users.n);
    }
    rk_buf_done(&b);
    in = json_pull_of(rk_str_of(data, size), mem);
    in.stored = size & 1;
    json_pull_skip(&in);
    FUZZ_CHECK(in.p <= in.end && (!json_pull_done(&in) || !in.fault));
    rk_arena_free(mem);
    return 0;
}
