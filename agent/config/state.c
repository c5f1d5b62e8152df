/* SPDX-License-Identifier: BSD-3-Clause */
/* The state file; see state.h. */
#include "config.h"

#include "agent/config/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/os/files.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/num.h"

#define STATE_COPY      ".copy"
#define STATE_MAX_BYTES ((size_t)4 << 20)

struct state {
    char *path;
    char *copy; /* the same content in a second file */
    json_t *json;
    struct rk_log *log;
    bool damaged;
};

static void set_aside(struct state *s)
{
    char to[4200];

    (void)snprintf(to, sizeof to, "%s.corrupted.%" PRId64, s->path, rk_unix_us() * 1000);
    (void)rename(s->path, to);
    rk_log(s->log, RK_WARN, "state file is damaged", kv_z("kept", to));
}

/* RK_NOT_FOUND: no such file. RK_INVALID: not one of ours. */
static enum rk_code load(const char *path, json_t **out, struct rk_err *err)
{
    struct rk_buf text;
    enum rk_code rc;

    rk_buf_init(&text, STATE_MAX_BYTES);
    rc = rk_file_read(path, 0, &text, err);
    if (rc == RK_OK) {
        *out = json_loadb(text.p ? text.p : "", text.n, 0, NULL);
        if (!json_is_object(*out)) {
            json_decref(*out);
            *out = NULL;
            rc = rk_fail(err, RK_INVALID, "%s is not a state file", path);
        }
    }
    rk_buf_done(&text);
    return rc;
}

struct state *state_open(const char *path, struct rk_log *log)
{
    struct state *s = rk_calloc(1, sizeof *s);
    size_t n = strlen(path) + sizeof STATE_COPY;
    struct rk_err err = {0};
    enum rk_code rc;

    s->path = rk_str_dupz(rk_str_z(path));
    s->copy = rk_malloc(n);
    (void)snprintf(s->copy, n, "%s" STATE_COPY, path);
    s->log = log;
    rc = load(path, &s->json, &err);
    if (rc == RK_INVALID)
        set_aside(s);
    else if (rc && rc != RK_NOT_FOUND)
        rk_log(log, RK_WARN, "state file is not readable", KV_ERR(&err));
    if (rc && rc != RK_NOT_FOUND) {
        s->damaged = load(s->copy, &s->json, NULL) != RK_OK;
        rk_log(log, RK_WARN,
               s->damaged ? "no copy of the state file either, looking for what can be found"
                          : "going on with the copy of the state file");
    }
    if (!s->json)
        s->json = json_object();
    return s;
}

bool state_damaged(const struct state *s)
{
    return s->damaged;
}

void state_free(struct state *s)
{
    if (!s)
        return;
    json_decref(s->json);
    free(s->path);
    free(s->copy);
    free(s);
}

json_t *state_get(const struct state *s, const char *name)
{
    json_t *v = json_object_get(s->json, name);

    return json_is_null(v) ? NULL : v;
}

void state_set(struct state *s, const char *name, json_t *value)
{
    struct rk_err err = {0};
    char *text;

    if (!value && !state_get(s, name))
        return; /* cleared already */
    (void)json_object_set_new(s->json, name, value ? value : json_null());
    text = json_dumps(s->json, JSON_INDENT(1));
    if (!text || files_write(s->path, rk_str_z(text), 0600, &err))
        rk_log(s->log, RK_ERROR, "state file is not written: a crash would leave changes behind",
               kv_z("name", name), KV_ERR(&err));
    else
        RK_IGNORE(files_write(s->copy, rk_str_z(text), 0600, NULL));
    free(text);
}

json_t *state_names(const struct state *s)
{
    json_t *list = json_array(), *v;
    const char *name;

    json_object_foreach (s->json, name, v)
        if (!json_is_null(v))
            (void)json_array_append_new(list, json_string(name));
    return list;
}
