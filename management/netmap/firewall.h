/* SPDX-License-Identifier: BSD-3-Clause */
/* Firewall rules between peers: NetworkMap.FirewallRules. */
#ifndef MGMT_NETMAP_FIREWALL_H
#define MGMT_NETMAP_FIREWALL_H

#include "management/netmap/view.h"

/** All entries for the receiver; returns whether there were any. */
bool firewall_put(struct view *v, struct rk_buf *out);

/** Number of a protocol on the wire. */
unsigned firewall_wire_protocol(enum rule_protocol p);

#endif
