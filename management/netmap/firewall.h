/* SPDX-License-Identifier: BSD-3-Clause */
/* Firewall rules between peers: NetworkMap.FirewallRules. */
#ifndef MGMT_NETMAP_FIREWALL_H
#define MGMT_NETMAP_FIREWALL_H

#include "management/netmap/view.h"

enum firewall_dir { FIREWALL_IN, FIREWALL_OUT }; /* numbers of the wire */

/** One rule in one direction for the peers in the set; never self, never none. */
typedef void firewall_fn(void *arg, const struct view *v, const struct plan_rule *r,
                         enum firewall_dir dir, const struct bits *peers);

/** Everything that rules open or close for the receiver (v: after view_select), in the order of the
 *  map. The map and questions about it are answered from here alone. */
void firewall_each(struct view *v, firewall_fn *fn, void *arg);

/** One port of a rule as the receiver understands it: a text, or a range (0-0: every port). */
typedef void firewall_port_fn(void *arg, struct rk_str port, const struct port_range *range);
void firewall_ports(const struct view *v, const struct rule *r, firewall_port_fn *fn, void *arg);

/** A rule's protocol between peers: SSH is TCP. */
enum rule_protocol firewall_protocol(const struct rule *r);

/** All entries for the receiver; returns whether there were any. */
bool firewall_put(struct view *v, struct rk_buf *out);

/** Number of a protocol on the wire. */
unsigned firewall_wire_protocol(enum rule_protocol p);

#endif
