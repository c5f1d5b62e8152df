/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A first message that says nothing: a HEARTBEAT, sealed for the peer by a key of ours, which
 * agents pass over in silence. It follows the header of the registration at once, for proxies that
 * keep response headers back until data comes (nginx below 1.25 over TLS). Any thread.
 */
#ifndef RK_SIGNAL_GREETING_H
#define RK_SIGNAL_GREETING_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/crypto/secret.h"

#define SIG_GREETING_MAX 160

/** The EncryptedMessage for a peer into out; its size, or 0 when the peer's name is no key. */
size_t sig_greeting_make(const struct rk_key *own, struct rk_str peer,
                         uint8_t out[SIG_GREETING_MAX]);

#endif
