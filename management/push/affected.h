/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which peers must get a new map after a mutation. Pure. Any thread.
 *
 * netmap_affected() is what the hub calls; the struct affected functions are its steps, one per
 * kind of change, for callers that know better what happened.
 */
#ifndef MGMT_PUSH_AFFECTED_H
#define MGMT_PUSH_AFFECTED_H

#include "management/domain/change.h"
#include "management/snapshot/snapshot.h"

/**
 * Peers of new_snap (as its indexes) whose map can differ from the one of old_snap: always a
 * superset of those whose map differs by more than the serial. Deleted peers are not in it (their
 * streams get the final map). Replaces *out.
 *
 * Maps also change with time alone: when a login expires the engine flags the peer, which is a
 * change like any other.
 */
void netmap_affected(const struct snapshot *old_snap, const struct snapshot *new_snap,
                     const struct change *changes, size_t n, struct bits *out);

struct affected {             /* open; zero-initialise but for s */
    const struct snapshot *s; /* borrowed: the state that is looked at */
    struct bits out;          /* indexes of s; owned: bits_done */
    bool official_reach;      /* also those whom the official server wakes without need */
    struct bits tmp;
};
void affected_done(struct affected *a);

/** A peer changed in a way that others see: those who know it. Not the peer itself. */
void affected_peer(struct affected *a, uint32_t peer);

/** Membership of some peer in the group changed: those who know peers through it. Not the peer. */
void affected_link(struct affected *a, struct rk_str group_id);

/** The group changed as a whole: its members too. Nobody when nothing uses it. */
void affected_group(struct affected *a, struct rk_str group_id);

/** The object is, was or will be so; its enabled flag does not matter. */
void affected_policy(struct affected *a, const struct policy *p);
void affected_route(struct affected *a, const struct route *r);
void affected_router(struct affected *a, const struct router *r);

/** A resource changed; groups: ids of groups that hold, held or will hold it. */
void affected_resource(struct affected *a, struct rk_str resource_id, struct rk_str network_id,
                       const struct str_list *groups);
void affected_network(struct affected *a, struct rk_str network_id);
void affected_posture(struct affected *a, struct rk_str posture_id);

/** Members of the groups (distribution lists of DNS objects). */
void affected_members(struct affected *a, const struct str_list *group_ids);

/** Users changed: in which of their groups, and whether the set of active users differs. */
void affected_users(struct affected *a, const struct str_list *group_ids, bool active_set);

#endif
