/* SPDX-License-Identifier: BSD-3-Clause */
/* The pull reader, with what the writer wrote and with bytes of any kind. */
#include "config.h"

#include "lib/base/buf.h"
#include "lib/json/json.h"
#include "lib/json/pull.h"
#include "tests/unit/vec.h"

START_TEST(json_reads_what_it_wrote)
{
    static const char *const bad[] = {
        "{\"a\":1",
        "{\"a\":1,}x",
        "{\"a\" 1}",
        "[1,2",
        "{\"a\":99999999999999999999}",
        "\"abc",
        "{\"a\":tru}",
        "{\"a\":\"\\q\"}",
        "{\"a\":\"\\ud800\"}",
        "{'a':1}",
        "{\"a\":1}}",
        "",
    };
    struct rk_arena *mem = rk_arena_new(0);
    struct rk_buf b;
    struct json_pull r;
    struct rk_str key, text = RK_STR("\"\\\x01\n\x7f\xc3\xa4/");

    rk_buf_init(&b, 1000);
    json_put_obj(&b);
    json_put_key(&b, "t");
    json_put_str(&b, text);
    json_put_key(&b, "list");
    json_put_arr(&b);
    json_put_int(&b, INT64_MIN);
    json_put_uint(&b, UINT64_MAX);
    json_put_bool(&b, true);
    json_put_null(&b);
    json_put_arr_end(&b);
    json_put_key(&b, "o");
    json_put_obj(&b);
    json_put_obj_end(&b);
    json_put_obj_end(&b);
    r = json_pull_of(rk_buf_str(&b), mem);
    json_pull_enter(&r, '{');
    ck_assert(json_pull_key(&r, &key) && rk_str_eqz(key, "t"));
    ck_assert(rk_str_eq(json_pull_str(&r), text));
    ck_assert(json_pull_key(&r, &key) && rk_str_eqz(key, "list"));
    json_pull_enter(&r, '[');
    ck_assert(json_pull_item(&r) && json_pull_i64(&r) == INT64_MIN);
    ck_assert(json_pull_item(&r) && json_pull_u64(&r) == UINT64_MAX);
    ck_assert(json_pull_item(&r) && json_pull_bool(&r));
    ck_assert(json_pull_item(&r) && json_pull_str(&r).n == 0);
    ck_assert(!json_pull_item(&r));
    ck_assert(json_pull_key(&r, &key) && rk_str_eqz(key, "o"));
    json_pull_skip(&r);
    ck_assert(!json_pull_key(&r, &key));
    ck_assert(json_pull_done(&r));
    rk_buf_done(&b);

    r = json_pull_of(RK_STR("{ \"a\" : \"\\u00e4\\ud83d\\ude00\\/\" } "), mem);
    json_pull_enter(&r, '{');
    ck_assert(json_pull_key(&r, &key));
    ck_assert(rk_str_eqz(json_pull_str(&r), "\xc3\xa4\xf0\x9f\x98\x80/"));
    ck_assert(!json_pull_key(&r, &key) && json_pull_done(&r));
    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        r = json_pull_of(rk_str_z(bad[i]), mem);
        json_pull_skip(&r);
        if (json_pull_done(&r)) { /* skipping is lenient; reading is not */
            r = json_pull_of(rk_str_z(bad[i]), mem);
            json_pull_enter(&r, '{');
            while (json_pull_key(&r, &key))
                (void)json_pull_i64(&r);
        }
        ck_assert_msg(!json_pull_done(&r), "accepted: %s", bad[i]);
    }
    rk_arena_free(mem);
}
END_TEST

START_TEST(json_of_any_bytes_ends)
{
    static const char alphabet[] = "{}[]\",:\\u0a1ntf -";
    struct rk_arena *mem = rk_arena_new(0);
    uint32_t x = 1;

    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)(round % 24);
        char *in = rk_malloc(n ? n : 1);
        struct rk_str key;
        struct json_pull r;

        for (size_t i = 0; i < n; i++) {
            x = x * 1664525 + 1013904223;
            in[i] = alphabet[(x >> 16) % (sizeof alphabet - 1)];
        }
        r = json_pull_of(rk_str_of(in, n), mem);
        json_pull_skip(&r);
        (void)json_pull_done(&r);
        r = json_pull_of(rk_str_of(in, n), mem);
        json_pull_enter(&r, '{');
        while (json_pull_key(&r, &key))
            json_pull_skip(&r);
        (void)json_pull_done(&r);
        rk_arena_reset(mem);
        free(in);
    }
    rk_arena_free(mem);
}
END_TEST

/* Names that an older version stored must never make an account unreadable. */
START_TEST(stored_text_is_read_as_it_is)
{
    struct rk_arena *mem = rk_arena_new(0);
    const struct rk_str odd = RK_STR("\"a\xff\"");
    struct json_pull r = json_pull_of(odd, mem);

    ck_assert_uint_eq(json_pull_str(&r).n, 0);
    ck_assert_str_eq(r.fault, "text is not UTF-8");
    r = json_pull_of(odd, mem);
    r.stored = true;
    ck_assert(rk_str_eqz(json_pull_str(&r), "a\xff") && json_pull_done(&r));
    r = json_pull_of(RK_STR("\"\\u0000\""), mem);
    r.stored = true;
    ck_assert_uint_eq(json_pull_str(&r).n, 1);
    ck_assert(json_pull_done(&r));
    rk_arena_free(mem);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("pull");

    tcase_add_test(t, json_reads_what_it_wrote);
    tcase_add_test(t, json_of_any_bytes_ends);
    tcase_add_test(t, stored_text_is_read_as_it_is);
    return vec_run(t, "pull");
}
