/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a network map asks of the firewall, read once and in comparable form, for whatever carries
 * it out: nftables (fw_text), iptables (fw_iptables), our own data path (fw_filter).
 *
 * Rules that cannot be used (unknown kinds and actions, bad addresses and ports) are left out one
 * by one and counted: never a wider rule in the place of one that is not understood. Pure; any
 * thread.
 */
#ifndef RK_AGENT_FW_RULES_H
#define RK_AGENT_FW_RULES_H

#include "agent/engine/fw_text.h"

enum fw_proto { FW_ALL, FW_TCP, FW_UDP, FW_ICMP };

/* A rule of a peer, towards this host. All unused bytes are zero. */
struct fw_peer_rule {
    uint8_t family;
    uint8_t drop;
    uint8_t proto;
    uint8_t any;               /* every source */
    uint16_t port_lo, port_hi; /* 0, 0: all */
    struct rk_ip src;
};

/* Sources of route rules, each list once. */
struct fw_sources {
    const struct rk_prefix *v; /* sorted, masked */
    size_t n;                  /* 0: every source */
};

struct fw_route_rule {
    uint8_t family;
    uint8_t drop;
    uint8_t proto;
    uint16_t port_lo, port_hi;
    size_t sources;                    /* which of fw_rules.sources */
    const struct fw_domain_set *names; /* or NULL: to dst */
    struct rk_prefix dst;
};

/* A route of the map that is ours to serve, in one family. */
struct fw_served {
    uint8_t family;
    bool masquerade;
    const struct fw_domain_set *names; /* or NULL: dst */
    struct rk_prefix dst;
};

/* A port of this host that leads to a peer. */
struct fw_forward {
    uint8_t proto; /* FW_TCP, FW_UDP */
    uint16_t port_lo, port_hi;
    uint16_t to_lo; /* first port there; as many follow */
    struct rk_ip to;
};

struct fw_rules {
    struct fw_peer_rule *peer; /* sorted: drops first, then by all but the address */
    size_t n_peer;
    struct fw_route_rule *route; /* sorted: drops first, destination last */
    size_t n_route;
    struct fw_sources *sources;
    size_t n_sources;
    struct fw_served *served; /* in the map's order */
    size_t n_served;
    struct fw_forward *forward;
    size_t n_forward;
    bool open;          /* an old server: everything is allowed */
    bool legacy_routes; /* same for routed traffic: to what is served */
    bool names_asked;   /* peers may ask our forwarder of names */
};

/** Everything is in mem but the sets, which are in keep. map may be NULL. RK_LIMIT. */
enum rk_code fw_rules_read(const struct fw_opts *o, const Management__NetworkMap *map,
                           struct rk_arena *mem, struct rk_arena *keep, struct fw_domain_sets *sets,
                           struct fw_rules *out, struct fw_stats *stats,
                           struct rk_err *err) RK_MUST;

/** Do two rules differ in the address at most? */
bool fw_same_group(const struct fw_peer_rule *x, const struct fw_peer_rule *y);
/** Do two rules differ in the destination at most, and are both to prefixes? */
bool fw_same_way(const struct fw_route_rule *x, const struct fw_route_rule *y);
/** Does a set stand for a domain, as the map writes it? */
bool fw_set_has(const struct fw_domain_set *s, struct rk_str domain);
/** May this name stand in texts of firewalls as it is? */
bool fw_plain_name(struct rk_str s);

#endif
