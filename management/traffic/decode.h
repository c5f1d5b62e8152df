/* SPDX-License-Identifier: BSD-3-Clause */
/* A message of an agent to a row: numbers checked, addresses to peers and resources. Pure. */
#ifndef MGMT_TRAFFIC_DECODE_H
#define MGMT_TRAFFIC_DECODE_H

#include "management/snapshot/snapshot.h"
#include "management/traffic/row.h"
#include "schema/gen/flow.pb-c.h"

struct traffic_from { /* open; borrowed */
    const struct snapshot *snap;
    uint32_t reporter; /* index of the peer */
    bool addresses_only;
    int64_t now_us;
};

/** Fill *out, whose texts are in the arena. False: not an event that can be kept (identifiers or
 *  addresses of a wrong length, another machine's key). arena */
bool traffic_decode(const struct traffic_from *from, const Flow__FlowEvent *e, struct rk_arena *mem,
                    struct traffic_row *out);

#endif
