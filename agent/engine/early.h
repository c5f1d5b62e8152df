/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct early: signal messages of peers that the network map does not have yet. A new peer often
 * offers before our own map arrives; without this its offer would be lost and it would wait three
 * seconds to repeat it. Bounded in number and time. Loop thread.
 */
#ifndef RK_AGENT_EARLY_H
#define RK_AGENT_EARLY_H

#include "agent/client/signal_msg.h"
#include "lib/base/list.h"
#include "lib/base/loop.h"
#include "lib/crypto/secret.h"

struct early { /* embed */
    struct rk_list msgs;
    size_t n;
};

void early_init(struct early *q);
void early_done(struct early *q);

/** Keep a copy, without the Rosenpass key that we do not use; the oldest go when there are too
 * many, and a message of more than 16 KiB is none. Not for messages that mean nothing later. */
void early_put(struct early *q, const struct rk_key *from, const struct signal_msg *msg);

/** Hand over what a peer sent, in order, to give(arg, message), and forget it. */
typedef void early_give_fn(void *arg, const struct signal_msg *msg);
void early_take(struct early *q, const struct rk_key *from, early_give_fn *give, void *arg);

#endif
