/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct host: what the overlay needs of this machine beside its WireGuard device: addresses of the
 * link, policy rules, routes to networks behind peers, forwarding for networks behind us, sysctls,
 * the firewall. Everything is in the state file before it is made, so that a killed agent's
 * successor takes it back; what others take away while it runs is noticed and put back.
 *
 *   engine --up, apply, down--> host --> host_routes.c    rules, table, legacy routes, who carries
 *                                |  \--> host_firewall.c  nftables text, forwarding, names
 *                                '--> os/netmon --news--> host_mend (compare, put back)
 *
 * Traffic for an exit node never leaves in the clear: next to its route stands an unreachable one
 * of a worse metric, which stays when the device or its route goes, and stays between two engines
 * of one run loop (host_down with keep). Loop thread. Callbacks never run inside the function that
 * causes them, but for those of host_ops that say so.
 */
#ifndef RK_AGENT_ENGINE_HOST_H
#define RK_AGENT_ENGINE_HOST_H

#include <jansson.h>

#include "agent/config/options.h"
#include "agent/config/state.h"
#include "agent/engine/route_set.h"
#include "agent/os/nl.h"
#include "agent/wg/own/filter.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/net/addr.h"
#include "schema/gen/management.pb-c.h"

struct host;

struct host_user { /* embedded in the owner's struct */
    const struct host_ops *ops;
};

struct host_ops {
    /** What is known about a peer that could carry a network. Called inside. */
    struct route_peer (*peer)(struct host_user *u, const struct rk_key *key);
    /** Traffic for a prefix belongs to this peer from now on, or (on false) no longer; carried ends
     *  a series of such changes. Called inside. */
    void (*carry)(struct host_user *u, const struct rk_key *key, const struct rk_prefix *p,
                  bool on);
    void (*carried)(struct host_user *u);
    /** The interface was deleted, replaced or renamed: stop. Once. */
    void (*lost)(struct host_user *u, const struct rk_err *why);
    /** There is no firewall but the data path's own: filter by these rules from now on. Called
     *  inside. */
    enum rk_code (*filter)(struct host_user *u, const struct wgo_filter_rules *r,
                           struct rk_err *err);
    /** Something of the map that is not applied, or that others have changed here: for people. */
    void (*trouble)(struct host_user *u, const char *text);
    /** The host's own addresses or default routes have changed (--network-monitor), or the host has
     *  slept: none of its connections may live. Bursts are over by then. */
    void (*moved)(struct host_user *u, bool slept);
};

struct host_opts { /* copied; handles and texts borrowed until freed */
    struct rk_loop *loop;
    struct rk_log *log;
    struct nl_sock *route;
    struct state *state;
    const struct settings *settings;
    const struct daemon_opts *daemon;
    struct rk_key own_key;
    bool marks; /* sockets are marked and policy rules work; else legacy routing */
};

struct host *host_new(const struct host_opts *o, struct host_user *u);
void host_free(struct host *h); /* only when down; accepts NULL */

/**
 * Addresses, MTU, rules, firewall (closed but for answers), then the link up, then watching. v6
 * family 0: no IPv6; cleared when this host has none. Errors: the link or the firewall cannot be
 * set; what was made is undone by host_down.
 */
enum rk_code host_up(struct host *h, uint32_t ifindex, const struct rk_prefix *v4,
                     struct rk_prefix *v6, struct rk_err *err) RK_MUST;

/** Undo everything; keep: another engine follows soon, so what keeps an exit node's traffic from
 *  leaving in the clear stays. Idempotent. */
void host_down(struct host *h, bool keep);

/** Remove what host_down with keep has left. */
void host_release(struct nl_sock *route, struct state *state, struct rk_log *log);

/** Remove the firewall that an agent has left, as its state file tells it (STATE_FIREWALL): tables
 * or chains of its own, and its rules in other people's chains. */
enum rk_code host_firewall_remove(const json_t *left, struct rk_err *err) RK_MUST;

/** Routes and firewall of a map. Each part is tried; the last error is returned. Routes reach the
 *  kernel with host_routes_update, once the peers are in the device. */
enum rk_code host_apply(struct host *h, const Management__NetworkMap *map,
                        struct rk_err *err) RK_MUST;

/** Choose again who carries which network, and tell kernel and device what changed. */
void host_routes_update(struct host *h);
/** The same on the next loop turn (peers change in bursts). */
void host_routes_soon(struct host *h);

/** Compare all of it with what it should be, as every news of the kernel does in part, and choose
 * again who carries which network. */
void host_check(struct host *h);

/** A name of a domain route that this host serves has resolved to an address: let traffic through
 *  to it. The firewall has it when this returns. Any number of times. Errors: RK_LIMIT, or those of
 *  the firewall. */
enum rk_code host_resolved(struct host *h, struct rk_str domain, const struct rk_ip *ip,
                           struct rk_err *err) RK_MUST;

/** With the next host_apply: what this host sends to port 53 of its overlay address goes to this
 *  port of it (0: stays). False: there is no firewall to do it. */
bool host_names_redirect(struct host *h, uint16_t port);

/** Networks that are known by names, one by one; false at the end. Lent until the next map. */
bool host_names(const struct host *h, size_t i, struct routed_names *out);

/** As a client: a name of one of them has resolved; its addresses are routed when this returns. See
 *  route_set_resolved. */
void host_name_routed(struct host *h, struct rk_str id, struct rk_str name, uint8_t family,
                      const struct rk_ip *ips, size_t n);

/** Legacy routing: packets of ours to this address must not enter the overlay. */
void host_bypass(struct host *h, const struct rk_ip *ip);

/** Legacy routing: prefixes that our own packets would enter the overlay by, so that candidates in
 *  them are no way to a peer; an exit node's are not among them (see host_bypass). None with policy
 *  routing. Returns how many. */
size_t host_taken(const struct host *h, struct rk_prefix *out, size_t max);

/** Networks behind peers, as `rook networks list` shows them. Owned by the caller. */
json_t *host_networks(const struct host *h);
/** Those that a peer carries now. Owned by the caller. */
json_t *host_networks_of(const struct host *h, const struct rk_key *peer);
/** The user's choice; applied at once and kept in the state file. See route_set.h. RK_NOT_FOUND;
 *  RK_PRECONDITION before the first map. */
enum rk_code host_select(struct host *h, const struct rk_str *ids, size_t n, bool select,
                         bool append, struct rk_err *err) RK_MUST;

#endif
