/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An endpoint of lib/quic on a loop: its UDP socket, its clock and its timer. What a turn of the
 * loop has brought leaves together at the end of the turn. Loop thread.
 */
#ifndef RK_QUIC_PORT_H
#define RK_QUIC_PORT_H

#include "lib/base/loop.h"
#include "lib/net/udp.h"
#include "lib/quic/quic.h"

struct quic_port { /* embed; the fields are private but for sock and ep */
    struct rk_loop *loop;
    struct udp_sock *sock; /* NULL until quic_port_bind and after quic_port_close */
    struct quic_endpoint
        *ep; /* set by who made it, after quic_port_bind; freed by quic_port_close */
    struct udp_user udp_user;
    struct rk_task flush_task;
    struct rk_timer *timer;
    int64_t timer_at_ns; /* while armed */
    /** After input or time was handled, outside of the connections' callbacks. May be NULL. */
    void (*turned)(struct quic_port *p);
};

void quic_port_init(struct quic_port *p, struct rk_loop *loop, void (*turned)(struct quic_port *));

/** Open the socket, in place of an older one: as udp_open, with what QUIC needs of it. */
enum rk_code quic_port_bind(struct quic_port *p, const struct udp_opts *opts,
                            struct rk_err *err) RK_MUST;

/** For quic_endpoint_ops.send. */
void quic_port_send(struct quic_port *p, const struct udp_out *v, size_t n);

/** Input that came another way than by the socket. */
void quic_port_receive(struct quic_port *p, const struct udp_in *v, size_t n);

/** The time, for what is sent now; the packets leave at the end of the turn. */
void quic_port_sending(struct quic_port *p);

/** Send what waits, end the endpoint and its connections, close the socket. Not from a callback of
 *  theirs. Idempotent. */
void quic_port_close(struct quic_port *p);

int64_t quic_port_now_ns(void);

#endif
