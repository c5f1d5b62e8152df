/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which flows are of the overlay, in which direction, by which policy and to which resource: read
 * from the network map. Pure; one thread.
 */
#ifndef RK_AGENT_TRAFFIC_PLACES_H
#define RK_AGENT_TRAFFIC_PLACES_H

#include "agent/traffic/event.h"
#include "schema/gen/management.pb-c.h"

struct places;

/** own: this host's overlay addresses with their networks; family 0: none. Owned: places_free. */
struct places *places_new(const struct rk_prefix *own4, const struct rk_prefix *own6);
void places_free(struct places *p); /* accepts NULL */

/** Take over routes and rules of a map. own_key: of this host, as text. */
void places_map(struct places *p, const Management__NetworkMap *map, struct rk_str own_key);

/** What flows through exit nodes and name look-ups count only when asked for. */
void places_collect(struct places *p, bool exit_node, bool dns);

/** Fill in direction, policy and resources of e, whose addresses and ports are set. False: it is
 *  none of the overlay's, or not collected. */
bool places_find(const struct places *p, struct traffic_event *e);

#endif
