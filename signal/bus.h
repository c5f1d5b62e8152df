/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam between signal services that clients see as one: what reaches a process that does not
 * hold the destination's stream goes to the others through a bus. Whoever has one embeds struct
 * sig_bus and gives it to sig_app_new; what comes from the others it hands to sig_app_deliver and
 * sig_app_elsewhere (app.h).
 *
 *   Send at A ─▶ route(): not here ─▶ bus of A ── … ── bus of B ─▶ sig_app_deliver ─▶ stream at B
 *   registration at B ──────────────▶ bus of B ── … ── bus of A ─▶ sig_app_elsewhere: older stream
 *                                                                  of that key at A ends
 */
#ifndef RK_SIGNAL_BUS_H
#define RK_SIGNAL_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

struct sig_bus;

struct sig_bus_ops { /* called on loop threads: none of them may wait */
    /** An EncryptedMessage (borrowed) whose destination is not registered here. false: it goes
     *  nowhere, for nobody else is there or too much waits. */
    bool (*send)(struct sig_bus *b, struct rk_str body);
    /** key (borrowed) has registered here, with that number. */
    void (*registered)(struct sig_bus *b, struct rk_str key, int64_t number);
    /** Number of a registration that begins now, in ns: later ones have larger numbers, whichever
     *  process they reach, but for less than a second. */
    int64_t (*number)(struct sig_bus *b);
};

struct sig_bus { /* open */
    const struct sig_bus_ops *ops;
};

#endif
