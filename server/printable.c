/* SPDX-License-Identifier: BSD-3-Clause */
/* See printable.h. */
#include "config.h"

#include "server/printable.h"

#include <stdbool.h>
#include <stdlib.h>

#include "lib/base/str.h"

static bool is_control(const unsigned char *p, size_t left)
{
    return *p < ' ' || *p == 0x7f || (*p == 0xc2 && left > 1 && p[1] < 0xa0);
}

static void clean(json_t *v)
{
    const unsigned char *p = (const unsigned char *)json_string_value(v);
    size_t n = json_string_length(v), to = 0;
    char *text = rk_malloc(n + 1);

    for (size_t i = 0; i < n; i++) {
        bool control = is_control(p + i, n - i);

        text[to++] = control ? '?' : (char)p[i];
        i += control && p[i] == 0xc2;
    }
    (void)json_string_setn(v, text, to);
    free(text);
}

void printable(json_t *v)
{
    json_t *part;
    const char *key;
    size_t i;

    if (json_is_string(v))
        clean(v);
    else if (json_is_array(v))
        json_array_foreach (v, i, part)
            printable(part);
    else if (json_is_object(v))
        json_object_foreach (v, key, part)
            printable(part);
}
