/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/http/router.c and the small helpers of msg.c. */
#include "config.h"

#include <check.h>
#include <stdlib.h>

#include "lib/http/router.h"
#include "tests/unit/run.h"

static enum rk_code nothing(struct http_req *req, struct http_resp *resp, struct db *db,
                            struct rk_err *err)
{
    (void)req;
    (void)resp;
    (void)db;
    (void)err;
    return RK_OK;
}

static const struct http_route ROUTES[] = {
    {HTTP_GET, "/api/users", nothing, 0, "list"},
    {HTTP_POST, "/api/users", nothing, 0, "create"},
    {HTTP_GET, "/api/users/current", nothing, 0, "current"},
    {HTTP_PUT, "/api/users/{userId}", nothing, 0, "update"},
    {HTTP_DELETE, "/api/users/{userId}", nothing, 0, "delete"},
    {HTTP_GET, "/api/users/invites", nothing, 0, "invites"},
    {HTTP_GET, "/api/users/invites/{token}", nothing, 0, "invite"},
    {HTTP_POST, "/api/users/{userId}/approve", nothing, 0, "approve"},
    {HTTP_POST, "/api/users/invites/{id}/regenerate", nothing, 0, "regenerate"},
    {HTTP_GET, "/", nothing, 0, "root"},
    {HTTP_GET, "/static/{path...}", nothing, 0, "static"},
};

static struct rk_arena *mem;
static struct http_router *router;

static void setup(void)
{
    mem = rk_arena_new(0);
    router = http_router_new();
    http_router_add(router, ROUTES, RK_ARRAY_LEN(ROUTES));
}

static void teardown(void)
{
    http_router_free(router);
    rk_arena_free(mem);
}

static enum http_match find(enum http_method m, const char *path, struct http_req *req,
                            unsigned *allow)
{
    *req = (struct http_req){.method = m, .path = rk_str_z(path), .mem = mem};
    return http_router_find(router, req, allow);
}

START_TEST(routes_are_found)
{
    static const struct {
        enum http_method m;
        const char *path, *which, *param;
    } ok[] = {
        {HTTP_GET, "/api/users", "list", NULL},
        {HTTP_HEAD, "/api/users", "list", NULL},
        {HTTP_POST, "/api/users", "create", NULL},
        {HTTP_GET, "/api/users/current", "current", NULL},
        {HTTP_PUT, "/api/users/current", "update", "current"},     /* literal has no PUT */
        {HTTP_PUT, "/api/users/a b%2Fc+d", "update", "a b%2Fc+d"}, /* decoded already */
        {HTTP_GET, "/api/users/invites", "invites", NULL},
        {HTTP_DELETE, "/api/users/invites", "delete", "invites"},
        {HTTP_GET, "/api/users/invites/nbi_1", "invite", "nbi_1"},
        {HTTP_POST, "/api/users/invites/approve", "approve", "invites"},
        {HTTP_POST, "/api/users/invites/x/regenerate", "regenerate", "x"},
        {HTTP_GET, "/", "root", NULL},
        {HTTP_GET, "/static/a/b.css", "static", "a/b.css"},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(ok); i++) {
        struct http_req req;

        ck_assert_msg(find(ok[i].m, ok[i].path, &req, NULL) == HTTP_MATCH, "%s", ok[i].path);
        ck_assert_str_eq((const char *)req.route->arg, ok[i].which);
        ck_assert_uint_eq(req.n_params, ok[i].param ? 1 : 0);
        if (ok[i].param)
            ck_assert_msg(rk_str_eqz(req.params[0], ok[i].param), "%s", ok[i].path);
    }
}
END_TEST

START_TEST(misses_say_why)
{
    static const char *const none[] = {"",
                                       "*",
                                       "/api",
                                       "/api/",
                                       "/api/users/",
                                       "//api/users",
                                       "/API/users",
                                       "/api/users//approve",
                                       "/static",
                                       "/static/",
                                       "/api/peers",
                                       "/api/users/x/approve/y"};
    struct http_req req;
    unsigned allow = 0;

    for (size_t i = 0; i < RK_ARRAY_LEN(none); i++)
        ck_assert_msg(find(HTTP_GET, none[i], &req, NULL) == HTTP_NO_PATH, "%s", none[i]);
    ck_assert_int_eq(find(HTTP_GET, "/api/users/x", &req, &allow), HTTP_NO_METHOD);
    ck_assert_uint_eq(allow, 1u << HTTP_PUT | 1u << HTTP_DELETE);
    ck_assert_int_eq(find(HTTP_OTHER, "/api/users", &req, &allow), HTTP_NO_METHOD);
    ck_assert_uint_eq(allow, 1u << HTTP_GET | 1u << HTTP_HEAD | 1u << HTTP_POST);
    ck_assert_ptr_nonnull(http_router_any(router, &req));
}
END_TEST

START_TEST(queries_forms_and_cookies)
{
    static const struct http_header H[] = {{RK_STR("COOKIE"), RK_STR("a=1; session=\"x y\"; b=2")},
                                           {RK_STR("X-One"), RK_STR("  v ")}};
    struct http_req req = {.mem = mem, .headers = H, .n_headers = 2};
    struct rk_str v;

    req.query = RK_STR("&a=1&b=%zz&c=x%26y+z&d&b=2&=5");
    ck_assert(http_req_query(&req, "c", &v) && rk_str_eqz(v, "x&y z"));
    ck_assert(http_req_query(&req, "d", &v) && !v.n);
    ck_assert(http_req_query(&req, "b", &v) && rk_str_eqz(v, "2"));
    ck_assert(!http_req_query(&req, "e", &v));
    ck_assert(http_req_cookie(&req, "session", &v) && rk_str_eqz(v, "x y"));
    ck_assert(http_req_cookie(&req, "b", &v) && rk_str_eqz(v, "2"));
    ck_assert(!http_req_cookie(&req, "c", &v));
    ck_assert(http_req_header(&req, "x-ONE", &v) && rk_str_eqz(v, "v"));
    ck_assert(!http_req_header(&req, "x-two", &v));
}
END_TEST

START_TEST(errors_have_one_shape)
{
    static const struct {
        enum rk_code code;
        const char *text;
        unsigned status;
        const char *body;
    } cases[] = {
        {RK_BAD_REQUEST, "Bad <Thing>", 400,
         "{\"message\":\"Bad \\u003cThing\\u003e\",\"code\":400}\n"},
        {RK_NOT_FOUND, "Group: X not found", 404,
         "{\"message\":\"group: x not found\",\"code\":404}\n"},
        {RK_INTERNAL, "secret detail", 500,
         "{\"message\":\"internal server error\",\"code\":500}\n"},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
        struct http_resp resp = {0};
        struct rk_err err = {0};

        rk_buf_init(&resp.body, 1000);
        (void)rk_fail(&err, cases[i].code, "%s", cases[i].text);
        http_resp_error(&resp, &err);
        ck_assert_uint_eq(resp.status, cases[i].status);
        ck_assert_str_eq(rk_arena_dupz(mem, rk_buf_str(&resp.body)), cases[i].body);
        rk_buf_done(&resp.body);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("router");
    TCase *t = tcase_create("router");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, routes_are_found);
    tcase_add_test(t, misses_say_why);
    tcase_add_test(t, queries_forms_and_cookies);
    tcase_add_test(t, errors_have_one_shape);
    suite_add_tcase(s, t);
    return run_suite(s);
}
