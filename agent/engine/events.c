/* SPDX-License-Identifier: BSD-3-Clause */
/* What people should know; see events.h. */
#include "config.h"

#include "agent/engine/events.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/num.h"
#include "lib/base/str.h"

#define TEXT_MAX 400

void events_add(struct events *e, enum event_severity s, enum event_category c, const char *format,
                ...)
{
    struct event ev = {.severity = s, .category = c, .unix_ms = rk_unix_ms()};
    char text[TEXT_MAX];
    va_list ap;
    size_t at;

    if (!e)
        return;
    va_start(ap, format);
    (void)vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    for (at = 0; at < e->n && strcmp(e->ring[at].text, text) != 0;)
        at++;
    if (at == e->n && e->n == EVENTS_MAX)
        at = 0;
    if (at < e->n) { /* known, or the oldest: out of the row */
        free(e->ring[at].text);
        memmove(&e->ring[at], &e->ring[at + 1], (e->n - at - 1) * sizeof e->ring[0]);
        e->n--;
    }
    ev.id = ++e->last_id;
    ev.text = rk_str_dupz(rk_str_z(text));
    e->ring[e->n++] = ev;
}

void events_done(struct events *e)
{
    for (size_t i = 0; i < e->n; i++)
        free(e->ring[i].text);
    *e = (struct events){0};
}

json_t *events_json(const struct events *e)
{
    static const char *const severities[] = {"INFO", "WARNING", "ERROR", "CRITICAL"};
    static const char *const categories[] = {"NETWORK", "DNS", "AUTHENTICATION", "CONNECTIVITY",
                                             "SYSTEM"};
    json_t *list = json_array();

    for (size_t i = 0; i < e->n; i++) {
        const struct event *ev = &e->ring[i];
        char id[24], when[RK_TIME_TEXT];
        struct rk_str at = rk_time_format_us(ev->unix_ms * 1000, when);

        (void)snprintf(id, sizeof id, "%" PRIu64, ev->id);
        (void)json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s%,s:{}}", "id", id,
                                                    "severity", severities[ev->severity],
                                                    "category", categories[ev->category], "message",
                                                    ev->text, "userMessage", ev->text, "timestamp",
                                                    at.p, at.n, "metadata"));
    }
    return list;
}
