/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct flows: what may be sent from one place to another, exactly: each TCP and UDP port, ICMP,
 * and everything else. Rules are added and taken away as agents evaluate them (a drop wins over any
 * accept, whatever their order: the agents' firewall puts drops in front).
 *
 * Plain data of about 16 kB, no I/O; any thread that owns it.
 */
#ifndef MGMT_REACH_FLOWS_H
#define MGMT_REACH_FLOWS_H

#include "lib/base/buf.h"
#include "management/domain/policy.h"

#define FLOWS_PORTS 65536

struct flows { /* {0}: nothing */
    uint64_t tcp[FLOWS_PORTS / 64], udp[FLOWS_PORTS / 64];
    bool icmp, other;
};

/** One entry of a rule: a protocol, and ports first…last (0-0: every port; for ICMP and "all" ports
 *  do not count unless they are given). on: allow, else take away. A last port below the first one
 *  matches nothing. */
void flows_set(struct flows *f, enum rule_protocol proto, uint16_t first, uint16_t last, bool on);

/** Something may be sent at all. */
bool flows_any(const struct flows *f);

/** The question of a protocol and port: port 0 asks for any port, PROTO_ALL for anything. With
 *  PROTO_ALL and a port: TCP or UDP. */
bool flows_allow(const struct flows *f, enum rule_protocol proto, uint16_t port);

bool flows_eq(const struct flows *a, const struct flows *b);

/** a |= b, a &= ~b */
void flows_add(struct flows *a, const struct flows *b);
void flows_drop(struct flows *a, const struct flows *b);

/** As people read it: "all", "tcp 22, 80-90; icmp", "none"; "all but tcp 25". Appended. */
void flows_text(const struct flows *f, struct rk_buf *out);

#endif
