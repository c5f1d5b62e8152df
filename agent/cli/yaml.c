/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing YAML; see yaml.h. Strings are quoted as JSON, which YAML 1.2 contains. */
#include "config.h"

#include "agent/cli/yaml.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"

static bool is_word(const char *s)
{
    static const char *const taken[] = {"true", "false", "yes", "no", "on",
                                        "off",  "null",  "y",   "n"};

    for (size_t i = 0; i < RK_ARRAY_LEN(taken); i++)
        if (strcasecmp(s, taken[i]) == 0)
            return false;
    if (!isalpha((unsigned char)*s))
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("_-./", *s))
            return false;
    return true;
}

static void put_scalar(FILE *out, const json_t *v)
{
    if (json_is_string(v) && is_word(json_string_value(v)))
        (void)fputs(json_string_value(v), out);
    else
        (void)json_dumpf(v, out, JSON_ENCODE_ANY);
}

static bool is_empty(const json_t *v)
{
    return (json_is_array(v) && !json_array_size(v)) || (json_is_object(v) && !json_object_size(v));
}

static void put(FILE *out, const json_t *v, int depth, bool inline_first);

/* What stands behind "key:" or "-". */
static void put_child(FILE *out, const json_t *v, int depth, bool in_list)
{
    if (is_empty(v)) {
        (void)fputs(json_is_array(v) ? " []\n" : " {}\n", out);
    } else if (json_is_object(v) && in_list) {
        (void)fputc(' ', out);
        put(out, v, depth, true);
    } else if (json_is_array(v) || json_is_object(v)) {
        (void)fputc('\n', out);
        put(out, v, depth, false);
    } else {
        (void)fputc(' ', out);
        put_scalar(out, v);
        (void)fputc('\n', out);
    }
}

/* inline_first: the first line has its indentation already. */
static void put(FILE *out, const json_t *v, int depth, bool inline_first)
{
    const char *key;
    json_t *child;
    size_t i;

    if (json_is_array(v)) {
        json_array_foreach (v, i, child) {
            (void)fprintf(out, "%*s-", 2 * depth, "");
            put_child(out, child, depth + 1, true);
        }
        return;
    }
    json_object_foreach ((json_t *)(uintptr_t)v, key, child) {
        (void)fprintf(out, "%*s%s:", inline_first ? 0 : 2 * depth, "", key);
        inline_first = false;
        put_child(out, child, depth + 1, false);
    }
}

void yaml_print(FILE *out, const json_t *v)
{
    if (is_empty(v) || (!json_is_array(v) && !json_is_object(v))) {
        (void)json_dumpf(v, out, JSON_ENCODE_ANY);
        (void)fputc('\n', out);
    } else {
        put(out, v, 0, false);
    }
}
