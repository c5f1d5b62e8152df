/* SPDX-License-Identifier: BSD-3-Clause */
/* One message of an agent about one flow, as it is stored: a row of traffic_event. */
#ifndef MGMT_TRAFFIC_ROW_H
#define MGMT_TRAFFIC_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "management/store/db.h"

enum traffic_direction { TRAFFIC_DIRECTION_UNKNOWN, TRAFFIC_INGRESS, TRAFFIC_EGRESS };

/* What stands at one end of a flow. The numbers are stored. */
enum traffic_end_type {
    TRAFFIC_UNKNOWN,
    TRAFFIC_PEER,
    TRAFFIC_HOST,
    TRAFFIC_SUBNET,
    TRAFFIC_DOMAIN,
    TRAFFIC_ROUTE,
};

struct traffic_end { /* open */
    enum traffic_end_type type;
    struct rk_str id; /* of the peer, resource or route; empty: unknown */
    struct rk_str ip; /* as text */
    int64_t port;     /* ICMP: the type at the source, the code at the destination */
};

struct traffic_counts { /* open */
    int64_t rx_packets, tx_packets, rx_bytes, tx_bytes;
    int64_t starts, ends, drops;
};

struct traffic_row {         /* open; texts live where the row does */
    int64_t seq;             /* place in the store; when read */
    struct rk_str event_id;  /* 16 bytes */
    struct rk_str flow_id;   /* 16 bytes */
    struct rk_str reporter;  /* id of the peer */
    struct rk_str user_id;   /* whose machine it is; empty: nobody's, or not kept */
    struct rk_str policy_id; /* empty: not told */
    int64_t received_us, at_us, window_start_us, window_end_us;
    enum traffic_direction direction;
    int64_t protocol; /* IP's number */
    bool routed;      /* an end is behind a routing peer */
    struct traffic_end source, dest;
    struct traffic_counts n;
};

/** First in each transaction that writes: no other process writes until it is over. */
enum rk_code traffic_rows_alone(struct db *db, struct rk_err *err) RK_MUST;

/** Insert, unless the event is there already. */
enum rk_code traffic_row_put(struct db *db, struct rk_str account_id, const struct traffic_row *r,
                             struct rk_err *err) RK_MUST;

/** Remove up to `most` rows of days before `day` (since 1970), and of the oldest beyond keep_rows
 *  (0: however many); *more: there may be others. Flows of which something stays stay listed. */
enum rk_code traffic_rows_drop(struct db *db, int64_t day, int64_t keep_rows, int64_t most,
                               bool *more, struct rk_err *err) RK_MUST;

#endif
