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
    struct jr_opt_bool maybe;
    int64_t count;
    struct jr_opt_int limit;
    struct jr_strs groups;
    struct inner in;
    struct inner *opt;
    struct jr_arr rules;
    struct jr_map labels, users;
};

static const struct jr_field INNER[] = {JR(struct inner, n, JR_INT), JR(struct inner, s, JR_STR)};
static const struct jr_field OUTER[] = {
    JR(struct outer, name, JR_STR),
    JR(struct outer, on, JR_BOOL),
    JR(struct outer, maybe, JR_OPT_BOOL),
    JR(struct outer, count, JR_INT),
    JR(struct outer, limit, JR_OPT_INT),
    JR(struct outer, groups, JR_STRS),
    JR_SUB(struct outer, in, "in", JR_OBJ, struct inner, INNER),
    JR_SUB(struct outer, opt, "opt", JR_OPT_OBJ, struct inner, INNER),
    JR_SUB(struct outer, rules, "rules", JR_ARR, struct inner, INNER),
    JR(struct outer, labels, JR_MAP_STR),
    JR(struct outer, users, JR_MAP_STRS),
};

static void write_strs(struct rk_buf *b, const struct jr_strs *l)
{
    jw_arr(b);
    for (size_t i = 0; i < l->n; i++)
        jw_str(b, l->items[i]);
    jw_arr_end(b);
}

static void write_outer(struct rk_buf *b, const struct outer *o)
{
    jw_obj(b);
    jw_kstr(b, "name", o->name);
    jw_kbool(b, "on", o->on);
    jw_kint(b, "count", o->count);
    if (o->groups.items) {
        jw_key(b, "groups");
        write_strs(b, &o->groups);
    }
    jw_kobj(b, "users");
    for (size_t i = 0; i < o->users.n; i++) {
        jw_key_str(b, o->users.items[i].key);
        write_strs(b, &o->users.items[i].strs);
    }
    jw_obj_end(b);
    jw_obj_end(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct outer first = {0}, second = {0};
    struct rk_err err = {0};
    struct rk_buf b;
    struct json_pull in;
    enum rk_code rc =
        jr_parse(mem, rk_str_of(data, size), OUTER, RK_ARRAY_LEN(OUTER), &first, &err);

    rk_buf_init(&b, (size_t)64 << 20);
    FUZZ_CHECK(rc == RK_OK || (rc == RK_BAD_REQUEST && err.msg[0]));
    if (!rc) {
        FUZZ_CHECK(rk_str_utf8_ok(first.name));
        write_outer(&b, &first);
        FUZZ_CHECK(!b.full);
        rc = jr_parse(mem, rk_buf_str(&b), OUTER, RK_ARRAY_LEN(OUTER), &second, NULL);
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
