/* SPDX-License-Identifier: BSD-3-Clause */
/* DNS of one receiver's map, from the snapshot's dns_plan. Any thread. */
#ifndef MGMT_NETMAP_DNSVIEW_H
#define MGMT_NETMAP_DNSVIEW_H

#include "lib/base/buf.h"
#include "management/snapshot/state.h"

struct view;

/** NetworkMap.DNSConfig of the view's receiver. */
void dnsview_put(const struct view *v, struct rk_buf *out);

/** The user and private-service zones of the receiver as entries of a repeated CustomZone field. */
void dnsview_put_zones(const struct view *v, unsigned field, struct rk_buf *out);

/** Records of the peers in the set: entries of a repeated SimpleRecord field with number 2. */
void dnsview_put_records(const struct view *v, const struct bits *peers, struct rk_buf *out);

#endif
