/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/json/write.c and json_read.c. */
#include "config.h"

#include <check.h>
#include <stdlib.h>

#include "lib/json/json.h"
#include "tests/unit/run.h"

#define TEXT_IS(b, want) ck_assert_str_eq(rk_arena_dupz(mem, rk_buf_str(&(b))), want)

static struct rk_arena *mem;
static struct rk_buf out;

static void setup(void)
{
    mem = rk_arena_new(0);
    rk_buf_init(&out, (size_t)1 << 20);
}

static void teardown(void)
{
    rk_buf_done(&out);
    rk_arena_free(mem);
}

START_TEST(writer_puts_commas)
{
    json_put_obj(&out);
    json_put_key_str(&out, "a", RK_STR("x"));
    json_put_key_int(&out, "b", INT64_MIN);
    json_put_key_arr(&out, "c");
    json_put_int(&out, 0);
    json_put_obj(&out);
    json_put_obj_end(&out);
    json_put_arr(&out);
    json_put_arr_end(&out);
    json_put_str(&out, RK_STR("[{:"));
    json_put_bool(&out, true);
    json_put_arr_end(&out);
    json_put_key_null(&out, "d");
    json_put_key_obj(&out, "e");
    json_put_key_bool(&out, "f", false);
    json_put_key_plain(&out, "g", RK_STR("id"));
    json_put_obj_end(&out);
    json_put_key(&out, "h");
    json_put_raw(&out, RK_STR("[1]"));
    json_put_obj_end(&out);
    TEXT_IS(out, "{\"a\":\"x\",\"b\":-9223372036854775808,\"c\":[0,{},[],\"[{:\",true],\"d\":null,"
                 "\"e\":{\"f\":false,\"g\":\"id\"},\"h\":[1]}");
}
END_TEST

START_TEST(writer_escapes_as_go_does)
{
    json_put_str(&out,
                 RK_STR("<a>&\"\\/\n\r\t\x01\x1f\x7f \xc3\xa9 \xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"
                        " \xff \xed\xa0\x80 \xf0\x9f\x98\x80 \xc3"));
    TEXT_IS(out, "\"\\u003ca\\u003e\\u0026\\\"\\\\/\\n\\r\\t\\u0001\\u001f\x7f \xc3\xa9 "
                 "\\u2028\\u2029\xe2\x80\xaa \\ufffd \\ufffd\\ufffd\\ufffd \xf0\x9f\x98\x80 "
                 "\\ufffd\"");
}
END_TEST

START_TEST(writer_times)
{
    json_put_arr(&out);
    json_put_time(&out, 0);
    json_put_time(&out, INT64_C(1767323045120000));
    json_put_time(&out, INT64_C(1767323045000001));
    json_put_time(&out, INT64_C(951782400000000)); /* a leap day */
    json_put_arr_end(&out);
    TEXT_IS(out, "[\"0001-01-01T00:00:00Z\",\"2026-01-02T03:04:05.12Z\","
                 "\"2026-01-02T03:04:05.000001Z\",\"2000-02-29T00:00:00Z\"]");
}
END_TEST

START_TEST(writer_stops_when_full)
{
    rk_buf_done(&out);
    rk_buf_init(&out, 10);
    json_put_arr(&out);
    json_put_str(&out, RK_STR("0123456789"));
    json_put_int(&out, 5);
    json_put_arr_end(&out);
    ck_assert(out.full);
    ck_assert_uint_le(out.n, 10);
}
END_TEST

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

static enum rk_code parse(const char *text, struct outer *o, struct rk_err *err)
{
    size_t n = strlen(text);
    RK_CLEANUP(rk_freep) char *exact = rk_memdup(text, n); /* ASan sees one byte too far */

    *o = (struct outer){0};
    return json_body_read(mem, rk_str_of(exact, n), OUTER, RK_ARRAY_LEN(OUTER), o, err);
}

START_TEST(reader_fills_structs)
{
    struct outer o;
    const struct inner *r;

    ck_assert_int_eq(
        parse(" {\"NAME\":\"a\\u00e9\\ud83d\\ude00\\n\",\"on\":true,\"maybe\":false,\"count\":-12,"
              "\"limit\":0,\"groups\":[\"x\",null,\"z\"],\"in\":{\"n\":1,\"deep\":[[{}]]},"
              "\"opt\":{\"s\":\"q\"},\"rules\":[{\"n\":1},null,{\"n\":3}],"
              "\"labels\":{\"k\":\"v\",\"e\":null},\"users\":{\"g\":[\"root\"],\"h\":null},"
              "\"extra\":[1.5e3,true,null,\"x\"]} trailing",
              &o, NULL),
        RK_OK);
    ck_assert(rk_str_eqz(o.name, "a\xc3\xa9\xf0\x9f\x98\x80\n"));
    ck_assert(o.on && o.maybe.set && !o.maybe.v && o.count == -12 && o.limit.set && !o.limit.v);
    ck_assert_uint_eq(o.groups.n, 3);
    ck_assert(!o.groups.items[1].n && rk_str_eqz(o.groups.items[2], "z"));
    ck_assert(o.in.n == 1 && rk_str_eqz(o.opt->s, "q"));
    r = o.rules.items;
    ck_assert(o.rules.n == 3 && r[0].n == 1 && r[1].n == 0 && r[2].n == 3);
    ck_assert(o.labels.n == 2 && rk_str_eqz(o.labels.items[0].str, "v"));
    ck_assert(o.users.n == 2 && o.users.items[0].strs.n == 1 && !o.users.items[1].strs.items);
}
END_TEST

START_TEST(reader_tells_absent_from_empty)
{
    struct outer o;

    ck_assert_int_eq(parse("{\"groups\":null,\"rules\":[],\"limit\":null,\"name\":null}", &o, NULL),
                     RK_OK);
    ck_assert(!o.groups.items && o.rules.items && !o.rules.n && !o.limit.set && !o.name.p &&
              !o.opt && !o.labels.items);
    ck_assert_int_eq(parse("{\"groups\":[],\"labels\":{},\"name\":\"\"}", &o, NULL), RK_OK);
    ck_assert(o.groups.items && o.labels.items && o.name.p && !o.rules.items);
}
END_TEST

START_TEST(reader_refuses)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "the body is empty"},
        {"null", "expected an object"},
        {"[]", "expected an object"},
        {"{", "unexpected end of text"},
        {"{\"name\":1}", "\"name\": expected a string"},
        {"{\"on\":\"true\"}", "\"on\": expected true or false"},
        {"{\"on\":tru}", "\"on\""},
        {"{\"count\":1.0}", "\"count\": expected an integer"},
        {"{\"count\":1e3}", "\"count\": expected an integer"},
        {"{\"count\":\"1\"}", "\"count\": expected an integer"},
        {"{\"count\":9223372036854775808}", "\"count\": number out of range"},
        {"{\"count\":01}", "expected ,"},
        {"{\"count\":-}", "invalid number"},
        {"{\"x\":1.}", "invalid number"},
        {"{\"groups\":\"x\"}", "\"groups\": expected a list of strings"},
        {"{\"groups\":[\"a\",2]}", "\"groups[1]\": expected a string"},
        {"{\"groups\":[\"a\",]}", "\"groups[1]\": expected a string"},
        {"{\"rules\":[{\"n\":1},{\"n\":\"x\"}]}", "\"rules[1].n\": expected an integer"},
        {"{\"users\":{\"g\":\"root\"}}", "\"users.g\": expected a list"},
        {"{\"in\":[]}", "\"in\": expected an object"},
        {"{\"name\":\"\\u0000\"}", "NUL"},
        {"{\"name\":\"\\ud800x\"}", "surrogate"},
        {"{\"name\":\"\\udc00\"}", "surrogate"},
        {"{\"name\":\"\\x\"}", "invalid escape"},
        {"{\"name\":\"\n\"}", "control character"},
        {"{\"name\":\"\xff\"}", "UTF-8"},
        {"{\"name\":\"x\\\"}", "end of text"},
        {"{\"name\" \"x\"}", "expected :"},
        {"{name:1}", "expected a field name"},
        {"{,}", "expected a field name"},
        {"{\"x\":}", "invalid value"},
        {"{\"x\":nul}", "invalid literal"},
        {"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
         "nested too deeply"},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        struct rk_err err = {0};
        struct outer o;

        ck_assert_msg(parse(bad[i].text, &o, &err) == RK_BAD_REQUEST, "%s", bad[i].text);
        ck_assert_msg(strncmp(err.msg, "couldn't parse JSON request", 27) == 0, "%s", err.msg);
        ck_assert_msg(strstr(err.msg, bad[i].says) != NULL, "%s: %s", bad[i].text, err.msg);
    }
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    static const char TEXT[] =
        "{\"name\":\"a\\u00e9\",\"count\":-12,\"groups\":[\"x\"],\"x\":{\"y\":"
        "[true,null,1.5e-3]}}";

    for (size_t n = 0; n < sizeof TEXT - 1; n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(TEXT, n);
        struct outer o = {0};

        ck_assert_int_eq(
            json_body_read(mem, rk_str_of(exact, n), OUTER, RK_ARRAY_LEN(OUTER), &o, NULL),
            RK_BAD_REQUEST);
    }
}
END_TEST

START_TEST(lists_have_a_limit)
{
    struct rk_buf b;
    struct outer o = {0};

    rk_buf_init(&b, (size_t)4 << 20);
    rk_buf_addz(&b, "{\"rules\":[");
    for (size_t i = 0; i <= JSON_BODY_MAX_OBJECTS; i++)
        rk_buf_addz(&b, i ? ",{}" : "{}");
    rk_buf_addz(&b, "]}");
    ck_assert_int_eq(json_body_read(mem, rk_buf_str(&b), OUTER, RK_ARRAY_LEN(OUTER), &o, NULL),
                     RK_BAD_REQUEST);
    rk_buf_done(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("json");
    TCase *t = tcase_create("json");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, writer_puts_commas);
    tcase_add_test(t, writer_escapes_as_go_does);
    tcase_add_test(t, writer_times);
    tcase_add_test(t, writer_stops_when_full);
    tcase_add_test(t, reader_fills_structs);
    tcase_add_test(t, reader_tells_absent_from_empty);
    tcase_add_test(t, reader_refuses);
    tcase_add_test(t, every_truncation_is_refused);
    tcase_add_test(t, lists_have_a_limit);
    suite_add_tcase(s, t);
    return run_suite(s);
}
