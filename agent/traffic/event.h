/* SPDX-License-Identifier: BSD-3-Clause */
/* What happened to a flow, as it is summed up and told (spec/agent.md 10.3). Plain data. */
#ifndef RK_AGENT_TRAFFIC_EVENT_H
#define RK_AGENT_TRAFFIC_EVENT_H

#include <stdint.h>

#include "lib/net/addr.h"

#define TRAFFIC_ID       16 /* bytes */
#define TRAFFIC_NAME_MAX 64 /* characters of ids of policies and resources */

/* Numbers of the protocol (schema/proto/flow.proto). */
enum traffic_direction { TRAFFIC_DIRECTION_UNKNOWN, TRAFFIC_INGRESS, TRAFFIC_EGRESS };

struct traffic_event { /* open; also the sum of several */
    uint8_t id[TRAFFIC_ID];
    uint8_t flow[TRAFFIC_ID];
    int64_t at_us;
    enum traffic_direction direction;
    uint8_t protocol; /* IP's number */
    struct rk_ip src, dst;
    uint16_t src_port, dst_port;
    uint8_t icmp_type, icmp_code;
    uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes;
    uint64_t starts, ends, drops;
    char policy[TRAFFIC_NAME_MAX + 1]; /* empty: not known */
    char src_resource[TRAFFIC_NAME_MAX + 1], dst_resource[TRAFFIC_NAME_MAX + 1];
};

#endif
