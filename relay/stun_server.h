/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * STUN server: answers Binding requests over UDP with the source address, and nothing else. One
 * socket per address and loop (both families in one where the address is a wildcard), in batches:
 * the kernel gives each client to one of them. Answers leave from the address that was asked.
 */
#ifndef RK_RELAY_STUN_SERVER_H
#define RK_RELAY_STUN_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/loop.h"
#include "lib/base/metrics.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"

#define RELAY_STUN_ANSWER_MAX 64 /* bytes; an IPv6 answer has 52 */

struct relay_stun;

/** Bind and serve on the loop. addr with family 0 is the wildcard of both families; metrics may be
 *  NULL. From the main thread, the loop may run already (rk_loop_call). Owned: relay_stun_close.
 *  Errors: RK_UNAVAILABLE or RK_FORBIDDEN naming the address. */
enum rk_code relay_stun_open(struct rk_loop *loop, const struct rk_addr *addr,
                             struct rk_metrics *metrics, struct relay_stun **out,
                             struct rk_err *err) RK_MUST;

/** One more socket at the address of `first`, on another loop. As above; fails where the socket of
 *  `first` is another user's (of a socket unit), and that one then serves alone. */
enum rk_code relay_stun_join(struct rk_loop *loop, const struct relay_stun *first,
                             struct rk_metrics *metrics, struct relay_stun **out,
                             struct rk_err *err) RK_MUST;

/** Port that is served (useful with port 0). Any thread. */
uint16_t relay_stun_port(const struct relay_stun *s);

/** Loop thread, or any when the loop does not run; accepts NULL. */
void relay_stun_close(struct relay_stun *s);

/** The answer to one datagram, written to out; empty when it deserves none. Any thread. */
struct rk_str relay_stun_answer(struct rk_str in, const struct rk_addr *from,
                                uint8_t out[RELAY_STUN_ANSWER_MAX]);

#endif
