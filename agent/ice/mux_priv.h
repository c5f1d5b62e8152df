/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of struct ice_mux, shared by mux.c (routing of what comes in) above gather.c above
 * stun_servers.c and turn_servers.c above socket.c. */
#ifndef RK_AGENT_ICE_MUX_PRIV_H
#define RK_AGENT_ICE_MUX_PRIV_H

#include "agent/ice/mux.h"
#include "agent/ice/turn.h"
#include "agent/wg/port.h"
#include "lib/base/map.h"
#include "lib/net/stun.h"
#include "lib/net/tcp.h"

#define ICE_MUX_MAX_NAMES 32
/* Overlay networks, and in legacy routing the networks behind peers. */
#define ICE_MUX_MAX_OVERLAY 256
#define ICE_MUX_MAX_SERVERS 16
#define ICE_MUX_MAX_TURNS   4
#define ICE_MUX_MAX_HOSTS   32 /* own addresses that are offered */
#define ICE_MUX_FAMILIES    2  /* index 0: IPv4, 1: IPv6 */

struct ice_mux_path {      /* a STUN server over one address family */
    struct rk_addr server; /* family 0: the name has no such address */
    struct rk_addr mapped; /* family 0: not known (any more) */
    int64_t mapped_ms;
    struct stun_txid txid;    /* of the request under way */
    int64_t sent_ms, next_ms; /* next_ms 0: nothing under way */
    unsigned tries;
};

struct ice_mux_server {
    struct ice_mux *mux; /* NULL: abandoned while its name was being looked up */
    char *uri, *host;    /* owned */
    uint16_t port;
    struct ice_mux_path path[ICE_MUX_FAMILIES];
    struct tcp_resolve resolve;
    bool resolving;
    int64_t resolved_ms; /* 0: never */
    struct rk_err err;
};

struct ice_mux_turn { /* a TURN server */
    struct ice_mux *mux;
    size_t index;                 /* in the list as it was told */
    char *text, *name, *password; /* owned */
    struct ice_turn_uri uri;
    struct ice_turn_user user;
    struct ice_turn *turn; /* NULL: not asked */
    bool ended;            /* … and can be closed */
    struct rk_err err;     /* the last, until it gives an address */
    struct rk_log_gate gate;
};

struct ice_mux {
    struct rk_loop *loop;
    struct rk_log *log;
    struct udp_user user;
    struct udp_sock *sock; /* or */
    struct wg_port_user port_user;
    struct wg_port *shared;
    struct udp_scratch *scratch;
    bool disable_ipv6, with_loopback;
    uint32_t fwmark;
    char *blacklist[ICE_MUX_MAX_NAMES], *own_ifaces[ICE_MUX_MAX_NAMES];
    size_t n_blacklist, n_own_ifaces;
    struct external_ip external[EXTERNAL_IPS_MAX];
    size_t n_external;
    struct rk_prefix overlay[ICE_MUX_MAX_OVERLAY];
    size_t n_overlay;
    struct rk_map by_ufrag, by_tag, by_addr;
    uint32_t next_tag;
    struct ice_mux_claim *last; /* the claim found last: packets come in trains */
    /* gathering */
    struct ice_mux_server *servers[ICE_MUX_MAX_SERVERS];
    size_t n_servers;
    struct rk_list fresh, gathers; /* not served yet; served with host candidates */
    struct rk_timer *serve_timer, *stun_timer;
    struct rk_addr router_port; /* port 0: none */
    /* TURN */
    struct tls_ctx *tls;
    struct ice_mux_turn *turns[ICE_MUX_MAX_TURNS];
    size_t n_turns, n_turns_told;
    struct ice_mux_turn *relayed; /* the one whose address we use; NULL: none */
    size_t turn_holds;
    struct rk_timer *turn_timer;
    int64_t turn_next_ms, turn_retry_ms;
};

static inline size_t ice_mux_family_index(const struct rk_ip *ip)
{
    return ip->family == 6;
}

/* socket.c; the users of m are set before. An error leaves nothing open. */
enum rk_code ice_mux_socket_open(struct ice_mux *m, const struct ice_mux_opts *opts,
                                 struct rk_err *err) RK_MUST;
void ice_mux_socket_close(struct ice_mux *m);
bool ice_mux_in_overlay(const struct ice_mux *m, const struct rk_ip *ip);

/** Own addresses worth offering, for tests without a socket. Returns how many. */
size_t ice_mux_host_addrs(const struct ice_mux *m, struct rk_ip *out, size_t max);

/** Ask the STUN servers whose answer is missing or old; tell what is known to g at once, and what
 *  they answer to all gathers under way. */
void ice_mux_servers_ask(struct ice_mux *m, struct ice_mux_gather *g);
/** One more candidate by the router's port, if there is one; seen: our address by STUN, or NULL. */
void ice_mux_tell_router_port(struct ice_mux *m, struct ice_mux_gather *g,
                              const struct rk_addr *seen);
/** True: the message was an answer of a STUN server. */
bool ice_mux_servers_input(struct ice_mux *m, const struct rk_addr *from,
                           const struct stun_msg *msg);
void ice_mux_servers_clear(struct ice_mux *m);
/** turn_servers.c: tell our relayed address, if we have one and g wants it. */
void ice_mux_turn_tell(struct ice_mux *m, struct ice_mux_gather *g);
void ice_mux_turn_network_changed(struct ice_mux *m);
void ice_mux_turn_clear(struct ice_mux *m);
/** mux.c: a datagram came to our relayed address. */
void ice_mux_relayed_input(struct ice_mux *m, const struct rk_addr *from, struct rk_str datagram);
void ice_mux_gather_clear(struct ice_mux *m);

#endif
