/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Port Control Protocol (RFC 6887), as much as a port for UDP over IPv4 takes: one MAP request, one
 * answer. No library of Debian has it. The codec is pure; asking blocks (see portmap_router.h).
 *
 *    0 version 2 | opcode 1, in an answer 0x81 | reserved | result (answer)
 *    4 lifetime, seconds; 0 takes it back
 *    8 our address (::ffff:a.b.c.d), in an answer the router's epoch
 *   24 nonce (12 bytes) | protocol 17 | reserved (3)
 *   40 our port | port outside | address outside (16)
 */
#ifndef RK_AGENT_ICE_PORTMAP_PCP_H
#define RK_AGENT_ICE_PORTMAP_PCP_H

#include "agent/ice/portmap_router.h"
#include "lib/base/str.h"

#define PCP_PORT     5351
#define PCP_MAP_SIZE 60

enum pcp_verdict {
    PCP_IGNORE, /* not for us: go on waiting */
    PCP_OK,
    PCP_REFUSED,
    PCP_FOREIGN, /* the router speaks another version, as NAT-PMP does */
};

/** The request of a->port and a->wanted with a->nonce. */
void pcp_map_request(const struct portmap_ask *a, uint32_t lifetime_s, uint8_t out[PCP_MAP_SIZE]);

/** Read an answer to it; *out is written with PCP_OK alone. Any bytes. */
enum pcp_verdict pcp_map_answer(struct rk_str in, const struct portmap_ask *a,
                                struct portmap_answer *out);

/** Ask the router; up to about 1.3 s where nothing answers. false: none by this way. */
bool pcp_ask(const struct portmap_ask *a, uint32_t lifetime_s, struct portmap_answer *out);

/** Take it back: one datagram, nothing is waited for. */
void pcp_forget(const struct portmap_ask *a);

#endif
