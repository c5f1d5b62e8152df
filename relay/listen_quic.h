/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QUIC transport of the relay: a UDP socket per loop that share one port, sessions of the same kind
 * as those of WebSockets. One message is one datagram (RFC 9221); no streams.
 *
 *   UDP ─▶ lib/quic endpoint ─▶ connection ─datagram─▶ relay_session_message
 *   relay_session_flush ─transmit─▶ connection ─▶ packets of this turn ─▶ UDP (GSO)
 *
 * A client whose address changes may reach the socket of another loop: that one hands the packet
 * over.
 */
#ifndef RK_RELAY_LISTEN_QUIC_H
#define RK_RELAY_LISTEN_QUIC_H

#include "lib/base/metrics.h"
#include "lib/net/addr.h"
#include "relay/hub.h"

struct relay_quic;
struct tls_ctx;

#define RELAY_QUIC_ALPN "nb-quic"

/** Bind a socket for every lane and begin. Main thread; the loops may run. tls: of the certificate,
 *  lent for life. Owned: relay_quic_free. Errors: RK_UNAVAILABLE, RK_FORBIDDEN naming the address,
 *  RK_INVALID (certificate). */
enum rk_code relay_quic_open(struct relay_hub *hub, const struct rk_addr *addr, struct tls_ctx *tls,
                             size_t max_per_addr, struct rk_metrics *metrics,
                             struct relay_quic **out, struct rk_err *err) RK_MUST;

uint16_t relay_quic_port(const struct relay_quic *q);

/** No new connections on this lane / close its socket (its sessions are gone). Its loop thread. */
void relay_quic_stop_lane(struct relay_quic *q, struct relay_lane *lane);
void relay_quic_close_lane(struct relay_quic *q, struct relay_lane *lane);

/** After every lane was closed. Accepts NULL. */
void relay_quic_free(struct relay_quic *q);

#endif
