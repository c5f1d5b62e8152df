/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How messages of a TURN allocation reach the server: a UDP socket, or a TCP connection with or
 * without TLS, in which they stand behind each other (RFC 8656 section 2.1; ChannelData is padded
 * to four bytes there). Internal to turn.c and turn_way.c. Loop thread.
 */
#ifndef RK_AGENT_ICE_TURN_WAY_H
#define RK_AGENT_ICE_TURN_WAY_H

#include "agent/ice/turn.h"

#define TURN_CHANNEL_HEAD 4 /* channel number 16, length 16 */

struct turn_way;
struct turn_way_user {
    const struct turn_way_ops *ops;
};
struct turn_way_ops {
    void (*open)(struct turn_way_user *u); /* messages can be sent */
    void (*data)(struct turn_way_user *u, struct rk_str message);
    void (*gone)(struct turn_way_user *u, const struct rk_err *why); /* once; close it later */
};

/** Callbacks come later. Owned: turn_way_close. */
enum rk_code turn_way_open(const struct ice_turn_opts *o, struct turn_way_user *user,
                           struct turn_way **out, struct rk_err *err) RK_MUST;
/** What was sent before still leaves, if it can. No callback follows. */
void turn_way_close(struct turn_way *w);

bool turn_way_reliable(const struct turn_way *w); /* nothing needs to be sent again */
void turn_way_send(struct turn_way *w, struct rk_str message);
void turn_way_send_channel(struct turn_way *w, const char head[TURN_CHANNEL_HEAD],
                           struct rk_str datagram);

#endif
