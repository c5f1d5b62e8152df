/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which peers must get a new map after a mutation. Pure. Any thread.
 */
#ifndef MGMT_PUSH_AFFECTED_H
#define MGMT_PUSH_AFFECTED_H

#include "management/domain/change.h"
#include "management/netmap/snapshot.h"

/**
 * Peers of new_snap (as its indexes) whose map can differ from the one of old_snap: always a
 * superset of those whose map differs. Deleted peers are not in it (their streams get the final
 * map). Replaces *out.
 */
void netmap_affected(const struct snapshot *old_snap, const struct snapshot *new_snap,
                     const struct change *changes, size_t n, struct bits *out);

#endif
