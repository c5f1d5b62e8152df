/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICE candidates and their one-line text form, as official agents write it:
 *   <foundation> 1 udp <priority> <address> <port> typ <host|srflx|prflx|relay>
 *       [ raddr <address> rport <port>] [ <key> <value>]...
 * Any thread; no I/O.
 */
#ifndef RK_AGENT_ICE_CANDIDATE_H
#define RK_AGENT_ICE_CANDIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"

enum ice_cand_type { ICE_HOST, ICE_SRFLX, ICE_PRFLX, ICE_RELAY };

#define ICE_CAND_ID_LEN   32  /* characters of an id that we make */
#define ICE_CAND_ID_MAX   64  /* characters of an id that we accept */
#define ICE_UFRAG_MAX     256 /* RFC 8839 */
#define ICE_CAND_LINE_MAX 1024

struct ice_cand { /* open, plain data */
    enum ice_cand_type type;
    struct rk_addr addr;
    struct rk_addr related; /* family 0: none */
    uint32_t priority;
    char foundation[33];
    char id[ICE_CAND_ID_MAX + 1]; /* extension "cid"; empty: none */
};

/** Fill priority (type preference, local preference 65535) and foundation from type and address. */
void ice_cand_complete(struct ice_cand *c);

/** New random id of 32 characters. */
void ice_cand_make_id(char out[ICE_CAND_ID_MAX + 1]);

/** Write the line with the extensions "ufrag" and "cid" (each only if not empty). */
void ice_cand_format(const struct ice_cand *c, struct rk_str ufrag, struct rk_buf *out);

/** Parse a line; a leading "candidate:" is accepted. TCP candidates, other components and host
 *  names (mDNS) are refused. Errors: RK_BAD_REQUEST, *out untouched. */
enum rk_code ice_cand_parse(struct rk_str line, struct ice_cand *out, struct rk_err *err) RK_MUST;

const char *ice_cand_type_name(enum ice_cand_type t);

#endif
