/* SPDX-License-Identifier: BSD-3-Clause */
/* Activity events: never part of a snapshot. Codes and texts are in network-map.md section 7. */
#ifndef MGMT_DOMAIN_EVENT_H
#define MGMT_DOMAIN_EVENT_H

#include "management/domain/types.h"

#define EVENT_INITIATOR_SYSTEM "sys"

struct event {
    int64_t id; /* of the database */
    int64_t at_us;
    int activity; /* number of the code table */
    struct rk_str initiator_id;
    struct rk_str target_id;
    struct rk_str account_id;
    struct rk_str meta; /* JSON object text; empty: none */
};

#endif
