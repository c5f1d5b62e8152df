/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EncryptedMessage in both directions: who sent it, what is inside, and the sealed answer.
 *
 *      EncryptedMessage { 1 wgPubKey: 44 characters, 2 body: nonce 24, tag 16, ciphertext }
 *      \_______ 46 bytes ________/\__ 1 + varint __/
 *
 * One struct envelope per service; any thread.
 */
#ifndef MGMT_RPC_ENVELOPE_H
#define MGMT_RPC_ENVELOPE_H

#include "lib/base/arena.h"
#include "lib/base/bytes.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/crypto/box.h"
#include "lib/crypto/secret.h"

struct envelope;

/** Copies the server's private key and wipes it in envelope_free. Owned. */
struct envelope *envelope_new(const struct rk_key *private_key);
void envelope_free(struct envelope *e); /* accepts NULL */

/** Public key of the server; its 44 characters and a NUL. Lent. */
const char *envelope_key_text(const struct envelope *e);

struct envelope_peer { /* open; secret inside: wipe with envelope_peer_wipe */
    struct rk_key key;
    char text[RK_KEY_TEXT + 1]; /* canonical */
    struct box_shared shared;
};
void envelope_peer_wipe(struct envelope_peer *p); /* for RK_CLEANUP too */

enum envelope_fault {
    ENVELOPE_OK,
    ENVELOPE_BAD_FORM, /* not an EncryptedMessage; the same answer as BAD_BODY */
    ENVELOPE_BAD_KEY,  /* wgPubKey is no key; *sender says what stood there */
    ENVELOPE_BAD_BODY, /* not sealed for us by that key */
};

/** Open a request. sender: the text of wgPubKey as sent (arena, at most 64 bytes of it, printable),
 *  for error messages. arena: plain text and what belongs to it; its ceiling bounds the request. */
enum envelope_fault envelope_open(struct envelope *e, struct rk_arena *mem, struct rk_str wire,
                                  struct envelope_peer *peer, struct rk_str *plain,
                                  struct rk_str *sender);

/** Sealed answer as the bytes of an EncryptedMessage. Never NULL: the caller decides the size.
 *  Owned: one reference. */
struct rk_bytes *envelope_seal(const struct envelope *e, const struct box_shared *shared,
                               struct rk_str plain);

#endif
