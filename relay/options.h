/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of rookery-relay: flags of the official relay and ours, each with environment names. */
#ifndef RK_RELAY_OPTIONS_H
#define RK_RELAY_OPTIONS_H

#include "lib/net/addr.h"
#include "lib/serve/svc.h"
#include "relay/app.h"

struct relay_options { /* open */
    struct svc_common common;
    struct rk_str listen_address, exposed_address, auth_secret;
    bool enable_stun;
    struct rk_strs stun_ports;
    struct rk_str stun_address; /* empty: all addresses */
    bool quic;
    struct rk_str quic_address; /* UDP; empty: like listen_address */
    int64_t max_peers, health_misses;
    struct rk_str max_bandwidth, max_peer_bandwidth; /* rk_parse_bit_rate; empty: no limit */
};

extern const struct svc_program RELAY_PROGRAM;

/** What cannot be seen in one value: addresses, STUN ports, options without support here. The
 *  result borrows from o. Errors: RK_INVALID naming the flag. */
enum rk_code relay_options_check(const struct relay_options *o, struct edge_listen *listen,
                                 struct rk_addr *quic, struct rk_addr stun[RELAY_STUN_MAX],
                                 size_t *n_stun, struct rk_err *err) RK_MUST;

#endif
