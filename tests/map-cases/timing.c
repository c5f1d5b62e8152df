/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases of the timers, on a clock that the test moves: the official server's intervals given to the
 * hub's state machine, and the clean-up of ephemeral peers in a real store.
 *
 * The official server queues messages; here a peer has one bit "must get a map", and the map is
 * built when it is sent. So of the maps that a case sends together only the newest is one here, and
 * what the official server holds back may come earlier, but never later and never twice.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "management/push/coalesce.h"
#include "tests/map-cases/suite.h"

#define T0      ((int64_t)100000) /* the machine's clock is above 0 */
#define END_MS  5000
#define LETTERS 128

static int64_t number(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

/* ---- affected buffer: peers are single letters, one thread builds */

struct wake { /* one peer */
    struct coalesce c;
    int64_t due_ms; /* 0: nothing waits */
    int64_t sent_ms[8];
    size_t n;
};

static void events_at(const json_t *one, int64_t t, struct wake *peers,
                      const struct coalesce_rule *rule)
{
    const json_t *events = json_object_get(one, "events");

    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *e = json_array_get(events, i), *list = json_object_get(e, "affected");

        for (size_t k = 0; number(e, "t_ms") == t && k < json_array_size(list); k++) {
            struct wake *p = &peers[*json_string_value(json_array_get(list, k)) % LETTERS];

            p->due_ms = coalesce_mark(&p->c, rule, T0 + t);
        }
    }
}

/* Each expected send: every peer of it had a map after the previous send and not later. */
static bool sends_match(const json_t *one, const struct wake *peers)
{
    const json_t *want = json_object_get(one, "expect");
    size_t expected[LETTERS] = {0};
    bool ok = true;

    for (size_t i = 0; i < json_array_size(want); i++) {
        const json_t *s = json_array_get(want, i), *list = json_object_get(s, "peers");

        for (size_t k = 0; k < json_array_size(list); k++) {
            int letter = *json_string_value(json_array_get(list, k)) % LETTERS;
            const struct wake *p = &peers[letter];
            size_t nth = expected[letter]++;

            if (nth < p->n && p->sent_ms[nth] <= number(s, "t_ms"))
                continue;
            printf("  %c: map %zu not sent by %d ms\n", letter, nth + 1, (int)number(s, "t_ms"));
            ok = false;
        }
    }
    for (int i = 0; i < LETTERS; i++)
        if (peers[i].n != expected[i]) {
            printf("  %c: %zu maps sent, wanted %zu\n", i, peers[i].n, expected[i]);
            ok = false;
        }
    return ok;
}

static bool judge_buffer(const json_t *one)
{
    const json_t *params = json_object_get(one, "params");
    struct coalesce_rule rule = {.gap_ms = number(params, "interval_ms"),
                                 .max_wait_ms = number(params, "interval_ms")};
    int64_t duration = number(params, "send_duration_ms"), busy_until = 0;
    struct wake *peers = rk_calloc(LETTERS, sizeof *peers);
    bool ok;

    for (int64_t t = 0; t < END_MS; t++) {
        events_at(one, t, peers, &rule);
        for (int i = 0; i < LETTERS && t >= busy_until; i++) {
            struct wake *p = &peers[i];

            if (!p->due_ms || p->due_ms > T0 + t || p->n == RK_ARRAY_LEN(p->sent_ms))
                continue;
            p->due_ms = 0;
            p->sent_ms[p->n++] = t;
            coalesce_sent(&p->c, &rule, T0 + t + duration);
            if (p->n == 1 && t == 0)
                busy_until = t + duration; /* the send that the case is about */
        }
    }
    ok = sends_match(one, peers);
    free(peers);
    return ok;
}

/* ---- stream debounce */

struct stream {
    struct coalesce c;
    int64_t due_ms;
    const char *newest; /* map that waits */
    const char *last;   /* map that was sent last */
    int64_t last_ms;
    size_t n;
};

static void stream_send(struct stream *s, const struct coalesce_rule *rule, int64_t t)
{
    coalesce_sent(&s->c, rule, T0 + t);
    s->due_ms = 0;
    s->last = s->newest;
    s->last_ms = t;
    s->n++;
}

/* The expected sends that hold a map: time and the newest map of each. */
static bool expect_send(const json_t *want, const struct stream *s)
{
    const json_t *e = json_array_get(want, s->n - 1), *msgs = json_object_get(e, "msgs");
    const char *newest = json_string_value(json_object_get(e, "msg"));

    for (size_t i = 0; i < json_array_size(msgs); i++)
        if (rk_str_starts(tj_str(json_array_get(msgs, i)), RK_STR("map")))
            newest = json_string_value(json_array_get(msgs, i));
    if (newest && number(e, "t_ms") == s->last_ms && rk_str_eqz(rk_str_z(s->last), newest))
        return true;
    printf("  %s at %d ms, wanted %s at %d ms\n", s->last, (int)s->last_ms,
           newest ? newest : "nothing", (int)number(e, "t_ms"));
    return false;
}

static bool judge_debounce(const json_t *one)
{
    const json_t *events = json_object_get(one, "events"), *want = json_object_get(one, "expect");
    int64_t window = number(json_object_get(one, "params"), "window_ms");
    struct coalesce_rule rule = {window, window, 2 * window};
    struct stream s = {.n = 0};
    bool ok = true;

    for (int64_t t = 0; t < END_MS; t++) {
        for (size_t i = 0; i < json_array_size(events); i++) {
            const json_t *e = json_array_get(events, i);
            struct rk_str msg = tj_str(json_object_get(e, "msg"));

            /* control messages do not wait and hold nothing up */
            if (number(e, "t_ms") != t || !rk_str_starts(msg, RK_STR("map")))
                continue;
            s.newest = msg.p;
            s.due_ms = coalesce_mark(&s.c, &rule, T0 + t);
        }
        if (s.due_ms && T0 + t >= s.due_ms) {
            stream_send(&s, &rule, t);
            ok &= expect_send(want, &s);
        }
    }
    return ok && s.n == json_array_size(want);
}

bool judge_timing(const struct cases *c, const json_t *one)
{
    struct rk_str component = tj_str(json_object_get(one, "component"));

    (void)c;
    if (rk_str_eqz(component, "affected_buffer"))
        return judge_buffer(one);
    if (rk_str_eqz(component, "stream_debounce"))
        return judge_debounce(one);
    return rk_str_eqz(component, "ephemeral") && judge_ephemeral(one);
}
