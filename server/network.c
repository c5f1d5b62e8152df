/* SPDX-License-Identifier: BSD-3-Clause */
/* See network.h. */
#include "config.h"

#include "server/network.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/file.h"
#include "server/rest_call.h"

#define FILE_MAX   ((size_t)1 << 20)  /* as the server takes it; one byte more is its to refuse */
#define PLAN_MAX   ((size_t)64 << 20) /* a plan with its report */
#define TOKEN_MAX  512
#define TIMEOUT_MS 120000

/* ---- files */

static enum rk_code read_text(struct rk_arena *mem, struct rk_str path, size_t max,
                              struct rk_str *out, struct rk_err *err)
{
    struct rk_buf b;
    enum rk_code rc;

    rk_buf_init(&b, max + 1);
    rc = rk_file_read(rk_arena_dupz(mem, path), 0, &b, err);
    if (rc == RK_OK)
        *out = rk_arena_dup(mem, rk_buf_str(&b));
    rk_buf_done(&b);
    return rc;
}

static void put(json_t *args, const char *key, struct rk_str v)
{
    json_t *j = json_stringn(v.n ? v.p : "", v.n);

    (void)json_object_set_new(args, key, j ? j : json_string(""));
}

static enum rk_code read_plan(struct rk_arena *mem, const struct network_opts *o, json_t *args,
                              struct rk_err *err)
{
    struct rk_str text;
    const char *file, *digest;
    json_t *j;
    enum rk_code rc = read_text(mem, o->plan_file, PLAN_MAX, &text, err);

    if (rc)
        return rc;
    j = json_loadb(text.p ? text.p : "", text.n, 0, NULL);
    file = json_string_value(json_object_get(j, "file"));
    digest = json_string_value(json_object_get(j, "digest"));
    if (file && digest) {
        put(args, "text", rk_str_z(file));
        put(args, "digest", rk_str_z(digest));
    } else {
        rc = rk_fail(err, RK_INVALID, "%.*s is no plan: rookery plan FILE --out writes one",
                     RK_STR_ARG(o->plan_file));
    }
    json_decref(j);
    return rc;
}

enum rk_code network_args(struct rk_arena *mem, const struct network_opts *o, json_t *args,
                          struct rk_err *err)
{
    struct rk_str text;
    enum rk_code rc;

    (void)json_object_set_new(args, "serial", json_integer(o->serial));
    if (o->file.n && o->plan_file.n)
        return rk_fail(err, RK_INVALID, "a plan has its file with it: give one of them");
    if (o->plan_file.n)
        return read_plan(mem, o, args, err);
    if (!o->file.n)
        return RK_OK;
    rc = read_text(mem, o->file, FILE_MAX, &text, err);
    if (rc == RK_OK)
        put(args, "text", text);
    return rc;
}

enum rk_code network_keep(struct rk_arena *mem, const struct network_opts *o, const json_t *args,
                          const json_t *result, struct rk_err *err)
{
    const char *path = rk_arena_dupz(mem, o->out);
    json_t *kept;
    bool ok;

    if (!o->out.n)
        return RK_OK;
    kept = json_deep_copy(result);
    (void)json_object_set(kept, "file", json_object_get(args, "text"));
    ok = json_dump_file(kept, path, JSON_INDENT(2)) == 0;
    json_decref(kept);
    return ok ? RK_OK : rk_fail_errno(err, RK_UNAVAILABLE, errno, "write %s", path);
}

/* ---- a server elsewhere */

static enum rk_code authorization(struct rk_arena *mem, const struct network_opts *o,
                                  struct rk_str *out, struct rk_err *err)
{
    const char *env = getenv("ROOKERY_TOKEN");
    struct rk_str token = rk_str_z(env ? env : "");
    enum rk_code rc = o->token.n ? read_text(mem, o->token, TOKEN_MAX, &token, err) : RK_OK;

    token = rk_str_trim(token);
    if (rc == RK_OK && (!token.n || rk_str_find_c(token, '\n') < token.n))
        rc = rk_fail(err, RK_INVALID,
                     "--url needs a personal access token: --token-file FILE, or ROOKERY_TOKEN");
    if (rc == RK_OK)
        *out = RK_CAT(mem, RK_STR("Authorization: Token "), token);
    return rc;
}

static const char *path_of(struct rk_arena *mem, const char *command, const json_t *args)
{
    const char *digest = json_string_value(json_object_get(args, "digest"));
    json_int_t serial = json_integer_value(json_object_get(args, "serial"));
    struct rk_str path = rk_arena_printf(mem, "/api/x/%s?digest=%s", command, digest ? digest : "");

    if (serial >= 0)
        path = rk_arena_printf(mem, "%.*s&serial=%lld", RK_STR_ARG(path), (long long)serial);
    return strcmp(command, "apply") == 0 ? path.p : rk_arena_printf(mem, "/api/x/%s", command).p;
}

static json_t *reply_of(long status, const struct rk_buf *text, bool is_json)
{
    json_t *j = is_json || status != 200 ? json_loadb(text->n ? text->p : "", text->n, 0, NULL)
                                         : json_stringn(text->n ? text->p : "", text->n);

    if (status == 200 && j)
        return json_pack("{s:b, s:o}", "ok", 1, "result", j);
    j = json_pack("{s:b, s:s, s:o?}", "ok", 0, "error", rest_error_text(j), "answer", j);
    return j;
}

enum rk_code network_ask(struct rk_arena *mem, const struct network_opts *o, const char *command,
                         const json_t *args, json_t **reply, struct rk_err *err)
{
    struct rest_target t = {.base = o->url, .timeout_ms = TIMEOUT_MS};
    const char *text = json_string_value(json_object_get(args, "text"));
    bool is_export = strcmp(command, "export") == 0;
    struct rk_str header;
    struct rk_buf out;
    long status = 0;
    enum rk_code rc = authorization(mem, o, &header, err);

    if (rc)
        return rc;
    while (t.base.n && t.base.p[t.base.n - 1] == '/')
        t.base.n--;
    rk_buf_init(&out, PLAN_MAX);
    rc = rest_call_text(&t, is_export ? "GET" : "POST", path_of(mem, command, args), header,
                        is_export ? (struct rk_str){0} : rk_str_z(text ? text : ""), &status, &out,
                        err);
    if (rc == RK_OK)
        *reply = reply_of(status, &out, !is_export);
    rk_buf_done(&out);
    return rc;
}

/* ---- answers as text */

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? text : "";
}

static long long number_of(const json_t *o, const char *key)
{
    return (long long)json_integer_value(json_object_get(o, key));
}

static void print_step(const json_t *s)
{
    const json_t *fields = json_object_get(s, "fields"), *f;
    size_t i;

    printf("%-7s %-16s %s%s%s%s%s", text_of(s, "op"), text_of(s, "kind"), text_of(s, "in"),
           *text_of(s, "in") ? ": " : "", text_of(s, "name"), *text_of(s, "was") ? ", was " : "",
           text_of(s, "was"));
    json_array_foreach (fields, i, f)
        printf("%s%s", i ? ", " : *text_of(s, "name") ? "; " : "", json_string_value(f));
    if (json_object_get(s, "line"))
        printf("  (line %lld)", number_of(s, "line"));
    (void)putchar('\n');
}

static void print_effect(const json_t *a)
{
    const json_t *flows = json_object_get(a, "flows"), *f;
    size_t i;

    if (!flows)
        return;
    json_array_foreach (json_object_get(flows, "list"), i, f) {
        const json_t *route = json_object_get(f, "route");

        printf("%s -> %s%s%s: %s, was %s\n", text_of(json_object_get(f, "from"), "name"),
               text_of(json_object_get(f, "to"), "name"), route ? " into " : "",
               text_of(route, "name"), text_of(f, "after"), text_of(f, "before"));
    }
    printf("flows: %lld gained, %lld lost, %lld changed%s; %lld machines get a new map\n",
           number_of(flows, "gained"), number_of(flows, "lost"), number_of(flows, "changed"),
           json_is_true(json_object_get(flows, "complete")) ? "" : ", and more",
           number_of(a, "machines"));
}

void network_print(const json_t *a)
{
    const json_t *steps = json_object_get(a, "steps"), *o;
    bool applied = json_is_true(json_object_get(a, "applied"));
    size_t i;

    json_array_foreach (steps, i, o)
        print_step(o);
    json_array_foreach (json_object_get(a, "tests"), i, o)
        printf("%-4s %s%s%s\n", json_is_true(json_object_get(o, "ok")) ? "ok" : "FAIL",
               text_of(o, "test"), *text_of(o, "why") ? ": " : "", text_of(o, "why"));
    json_array_foreach (json_object_get(a, "setup_keys"), i, o)
        printf("setup key \"%s\": %s  (shown once)\n", text_of(o, "name"), text_of(o, "key"));
    print_effect(a);
    if (json_array_size(steps) == 0)
        (void)puts("the network is as the file says");
    else
        printf("%zu step%s %s; serial %lld\n", json_array_size(steps),
               json_array_size(steps) == 1 ? "" : "s", applied ? "done" : "to do",
               number_of(a, "serial"));
}

void network_print_export(const json_t *a)
{
    (void)fputs(json_string_value(a) ? json_string_value(a) : "", stdout);
}

bool network_holds(const json_t *a)
{
    return json_is_true(json_object_get(a, "ok"));
}
