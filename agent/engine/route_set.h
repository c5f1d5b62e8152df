/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct route_set: the networks behind peers: what the map offers, what the user selected, which
 * peer carries each. Decides only; what follows for kernel and device is read off as a list. Pure
 * but for its own memory; one thread at a time.
 *
 * Routes with the same network id and destination form a group (HA); the best candidate carries it:
 * connected before idle, lower metric, lower latency, direct before relayed, and the present one
 * unless another is clearly better.
 */
#ifndef RK_AGENT_ROUTE_SET_H
#define RK_AGENT_ROUTE_SET_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/crypto/secret.h"
#include "lib/net/addr.h"
#include "schema/gen/management.pb-c.h"

#define ROUTE_SET_MAX 100000u /* routes of one map */
#define ROUTE_SET_IPS 16384u  /* addresses that names have resolved to */

struct route_set;

struct route_opts { /* copied */
    struct rk_key own_key;
    struct rk_prefix v4, v6; /* of the overlay; v6 family 0: no IPv6 */
};

/** selection: as route_set_selection gave it once; borrowed for the call, may be NULL. Owned. */
struct route_set *route_set_new(const struct route_opts *o, const json_t *selection);
void route_set_free(struct route_set *s); /* accepts NULL */

/** Take the routes of a map; choices are kept where the group still exists. Routes that cannot be
 *  used (text, address family, places that are not for routing) are left out and counted. */
enum rk_code route_set_load(struct route_set *s, const Management__NetworkMap *map,
                            size_t *left_out, struct rk_err *err) RK_MUST;

/** What is known about a peer when choosing. */
struct route_peer {
    bool known; /* it is in the map and not being connected right now */
    bool connected, relayed;
    int64_t latency_us; /* 0: unknown */
};
typedef struct route_peer route_peer_fn(void *arg, const struct rk_key *peer);

/** Choose anew; true when some choice has changed. */
bool route_set_choose(struct route_set *s, route_peer_fn *peer, void *arg);

/* One selected network as it should be carried. */
struct routed { /* open */
    struct rk_prefix prefix;
    bool has_peer; /* false: nobody carries it now; the kernel's route stays */
    struct rk_key peer;
    bool block; /* no network but a hole: IPv6 must not leave beside an IPv4 exit node */
};

/** The selected networks, sorted by prefix, each once (an exit node's hole before its route). Lent
 *  until the next change. */
const struct routed *route_set_list(struct route_set *s, size_t *n);

/* A selected group that is known by names. */
struct routed_names { /* open; lent until the next load */
    struct rk_str id; /* of the group */
    const struct rk_str *domains;
    size_t n_domains;
    bool has_peer;
    struct rk_key peer;
};

/** The i-th of them; false at the end. */
bool route_set_names(const struct route_set *s, size_t i, struct routed_names *out);

/** A name of a group has resolved to these addresses of one family: they are part of the list from
 *  now on. What the name had before and has no more goes, unless the route says to keep it.
 *  Addresses that are not for routing are left out. True when the list has changed. */
bool route_set_resolved(struct route_set *s, struct rk_str id, struct rk_str name, uint8_t family,
                        const struct rk_ip *ips, size_t n);

/** Choices of the user by network id; "all" for all. append keeps what was selected before.
 *  RK_NOT_FOUND for an id that is not offered; then nothing changes. */
enum rk_code route_set_select(struct route_set *s, const struct rk_str *ids, size_t n, bool append,
                              struct rk_err *err) RK_MUST;
enum rk_code route_set_deselect(struct route_set *s, const struct rk_str *ids, size_t n,
                                struct rk_err *err) RK_MUST;

/** For the state file. Owned by the caller. */
json_t *route_set_selection(const struct route_set *s);

/** For `rook networks list`: an array of {id, network or domains, selected}. Owned by the caller.
 */
json_t *route_set_json(const struct route_set *s);

/** For status: the prefixes and domains that a peer carries now, as texts. Owned by the caller. */
json_t *route_set_of_peer(const struct route_set *s, const struct rk_key *peer);

/** Is one of the map's routes ours to serve? */
bool route_set_serves(const struct route_set *s);

#endif
