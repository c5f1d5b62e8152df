/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events of one window, summed up: what has the same ends, destination port, direction, protocol
 * and ICMP type is one. The earliest gives id, time and source port; other protocols than TCP, UDP
 * and ICMP stay single. Pure; one thread.
 */
#ifndef RK_AGENT_TRAFFIC_TABLE_H
#define RK_AGENT_TRAFFIC_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/traffic/event.h"

struct traffic_table;

/** At most so many sums in one window; what does not fit is counted by traffic_table_lost. Owned:
 *  traffic_table_free. */
struct traffic_table *traffic_table_new(size_t most);
void traffic_table_free(struct traffic_table *t); /* accepts NULL */

/** What it began, whose ids the caller gives; NULL: it was added to another, or found no place.
 *  Borrowed until the window ends. */
struct traffic_event *traffic_table_add(struct traffic_table *t, const struct traffic_event *e);

/** End of a window: tell(arg) of each sum, then start anew. */
void traffic_table_take(struct traffic_table *t,
                        void (*tell)(void *arg, const struct traffic_event *sum), void *arg);

/** The next sum would find no place: its window must end first. */
bool traffic_table_full(const struct traffic_table *t);

/** Events that found no place, ever. */
uint64_t traffic_table_lost(const struct traffic_table *t);

#endif
