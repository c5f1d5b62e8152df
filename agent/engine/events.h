/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct events: the last things that a person should know, for `rook status -d`: what of a map
 * could not be applied, what others changed on this host, what the connection suffered. One text
 * stands once: again, it only gets a new time. Loop thread.
 */
#ifndef RK_AGENT_ENGINE_EVENTS_H
#define RK_AGENT_ENGINE_EVENTS_H

#include <jansson.h>
#include <stdint.h>

#define EVENTS_MAX 10

enum event_severity { EVENT_INFO, EVENT_WARNING, EVENT_ERROR, EVENT_CRITICAL };
enum event_category {
    EVENT_NETWORK,
    EVENT_DNS,
    EVENT_AUTHENTICATION,
    EVENT_CONNECTIVITY,
    EVENT_SYSTEM
};

struct events { /* zeroed: empty */
    struct event {
        uint64_t id;
        enum event_severity severity;
        enum event_category category;
        int64_t unix_ms;
        char *text; /* owned */
    } ring[EVENTS_MAX];
    size_t n;
    uint64_t last_id;
};

/** e NULL: nobody listens. The oldest makes room. */
__attribute__((format(printf, 4, 5))) void
events_add(struct events *e, enum event_severity s, enum event_category c, const char *format, ...);
void events_done(struct events *e);

/** Oldest first, with the names that official agents use. Owned by the caller. */
json_t *events_json(const struct events *e);

#endif
