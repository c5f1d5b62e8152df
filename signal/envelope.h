/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The outside of a signal message, signalexchange.EncryptedMessage, as far as forwarding needs it:
 * who sends and to whom. The body is sealed between the peers and stays as it is; what is forwarded
 * are the bytes that came, so fields that we do not know survive. Any thread, allocates nothing.
 *
 *     2 key (sender)   3 remoteKey (destination)   4 body          protobuf, all length-delimited
 */
#ifndef RK_SIGNAL_ENVELOPE_H
#define RK_SIGNAL_ENVELOPE_H

#include "lib/base/err.h"
#include "lib/base/str.h"

struct sig_envelope { /* open; views borrowed from the message; absent ones are empty */
    struct rk_str key;
    struct rk_str remote_key;
    struct rk_str body;
};

/** Decode. All of the message must be well-formed protobuf and the keys UTF-8, for clients below
 *  v0.55 crash on what they cannot read. Errors: RK_BAD_REQUEST, *out is untouched. */
enum rk_code sig_envelope_decode(struct rk_str in, struct sig_envelope *out,
                                 struct rk_err *err) RK_MUST;

#endif
