/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests management/rest/routes.c against the OpenAPI document: neither has what the other has not,
 * and they agree on what is public. */
#include "config.h"

#include <check.h>
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>

#include "management/rest/routes.h"
#include "schema/openapi.h"
#include "tests/unit/run.h"

static json_t *paths;

static void setup(void)
{
    static json_t *document;

    document = json_loadb(SCHEMA_OPENAPI, SCHEMA_OPENAPI_SIZE, 0, NULL);
    ck_assert_ptr_nonnull(document);
    paths = json_incref(json_object_get(document, "paths"));
    ck_assert_ptr_nonnull(paths);
    json_decref(document);
}

static void teardown(void)
{
    json_decref(paths);
}

static json_t *find(const struct http_route *r)
{
    char method[16];
    size_t n = 0;

    for (const char *p = http_method_name(r->method); *p && n + 1 < sizeof method; p++)
        method[n++] = (char)tolower((unsigned char)*p);
    method[n] = '\0';
    return json_object_get(json_object_get(paths, r->path), method);
}

START_TEST(every_route_is_documented)
{
    for (size_t i = 0; i < REST_N_ROUTES; i++) {
        const struct http_route *r = &REST_ROUTES[i];
        const json_t *op = find(r);
        const json_t *security = json_object_get(op, "security");

        ck_assert_msg(op != NULL, "%s %s", http_method_name(r->method), r->path);
        ck_assert_msg((security != NULL) == ((r->flags & HTTP_PUBLIC) != 0), "%s %s is public?",
                      http_method_name(r->method), r->path);
        ck_assert_ptr_nonnull(json_object_get(op, "summary"));
    }
}
END_TEST

START_TEST(everything_documented_is_a_route)
{
    const char *path;
    json_t *item;
    size_t n = 0;

    json_object_foreach (paths, path, item)
        n += json_object_size(item);
    ck_assert_uint_eq(n, REST_N_ROUTES);
}
END_TEST

START_TEST(all_paths_fit_the_router)
{
    struct http_router *router = http_router_new();

    http_router_add(router, REST_ROUTES, REST_N_ROUTES); /* aborts on a wrong table */
    http_router_free(router);
    for (size_t i = 0; i < REST_N_ROUTES; i++) {
        ck_assert_msg(REST_ROUTES[i].flags & HTTP_CORS, "%s", REST_ROUTES[i].path);
        ck_assert_ptr_nonnull(REST_ROUTES[i].handler);
        if (REST_ROUTES[i].flags & HTTP_INLINE) /* those look, and change nothing */
            ck_assert_msg(REST_ROUTES[i].method == HTTP_GET, "%s", REST_ROUTES[i].path);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("routes");
    TCase *t = tcase_create("routes");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, every_route_is_documented);
    tcase_add_test(t, everything_documented_is_a_route);
    tcase_add_test(t, all_paths_fit_the_router);
    suite_add_tcase(s, t);
    return run_suite(s);
}
