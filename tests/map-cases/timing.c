/* SPDX-License-Identifier: BSD-3-Clause */
/* Cases of the timers, on a clock that the test moves one millisecond (or second) at a time. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "management/push/timing.h"
#include "management/push/ephemeral.h"
#include "tests/map-cases/suite.h"

#define END_MS 5000

static int64_t number(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

/* Compares what happened with the expectation and prints both when they differ. */
static bool judge(const json_t *want, json_t *got)
{
    bool ok = json_equal(want, got);

    if (!ok) {
        char *a = json_dumps(want, JSON_SORT_KEYS | JSON_ENCODE_ANY);
        char *b = json_dumps(got, JSON_SORT_KEYS | JSON_ENCODE_ANY);

        printf("  want %s\n  got  %s\n", a, b);
        free(a);
        free(b);
    }
    json_decref(got);
    return ok;
}

/* ---- affected buffer; peers are single letters */

static void add_send(json_t *sends, int64_t t, const struct bits *peers)
{
    json_t *list = json_array();

    for (BITS_EACH(i, peers))
        json_array_append_new(list, json_sprintf("%c", (int)i));
    json_array_append_new(sends, json_pack("{s:I,s:o}", "t_ms", (json_int_t)t, "peers", list));
}

static bool judge_buffer(const json_t *one)
{
    const json_t *params = json_object_get(one, "params"), *events = json_object_get(one, "events");
    struct wake_buffer w = {.interval_ms = number(params, "interval_ms")};
    int64_t duration = number(params, "send_duration_ms"), ends = -1;
    json_t *sends = json_array();
    struct bits out = {0};
    bool ok;

    for (int64_t t = 0; t < END_MS; t++) {
        bool send = false;

        if (t == ends)
            wake_sent(&w, t);
        for (size_t i = 0; i < json_array_size(events); i++) {
            const json_t *e = json_array_get(events, i), *list = json_object_get(e, "affected");
            struct bits peers = {0};

            if (number(e, "t_ms") != t)
                continue;
            for (size_t k = 0; k < json_array_size(list); k++)
                bits_set(&peers, (uint32_t)*json_string_value(json_array_get(list, k)));
            send |= wake_add(&w, &peers);
            bits_done(&peers);
        }
        if (!send && (w.due_ms == 0 || t < w.due_ms))
            continue;
        wake_take(&w, &out);
        add_send(sends, t, &out);
        ends = t + duration;
        if (duration == 0)
            wake_sent(&w, t);
    }
    ok = judge(json_object_get(one, "expect"), sends);
    wake_done(&w);
    bits_done(&out);
    return ok;
}

/* ---- stream debounce */

struct message {
    struct debounce_item item;
    const char *name;
};

static void add_messages(json_t *sends, int64_t t, struct rk_list *out)
{
    json_t *names = json_array(), *o = json_pack("{s:I}", "t_ms", (json_int_t)t);
    struct rk_list *node;

    while ((node = rk_list_pop_front(out)) != NULL) {
        struct message *m = rk_container_of(node, struct message, item.node);

        json_array_append_new(names, json_string(m->name));
    }
    if (json_array_size(names) == 1)
        json_object_set(o, "msg", json_array_get(names, 0));
    else
        json_object_set(o, "msgs", names);
    json_decref(names);
    json_array_append_new(sends, o);
}

static bool judge_debounce(const json_t *one)
{
    const json_t *events = json_object_get(one, "events");
    struct message *messages = rk_calloc(json_array_size(events) + 1, sizeof *messages);
    json_t *sends = json_array();
    struct debounce d;
    bool ok;

    debounce_init(&d);
    ok = d.window_ms == number(json_object_get(one, "params"), "window_ms");
    for (int64_t t = 0; t < END_MS; t++) {
        struct rk_list out;

        rk_list_init(&out);
        if (d.due_ms && t >= d.due_ms)
            debounce_fire(&d, t, &out);
        for (size_t i = 0; i < json_array_size(events); i++) {
            const json_t *e = json_array_get(events, i);
            struct debounce_item *replaced;

            if (number(e, "t_ms") != t)
                continue;
            messages[i].name = json_string_value(json_object_get(e, "msg"));
            messages[i].item.map = rk_str_starts(rk_str_z(messages[i].name), RK_STR("map"));
            if (debounce_add(&d, &messages[i].item, t, &replaced))
                rk_list_push_back(&out, &messages[i].item.node);
        }
        if (!rk_list_empty(&out))
            add_messages(sends, t, &out);
    }
    ok &= judge(json_object_get(one, "expect"), sends) && d.due_ms == 0;
    free(messages);
    return ok;
}

/* ---- ephemeral peers */

/* Runs the clock; returns when the peer is deleted, or -1. other_ms: a second peer registered then
 * (negative: none), whose run may take the first one along. */
static int64_t deleted_at_s(const json_t *events, int64_t other_ms)
{
    struct rk_heap_node peer = {0}, other = {0};
    struct ephemeral_list l;
    int64_t deleted = -1;

    ephemeral_init(&l);
    for (int64_t t = -700; t < 3600 && deleted < 0; t++) {
        struct rk_heap_node *due;

        for (size_t i = 0; i < json_array_size(events); i++) {
            const json_t *e = json_array_get(events, i);

            if (number(e, "t_s") != t)
                continue;
            if (rk_str_eqz(js_str(json_object_get(e, "event")), "connected"))
                ephemeral_stop(&l, &peer);
            else
                ephemeral_start(&l, &peer, t * 1000);
        }
        if (other_ms == t * 1000)
            ephemeral_start(&l, &other, t * 1000);
        if (t * 1000 < ephemeral_next_run(&l))
            continue;
        while ((due = ephemeral_take(&l, t * 1000)) != NULL)
            if (due == &peer)
                deleted = t;
    }
    ephemeral_done(&l);
    return deleted;
}

static bool judge_ephemeral(const json_t *one)
{
    const json_t *events = json_object_get(one, "events");
    const json_t *range = json_object_get(json_object_get(one, "expect"), "deleted_at_s");
    int64_t alone = deleted_at_s(events, -1000000), earliest = alone;

    if (json_is_null(range))
        return alone < 0;
    for (int64_t other = -60; other < 0; other++) {
        int64_t t = deleted_at_s(events, other * 1000);

        if (t < earliest)
            earliest = t;
    }
    return alone == json_integer_value(json_array_get(range, 1)) &&
           earliest == json_integer_value(json_array_get(range, 0));
}

bool judge_timing(const struct cases *c, const json_t *one)
{
    struct rk_str component = js_str(json_object_get(one, "component"));

    (void)c;
    if (rk_str_eqz(component, "affected_buffer"))
        return judge_buffer(one);
    if (rk_str_eqz(component, "stream_debounce"))
        return judge_debounce(one);
    return rk_str_eqz(component, "ephemeral") && judge_ephemeral(one);
}
